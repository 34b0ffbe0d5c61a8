"""Pages as HTML, and HTML as pages.

What stands where: ``body[data-kind]`` holds the page's kind and ``title`` its title; everything with an id in ``main``
is an element or a form, in document order. A field stands with its ``label`` and, if it is wrong, a ``span.error`` in
one paragraph; checks of one legend in a ``fieldset``; a row's cells are the ``td`` or ``th`` without a class, and what
lies in a row is in its last cell, of class ``controls``. A field outside its form names it by its ``form`` attribute.
Links and actions carry the path under which the episode is served, the *root*.

No text is trusted: Jinja escapes everything, and a page read back from its HTML equals the page.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup
from selectolax.lexbor import LexborHTMLParser, LexborNode

from .layout import Block, layout
from .page import CHECKS, Element, Form, Kind, Page

ASSETS = Path(__file__).with_name("assets")


_ROOT = "\0"
"""Stands for the root in what is kept; no text of a page holds it."""


@functools.cache
def _template(name: str) -> Template:
    environment = Environment(
        loader=FileSystemLoader(ASSETS), autoescape=True, undefined=StrictUndefined, auto_reload=False
    )
    environment.globals["ROOT"] = _ROOT
    return environment.get_template(name)


@functools.lru_cache(maxsize=16384)
def _part(block: Block, inside: str) -> Markup:
    """Return the HTML of an element, a group or a row in the form ``inside``; the same ones come again and again."""
    html: Markup = _template("parts.html").module.part(block, inside)  # type: ignore[attr-defined]
    return html


def render(page: Page, root: str) -> str:
    """Return a page as an HTML document whose links begin with ``root``, e.g. ``/4f2c``."""
    return _template("page.html").render(page=page, layout=layout(page), part=_part).replace(_ROOT, root)


def parse(text: str, path: str, root: str) -> Page:
    """Return the page that an HTML document of `render` shows under ``path``."""
    document = LexborHTMLParser(text)
    body, title, main = document.body, document.css_first("title"), document.css_first("main")
    assert body is not None and title is not None and main is not None
    reader = _Reader(root)
    reader.read(main, "", "", "")
    return Page(path, title.text(), body.attributes["data-kind"] or "", tuple(reader.elements), tuple(reader.forms))


_PLAIN: dict[str, Kind] = {"p": "text", "h2": "heading", "a": "link"}


class _Reader:
    """Walks a document and collects its elements and forms."""

    def __init__(self, root: str) -> None:
        self.elements: list[Element] = []
        self.forms: list[Form] = []
        self._skip = len(root)

    def read(self, parent: LexborNode, form: str, group: str, within: str) -> None:
        """Collect what lies in a node; the arguments are ids and legend of what surrounds it."""
        for node in parent.iter():
            tag, attributes = node.tag, node.attributes
            if tag in _PLAIN and "id" in attributes:
                href = (attributes.get("href") or "")[self._skip :]
                id = attributes["id"] or ""
                self.elements.append(Element(id, _PLAIN[tag], node.text(), href=href, within=within))
            elif tag == "p":
                self._field(node, form, group, within)
            elif tag == "button":
                self.elements.append(_button(node, attributes, form, within))
            elif tag == "form":
                id = attributes["id"] or ""
                action = (attributes["action"] or "")[self._skip :]
                self.forms.append(Form(id, action, "post" if attributes["method"] == "post" else "get"))
                self.read(node, id, group, within)
            elif tag == "tr":
                self._row(node, attributes["id"] or "", form)
            elif tag == "fieldset":
                legend = node.css_first("legend")
                self.read(node, form, legend.text() if legend is not None else "", within)
            elif tag != "legend":  # table, tbody
                self.read(node, form, group, within)

    def _row(self, node: LexborNode, id: str, form: str) -> None:
        place, cells, kind = len(self.elements), [], "row"
        for cell in node.iter():
            kind = "columns" if cell.tag == "th" else "row"
            if "class" in cell.attributes:
                self.read(cell, form, "", id)
            else:
                cells.append(cell.text())
        self.elements.insert(place, Element(id, "columns" if kind == "columns" else "row", options=tuple(cells)))

    def _field(self, paragraph: LexborNode, form: str, group: str, within: str) -> None:
        label = error = ""
        control: LexborNode | None = None
        for node in paragraph.iter():
            if node.tag == "label":
                label = node.text()
            elif node.tag == "span":
                error = node.text()
            else:
                control = node
        assert control is not None
        attributes = control.attributes
        common: dict[str, Any] = {
            "id": attributes["id"],
            "label": label,
            "name": attributes.get("name") or "",
            "disabled": "disabled" in attributes,
            "form": attributes.get("form") or form,
            "group": group,
            "within": within,
            "error": error,
        }
        self.elements.append(_control(control, attributes, common))


def _control(node: LexborNode, attributes: dict[str, str | None], common: dict[str, Any]) -> Element:
    if node.tag == "textarea":
        return Element(kind="textarea", value=node.text(), **common)
    if node.tag == "select":
        options = [option.attributes for option in node.iter()]
        chosen = next((o["value"] or "" for o in options if "selected" in o), "")
        return Element(kind="select", value=chosen, options=tuple(o["value"] or "" for o in options), **common)
    type = attributes["type"] or ""
    if type in CHECKS:
        kind: Kind = "radio" if type == "radio" else "checkbox"
        return Element(kind=kind, value=attributes["value"] or "", checked="checked" in attributes, **common)
    return Element(kind="textbox", value=attributes["value"] or "", type=type, **common)


def _button(node: LexborNode, attributes: dict[str, str | None], form: str, within: str) -> Element:
    return Element(
        id=attributes["id"] or "",
        kind="button",
        label=node.text(),
        name=attributes.get("name") or "",
        value=attributes.get("value") or "",
        disabled="disabled" in attributes,
        form=attributes.get("form") or form,
        within=within,
    )
