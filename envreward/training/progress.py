"""A progress bar for one training: steps, steps per second, time left, and the latest score of its members."""

from __future__ import annotations

from collections.abc import Iterable
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.text import Text

from .config import MetricRow
from .runner import TrainingHandle


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text("" if task.speed is None else f"{task.speed:,.0f} steps/s", style="progress.data.speed")


class TrainingProgress:
    """Shows how far a training has come, redrawn in place on a terminal and silent elsewhere."""

    def __init__(self, handle: TrainingHandle, console: Console) -> None:
        self._handle = handle
        self._fitness: dict[str, float] = {}
        self._success: dict[str, float] = {}
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=30),
            TaskProgressColumn(),
            _Rate(),
            TimeRemainingColumn(compact=True),
            TextColumn("{task.fields[score]}", style="green"),
            console=console,
            disable=not console.is_terminal,
            speed_estimate_period=20.0,
        )
        self._task = self._progress.add_task("training", total=handle.steps_total, score="")

    def update(self, rows: Iterable[MetricRow]) -> None:
        """Take in new metrics and redraw."""
        for row in rows:
            if row.fitness is not None and row.success is not None:
                self._fitness[row.key], self._success[row.key] = row.fitness, row.success
        self._progress.update(
            self._task, completed=self._handle.steps_done, total=self._handle.steps_total, score=self._score()
        )

    def _score(self) -> str:
        if not self._fitness:
            return ""
        fitness = sum(self._fitness.values()) / len(self._fitness)
        success = sum(self._success.values()) / len(self._success)
        return f"fitness {fitness:.4g}, success {success:.0%}"

    def __enter__(self) -> TrainingProgress:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()
