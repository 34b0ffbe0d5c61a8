"""Programs as highlighted HTML, and the difference between two of them. All text is escaped: a model wrote it."""

from __future__ import annotations

import difflib
from typing import Literal, NamedTuple

from markupsafe import Markup

Change = Literal["same", "added", "removed", "gap"]


class DiffLine(NamedTuple):
    """One line of a difference between two programs."""

    change: Change
    old: int | None
    """1-based line number in the old program."""
    new: int | None
    html: Markup


def highlight(source: str) -> list[Markup]:
    """Return the program's lines as HTML with Pygments' short class names, one entry per line of ``source``."""
    from pygments import lex  # type: ignore[import-untyped]
    from pygments.lexers import PythonLexer  # type: ignore[import-untyped]
    from pygments.token import STANDARD_TYPES  # type: ignore[import-untyped]

    text = normalised(source)
    lines: list[list[Markup]] = [[]]
    for kind, value in lex(text, PythonLexer(stripnl=False, ensurenl=False)):
        css = STANDARD_TYPES.get(kind, "")
        for place, piece in enumerate(value.split("\n")):
            if place:
                lines.append([])
            if piece:
                lines[-1].append(
                    Markup('<span class="{}">{}</span>').format(css, piece) if css else Markup.escape(piece)
                )
    return [Markup("").join(line) for line in lines]


def difference(old: str, new: str, context: int = 3) -> list[DiffLine]:
    """Return the lines that differ between two programs with ``context`` lines around; empty when they are equal."""
    before, after = normalised(old).split("\n"), normalised(new).split("\n")
    old_html, new_html = highlight(old), highlight(new)
    matcher = difflib.SequenceMatcher(None, before, after, autojunk=False)
    found: list[DiffLine] = []
    for group in matcher.get_grouped_opcodes(context):
        if found or group[0][1] > 0:
            found.append(DiffLine("gap", None, None, Markup("")))
        for tag, i1, i2, j1, j2 in group:
            if tag == "equal":
                found += [DiffLine("same", i + 1, j1 + i - i1 + 1, old_html[i]) for i in range(i1, i2)]
            else:
                found += [DiffLine("removed", i + 1, None, old_html[i]) for i in range(i1, i2)]
                found += [DiffLine("added", None, j + 1, new_html[j]) for j in range(j1, j2)]
    return found


def normalised(source: str) -> str:
    """Return ``source`` with plain line ends, no blank lines at either end, and no invisible characters.

    Control characters and Unicode's direction marks become U+FFFD: they could make a program read as something it
    is not (CVE-2021-42574).
    """
    text = source.replace("\r\n", "\n").replace("\r", "\n").strip("\n")
    return "".join(c if c.isprintable() or c in "\n\t" else "\N{REPLACEMENT CHARACTER}" for c in text)
