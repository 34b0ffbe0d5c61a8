"""Tasks that wait for each other and for their time."""

from . import Template

TEMPLATE = Template(
    about="orders tasks by what they need, queues them by urgency and plans them for workers",
    names=(
        {"pkg": "jobs", "Queue": "Queue", "a": "wash", "b": "dry", "c": "fold"},
        {"pkg": "builds", "Queue": "Line", "a": "fetch", "b": "make", "c": "ship"},
        {"pkg": "kitchen", "Queue": "Orders", "a": "chop", "b": "cook", "c": "serve"},
        {"pkg": "printer", "Queue": "Spool", "a": "scan", "b": "crop", "c": "print"},
    ),
    files={
        "$pkg/__init__.py": "",
        "$pkg/needs.py": '''\
"""Which tasks come before which."""


def order(needs):
    """Return the tasks so that each comes after all it needs, by name where both ways are right."""
    done, waiting = [], {task: set(wanted) for task, wanted in needs.items()}
    while waiting:
        ready = sorted(task for task, wanted in waiting.items() if not wanted - set(done))
        if not ready:
            raise ValueError("tasks need each other")
        done.append(ready[0])
        del waiting[ready[0]]
    return done


def all_needs(needs, task):
    """Return all that a task needs, directly or not."""
    found = set()
    open_ones = list(needs.get(task, ()))
    while open_ones:
        other = open_ones.pop()
        if other not in found:
            found.add(other)
            open_ones.extend(needs.get(other, ()))
    return found


def depth(needs, task):
    """Return how many tasks must run one after another before a task can."""
    wanted = needs.get(task, ())
    if not wanted:
        return 0
    return 1 + max(depth(needs, other) for other in wanted)
''',
        "$pkg/urgency.py": '''\
"""A queue: the most urgent first, the oldest of equals."""


class $Queue:
    def __init__(self):
        self._heap = []
        self._count = 0

    def __len__(self):
        return len(self._heap)

    def push(self, urgency, task):
        self._heap.append((-urgency, self._count, task))
        self._count += 1
        child = len(self._heap) - 1
        while child > 0:
            parent = (child - 1) // 2
            if self._heap[parent] <= self._heap[child]:
                break
            self._swap(parent, child)
            child = parent

    def pop(self):
        if not self._heap:
            raise IndexError("nothing waits")
        self._swap(0, len(self._heap) - 1)
        task = self._heap.pop()[2]
        parent = 0
        while True:
            child = 2 * parent + 1
            if child >= len(self._heap):
                return task
            if child + 1 < len(self._heap) and self._heap[child + 1] < self._heap[child]:
                child += 1
            if self._heap[parent] <= self._heap[child]:
                return task
            self._swap(parent, child)
            parent = child

    def _swap(self, i, j):
        self._heap[i], self._heap[j] = self._heap[j], self._heap[i]
''',
        "$pkg/workers.py": '''\
"""Plans tasks for workers."""

from $pkg.needs import order


def plan(needs, minutes, workers):
    """Return when each task starts and ends; each goes to the worker who is free first."""
    free = [0] * workers
    times = {}
    for task in order(needs):
        ready = max([times[other][1] for other in needs[task]], default=0)
        worker = free.index(min(free))
        start = max(ready, free[worker])
        times[task] = (start, start + minutes[task])
        free[worker] = start + minutes[task]
    return times


def makespan(times):
    return max((end for _, end in times.values()), default=0)


def idle(times, workers):
    """Return the minutes in which workers have nothing to do until all is done."""
    busy = sum(end - start for start, end in times.values())
    return makespan(times) * workers - busy
''',
        "tests/test_needs.py": """\
from $pkg.needs import all_needs, depth, order

NEEDS = {"$c": ["$b"], "$b": ["$a"], "$a": [], "other": ["$a"]}


def test_order():
    found = order(NEEDS)
    assert found.index("$a") < found.index("$b") < found.index("$c")


def test_order_by_name():
    assert order({"b": [], "a": [], "c": ["a"]}) == ["a", "b", "c"]


def test_order_has_all():
    assert sorted(order(NEEDS)) == sorted(NEEDS)


def test_circle():
    try:
        order({"a": ["b"], "b": ["a"]})
    except ValueError:
        return
    raise AssertionError("no error")


def test_all_needs():
    assert all_needs(NEEDS, "$c") == {"$a", "$b"}


def test_all_needs_of_first():
    assert all_needs(NEEDS, "$a") == set()


def test_depth():
    assert [depth(NEEDS, task) for task in ("$a", "$b", "$c", "other")] == [0, 1, 2, 1]


def test_depth_takes_the_longest():
    assert depth({"x": ["$a", "$b"], "$b": ["$a"], "$a": []}, "x") == 2
""",
        "tests/test_workers.py": """\
from $pkg.urgency import $Queue
from $pkg.workers import idle, makespan, plan

NEEDS = {"$a": [], "$b": ["$a"], "z": []}
MINUTES = {"$a": 5, "$b": 3, "z": 6}


def drain(*urgencies):
    queue = $Queue()
    for number, urgency in enumerate(urgencies):
        queue.push(urgency, number)
    return [queue.pop() for _ in urgencies]


def test_urgent_first():
    assert drain(1, 5, 3) == [1, 2, 0]


def test_oldest_of_equals():
    assert drain(2, 2, 2, 2) == [0, 1, 2, 3]


def test_many():
    urgencies = [3, 9, 1, 7, 5, 8, 2, 6, 4]
    assert [urgencies[i] for i in drain(*urgencies)] == [9, 8, 7, 6, 5, 4, 3, 2, 1]


def test_rising():
    assert drain(1, 2, 3, 4, 5, 6) == [5, 4, 3, 2, 1, 0]


def test_length():
    queue = $Queue()
    queue.push(1, "$a")
    queue.push(1, "$b")
    queue.pop()
    assert len(queue) == 1


def test_pop_of_empty():
    try:
        $Queue().pop()
    except IndexError:
        return
    raise AssertionError("no error")


def test_one_worker():
    assert makespan(plan(NEEDS, MINUTES, 1)) == 14


def test_two_workers():
    assert makespan(plan(NEEDS, MINUTES, 2)) == 11


def test_waits_for_needs():
    times = plan(NEEDS, MINUTES, 3)
    assert times["$b"] == (5, 8)


def test_starts_at_zero():
    times = plan(NEEDS, MINUTES, 3)
    assert times["$a"] == (0, 5) and times["z"][1] - times["z"][0] == 6


def test_makespan_of_nothing():
    assert makespan({}) == 0


def test_idle():
    assert idle({"$a": (0, 5), "$b": (5, 8)}, 2) == 8


def test_never_idle():
    assert idle({"$a": (0, 5), "$b": (0, 5)}, 2) == 0
""",
    },
)
