"""Text of an agent's: what may not be run is refused, and what runs cannot get out, hang or fill memory."""

from __future__ import annotations

import ast
import os
import time

import pytest

from envreward.envs.swe.repair.child import run_in_child
from envreward.envs.swe.repair.problem import problem
from envreward.envs.swe.repair.problems import PROBLEMS
from envreward.envs.swe.repair.rules import violation

GCD = next(p for p in PROBLEMS if p.name == "gcd")

ESCAPES = {
    "class": "def gcd(a, b):\n    return ().__class__.__base__.__subclasses__()\n",
    "dunder_import": "def gcd(a, b):\n    return __import__('os').getpid()\n",
    "import": "import os\ndef gcd(a, b):\n    return 1\n",
    "import_from": "from os import path\ndef gcd(a, b):\n    return 1\n",
    "import_submodule": "import collections.abc\ndef gcd(a, b):\n    return 1\n",
    "relative_import": "from . import x\ndef gcd(a, b):\n    return 1\n",
    "import_star": "from math import *\ndef gcd(a, b):\n    return 1\n",
    "module_in_module": "import re\ndef gcd(a, b):\n    return re.enum.sys.modules\n",
    "open": "def gcd(a, b):\n    return open('/etc/passwd').read()\n",
    "eval": "def gcd(a, b):\n    return eval('1')\n",
    "getattr": "def gcd(a, b):\n    return getattr(a, 'real')\n",
    "type": "def gcd(a, b):\n    return type(a)\n",
    "builtins": "def gcd(a, b):\n    return __builtins__\n",
    "frame": "def gcd(a, b):\n    return (x for x in []).gi_frame.f_back.f_globals\n",
    "own_frame": "class C:\n    gi_frame = 1\ndef gcd(a, b):\n    return (x for x in []).gi_frame\n",
    "traceback": "def gcd(a, b):\n    try:\n        1 / 0\n    except Exception as e:\n        e.__traceback__\n",
    "format": "def gcd(a, b):\n    return '{0.__class__}'.format(a)\n",
    "format_map": "def gcd(a, b):\n    return '{a.__class__}'.format_map({'a': a})\n",
    "globals": "def gcd(a, b):\n    return gcd.__globals__\n",
    "equal_to_all": "class C:\n    def __eq__(self, other):\n        return True\ndef gcd(a, b):\n    return C()\n",
    "base": "class C(int):\n    pass\ndef gcd(a, b):\n    return C()\n",
    "metaclass": "class C(metaclass=int):\n    pass\ndef gcd(a, b):\n    return 1\n",
    "bare_except": "def gcd(a, b):\n    try:\n        return 1\n    except:\n        return 2\n",
    "global": "def gcd(a, b):\n    global x\n    x = 1\n",
    "async": "async def gcd(a, b):\n    return 1\n",
    "match": "def gcd(a, b):\n    match a:\n        case int(real=x):\n            return x\n",
    "private_argument": "def gcd(a, b, __import__=1):\n    return 1\n",
    "patched_module": "import math\nmath.gcd = 3\ndef gcd(a, b):\n    return 1\n",
    "long_text": "def gcd(a, b):\n    return '" + "x" * 2000 + "'\n",
    "deep": "def gcd(a, b):\n    return " + "-" * 80 + "a\n",
    "long": "x = 1\n" * 3000,
}


@pytest.mark.parametrize("name", ESCAPES)
def test_ways_out_are_refused(name: str) -> None:
    """No program that reaches for the interpreter, a file, a module or a frame passes the static check."""
    assert violation(ast.parse(ESCAPES[name]), ESCAPES[name]) is not None


@pytest.mark.parametrize("p", PROBLEMS, ids=lambda p: p.name)
def test_honest_programs_pass(p) -> None:
    """Every right program of the tier is allowed."""
    assert violation(ast.parse(p.source), p.source) is None


HONEST = """import math
from collections import Counter, deque

class Pair:
    def __init__(self, a, b=0):
        self.a, self.b = a, b

    def larger(self) -> "Optional[int]":
        return self.a if self.a > self.b else self.b

def gcd(a: Number, b: typing.Any) -> int:
    queue = deque([abs(a), abs(b)])
    while queue[-1]:
        queue.append(queue[-2] % queue[-1])
    tally = Counter(str(queue[-2]))
    pair = Pair(queue[-2])
    try:
        assert pair.larger() == math.gcd(a, b), f"{a}, {b}: {tally.most_common(1)}"
    except AssertionError as error:
        raise ValueError(error.args[0]) from error
    return pair.a
"""


def test_honest_text_runs() -> None:
    """A program with imports, a class, containers and exceptions is allowed, runs, and passes the tests."""
    assert violation(ast.parse(HONEST), HONEST) is None
    outcomes = run_in_child(GCD, HONEST)
    assert list(outcomes) == list(GCD.tests) and all(outcome.passed for outcome in outcomes.values())
    assert all(sum(outcome.hits) > 10 for outcome in outcomes.values())


HOGS = {
    "loop": "def gcd(a, b):\n    while True:\n        pass\n",
    "recursion": "def gcd(a, b):\n    return gcd(a, b)\n",
    "allocation": "def gcd(a, b):\n    return len([0] * 10**10)\n",
    "join": "def gcd(a, b):\n    x = 'ab'.join(['x' * 9999] * 9999)\n    return len(x.join([x] * 9999))\n",
    "format": "def gcd(a, b):\n    return f'{a:>99999999999}'\n",
    "justify": "def gcd(a, b):\n    return 'x'.ljust(10**10)\n",
    "factorial": "import math\ndef gcd(a, b):\n    return math.factorial(10**8)\n",
    "regular_expression": "import re\ndef gcd(a, b):\n    return re.match('(a+)+$', 'a' * 60 + 'b')\n",
    "counter": "import itertools\ndef gcd(a, b):\n    return sum(itertools.count())\n",
}


@pytest.mark.parametrize("name", HOGS)
def test_hogs_are_stopped(name: str) -> None:
    """Endless loops, recursion, allocations and catastrophic expressions end within bounds, and only they fail."""
    assert violation(ast.parse(HOGS[name]), HOGS[name]) is None, "it is the process that must stop it"
    begin = time.monotonic()
    outcomes = run_in_child(GCD, HOGS[name])
    assert time.monotonic() - begin < 25
    assert set(outcomes) == set(GCD.tests)
    assert {outcome.status for outcome in outcomes.values()} <= {"budget", "error"}
    assert run_in_child(GCD, GCD.source)["test_common"].passed


def test_warnings_about_the_text_are_no_errors() -> None:
    """Text that Python would warn of runs all the same, whatever is made of warnings here."""
    source = "def gcd(a, b):\n    '\\d'\n    while b is not 0 and b:\n        a, b = b, a % b\n    return abs(a)\n"
    assert run_in_child(GCD, source)["test_common"].passed


def test_the_child_leaves_nothing_behind() -> None:
    """After tests that were killed, no child process and no file descriptor is left."""
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        run_in_child(GCD, HOGS["allocation"])
    assert len(os.listdir("/proc/self/fd")) == before
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_results_of_an_agents_text_are_those_in_process() -> None:
    """The same program has the same outcomes in the child as in this process."""
    from envreward.envs.swe.inproc import compile_program

    for p in PROBLEMS[::16]:
        here = p.suite.run(compile_program(ast.parse(p.source), p.source))
        there = run_in_child(p, p.source)
        assert {n: (o.status, o.hits.rstrip(b"\0")) for n, o in here.items()} == {
            n: (o.status, o.hits.rstrip(b"\0")) for n, o in there.items()
        }


def test_hidden_names_cannot_be_guessed_into() -> None:
    """A program that rebinds what tests use changes nothing for them: they run with names of their own."""

    def plus(a: int, b: int) -> int:
        """Add."""
        return a + b

    p = problem(plus, visible="sum: sum([plus(1, 2)]) == 3\nlen: len([plus(1, 1)]) == 2", hidden="")
    cheat = "def sum(x):\n    return 3\ndef len(x):\n    return 2\ndef plus(a, b):\n    return 0\n"
    assert {outcome.status for outcome in run_in_child(p, cheat).values()} == {"failed"}
