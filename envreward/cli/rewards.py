"""``envreward rewards``: list the forms of reward that the library has, or show one's page of reference."""

from __future__ import annotations

import dataclasses
import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any

import tyro
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from envreward.rewards.catalog import FORMS, Form, find_form

from ._documented import documented

_HEADINGS = ("Source:", "Sources:", "When to use it:", "Known failures:")


@dataclass(frozen=True)
class Command:
    """List the forms of reward that can be built from others or learned, or explain one.

    A page has the formula, where it comes from, when to use it, its known failures and its options. They are parts for
    Python, put together in a task or in a script; searches write reward programs instead.
    """

    name: Annotated[str | None, tyro.conf.Positional, tyro.conf.arg(metavar="NAME", help_behavior_hint="")] = None
    """The form to explain, e.g. potential, par or machine; none: list all."""
    json: bool = False
    """Print JSON instead of text."""

    def run(self) -> int:
        """Print the list or the page."""
        if self.name is None:
            if self.json:
                return _write_json([_row(name, form) for name, form in FORMS.items()])
            _print_list(Console())
            return 0
        about = describe(find_form(self.name))
        if self.json:
            return _write_json(about)
        _print_page(Console(), about)
        return 0


def describe(form: Form) -> dict[str, Any]:
    """Return what there is to know of a form, as plain values."""
    (name,) = (name for name, other in FORMS.items() if other is form)
    return {**_row(name, form), "page": form.page(), "options": [*_options(form)]}


def _row(name: str, form: Form) -> dict[str, Any]:
    return {"name": name, "group": form.group, "summary": form.summary, "import": form.import_line}


def _options(form: Form) -> Iterator[dict[str, Any]]:
    settings = form.settings()
    if settings is None:
        return
    docs, annotations = documented(settings)
    for field in dataclasses.fields(settings):
        if field.init:
            yield {
                "name": field.name,
                "type": annotations[field.name],
                "default": _default(field),
                "doc": " ".join(docs.get(field.name, "").split()),
            }


def _default(field: dataclasses.Field[Any]) -> str | None:
    """Return an option's default as Python writes it; ``None`` where it must be given."""
    if field.default is not dataclasses.MISSING:
        return repr(field.default)
    return None if field.default_factory is dataclasses.MISSING else repr(field.default_factory())


def _write_json(value: Any) -> int:
    sys.stdout.write(json.dumps(value, indent=1) + "\n")
    return 0


def _print_list(console: Console) -> None:
    for group in dict.fromkeys(form.group for form in FORMS.values()):
        table = Table(box=None, header_style="dim", pad_edge=False, expand=True)
        table.add_column(group, no_wrap=True, min_width=max(map(len, FORMS)))
        table.add_column("", ratio=1)
        for name, form in FORMS.items():
            if form.group == group:
                table.add_row(Text(name), Text(form.summary))
        console.print(table)
        console.print()
    console.print(Text("`envreward rewards NAME` explains one.", style="dim"))


def _print_page(console: Console, about: dict[str, Any]) -> None:
    console.print(Text(about["name"], style="bold"), Text(about["import"], style="dim"), "", sep="\n")
    for paragraph in about["page"].split("\n\n"):
        for indent, text in _lines(paragraph):
            console.print(Padding(text, (0, 0, 0, indent)))
        console.print()
    if not about["options"]:
        return
    table = Table(box=None, header_style="dim", pad_edge=False)
    for column in ("option", "default"):
        table.add_column(column, no_wrap=column == "option")
    table.add_column("meaning")
    for option in about["options"]:
        default = "required" if option["default"] is None else option["default"]
        table.add_row(Text(option["name"]), Text(default), _marked(option["doc"]))
    console.print(table)


def _lines(paragraph: str) -> Iterator[tuple[int, Text]]:
    """Yield a paragraph, or the items of its list, each unbroken and with its indentation."""
    for item in re.split(r"\n(?=\s*\* )", paragraph):
        indent = 2 if item.lstrip().startswith("* ") else 0
        yield indent, _marked(" ".join(item.split()))


def _marked(text: str) -> Text:
    """Return text with code coloured and titles in italics, in place of their marks, and headings in bold."""
    styled = Text()
    styles = ("", "cyan", "cyan", "italic")
    for i, part in enumerate(re.split(r"``(.+?)``|`(.+?)`|\*(\w[^*]*)\*", text)):
        if part:
            styled.append(part, style=styles[i % len(styles)])
    for heading in _HEADINGS:
        if styled.plain.startswith(heading):
            styled.stylize("bold", 0, len(heading))
    return styled
