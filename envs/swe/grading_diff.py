"""Diffs in git's format: made from changed files, read again, and applied without git.

A diff comes from an agent, so nothing of it is handed to a program: it is read strictly, and applied to contents in
memory. Only text is taken: regular files with UTF-8 contents. Binary patches, links, submodules and changes of a
file's mode are recognised, so that they can be refused by name.

The format is that of ``git diff`` (gitdiffcore and "Generating patch text with -p" in git's manual); hunks may have
moved by any number of lines, but their context must match exactly.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass, field

from envreward.errors import ActionError

from .grading_trees import Changes, Tree

MAX_DIFF = 2_000_000
"""Longest diff that is read, in characters."""
_HUNK = re.compile(r"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")
_NO_END = "\\ No newline at end of file"
_HEADERS = ("index ", "similarity ", "dissimilarity ", "old mode ", "new mode ", "copy ")


@dataclass
class Hunk:
    """A replacement of some lines, with their context."""

    start: int
    """Line of the old file at which it begins, from 1; 0 where that is empty."""
    old: list[str] = field(default_factory=list)
    new: list[str] = field(default_factory=list)


@dataclass
class FilePatch:
    """What a diff does to one file."""

    old: str | None = None
    """Path before, ``None`` where the file is added."""
    new: str | None = None
    """Path after, ``None`` where the file is deleted."""
    hunks: list[Hunk] = field(default_factory=list)
    refused: str = ""
    """Why it cannot be applied as text: ``binary`` or ``link``; empty where it can."""

    @property
    def path(self) -> str:
        """The path it is about."""
        return self.new or self.old or ""


def make_diff(base: Tree, changes: Changes) -> str:
    """Return a diff that leads from ``base`` to ``base`` with ``changes``; files that are not text are only named."""
    parts = []
    for path in sorted(changes):
        old, new = base.get(path), changes[path]
        if old == new:
            continue
        parts.append(f"diff --git a/{path} b/{path}\n")
        if old is None:
            parts.append("new file mode 100644\n")
        elif new is None:
            parts.append("deleted file mode 100644\n")
        before, after = _text(old), _text(new)
        names = "/dev/null" if old is None else f"a/{path}", "/dev/null" if new is None else f"b/{path}"
        if before is None or after is None:
            parts.append(f"Binary files {names[0]} and {names[1]} differ\n")
            continue
        for line in difflib.unified_diff(_lines(before), _lines(after), *names):
            parts.append(line if line.endswith("\n") else f"{line}\n{_NO_END}\n")
    return "".join(parts)


def diff_size(base: Tree, changes: Changes) -> tuple[int, int]:
    """Return how many lines ``changes`` add to ``base`` and how many they take away, text files only."""
    added = removed = 0
    for path, data in changes.items():
        before, after = _text(base.get(path)), _text(data)
        if before is None or after is None or before == after:
            continue
        matcher = difflib.SequenceMatcher(None, _lines(before), _lines(after), autojunk=False)
        for tag, i1, i2, j1, j2 in matcher.get_opcodes():
            if tag != "equal":
                added, removed = added + j2 - j1, removed + i2 - i1
    return added, removed


def _text(data: bytes | None) -> str | None:
    """Return contents as text: empty for no file, ``None`` where they are binary."""
    if data is None:
        return ""
    if b"\0" in data:
        return None
    try:
        return data.decode()
    except UnicodeDecodeError:
        return None


def _lines(text: str) -> list[str]:
    """Split after each line feed alone, as diffs do."""
    lines = text.split("\n")
    return [f"{line}\n" for line in lines[:-1]] + ([lines[-1]] if lines[-1] else [])


def parse_diff(text: str) -> list[FilePatch]:
    """Read a diff, with or without git's own header lines.

    Raises:
        ActionError: It is too long, or not a diff; the message names the line.
    """
    if len(text) > MAX_DIFF:
        raise ActionError(f"the diff is {len(text):,} characters long; at most {MAX_DIFF:,}")
    patches: list[FilePatch] = []
    lines = text.split("\n")
    at = 0
    while at < len(lines):
        line = lines[at]
        if line.startswith("diff --git "):
            patches.append(_begin(line))
        elif line.startswith("--- ") and at + 1 < len(lines) and lines[at + 1].startswith("+++ "):
            if not patches or patches[-1].hunks:
                patches.append(FilePatch())
            patches[-1].old, patches[-1].new = _name(line[4:]), _name(lines[at + 1][4:])
            at += 1
        elif line.startswith("@@ "):
            if not patches:
                raise ActionError(f"line {at + 1} of the diff: a hunk without a file; '--- ' and '+++ ' come first")
            hunk, at = _hunk(lines, at)
            patches[-1].hunks.append(hunk)
            continue
        elif patches:
            _header(patches[-1], line)
        at += 1
    if not patches and text.strip():
        raise ActionError("this is not a diff: it has no line that begins with 'diff --git ' or '--- '")
    return patches


def _begin(line: str) -> FilePatch:
    halves = line.removeprefix("diff --git ")
    middle = halves.find(" b/")
    old, new = (halves[:middle], halves[middle + 1 :]) if middle > 0 else (halves, halves)
    return FilePatch(old=_name(old), new=_name(new))


def _header(patch: FilePatch, line: str) -> None:
    if line.startswith("new file mode "):
        patch.old = None
    elif line.startswith("deleted file mode "):
        patch.new = None
    elif line.startswith("rename from "):
        patch.old = line.removeprefix("rename from ")
    elif line.startswith("rename to "):
        patch.new = line.removeprefix("rename to ")
    if line.startswith(("Binary files ", "GIT binary patch")):
        patch.refused = "binary"
    elif re.match(r"(new file|deleted file|old|new) mode 1[26]0000|index \S+ 1[26]0000", line):
        patch.refused = "link"


def _name(text: str) -> str | None:
    name = text.split("\t")[0].rstrip("\r")
    if name == "/dev/null":
        return None
    if name.startswith('"') and name.endswith('"'):  # git quotes names with unusual characters, octal escapes included
        name = (
            name[1:-1]
            .encode("latin-1", "replace")
            .decode("unicode_escape")
            .encode("latin-1")
            .decode("utf-8", "replace")
        )
    return name[2:] if name[:2] in ("a/", "b/") else name


def _hunk(lines: list[str], at: int) -> tuple[Hunk, int]:
    """Read the hunk whose header is line ``at``; return it and the line after it."""
    match = _HUNK.match(lines[at])
    if match is None:
        raise ActionError(f"line {at + 1} of the diff: not a hunk header: {lines[at][:80]!r}")
    start, old_left, new_left = int(match[1]), int(match[2] or 1), int(match[4] or 1)
    hunk = Hunk(start)
    at += 1
    while old_left > 0 or new_left > 0 or (at < len(lines) and lines[at].startswith("\\")):
        if at >= len(lines):
            raise ActionError("the diff ends in the middle of a hunk")
        line = lines[at]
        if line.startswith("\\"):
            _drop_newline(hunk, lines[at - 1][:1])
        elif line[:1] in ("", " "):  # some editors strip the blank of an empty context line
            hunk.old.append(line[1:] + "\n")
            hunk.new.append(line[1:] + "\n")
            old_left, new_left = old_left - 1, new_left - 1
        elif line[0] == "-":
            hunk.old.append(line[1:] + "\n")
            old_left -= 1
        elif line[0] == "+":
            hunk.new.append(line[1:] + "\n")
            new_left -= 1
        else:
            raise ActionError(f"line {at + 1} of the diff: a hunk's line begins with ' ', '+' or '-': {line[:80]!r}")
        at += 1
    if old_left or new_left:
        raise ActionError(f"line {at} of the diff: the hunk has more lines than its header says")
    return hunk, at


def _drop_newline(hunk: Hunk, kind: str) -> None:
    for side in {"-": (hunk.old,), "+": (hunk.new,)}.get(kind, (hunk.old, hunk.new)):
        if side:
            side[-1] = side[-1].removesuffix("\n")


def apply_patch(patch: FilePatch, old: bytes | None) -> bytes | None:
    """Return a file's contents after a patch; ``None``: it is deleted.

    Raises:
        ActionError: The patch does not fit the contents.
    """
    if patch.old is not None and old is None:
        raise ActionError(f"{patch.old}: the diff changes this file, but there is no such file")
    if patch.old is None and old is not None:
        raise ActionError(f"{patch.path}: the diff adds this file, but it is there already")
    text = _text(old)
    if text is None:
        raise ActionError(f"{patch.path}: a binary file cannot be patched")
    lines, shift = _lines(text), 0
    for number, hunk in enumerate(patch.hunks, 1):
        place = _find(lines, hunk, hunk.start - 1 + shift if hunk.old else hunk.start + shift)
        if place is None:
            raise ActionError(f"{patch.path}: hunk {number}, at line {hunk.start}, does not match the file")
        lines[place : place + len(hunk.old)] = hunk.new
        shift += len(hunk.new) - len(hunk.old)
    if patch.new is None:
        if lines:
            raise ActionError(f"{patch.path}: the diff deletes this file, but lines of it are left")
        return None
    return "".join(lines).encode()


def _find(lines: list[str], hunk: Hunk, wanted: int) -> int | None:
    """Return where a hunk's old lines are, nearest to where they should be."""
    size = len(hunk.old)
    if not size:
        return min(max(wanted, 0), len(lines))
    for place in sorted(range(len(lines) - size + 1), key=lambda i: (abs(i - wanted), i)):
        if lines[place : place + size] == hunk.old:
            return place
    return None
