"""TensorBoard event files, mirrored from ``metrics.jsonl``: one run per member under ``tensorboard/``.

They are written through TensorBoard's own record writer, without torch's `SummaryWriter`, whose import takes seconds.
The metrics are the record and the event files are made from it: on a resume they are simply made again.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import IO

from .config import MetricRow
from .metrics import MetricReader

FOLDER = "tensorboard"

_TAGS = {
    "success": "episode/success",
    "fitness": "episode/fitness",
    "episode_return": "episode/return",
    "episode_length": "episode/length",
    "episodes": "episode/count",
    "broken": "episode/broken",
    "reward_mean": "reward/mean",
    "entropy": "update/entropy",
    "kl": "update/kl",
    "clip_fraction": "update/clip_fraction",
    "value_loss": "update/value_loss",
    "explained_variance": "update/explained_variance",
    "learning_rate": "update/learning_rate",
    "alpha": "update/alpha",
    "value_mean": "update/value_mean",
}


def scalars(row: MetricRow) -> dict[str, float]:
    """Return a row's numbers by TensorBoard tag; what is missing is left out."""
    values = {tag: getattr(row, name) for name, tag in _TAGS.items()}
    values |= {f"component/{name}": value for name, value in row.components.items()}
    return {tag: float(value) for tag, value in values.items() if value is not None}


class EventMirror:
    """Writes event files that say what the folder's metrics say."""

    def __init__(self, folder: Path) -> None:
        """Begin anew, without the event files of an earlier session."""
        self._target = folder / FOLDER
        shutil.rmtree(self._target, ignore_errors=True)
        self._reader = MetricReader(folder)
        self._started = False

    def update(self) -> None:
        """Add the rows that were written since the last call."""
        by_member: dict[str, list[MetricRow]] = {}
        for row in self._reader.new_rows():
            by_member.setdefault(row.key, []).append(row)
        for key, rows in by_member.items():
            path = self._target / key / "events.out.tfevents.0000000000.envreward"
            new = not path.exists()
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("ab") as file:
                _write(file, rows, new)


def _write(file: IO[bytes], rows: list[MetricRow], new: bool) -> None:
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.summary.writer.record_writer import RecordWriter

    writer = RecordWriter(file)
    if new:
        writer.write(Event(file_version="brain.Event:2", wall_time=rows[0].wall_s).SerializeToString())
    for row in rows:
        values = [Summary.Value(tag=tag, simple_value=value) for tag, value in scalars(row).items()]
        event = Event(wall_time=row.wall_s, step=row.step, summary=Summary(value=values))
        writer.write(event.SerializeToString())
    writer.flush()
