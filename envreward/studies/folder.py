"""RunFolder: where the files of a run are."""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from envreward.training.config import MetricRow

from . import database

RUNS_VARIABLE = "ENVREWARD_RUNS"
JUDGEMENT = "judgement.json"


@dataclass(frozen=True)
class RunFolder:
    """The files of one run, by their meaning."""

    path: Path

    @property
    def judgement(self) -> Path:
        """Where it is kept what judging the winner on episodes came to; there once a report has judged it."""
        return self.path / JUDGEMENT

    def training(self, key: str) -> Path:
        """Return the folder of a training (see `envreward.training.config`)."""
        return self.path / "trainings" / key

    def policy(self, training: str, member: str) -> Path:
        """Return the folder that holds a member's ``policy.safetensors`` and ``policy.json``."""
        return self.training(training) / "members" / member

    def rows(self, training: str, members: Collection[str] | None = None) -> list[MetricRow]:
        """Return the metric rows of a training (of some members), as written so far."""
        path = self.training(training) / "metrics.jsonl"
        if not path.exists():
            return []
        lines = path.read_text().splitlines(keepends=True)
        # A line without its end is still being written.
        rows = [MetricRow.from_json(line) for line in lines if line.endswith("\n")]
        return [row for row in rows if members is None or row.key in members]


def runs_root() -> Path:
    """Return the folder in which runs are made unless told otherwise: ``$ENVREWARD_RUNS``, else ``runs``."""
    return Path(os.environ.get(RUNS_VARIABLE) or "runs")


def find_runs(root: Path) -> list[Path]:
    """Return the run folders directly in ``root``, by name."""
    return sorted(p.parent for p in root.glob(f"*/{database.FILE_NAME}")) if root.is_dir() else []
