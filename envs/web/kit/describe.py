"""A page in words, one line per element, as a language model is shown it."""

from __future__ import annotations

from .page import CHECKS, TEXT_FIELDS, Element
from .view import SCREEN, View

MAX_DESCRIPTION = 12_000
"""Longest description in characters; the middle of a longer one is left out."""
MAX_LINE = 600


def describe(view: View, last_error: str = "") -> str:
    """Return a view in words: where it is, what went wrong last, and each element on the screen with its id."""
    page = view.page
    head = [f"Page {page.path}: {page.title}"]
    if last_error:
        head.append(f"The last action could not be taken: {last_error}")
    if view.offset:
        head.append(f"({view.offset} more above; scroll up)")
    below = len(page.elements) - view.offset - SCREEN
    foot = [f"({below} more below; scroll down)"] if below > 0 else []
    lines = [_line(view, element) for element in view.visible()]
    return "\n".join([*head, *_clipped(lines), *foot])


def _clipped(lines: list[str]) -> list[str]:
    """Leave lines out of the middle until the rest is within `MAX_DESCRIPTION`."""
    if sum(map(len, lines)) + len(lines) <= MAX_DESCRIPTION:
        return lines
    first, last, left = 0, len(lines), MAX_DESCRIPTION
    while True:  # the head gets two lines for each of the foot: what comes first on a page matters more
        take_head = first <= 2 * (len(lines) - last)
        line = lines[first] if take_head else lines[last - 1]
        left -= len(line) + 1
        if left < 0:
            break
        first, last = (first + 1, last) if take_head else (first, last - 1)
    return [*lines[:first], f"({last - first} elements left out here: the page is too long to be shown)", *lines[last:]]


def _line(view: View, element: Element) -> str:
    kind, label = element.kind, element.label
    indent = "  " if element.within else ""
    if kind == "text":
        return _cut(indent + label)
    if kind == "heading":
        return _cut(f"{indent}# {label}")
    if kind in ("row", "columns"):
        return _cut(f"{indent}{kind}: " + " | ".join(element.options))
    parts = [f'{indent}[{element.id}] {kind} "{label}"']
    if kind in TEXT_FIELDS:
        if element.type != "text":
            parts.append(f"({element.type})")
        parts.append(f'= "{view.value(element)}"')
    elif kind == "select":
        parts.append(f'= "{view.value(element)}", options: ' + ", ".join(element.options))
    elif kind in CHECKS:
        parts.append(f"of {element.group}:" if element.group else "is")
        parts.append("on" if view.checked(element) else "off")
    if element.disabled:
        parts.append("(disabled)")
    if element.id == view.focus:
        parts.append("(has the focus)")
    if element.error:
        parts.append(f"error: {element.error}")
    return _cut(" ".join(parts))


def _cut(line: str) -> str:
    line = line.replace("\n", "\\n")
    return line if len(line) <= MAX_LINE else f"{line[:MAX_LINE]}... ({len(line) - MAX_LINE:,} more characters)"
