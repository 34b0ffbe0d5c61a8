"""Tests in process: outcomes, coverage, and budgets that end what would not end."""

from __future__ import annotations

import ast
import time

import pytest

from envreward.envs.swe.inproc import BUILTINS, FUEL, MODULES, Outcome, Suite, compile_program


def run(source: str, check: str, *, fuel: int = FUEL) -> Outcome:
    """Run one test, ``assert <check>``, on a program that defines ``f``."""
    suite = Suite("f", {"test_it": f"def test_it():\n    {check}\n"})
    return suite.run(compile_program(ast.parse(source), source), fuel)["test_it"]


def test_outcomes() -> None:
    """A test passes, fails with what it got, or ends in the exception that the program raised, with its line."""
    assert run("def f(x):\n    return x + 1\n", "assert f(1) == 2").passed
    failed = run("def f(x):\n    return x + 1\n", "assert f(1) == 3")
    assert (failed.status, failed.message) == ("failed", "assert f(1) == 3: got 2")
    other = run("def f(x):\n    return x\n", "assert f(1) is True")
    assert (other.status, other.message) == ("failed", "assert f(1) is True: got 1")
    error = run("def f(x):\n    y = [1]\n    return y[x]\n", "assert f(5) == 1")
    assert (error.status, error.exception) == ("error", "IndexError")
    assert error.message == "IndexError: list index out of range (line 3)"


def test_expected_exceptions() -> None:
    """``raises`` passes on the exception it names, and fails where none or another one comes."""
    check = "with raises(ValueError):\n        f(1)"
    assert run("def f(x):\n    raise ValueError('no')\n", check).passed
    assert run("def f(x):\n    return x\n", check).message == "did not raise ValueError"
    assert run("def f(x):\n    raise KeyError(x)\n", check).exception == "KeyError"


def test_programs_that_do_not_load() -> None:
    """A program that fails while it loads, or lacks what is tested, fails every test and says why."""
    assert run("x = 1 / 0\ndef f():\n    pass\n", "f()").status == "import"
    missing = run("def g():\n    pass\n", "f()")
    assert (missing.status, missing.message) == ("import", "NameError: f is not defined")


def test_coverage_is_that_of_the_statements_reached() -> None:
    """The lines of a test are those whose statements ran, in it or at import, compound statements by their heads."""
    source = "\n".join([
        "K = 1",
        "def f(x):",
        "    if x > 0:",
        "        y = 1",
        "    elif x < 0:",
        "        y = 2",
        "    for i in range(0):",
        "        y = 3",
        "    return x",
        "",
    ])  # fmt: skip
    reached = [line for line, hit in enumerate(run(source, "assert f(-1) == -1").hits) if hit]
    assert reached == [1, 2, 3, 5, 6, 7, 9]


HOGS = {
    "while": "def f():\n    while True:\n        pass\n",
    "caught": "def f():\n    while True:\n        try:\n            while True:\n                pass\n"
    "        except Exception:\n            pass\n",
    "recursion": "def f():\n    return f()\n",
    "mutual": "def g():\n    return f()\ndef f():\n    return g()\n",
    "lambda": "def f():\n    g = lambda h: h(h)\n    return g(g)\n",
    "growing": "def f():\n    x = [0]\n    for y in x:\n        x.append(y)\n",
    "doubling": "def f():\n    x = 'a'\n    while True:\n        x += x\n",
    "doubling_entry": "def f():\n    x = ['a']\n    while True:\n        x[0] += x[0]\n",
    "doubling_sum": "def f():\n    x = [1]\n    while True:\n        x = x + x\n",
    "repetition": "def f():\n    return 'a' * 10**12\n",
    "repetition_turned": "def f():\n    return 10**12 * [0]\n",
    "power": "def f():\n    return 9 ** 9 ** 9\n",
    "power_call": "def f():\n    return pow(7, 10**9)\n",
    "squares": "def f():\n    x = 3\n    while True:\n        x *= x\n",
    "shift": "def f():\n    return 1 << 10**10\n",
    "range": "def f():\n    return list(range(10**10))\n",
    "sum": "def f():\n    return sum(range(10**10))\n",
    "comprehension": "def f():\n    return [a for a in range(999) for b in range(999) for c in range(999)]\n",
    "generator": "def f():\n    return sum(1 for a in range(9999) for b in range(9999))\n",
    "import": "while True:\n    pass\ndef f():\n    pass\n",
}


@pytest.mark.parametrize("name", HOGS)
def test_what_would_not_end_does(name: str) -> None:
    """Endless loops and recursion, and values that outgrow memory, end at the same point in every run, and soon."""
    begin = time.process_time()
    first = run(HOGS[name], "f()")
    assert time.process_time() - begin < 1.0
    assert (first.status, first.exception) in {("budget", "OutOfFuel"), ("import", "OutOfFuel")}
    assert run(HOGS[name], "f()") == first


def test_messages_are_the_same_in_every_run() -> None:
    """A message shows no address, which would differ from process to process."""
    message = run("class C:\n    pass\ndef f():\n    return C()\n", "assert f() == 1").message
    assert message == "assert f() == 1: got <solution.C object>"


def test_fuel_is_per_test() -> None:
    """One test's endless loop takes nothing from the next."""
    source = "def f(n):\n    while n != 0:\n        n -= 1\n    return n\n"
    tests = {name: f"def {name}():\n    assert f({n}) == 0\n" for name, n in (("a", -1), ("b", 5), ("c", -1), ("d", 0))}
    results = Suite("f", tests).run(compile_program(ast.parse(source), source))
    assert [results[name].status for name in "abcd"] == ["budget", "passed", "budget", "passed"]


@pytest.mark.parametrize("expression", [
    "a + b * 2 ** 3 - c // 2",
    "[x * 2 for x in range(5) if x % 2 for y in 'ab' if y]",
    "(lambda p, q=2: p * q + 1)(3)",
    "'%s-%d' % ('a', 3) + 'b' * 3",
    "{k: v + 1 for k, v in zip('ab', (1, 2))}",
    "sorted([3, 1, 2], key=lambda v: -v)[1:] + [1 << 3, pow(2, 5, 7)]",
    "f'{a + b}' + str(1.5 * 2)",
])  # fmt: skip
def test_instrumentation_does_not_change_results(expression: str) -> None:
    """What a metered program computes is what Python computes."""
    a, b, c = 3, 4, 9
    expected = eval(expression, {"a": a, "b": b, "c": c})
    source = f"def f(a, b, c):\n    return {expression}\n"
    assert run(source, f"assert f({a}, {b}, {c}) == {expected!r}").passed


def test_augmented_assignments_keep_their_meaning() -> None:
    """Augmented assignments of variables, entries and attributes give what they should, once each."""
    source = (
        "def f():\n    x = 2\n    x += 3\n    x *= 4\n    y = [1, 2]\n    calls = []\n"
        "    y[len(calls)] += 5\n    calls += ['a']\n    x -= 1\n    x **= 2\n    return [x, y, calls]\n"
    )
    assert run(source, "assert f() == [361, [6, 2], ['a']]").passed


def test_names_are_restricted() -> None:
    """No builtin that reads, writes or reaches the interpreter is there, and modules are copies of what computes."""
    assert not BUILTINS & {"open", "eval", "exec", "compile", "input", "print", "globals", "vars", "getattr", "type"}
    for name in ("open('x')", "eval('1')", "__import__('os')", "globals()"):
        assert run(f"def f():\n    return {name}\n", "f()").exception in {"NameError", "ImportError"}
    assert run("import math\ndef f():\n    return math.gcd(4, 6)\n", "assert f() == 2").passed
    assert run("import os\ndef f():\n    pass\n", "f()").status == "import"
    assert not any(name.startswith("_") or name in ("sys", "enum") for m in MODULES.values() for name in vars(m))
