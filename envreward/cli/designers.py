"""``envreward designers``: list the reward-design methods, describe one, or say in what two differ."""

from __future__ import annotations

import inspect
import json
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import tyro
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from envreward.errors import ConfigError
from envreward.registry import find, names
from envreward.studies.composition import Composed
from envreward.studies.designer import Designer, default_checkpoint

from ._documented import documented

_UNSAID = "does not say what it is made of"
_ABSENT = object()


@dataclass(frozen=True)
class Command:
    """List the designers, describe one, or compare two stage by stage.

    A designer is one method of reward design; `envreward design` searches with the one that it is given, and takes
    values for its options. Calls are answers asked of the language model per iteration, at the designer's own number of
    samples.
    """

    name: Annotated[str | None, tyro.conf.Positional, tyro.conf.arg(metavar="NAME", help_behavior_hint="")] = None
    """The designer to describe, e.g. eureka; none: list all."""
    diff: Annotated[tuple[str, str] | None, tyro.conf.arg(metavar="A B", help_behavior_hint="")] = None
    """Two designers to compare: what differs, stage by stage, and which options they do not share."""
    json: bool = False
    """Print JSON instead of text."""

    def run(self) -> int:
        """Print the list, the description or the comparison."""
        if self.name is not None and self.diff is not None:
            raise ConfigError("give either NAME or --diff A B: a page and a comparison are two commands")
        console = Console()
        if self.diff is not None:
            first, second = (describe(name) for name in self.diff)
            compared = compare(first, second)
            _show(self.json, compared, lambda: _print_comparison(console, first, second, compared))
        elif self.name is not None:
            about = describe(self.name)
            _show(self.json, about, lambda: _print_page(console, about))
        else:
            rows = [describe(name) for name in names("designers")]
            _show(self.json, rows, lambda: _print_list(console, rows))
        return 0


def describe(name: str) -> dict[str, Any]:
    """Return what there is to know of a designer, as plain values.

    Raises:
        UnknownNameError: No such designer.
    """
    cls = find("designers", name)
    designer: Designer = cls()
    samples = designer.default_samples
    composition = designer.composition(samples) if isinstance(designer, Composed) else None
    docs = documented(cls).docs
    summary, text = _texts(name, cls)
    return {
        "name": name,
        "summary": summary,
        "text": text,
        "needs_llm": designer.needs_llm,
        "samples": samples,
        "samples_doc": docs.get("default_samples", ""),
        "iterations": designer.default_iterations,
        "iterations_doc": docs.get("default_iterations", ""),
        "checkpoint": default_checkpoint(designer),
        "checkpoint_doc": docs.get("default_checkpoint", ""),
        "calls": None if composition is None else list(composition.calls),
        "stages": None if composition is None else composition.stages(),
        "options": {
            option: {"default": None if default is _ABSENT else default, "doc": docs.get(option, "")}
            for option, default in _options(cls).items()
        },
    }


def compare(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """Return in what two designers differ: numbers, stages, shared options of another default, options of one alone.

    Args:
        first: As `describe` gives it.
        second: Likewise.
    """
    a, b = first["options"], second["options"]
    numbers = {key: [first[key], second[key]] for key in ("needs_llm", "samples", "iterations", "checkpoint", "calls")}
    stages: dict[str, Any] | None = None
    if first["stages"] is not None and second["stages"] is not None:
        stages = {key: [words, second["stages"][key]] for key, words in first["stages"].items()}
    shared = {key: [a[key]["default"], b[key]["default"]] for key in a if key in b}
    return {
        "designers": [first["name"], second["name"]],
        "numbers": _unequal(numbers),
        "stages": None if stages is None else _unequal(stages),
        "same": None if stages is None else [key for key, (x, y) in stages.items() if x == y],
        "defaults": _unequal(shared),
        "only": [sorted(a.keys() - b.keys()), sorted(b.keys() - a.keys())],
    }


def _unequal(pairs: Mapping[str, list[Any]]) -> dict[str, list[Any]]:
    return {key: pair for key, pair in pairs.items() if pair[0] != pair[1]}


def _options(cls: type[Any]) -> dict[str, Any]:
    """Return the keyword arguments of a designer's class with their defaults."""
    parameters = inspect.signature(cls).parameters.values()
    return {p.name: _ABSENT if p.default is p.empty else p.default for p in parameters if p.kind is not p.VAR_KEYWORD}


def _texts(name: str, cls: type[Any]) -> tuple[str, str]:
    """Return a designer's one line and its longer text: its module's docstring, else its class's."""
    module = inspect.getdoc(sys.modules[cls.__module__]) or ""
    text = module if module.startswith(f"{name}:") else inspect.getdoc(cls) or module
    line, _, rest = text.partition("\n\n")
    line = " ".join(line.removeprefix(f"{name}:").split()).removesuffix(".")
    own = (
        ""
        if text != module
        else re.sub(r"^The designer; its fields are its options\.\s*", "", inspect.getdoc(cls) or "")
    )
    return line, "\n\n".join(filter(None, (rest.strip(), own.strip())))


def _show(as_json: bool, value: Any, show: Any) -> None:
    if as_json:
        sys.stdout.write(json.dumps(value, indent=1, default=str) + "\n")
    else:
        show()


def _print_list(console: Console, rows: list[dict[str, Any]]) -> None:
    table = Table(box=None, header_style="dim", pad_edge=False, expand=True)
    table.add_column("designer", no_wrap=True)
    table.add_column("model", no_wrap=True)
    table.add_column("calls", no_wrap=True, justify="right")
    table.add_column("samples x iterations", no_wrap=True, justify="right")
    table.add_column("what it does", ratio=1)
    for row in rows:
        size = f"{row['samples']} x {row['iterations']}"
        cells = (row["name"], "asked" if row["needs_llm"] else "none", _calls(row), size, row["summary"])
        table.add_row(*map(Text, cells))
    console.print(table)
    console.print(
        Text("\n`envreward designers NAME` describes one; `envreward designers --diff A B` compares two.", style="dim")
    )


def _calls(about: Mapping[str, Any]) -> str:
    """Return the answers asked per iteration: ``16``, ``16-160``, or ``?`` where the designer does not say."""
    if about["calls"] is None:
        return "?" if about["needs_llm"] else "0"
    least, most = about["calls"]
    return str(least) if least == most else f"{least}-{most}"


def _print_page(console: Console, about: Mapping[str, Any]) -> None:
    console.print(Text(about["name"], style="bold"), Text(about["summary"] + "."), "", sep="\n")
    if about["text"]:
        console.print(Text(about["text"].replace("``", "`")), "", sep="\n")
    facts = _grid()
    facts.add_row("model", "asked" if about["needs_llm"] else "none")
    facts.add_row("calls", f"{_calls(about)} per iteration")
    facts.add_row("samples", Text(_with_source(about["samples"], about["samples_doc"])))
    facts.add_row("iterations", Text(_with_source(about["iterations"], about["iterations_doc"])))
    facts.add_row("checkpoint", Text(_with_source(about["checkpoint"], about["checkpoint_doc"])))
    console.print(facts)
    console.print(Text("\nStages, in the order of an iteration", style="dim"))
    if about["stages"] is None:
        console.print(Text(f" {_UNSAID}", style="dim"))
    else:
        stages = _grid()
        for stage, words in about["stages"].items():
            stages.add_row(stage, Text(words))
        console.print(Padding(stages, (0, 0, 0, 1)))
    console.print(Text("\nOptions (--option NAME=VALUE), their defaults and where these come from", style="dim"))
    options = Table(box=None, header_style="dim", pad_edge=False)
    for column in ("option", "default"):
        options.add_column(column, no_wrap=True)
    options.add_column("")
    for option, known in about["options"].items():
        options.add_row(
            *map(Text, (option, _value(known["default"]), " ".join(known["doc"].replace("``", "`").split())))
        )
    console.print(Padding(options, (0, 0, 0, 1)))


def _print_comparison(
    console: Console, first: Mapping[str, Any], second: Mapping[str, Any], compared: Mapping[str, Any]
) -> None:
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("", style="dim", no_wrap=True)
    table.add_column(first["name"], ratio=1)
    table.add_column(second["name"], ratio=1)
    for key, (a, b) in compared["numbers"].items():
        texts = (_calls(first), _calls(second)) if key == "calls" else (_value(a), _value(b))
        table.add_row(key.replace("needs_llm", "asks a model"), *map(Text, texts))
    for stage, words in (compared["stages"] or {}).items():
        table.add_row(stage, *map(Text, words))
    for option, values in compared["defaults"].items():
        table.add_row(f"option {option}", *(Text(_value(v)) for v in values))
    if any(compared["only"]):
        table.add_row("options of its own", *(Text(", ".join(own) or "none") for own in compared["only"]))
    console.print(table)
    if compared["same"] is None:
        silent = [about["name"] for about in (first, second) if about["stages"] is None]
        for name in silent:
            console.print(Text(f"\n{name} {_UNSAID}: no stages to compare", style="dim"))
    elif compared["same"]:
        console.print(Text(f"\nThe same in both: {', '.join(compared['same'])}", style="dim"))


def _grid() -> Table:
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column()
    return table


def _with_source(value: int | str, doc: str) -> str:
    return f"{value}" + (f"  ({' '.join(doc.replace('``', '`').split())})" if doc else "")


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "-" if value is None else str(value)
