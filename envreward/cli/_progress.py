"""Progress of a study: a live picture on a terminal, plain lines elsewhere. Both are watchers of the loop."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from envreward.studies import Candidate, Spent, Status, StudyConfig
from envreward.studies.watch import TrainingProgress

from ._format import count, duration, fitness_text, money, status_text

_LINE_EVERY_S = 15.0
_MAX_ROWS = 20


class Progress:
    """What is known of a running study; the base of both ways to show it."""

    def __init__(self, config: StudyConfig, spent: Callable[[], Spent], console: Console) -> None:
        self.config, self.spent, self.console = config, spent, console
        self.began_s = time.monotonic()
        self.iteration: int | None = None
        self.now, self.comparing = "starting", False
        self.rows: list[Candidate] = []
        self.latest: dict[str, float] = {}
        self.best: Candidate | None = None
        self.progress: TrainingProgress | None = None
        self.notes: list[str] = []

    def phase(self, text: str, iteration: int | None) -> None:
        """Begin a phase."""
        if iteration is not None and iteration != self.iteration:
            self.iteration, self.rows, self.latest = iteration, [], {}
        self.comparing = iteration is None
        self.now, self.progress = text, None

    def candidates(self, candidates: Sequence[Candidate]) -> None:
        """Take the candidates as they now stand."""
        self.rows = [*candidates]
        for candidate in candidates:
            best = self.best.fitness if self.best is not None else None
            if candidate.fitness is not None and (best is None or candidate.fitness > best):
                self.best = candidate

    def training(self, progress: TrainingProgress) -> None:
        """Take a training's progress."""
        self.progress = progress
        for row in progress.rows:
            if row.fitness is not None:
                self.latest[row.key.rpartition("-")[0]] = row.fitness

    def note(self, text: str) -> None:
        """Take a remark."""
        self.notes.append(text)

    def where(self) -> str:
        """Return the iteration and phase in words."""
        if self.comparing or self.iteration is None:
            return "final comparison on fresh seeds" + (f", {self.now}" if self.now != "comparing" else "")
        return f"iteration {self.iteration + 1}/{self.config.iterations}, {self.now}"

    def left_s(self) -> float | None:
        """Return the seconds left of the present training, or ``None`` while that is unknown."""
        p = self.progress
        return (p.steps_total - p.steps_done) / p.steps_per_s if p is not None and p.steps_per_s > 0 else None

    def study_left_s(self) -> float | None:
        """Return a rough guess of the seconds left of all trainings of the study."""
        left_s, p = self.left_s(), self.progress
        if left_s is None or p is None or self.comparing or self.iteration is None:
            return left_s
        c = self.config
        policies = (c.iterations - self.iteration - 1) * c.samples * c.seeds + 3 * c.final_seeds
        return left_s + policies * c.steps / p.steps_per_s

    def costs(self) -> str:
        """Return what was spent so far, one line."""
        spent = self.spent()
        parts = [duration(time.monotonic() - self.began_s), f"{count(spent.env_steps)} steps trained"]
        if spent.llm_calls:
            parts.append(f"{spent.llm_calls} LLM calls, {count(spent.tokens)} tokens, {money(spent.usd)}")
        return " · ".join(parts)


class Lines(Progress):
    """Plain lines, for logs and pipes."""

    def __init__(self, config: StudyConfig, spent: Callable[[], Spent], console: Console) -> None:
        super().__init__(config, spent, console)
        self._told: dict[str, Status] = {}
        self._last_s = 0.0

    def __enter__(self) -> Lines:
        return self

    def __exit__(self, *error: object) -> None:
        return None

    def phase(self, text: str, iteration: int | None) -> None:
        """Print the phase."""
        super().phase(text, iteration)
        if text != "telling":
            self._print(self.where())

    def candidates(self, candidates: Sequence[Candidate]) -> None:
        """Print each candidate whose status has changed."""
        super().candidates(candidates)
        for candidate in candidates:
            if self._told.get(candidate.id) != candidate.status and candidate.status is not Status.PROPOSED:
                self._told[candidate.id] = candidate.status
                what = candidate.reason or fitness_text(candidate)
                self._print(f"{candidate.id} {candidate.status}: {' '.join(what.split())}")

    def training(self, progress: TrainingProgress) -> None:
        """Print progress now and then."""
        super().training(progress)
        if time.monotonic() - self._last_s < _LINE_EVERY_S or not progress.steps_done:
            return
        self._last_s = time.monotonic()
        share = progress.steps_done / progress.steps_total
        speed = ""
        if (left_s := self.left_s()) is not None:
            speed = f", {progress.steps_per_s:,.0f} steps/s, {duration(left_s)} left"
        self._print(f"{share:.0%} of {progress.members} trainings{speed}")

    def note(self, text: str) -> None:
        """Print a remark."""
        super().note(text)
        self._print(text)

    def _print(self, text: str) -> None:
        elapsed = duration(time.monotonic() - self.began_s)
        self.console.print(Text(f"[{elapsed:>7}] {text}"), soft_wrap=True)


class Picture(Progress):
    """A live picture of the study, redrawn in place."""

    def __init__(self, config: StudyConfig, spent: Callable[[], Spent], console: Console) -> None:
        super().__init__(config, spent, console)
        self._cost_line, self._cost_at_s = "", -1.0
        self._live = Live(get_renderable=self._render, console=console, refresh_per_second=4, transient=True)

    def __enter__(self) -> Picture:
        self._live.__enter__()
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self._live.stop()

    def note(self, text: str) -> None:
        """Print a remark above the picture."""
        super().note(text)
        self.console.print(Text(text))

    def _render(self) -> RenderableType:
        title = self.config.env_id.removeprefix("EnvReward/")
        parts: list[RenderableType] = [Text(f"{title} · {self.config.designer} · {self.where()}", style="bold")]
        if self.progress is not None:
            parts.append(self._bar(self.progress))
        if self.rows and not self.comparing:
            parts.append(self._table())
        if self.best is not None:
            parts.append(Text(f"best so far: {self.best.id}, {fitness_text(self.best)}", style="green"))
        if time.monotonic() - self._cost_at_s > 1.0:  # the record is asked once a second, not once a frame
            self._cost_line, self._cost_at_s = self.costs(), time.monotonic()
        parts.append(Text(self._cost_line, style="dim"))
        return Group(*parts)

    def _bar(self, progress: TrainingProgress) -> RenderableType:
        speed = left = ""
        if (left_s := self.left_s()) is not None:
            speed, left = f"{progress.steps_per_s:,.0f} steps/s", f"{duration(left_s)} left"
        if (study_s := self.study_left_s()) is not None and not self.comparing:
            left += f" (study: about {duration(study_s)})"
        line = Table.grid(padding=(0, 1))
        share = progress.steps_done / progress.steps_total
        bar = ProgressBar(total=progress.steps_total, completed=progress.steps_done, width=30)
        line.add_row(bar, f"{share:.0%}", speed, left)
        return line

    def _table(self) -> Table:
        table = Table(box=None, pad_edge=False, header_style="dim")
        for name in ("id", "status", "fitness", "made by", ""):
            table.add_column(name, overflow="ellipsis", no_wrap=True, justify="right" if name == "fitness" else "left")
        for candidate in self.rows[:_MAX_ROWS]:
            live = self.latest.get(candidate.id)
            if candidate.fitness is not None:
                value = f"{candidate.fitness:,.4g}"
            else:
                value = f"{live:,.4g}" if live is not None else ""
            reason = Text(" ".join(candidate.reason.split()), style="dim")
            table.add_row(candidate.id, status_text(candidate.status), value, Text(candidate.origin), reason)
        if len(self.rows) > _MAX_ROWS:
            table.add_row("...", f"{len(self.rows) - _MAX_ROWS} more", "", "", "")
        return table


def watch(
    config: StudyConfig, spent: Callable[[], Spent], console: Console, *, asks_person: bool = False
) -> Lines | Picture:
    """Return the way to show progress that suits where the output goes, and whether a person is asked meanwhile."""
    # who talks on the terminal prints and reads while the picture would be drawn
    talks = asks_person or (config.llm is not None and "manual" in config.llm)
    return Lines(config, spent, console) if talks or not console.is_terminal else Picture(config, spent, console)
