"""Programs as HTML: every line is there, nothing a model wrote becomes markup, differences are exact."""

from __future__ import annotations

import html
import re

from hypothesis import given, settings
from hypothesis import strategies as st

from envreward.reports.code import difference, highlight, normalised

LINES = st.lists(st.sampled_from(["a = 1", "b = '<b>'", "", "    return a", '"""doc', "# &amp; note"]), max_size=12)


def plain(markup: str) -> str:
    """Return the text that a browser shows."""
    return html.unescape(re.sub(r"<[^>]*>", "", markup))


@settings(max_examples=60, deadline=None)
@given(LINES)
def test_highlighting_changes_no_text(lines: list[str]) -> None:
    """The highlighted lines read as the program does, one entry a line, also inside open strings."""
    source = normalised("\n".join(lines))
    assert [plain(line) for line in highlight(source)] == source.split("\n")


@settings(max_examples=60, deadline=None)
@given(LINES, LINES)
def test_a_difference_rebuilds_both_programs(old: list[str], new: list[str]) -> None:
    """Without limits on context, removed and kept lines are the old program; added and kept ones the new."""
    before, after = normalised("\n".join(old)), normalised("\n".join(new))
    lines = difference(before, after, context=100)
    if before == after:
        assert lines == []
        return
    assert [plain(line.html) for line in lines if line.old] == before.split("\n")
    assert [plain(line.html) for line in lines if line.new] == after.split("\n")
    assert all((line.change == "same") == bool(line.old and line.new) for line in lines)


def test_far_apart_changes_leave_a_gap() -> None:
    """Unchanged stretches are left out, and that is shown."""
    old = [f"x{i} = {i}" for i in range(40)]
    new = ["changed", *old[1:-1], "changed too"]
    changes = [line.change for line in difference("\n".join(old), "\n".join(new))]
    assert changes == ["removed", "added", "same", "same", "same", "gap", "same", "same", "same", "removed", "added"]


def test_markup_in_a_program_stays_text() -> None:
    """A script tag in code or comment is shown, not run."""
    shown = "".join(highlight('x = "</pre><script>alert(1)</script>"  # <img src=x onerror=alert(1)>'))
    assert "<script" not in shown and "<img" not in shown
    assert "&lt;script&gt;" in shown


def test_invisible_characters_become_visible() -> None:
    """Direction marks and control characters cannot make a program read as another (CVE-2021-42574)."""
    assert normalised("a = 1\u202e # 2 = b\x00\x1b[2J") == "a = 1\ufffd # 2 = b\ufffd\ufffd[2J"
    assert normalised("\r\na\r\n\tb\r\n") == "a\n\tb"
