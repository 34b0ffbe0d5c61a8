"""Single-site edits: what is found, that nothing else changes, and that every edit can be taken back."""

from __future__ import annotations

import ast
import bisect
import colorsys
import fnmatch
import heapq
import inspect
import textwrap
from types import ModuleType

import pytest

from envreward.envs.swe.ast_edits import KINDS, Edit, Edits, apply, find_edits, inverse, sites


def results(source: str, *, irreversible: bool = False) -> set[str]:
    """Return every source that one edit of ``source`` leads to."""
    edits = Edits(source, irreversible=irreversible)
    return {edits.apply(edit) for edit in edits}


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("x = a < b\n", {"x = a <= b\n", "x = a > b\n", "x = a >= b\n"}),
        ("x = a == b\n", {"x = a != b\n"}),
        ("x = a not in b\n", {"x = a in b\n"}),
        ("x = a  is not  b\n", {"x = a  is  b\n"}),
        ("x = a + b\n", {"x = a - b\n", "x = a * b\n"}),
        ("x = a - b\n", {"x = a + b\n", "x = b - a\n"}),
        ("x = (a) % (b)\n", {"x = (a) // (b)\n", "x = (b) % (a)\n"}),
        ("x = a and b\n", {"x = a or b\n", "x = a and not b\n"}),
        ("x += y\n", {"x -= y\n", "x *= y\n"}),
        ("if a:\n    x()\n", {"if not a:\n    x()\n"}),
        ("if not a:\n    x()\n", {"if a:\n    x()\n"}),
        ("while a and b:  # why\n    x()\n", {
            "while a or b:  # why\n    x()\n",
            "while a and not b:  # why\n    x()\n",
            "while not (a and b):  # why\n    x()\n",
        }),
        ("x = 0\n", {"x = 1\n", "x = -1\n"}),
        ("x = -1\n", {"x = 0\n", "x = -2\n"}),
        ("x = True\n", {"x = False\n"}),
        ('x = ""\n', {'x = " "\n'}),
        ("x = y[i]\n", {"x = y[i + 1]\n", "x = y[i - 1]\n"}),
        ("x = min(a, b)\n", {"x = max(a, b)\n", "x = min(b, a)\n"}),
        ("x = a if b else c\n", {"x = c if b else a\n", "x = a if not b else c\n"}),
        ("while 1 is x:\n    break\n", {
            "while 1 is not x:\n    break\n",
            "while 2 is x:\n    break\n",
            "while 0 is x:\n    break\n",
            "while 1 is x:\n    continue\n",
            "while 1 is x:\n    pass\n",
        }),
        ("def f() -> int:\n    return x\n", {"def f() -> int:\n    return -x\n"}),
        ("def f() -> bool:\n    return x\n", {"def f() -> bool:\n    return not x\n"}),
        ("for i in range(n):\n    f()\n", {"for i in range(n + 1):\n    f()\n", "for i in range(n - 1):\n    f()\n"}),
    ],
)  # fmt: skip
def test_edits_of_a_line(source: str, expected: set[str]) -> None:
    """Each construct has exactly the edits that the mutation operators say, and keeps its spacing and comments."""
    assert results(source) == expected


def test_what_is_left_alone() -> None:
    """Annotations, docstrings, f-strings, imports and a `pass` that stands in no loop are never edited."""
    source = '''"""0 < 1"""
from a import min
x: list[0] = y
def f(a: 0 = b) -> "0 < 1":
    """True"""
    pass
    return f"{a + 1}"
'''
    assert {edit.kind for edit in find_edits(source)} <= {"negation", "sign"}
    assert all("{a + 1}" in result and "list[0]" in result for result in results(source))


def test_irreversible_edits_are_found_on_request() -> None:
    """Deleted statements, emptied strings and returned ``None`` come only when asked for, and have no inverse."""
    source = 'def f():\n    g("abc")\n    return 1\n'
    lost = {
        "def f():\n    pass\n    return 1\n",
        'def f():\n    g("")\n    return 1\n',
        'def f():\n    g("abc")\n    return None\n',
    }
    assert results(source, irreversible=True) - results(source) == lost
    extra = set(find_edits(source, irreversible=True)) - set(find_edits(source))
    assert len(extra) == 3 and all(inverse(edit) is None for edit in extra)


@pytest.mark.parametrize("module", [bisect, heapq, textwrap, colorsys, fnmatch], ids=lambda m: m.__name__)
def test_every_edit_can_be_taken_back(module: ModuleType) -> None:
    """On real modules, each edit gives a valid source, on which its inverse is offered and restores every byte."""
    source = inspect.getsource(module)
    edits = Edits(source)
    assert len(edits) > 100
    for edit in list(edits)[::4]:
        edited = edits.apply(edit)
        back = inverse(edit)
        assert edited != source and back is not None
        assert Edits(edited).apply(back) == source


@pytest.mark.parametrize("source", [
    "x = 2 ** -1\ny = -0\nz = - 1\nw = --1\nv = 0 ** n\nu = 0 .real\n",
    "x = a[b[i] + 1 + 1][-1:c - 1]\ny = a[(i) + 1]\n",
    "x = not a and not b or not (c and not d)\nif not (a < b) or not not c:\n    pass\n",
    "x = f(g(a, b), *c, (d, e), k=1)\ny = (a if b else c) if d else e\n",
    "def f(x):\n    return -(-x)\ndef g(x):\n    return -(x)\ndef h(x):\n    return - x\n",
    "x = (a  # one\n     <  # two\n     b) not in \\\n    c\n",
    "x = 'ä' < b[i] and 'ß' < c[j + 1]\n",
    "for a in b:\n    for c in d:\n        pass\n    else:\n        break\nelse:\n    pass\n",
    "x = [a for a in b if not c if d and e]\ny = lambda a: a - b\n",
    "x = a < b < c != d\ny = a - b - c ** d ** e\n",
])  # fmt: skip
def test_awkward_sources_are_closed_too(source: str) -> None:
    """Edits of sources on which naive rules are not reversible can be taken back, two deep."""
    for edit, edited in _step(source):
        back = inverse(edit)
        assert back is not None and Edits(edited).apply(back) == source, (edit, edited)
        for second, twice in _step(edited):
            back = inverse(second)
            assert back is not None and Edits(twice).apply(back) == edited, (edit, second, twice)


def _step(source: str) -> list[tuple[Edit, str]]:
    edits = Edits(source)
    return [(edit, edits.apply(edit)) for edit in edits]


def test_all_other_lines_stay() -> None:
    """An edit said to be on one line changes that line and no other."""
    source = inspect.getsource(textwrap)
    edits, lines = Edits(source), source.split("\n")
    for edit in edits:
        edited = edits.apply(edit).split("\n")
        changed = [number for number, (old, new) in enumerate(zip(lines, edited, strict=True), 1) if old != new]
        if edits.on_one_line(edit):
            assert changed == [edit.line]


def test_the_order_is_that_of_the_text() -> None:
    """Edits come sorted, without duplicates, the same each time; sites list the same ones."""
    source = inspect.getsource(heapq)
    found = find_edits(source)
    assert found == sorted(set(found)) == find_edits(source)
    assert {edit.kind for edit in found} <= set(KINDS)
    listed = [Edit(*site[:3], operator) for site in sites(source) for operator in site.operators]
    assert sorted(listed) == found


def test_positions_are_those_of_ast() -> None:
    """Columns count UTF-8 bytes, as `ast` does, so the tree and the edits speak of the same places."""
    source = "größe = 'ä' + a[1]\n"
    constant = next(n for n in ast.walk(ast.parse(source)) if isinstance(n, ast.Constant) and n.value == 1)
    assert Edit(1, constant.col_offset, "constant", "plus 1") in Edits(source)


def test_unknown_edits_are_refused() -> None:
    """An edit that the source does not have is an error that names it."""
    with pytest.raises(ValueError, match="no edit 'plus 1' at line 1, column 3"):
        apply("x = 1\n", Edit(1, 3, "constant", "plus 1"))
    with pytest.raises(ValueError, match="carriage returns"):
        find_edits("x = 1\ry = 2\n")
    with pytest.raises(SyntaxError):
        find_edits("x = (\n")
