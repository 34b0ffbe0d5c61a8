"""``metrics.jsonl``: one line per member and rollout, appended whole, readable while it grows."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Iterable, Mapping
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


def truncate(folder: Path, steps: Mapping[str, int]) -> None:
    """Drop rows past ``steps`` of their member, and a broken last line, so that a resumed training writes none twice.

    Args:
        folder: The training's folder.
        steps: Steps up to which rows are kept, by member; all rows of members that are not named are kept.
    """
    path = folder / FILE
    if not path.exists():
        return
    kept = []
    for line in path.read_text().splitlines():
        try:
            raw = json.loads(line)
        except json.JSONDecodeError:  # what a kill left of the last line
            continue
        if raw["step"] <= steps.get(raw["key"], raw["step"]):
            kept.append(line + "\n")
    draft = path.with_suffix(".draft")
    draft.write_text("".join(kept))
    draft.replace(path)
