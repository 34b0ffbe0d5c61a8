"""Loans, due dates and fines."""

from . import Template

TEMPLATE = Template(
    about="lends things for some days, keeps waiting lists and collects fines",
    names=(
        {"pkg": "library", "Member": "Reader", "thing": "atlas", "other": "novel"},
        {"pkg": "toolshed", "Member": "Maker", "thing": "drill", "other": "saw"},
        {"pkg": "costumes", "Member": "Guest", "thing": "crown", "other": "cape"},
        {"pkg": "bikes", "Member": "Rider", "thing": "racer", "other": "tandem"},
    ),
    files={
        "$pkg/__init__.py": "",
        "$pkg/dates.py": '''\
"""Days of a year without leap days, counted from 1."""

LENGTHS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def day_of_year(month, day):
    if not 1 <= month <= 12 or not 1 <= day <= LENGTHS[month - 1]:
        raise ValueError("no such day")
    return sum(LENGTHS[: month - 1]) + day


def month_and_day(number):
    for month, length in enumerate(LENGTHS, 1):
        if number <= length:
            return month, number
        number -= length
    raise ValueError("no such day")


def is_weekend(number):
    """Return whether a day is one, where day 1 is a Monday."""
    return (number - 1) % 7 >= 5
''',
        "$pkg/fines.py": '''\
"""What being late costs, in cents."""

from $pkg.dates import is_weekend

PER_DAY = 20
MOST = 500


def late_days(due, returned):
    """Return the days after the due one, without weekends."""
    return sum(not is_weekend(day) for day in range(due + 1, returned + 1))


def fine(due, returned):
    return min(MOST, PER_DAY * late_days(due, returned))
''',
        "$pkg/loans.py": '''\
"""Who has what."""

from $pkg.fines import fine

DAYS = 14
LIMIT = 3


class $Member:
    def __init__(self, name):
        self.name = name
        self.owes = 0
        self.has = {}

    def may_borrow(self):
        return len(self.has) < LIMIT and self.owes <= 100


class Desk:
    def __init__(self, things):
        self.inside = set(things)
        self.queues = {thing: [] for thing in things}

    def lend(self, member, thing, day):
        """Lend a thing and return the day it is due."""
        if not member.may_borrow():
            raise ValueError("may not borrow")
        queue = self.queues[thing]
        if thing not in self.inside or (queue and queue[0] != member.name):
            raise ValueError("not to be had")
        if queue:
            queue.pop(0)
        self.inside.remove(thing)
        member.has[thing] = day + DAYS
        return day + DAYS

    def take_back(self, member, thing, day):
        """Take a thing back; return whose turn it is, if anybody's."""
        due = member.has.pop(thing)
        member.owes += fine(due, day)
        self.inside.add(thing)
        return self.queues[thing][0] if self.queues[thing] else None

    def reserve(self, member, thing):
        """Return the place in the waiting list, from 1."""
        queue = self.queues[thing]
        if member.name not in queue:
            queue.append(member.name)
        return queue.index(member.name) + 1
''',
        "tests/test_dates.py": """\
from $pkg.dates import day_of_year, is_weekend, month_and_day
from $pkg.fines import fine, late_days


def fails(month, day):
    try:
        day_of_year(month, day)
    except ValueError:
        return True
    return False


def test_first():
    assert day_of_year(1, 1) == 1


def test_last():
    assert day_of_year(12, 31) == 365


def test_march():
    assert day_of_year(3, 1) == 60


def test_no_such_day():
    assert fails(2, 29) and fails(4, 0)


def test_no_such_month():
    assert fails(0, 1) and fails(13, 1)


def test_back():
    assert [month_and_day(n) for n in (1, 31, 32, 59, 60, 365)] == [(1, 1), (1, 31), (2, 1), (2, 28), (3, 1), (12, 31)]


def test_beyond():
    try:
        month_and_day(366)
    except ValueError:
        return
    raise AssertionError("no error")


def test_weekends():
    assert [n for n in range(1, 15) if is_weekend(n)] == [6, 7, 13, 14]


def test_late():
    assert late_days(1, 3) == 2


def test_not_late():
    assert late_days(5, 5) == 0


def test_weekend_is_free():
    assert late_days(5, 8) == 1


def test_fine():
    assert fine(1, 5) == 80


def test_fine_has_an_end():
    assert fine(1, 200) == 500


def test_no_fine():
    assert fine(10, 3) == 0
""",
        "tests/test_loans.py": """\
from $pkg.loans import Desk, $Member


def make():
    return Desk(["$thing", "$other", "c", "d"]), $Member("ann"), $Member("bob")


def fails(call, *arguments):
    try:
        call(*arguments)
    except ValueError:
        return True
    return False


def test_due():
    desk, ann, bob = make()
    assert desk.lend(ann, "$thing", 3) == 17


def test_lent_is_gone():
    desk, ann, bob = make()
    desk.lend(ann, "$thing", 1)
    assert fails(desk.lend, bob, "$thing", 2)


def test_limit():
    desk, ann, bob = make()
    for thing in ("$thing", "$other", "c"):
        desk.lend(ann, thing, 1)
    assert fails(desk.lend, ann, "d", 1)


def test_below_the_limit():
    desk, ann, bob = make()
    desk.lend(ann, "$thing", 1)
    desk.lend(ann, "$other", 1)
    assert ann.may_borrow()


def test_back_in_time():
    desk, ann, bob = make()
    desk.lend(ann, "$thing", 1)
    assert desk.take_back(ann, "$thing", 15) is None
    assert ann.owes == 0 and "$thing" in desk.inside


def test_back_late():
    desk, ann, bob = make()
    desk.lend(ann, "$thing", 1)
    desk.take_back(ann, "$thing", 17)
    assert ann.owes == 40


def test_debts():
    desk, ann, bob = make()
    ann.owes = 101
    assert fails(desk.lend, ann, "$thing", 1)


def test_small_debts():
    desk, ann, bob = make()
    ann.owes = 100
    assert ann.may_borrow()


def test_reserve():
    desk, ann, bob = make()
    assert [desk.reserve(ann, "c"), desk.reserve(bob, "c"), desk.reserve(ann, "c")] == [1, 2, 1]


def test_reserved_for_another():
    desk, ann, bob = make()
    desk.reserve(bob, "c")
    assert fails(desk.lend, ann, "c", 1)


def test_turn_comes():
    desk, ann, bob = make()
    desk.lend(ann, "c", 1)
    desk.reserve(bob, "c")
    assert desk.take_back(ann, "c", 2) == "bob"
    desk.lend(bob, "c", 3)
    assert desk.queues["c"] == []
""",
    },
)
