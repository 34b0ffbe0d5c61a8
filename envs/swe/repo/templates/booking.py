"""Rooms and the times at which they are taken."""

from . import Template

TEMPLATE = Template(
    about="books rooms by the minute and finds free times",
    names=(
        {"pkg": "rooms", "Room": "Room", "who": "ann", "other": "bob"},
        {"pkg": "courts", "Room": "Court", "who": "eva", "other": "tom"},
        {"pkg": "studios", "Room": "Studio", "who": "lea", "other": "jan"},
        {"pkg": "tables", "Room": "Table", "who": "kim", "other": "max"},
    ),
    files={
        "$pkg/__init__.py": "",
        "$pkg/times.py": '''\
"""Times of a day in minutes, and spans of them."""


def parse(text):
    """Return the minutes of a time like 09:30."""
    hours, minutes = text.split(":")
    if not (0 <= int(hours) <= 24 and 0 <= int(minutes) < 60):
        raise ValueError("no time: " + text)
    return int(hours) * 60 + int(minutes)


def show(minutes):
    return "%02d:%02d" % (minutes // 60, minutes % 60)


def overlap(a, b):
    """Return how many minutes two spans share."""
    return max(0, min(a[1], b[1]) - max(a[0], b[0]))
''',
        "$pkg/plan.py": '''\
"""What is booked."""

from $pkg.times import overlap


class $Room:
    def __init__(self, opens, closes):
        self.opens = opens
        self.closes = closes
        self.bookings = []

    def is_free(self, start, end):
        if start < self.opens or end > self.closes:
            return False
        return not any(overlap((start, end), taken[:2]) for taken in self.bookings)

    def book(self, start, end, who):
        if end <= start:
            raise ValueError("ends before it begins")
        if not self.is_free(start, end):
            raise ValueError("taken or closed")
        self.bookings.append((start, end, who))
        self.bookings.sort()

    def cancel(self, who):
        """Take away all bookings of someone; return how many there were."""
        before = len(self.bookings)
        self.bookings = [taken for taken in self.bookings if taken[2] != who]
        return before - len(self.bookings)
''',
        "$pkg/finder.py": '''\
"""Finds free times."""


def gaps(room):
    """Return the free spans of a room, in order."""
    found = []
    at = room.opens
    for start, end, _ in room.bookings:
        if start > at:
            found.append((at, start))
        at = end
    if at < room.closes:
        found.append((at, room.closes))
    return found


def first_free(room, length):
    """Return when the first gap of at least so many minutes begins."""
    for start, end in gaps(room):
        if end - start >= length:
            return start
    return None


def usage(room):
    """Return the share of the opening hours that is taken, in percent."""
    free = sum(end - start for start, end in gaps(room))
    open_for = room.closes - room.opens
    return 100 * (open_for - free) // open_for
''',
        "tests/test_times.py": """\
from $pkg.times import overlap, parse, show


def test_parse():
    assert parse("09:30") == 570


def test_parse_midnight():
    assert parse("00:00") == 0


def test_parse_last():
    assert parse("24:00") == 1440


def test_parse_bad_minutes():
    try:
        parse("10:60")
    except ValueError:
        return
    raise AssertionError("no error")


def test_parse_bad_hours():
    try:
        parse("25:00")
    except ValueError:
        return
    raise AssertionError("no error")


def test_show():
    assert show(570) == "09:30"


def test_show_and_parse():
    assert [parse(show(m)) for m in (1, 59, 60, 61, 1439)] == [1, 59, 60, 61, 1439]


def test_overlap():
    assert overlap((0, 10), (5, 20)) == 5


def test_overlap_inside():
    assert overlap((5, 6), (0, 20)) == 1


def test_no_overlap():
    assert overlap((0, 10), (12, 20)) == 0


def test_touching_is_no_overlap():
    assert overlap((0, 10), (10, 20)) == 0
""",
        "tests/test_plan.py": """\
from $pkg.finder import first_free, gaps, usage
from $pkg.plan import $Room


def make():
    room = $Room(540, 1020)
    room.book(600, 660, "$who")
    room.book(720, 780, "$other")
    return room


def test_free():
    assert make().is_free(660, 720)


def test_taken():
    assert not make().is_free(650, 670)


def test_closed_before():
    assert not make().is_free(530, 550)


def test_closed_after():
    assert not make().is_free(1000, 1021)


def test_until_closing():
    assert make().is_free(1000, 1020)


def test_from_opening():
    assert make().is_free(540, 600)


def test_book_taken_fails():
    room = make()
    try:
        room.book(610, 620, "$who")
    except ValueError:
        assert len(room.bookings) == 2
        return
    raise AssertionError("no error")


def test_book_backwards_fails():
    try:
        make().book(900, 900, "$who")
    except ValueError:
        return
    raise AssertionError("no error")


def test_bookings_are_sorted():
    room = make()
    room.book(540, 550, "$other")
    assert [taken[0] for taken in room.bookings] == [540, 600, 720]


def test_cancel():
    room = make()
    assert room.cancel("$who") == 1
    assert room.bookings == [(720, 780, "$other")]


def test_gaps():
    assert gaps(make()) == [(540, 600), (660, 720), (780, 1020)]


def test_gaps_of_an_empty_room():
    assert gaps($Room(0, 10)) == [(0, 10)]


def test_gaps_without_room_between():
    room = make()
    room.book(660, 720, "$who")
    assert gaps(room) == [(540, 600), (780, 1020)]


def test_first_free():
    assert first_free(make(), 60) == 540


def test_first_free_long():
    assert first_free(make(), 61) == 780


def test_first_free_none():
    assert first_free(make(), 241) is None


def test_usage():
    assert usage(make()) == 25


def test_usage_of_an_empty_room():
    assert usage($Room(0, 10)) == 0
""",
    },
)
