"""Page: what a site shows, as a flat list of elements in document order.

A page says what HTML would say and no more: links have paths, fields have names, labels and values, forms have
methods and actions. So it can be rendered as HTML and read back without loss, and a browser's view of that HTML is the
same page again.

Kinds of elements, and what their attributes mean:

=========  =====================================================================================================
link       ``label``, ``href``
button     ``label``; submits ``form``, adding ``name=value`` where it has a name
textbox    ``label``, ``name``, ``value``; ``type`` is HTML's: text, search, email, tel, password, number, date
textarea   ``label``, ``name``, ``value``
checkbox   ``label``, ``name``, ``value`` (sent when checked), ``checked``; ``group``: legend of the fieldset
radio      the same; radio buttons of one name and form exclude each other
select     ``label``, ``name``, ``options`` (texts that are sent as they are), ``value``: the chosen one
heading    ``label``
text       ``label``
row        ``options``: texts of the cells of a table's row; elements that follow with ``within`` = its id lie in it
columns    ``options``: titles of a table's columns
=========  =====================================================================================================
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

Kind: TypeAlias = Literal[
    "link", "button", "textbox", "textarea", "checkbox", "radio", "select", "heading", "text", "row", "columns"
]
TEXT_FIELDS: frozenset[str] = frozenset(("textbox", "textarea"))
CHECKS: frozenset[str] = frozenset(("checkbox", "radio"))
CONTROLS: frozenset[str] = TEXT_FIELDS | CHECKS | {"select"}
"""Kinds that hold a value which their form sends."""
INTERACTIVE: frozenset[str] = CONTROLS | {"link", "button"}


class Element(NamedTuple):
    """One thing on a page. Make it with keyword arguments; see the module's table of kinds."""

    id: str
    """Unique on its page: a letter, then letters, digits, ``-``, ``_``. The same thing keeps its id."""
    kind: Kind
    label: str = ""
    """What a user reads: the text of a link, button, heading or text; a field's label."""
    name: str = ""
    """Name under which a field or a button is sent."""
    value: str = ""
    """Value as the site sent it; what has been typed since is in the `View`."""
    options: tuple[str, ...] = ()
    checked: bool = False
    disabled: bool = False
    form: str = ""
    """Id of the form that it belongs to; empty for none."""
    href: str = ""
    type: str = "text"
    group: str = ""
    """Legend of a group of checkboxes or radio buttons that stand together."""
    within: str = ""
    """Id of the row or columns element that it lies in."""
    error: str = ""
    """What is wrong with a field's value, shown beside it."""


class Form(NamedTuple):
    """Fields and buttons that are sent together."""

    id: str
    action: str
    """Path without a query."""
    method: Literal["get", "post"] = "get"
    """``get`` opens ``action?name=value&...``; ``post`` changes the state and redirects."""


@dataclass(frozen=True)
class Page:
    """What a site shows under one path."""

    path: str
    """With the query."""
    title: str
    kind: str
    """What sort of page it is, one of the app's ``page_kinds``."""
    elements: tuple[Element, ...]
    forms: tuple[Form, ...] = ()

    @functools.cached_property
    def by_id(self) -> dict[str, Element]:
        """Elements by id."""
        return {element.id: element for element in self.elements}

    @functools.cached_property
    def index(self) -> dict[str, int]:
        """Positions in ``elements`` by id."""
        return {element.id: i for i, element in enumerate(self.elements)}

    @functools.cached_property
    def form_by_id(self) -> dict[str, Form]:
        """Forms by id."""
        return {form.id: form for form in self.forms}

    @functools.cached_property
    def controls(self) -> dict[str, tuple[Element, ...]]:
        """Fields and buttons of each form, in document order."""
        members: dict[str, list[Element]] = {form.id: [] for form in self.forms}
        for element in self.elements:
            if element.form and (element.kind in CONTROLS or element.kind == "button"):
                members[element.form].append(element)
        return {form: tuple(found) for form, found in members.items()}

    def find(self, kind: Kind, label: str = "", *, name: str = "", value: str = "", within: str = "") -> Element | None:
        """Return the first element of a kind with these attributes, as far as they are given; ``None`` for none."""
        return next(self._matching(kind, label, name, value, within), None)

    def _matching(self, kind: Kind, label: str, name: str, value: str, within: str) -> Iterator[Element]:
        for e in self.elements:
            if e.kind != kind or (label and e.label != label) or (name and e.name != name):
                continue
            if (not value or e.value == value) and (not within or e.within == within):
                yield e
