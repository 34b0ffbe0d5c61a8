"""The table of mutants: which edits of which packages break which tests."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from envreward.errors import ConfigError

from ..ast_edits import Edit

FORMAT = 1


class Mutant(NamedTuple):
    """One fault."""

    module: str
    """File that it is in."""
    edit: Edit
    """What makes it, in the released file."""
    broken: tuple[int, ...]
    """Numbers of the tests that it breaks, in `PackageTable.tests`."""


class PackageTable(NamedTuple):
    """The mutants of one release of a package."""

    package: str
    version: str
    sha256: str
    """Of the source distribution."""
    tests: tuple[str, ...]
    """Tests that pass as released, sorted; each mutant breaks some of them."""
    notes: tuple[str, ...]
    """Names of what a grader notes on the package as released, which is therefore no sign of cheating."""
    mutants: tuple[Mutant, ...]


def table_path() -> Path:
    """Return the file of the table that is shipped."""
    return Path(__file__).parent / "assets" / "mutants.json"


@cache
def shipped_tables() -> dict[str, PackageTable]:
    """Return the tables that are shipped, by package."""
    return read_tables(table_path())


def write_tables(tables: Mapping[str, PackageTable], path: Path) -> None:
    """Write tables as JSON, one mutant to a line; numbers of tests as first and last of each run of them."""
    packages: dict[str, Any] = {}
    for name, table in sorted(tables.items()):
        modules = sorted({mutant.module for mutant in table.mutants})
        rows = [[modules.index(m.module), *m.edit, _runs(m.broken)] for m in sorted(table.mutants)]
        packages[name] = {
            **{"version": table.version, "sha256": table.sha256, "notes": table.notes, "modules": modules},
            **{"tests": _by_file(table.tests), "mutants": rows},
        }
    text = json.dumps({"format": FORMAT, "packages": packages}, separators=(",", ":"), ensure_ascii=False)
    text = text.replace("]],[", "]],\n[").replace('"mutants":[', '"mutants":[\n')
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_suffix(".tmp")
    scratch.write_text(text + "\n", encoding="utf-8")
    scratch.replace(path)


def read_tables(path: Path) -> dict[str, PackageTable]:
    """Read tables.

    Raises:
        ConfigError: The file is missing, damaged or of another format.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if data["format"] != FORMAT:
            raise ConfigError(f"{path} is in format {data['format']}, not {FORMAT}; build it again")
        return {name: _table(name, values) for name, values in data["packages"].items()}
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        raise ConfigError(f"the table of mutants {path} cannot be read: {type(error).__name__}: {error}") from None


def _table(name: str, values: Mapping[str, Any]) -> PackageTable:
    mutants = []
    for module, line, column, kind, operator, runs in values["mutants"]:
        broken = tuple(number for first, last in runs for number in range(first, last + 1))
        mutants.append(Mutant(values["modules"][module], Edit(line, column, kind, operator), broken))
    tests = tuple(f"{file}::{rest}" for file, rests in values["tests"].items() for rest in rests)
    return PackageTable(name, values["version"], values["sha256"], tests, tuple(values["notes"]), tuple(mutants))


def _by_file(tests: Iterable[str]) -> dict[str, list[str]]:
    files: dict[str, list[str]] = {}
    for test in tests:
        file, _, rest = test.partition("::")
        files.setdefault(file, []).append(rest)
    return files


def _runs(numbers: Iterable[int]) -> list[list[int]]:
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return runs
