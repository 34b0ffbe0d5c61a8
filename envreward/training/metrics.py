"""``metrics.jsonl``: one line per member and rollout, appended whole, readable while it grows."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Iterable
from pathlib import Path

from .config import MetricRow

FILE = "metrics.jsonl"


def append_rows(folder: Path, rows: Iterable[MetricRow]) -> None:
    """Append rows to the folder's metrics.

    All go in one write to a file opened for appending, so that lines of several processes never mix and a kill leaves
    at most one broken line, the last.
    """
    text = "".join(json.dumps(dataclasses.asdict(row), allow_nan=False) + "\n" for row in rows)
    if not text:
        return
    handle = os.open(folder / FILE, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(handle, text.encode())
    finally:
        os.close(handle)


def read_rows(folder: Path) -> list[MetricRow]:
    """Return all rows of the folder's metrics, in the order in which they were written."""
    return MetricReader(folder).new_rows()


class MetricReader:
    """Reads ``metrics.jsonl`` as it grows."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE
        self._offset = 0

    def new_rows(self) -> list[MetricRow]:
        """Return the rows that were completed since the last call."""
        if not self._path.exists():
            return []
        with self._path.open("rb") as file:
            file.seek(self._offset)
            data = file.read()
        complete = data[: data.rfind(b"\n") + 1]
        self._offset += len(complete)
        return [MetricRow.from_json(line) for line in complete.decode().splitlines()]


class MetricWriter:
    """Appends rows that are not there yet.

    A resumed training computes the rows between its last checkpoint and the kill once more, the same ones. Leaving
    out those that are there keeps the file append-only, so that whoever reads it as it grows never has to start over.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._written: dict[str, int] = {}
        for row in read_rows(folder):
            self._written[row.key] = max(row.step, self._written.get(row.key, 0))

    def write(self, rows: Iterable[MetricRow]) -> None:
        """Append the rows that are newer than the last of their member."""
        append_rows(self._folder, [row for row in rows if row.step > self._written.get(row.key, 0)])


def repair(folder: Path) -> None:
    """Cut off the broken last line that a kill may have left. No other process may be writing."""
    path = folder / FILE
    if not path.exists():
        return
    with path.open("rb+") as file:
        file.truncate(file.read().rfind(b"\n") + 1)
