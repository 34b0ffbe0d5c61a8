"""The table of faults: which edits of which templates break which tests."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

from envreward.errors import ConfigError


class Fault(NamedTuple):
    """One fault, in all variants of a template."""

    template: str
    module: int
    """Number of the file that it is in, among the modules in order of their names."""
    edit: int
    """Number of the edit that makes it, among all edits of that file."""
    broken: tuple[int, ...]
    """Numbers of the test functions that fail, in order of file and definition."""


def table_path() -> Path:
    """Return the file of the table that is shipped."""
    return Path(__file__).parent / "assets" / "faults.json"


def write_faults(faults: Sequence[Fault], path: Path) -> None:
    """Write a table, one fault to a line."""
    rows = ",\n".join(json.dumps(fault, separators=(",", ":")) for fault in faults)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"[\n{rows}\n]\n", encoding="utf-8")


@cache
def read_faults(path: Path) -> tuple[Fault, ...]:
    """Read a table.

    Raises:
        ConfigError: It is missing or damaged.
    """
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
        return tuple(Fault(template, module, edit, tuple(broken)) for template, module, edit, broken in rows)
    except (OSError, ValueError, TypeError) as error:
        raise ConfigError(f"the table of faults {path} cannot be read: {error}") from None
