"""Layout: a page's flat list of elements as nested blocks, the way HTML nests them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

from .page import CHECKS, CONTROLS, Element, Form, Page


class Block(NamedTuple):
    """An element, or something that holds blocks."""

    kind: Literal["element", "group", "table", "row", "form", "distant_form"]
    element: Element | None = None
    """The element; of a row, the row; of a group, its first member."""
    blocks: tuple[Block, ...] = ()
    form: Form | None = None
    """Of a form, it. A distant form holds nothing; its fields name it by their ``form`` attribute."""


def layout(page: Page) -> list[Block]:
    """Return a page's elements as blocks, in document order.

    A form holds everything from its first field to its last one. Where fields of another form lie between these, it
    stands empty at the page's beginning, and its fields name it.
    """
    units = list(_units(page.elements))
    owners = [_forms(unit) for unit in units]
    spans: dict[str, tuple[int, int]] = {}
    for i, owner in enumerate(owners):
        for form in owner:
            spans[form] = (spans.get(form, (i, i))[0], i)
    around = {
        form: span for form, span in spans.items() if all(set(owners[i]) <= {form} for i in range(span[0], span[1] + 1))
    }
    blocks = [Block("distant_form", form=form) for form in page.forms if form.id not in around]
    starts = {span[0]: (form, span[1]) for form, span in around.items()}
    i = 0
    while i < len(units):
        if i in starts:
            form, last = starts[i]
            blocks.append(Block("form", None, tuple(units[i : last + 1]), page.form_by_id[form]))
            i = last + 1
        else:
            blocks.append(units[i])
            i += 1
    return blocks


def _units(elements: Sequence[Element]) -> Iterator[Block]:
    """Yield the tables, groups of checks and other elements that follow each other."""
    i = 0
    while i < len(elements):
        element = elements[i]
        start = i
        i += 1
        if element.kind in ("row", "columns"):
            while i < len(elements) and (elements[i].kind in ("row", "columns") or elements[i].within):
                i += 1
            yield Block("table", None, tuple(_rows(elements[start:i])))
        elif element.kind in CHECKS and element.group:
            while i < len(elements) and _together(element, elements[i]):
                i += 1
            yield Block("group", element, tuple(Block("element", e) for e in elements[start:i]))
        else:
            yield Block("element", element)


def _together(first: Element, other: Element) -> bool:
    return other.kind in CHECKS and (other.group, other.form) == (first.group, first.form)


def _rows(elements: Sequence[Element]) -> Iterator[Block]:
    starts = [i for i, e in enumerate(elements) if e.kind in ("row", "columns")]
    for start, end in zip(starts, [*starts[1:], len(elements)], strict=True):
        yield Block("row", elements[start], tuple(_units(elements[start + 1 : end])))


def _forms(block: Block) -> tuple[str, ...]:
    """Return the ids of the forms that have fields or buttons in a block."""
    if block.kind == "element":
        element = block.element
        assert element is not None
        return (element.form,) if element.form and (element.kind in CONTROLS or element.kind == "button") else ()
    return tuple(dict.fromkeys(form for inner in block.blocks for form in _forms(inner)))
