"""Marks, averages and ranks."""

from . import Template

TEMPLATE = Template(
    about="collects points, turns them into marks and ranks people",
    names=(
        {"pkg": "school", "Course": "Course", "p": "ida", "q": "leo"},
        {"pkg": "league", "Course": "Season", "p": "uma", "q": "rex"},
        {"pkg": "contest", "Course": "Round", "p": "zoe", "q": "sam"},
        {"pkg": "academy", "Course": "Class", "p": "mia", "q": "ben"},
    ),
    files={
        "$pkg/__init__.py": "",
        "$pkg/marks.py": '''\
"""Marks from points."""

LIMITS = ((90, "A"), (75, "B"), (60, "C"), (50, "D"))


def percent(points, most):
    if most <= 0:
        raise ValueError("no points to be had")
    return 100 * points // most


def mark(points, most):
    reached = percent(points, most)
    for limit, letter in LIMITS:
        if reached >= limit:
            return letter
    return "F"


def curve(points, most):
    """Move all points up so that the best one is full."""
    lift = most - max(points)
    return [min(most, value + lift) for value in points]
''',
        "$pkg/course.py": '''\
"""Points of people in tests."""


class $Course:
    def __init__(self, weights):
        self.weights = dict(weights)
        self.points = {}

    def enter(self, name, test, points):
        if test not in self.weights:
            raise KeyError(test)
        if not 0 <= points <= 100:
            raise ValueError("points out of range")
        self.points.setdefault(name, {})[test] = points

    def average(self, name):
        """Return the weighted average of the tests that were taken, rounded down."""
        taken = self.points.get(name, {})
        weight = sum(self.weights[test] for test in taken)
        if weight == 0:
            return None
        return sum(points * self.weights[test] for test, points in taken.items()) // weight

    def missing(self, name):
        return sorted(set(self.weights) - set(self.points.get(name, {})))

    def best(self, test):
        scored = [(points[test], name) for name, points in self.points.items() if test in points]
        return max(scored)[1] if scored else None
''',
        "$pkg/ranks.py": '''\
"""Ranks and summaries."""


def ranking(course):
    """Return names and averages, best first, equal ones by name."""
    rows = [(name, course.average(name)) for name in course.points]
    return sorted(rows, key=lambda row: (-row[1], row[0]))


def places(course):
    """Return the place of each; equal averages share one, and the next is left out."""
    found = {}
    rows = ranking(course)
    for number, (name, average) in enumerate(rows, 1):
        if number > 1 and rows[number - 2][1] == average:
            found[name] = found[rows[number - 2][0]]
        else:
            found[name] = number
    return found


def median(values):
    ordered = sorted(values)
    middle = len(ordered) // 2
    if len(ordered) % 2 == 1:
        return ordered[middle]
    return (ordered[middle - 1] + ordered[middle]) / 2


def spread(values):
    return max(values) - min(values)
''',
        "tests/test_marks.py": """\
from $pkg.marks import curve, mark, percent
from $pkg.ranks import median, spread


def test_percent():
    assert percent(15, 20) == 75


def test_percent_rounds_down():
    assert percent(2, 3) == 66


def test_percent_of_nothing():
    try:
        percent(1, 0)
    except ValueError:
        return
    raise AssertionError("no error")


def test_percent_of_one():
    assert percent(1, 1) == 100


def test_marks():
    assert [mark(points, 100) for points in (95, 80, 65, 55, 10)] == ["A", "B", "C", "D", "F"]


def test_limits():
    assert [mark(points, 100) for points in (90, 89, 75, 74, 60, 50, 49)] == ["A", "B", "B", "C", "C", "D", "F"]


def test_curve():
    assert curve([10, 30, 45], 50) == [15, 35, 50]


def test_curve_of_full():
    assert curve([20, 50], 50) == [20, 50]


def test_median():
    assert median([5, 1, 3]) == 3


def test_median_of_even():
    assert median([4, 1, 3, 2]) == 2.5


def test_median_of_one():
    assert median([7]) == 7


def test_spread():
    assert spread([3, 9, 4]) == 6
""",
        "tests/test_course.py": """\
from $pkg.course import $Course
from $pkg.ranks import places, ranking


def make():
    course = $Course({"one": 1, "two": 3})
    course.enter("$p", "one", 80)
    course.enter("$p", "two", 60)
    course.enter("$q", "two", 90)
    return course


def test_average():
    assert make().average("$p") == 65


def test_average_of_some():
    assert make().average("$q") == 90


def test_average_of_none():
    assert make().average("nobody") is None


def test_enter_again():
    course = make()
    course.enter("$p", "two", 100)
    assert course.average("$p") == 95


def test_unknown_test():
    try:
        make().enter("$p", "three", 1)
    except KeyError:
        return
    raise AssertionError("no error")


def test_too_many_points():
    for points in (-1, 101):
        try:
            make().enter("$p", "one", points)
        except ValueError:
            continue
        raise AssertionError("no error")


def test_limits_are_allowed():
    course = make()
    course.enter("$q", "one", 0)
    course.enter("$p", "one", 100)
    assert (course.average("$q"), course.average("$p")) == (67, 70)


def test_missing():
    assert make().missing("$q") == ["one"]


def test_nothing_missing():
    assert make().missing("$p") == []


def test_best():
    assert make().best("two") == "$q"


def test_best_of_none():
    assert $Course({"one": 1}).best("one") is None


def test_ranking():
    assert ranking(make()) == [("$q", 90), ("$p", 65)]


def test_places():
    assert places(make()) == {"$q": 1, "$p": 2}


def test_shared_places():
    course = make()
    course.enter("a", "two", 90)
    course.enter("z", "two", 10)
    assert places(course) == {"a": 1, "$q": 1, "$p": 3, "z": 4}
""",
    },
)
