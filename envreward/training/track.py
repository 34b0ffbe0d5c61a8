"""Mirrors a training's metrics to Weights & Biases. Runs outside the sandbox, which has no network and no key."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

from envreward.errors import MissingExtraError

from .config import MetricRow, TrainingJob
from .tensorboard import scalars


class WandbMirror:
    """One W&B run per member, grouped by the training."""

    def __init__(self, job: TrainingJob, name: str, project: str = "envreward") -> None:
        """Prepare to log ``job``; runs are opened as their first metrics come.

        Args:
            job: The training, for the runs' configuration.
            name: What the runs are grouped under.
            project: W&B project.

        Raises:
            MissingExtraError: W&B is not installed.
        """
        try:
            import wandb
        except ModuleNotFoundError as error:
            raise MissingExtraError("--track", "track") from error
        self._wandb, self._job, self._name, self._project = wandb, job, name, project
        self._runs: dict[str, Any] = {}

    def log(self, rows: Iterable[MetricRow]) -> None:
        """Log rows, each at its member's step."""
        for row in rows:
            if row.key not in self._runs:
                self._runs[row.key] = self._open(row.key)
            self._runs[row.key].log(scalars(row), step=row.step)

    def close(self) -> None:
        """Finish all runs."""
        for run in self._runs.values():
            run.finish()
        self._runs.clear()

    def _open(self, key: str) -> Any:
        member = next(m for m in self._job.members if m.key == key)
        config = dataclasses.asdict(dataclasses.replace(self._job, members=(member,)))
        return self._wandb.init(
            project=self._project,
            group=self._name,
            name=f"{self._name}/{key}",
            id=f"{self._name}-{key}".replace("/", "-"),
            resume="allow",
            reinit="create_new",
            config=config,
        )
