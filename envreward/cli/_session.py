"""Running a study from the command line: progress, Ctrl-C, the verdict at the end."""

from __future__ import annotations

import contextlib
import shlex
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from envreward.errors import BudgetExceededError, EnvRewardError, RewardError
from envreward.studies import Status
from envreward.studies.store import StudyStore

from ._format import number, percent
from ._progress import watch

if TYPE_CHECKING:
    from envreward.studies.crew import Crew
    from envreward.studies.loop import StudyResult


def run_study(store: StudyStore, crew: Crew, *, video: bool) -> int:
    """Run or go on with a study, write its report (with a film of the winner) and say how it ended; closes ``store``.

    Returns:
        0 when a winner was found, 130 after Ctrl-C.

    Raises:
        RewardError: No candidate could be trained.
        BudgetExceededError: A limit was reached before one was.
        EnvRewardError: The study could not go on; how to resume it was said.
    """
    from envreward.studies.loop import Study

    folder, console = store.folder, Console()
    try:
        # a designer of somebody else's may be older than this question
        asks = getattr(crew.designer, "asks_person", False)
        progress = watch(store.config, store.spent, console, asks_person=asks)
        with store, _terminated_is_interrupted(), progress as watcher:
            result = Study(store, crew, watcher).run()
            failures = _failures(store) if result.winner is None else ""
    except KeyboardInterrupt:
        sys.stderr.write(f"envreward: stopped, nothing is lost; go on with: {resume_command(folder)}\n")
        return 130
    except (EnvRewardError, OSError):
        sys.stderr.write(f"envreward: what was finished is kept; go on with: {resume_command(folder)}\n")
        raise
    from envreward.reports import write_report

    report = write_report(folder, video=video)
    _print_end(console, folder, report, result)
    if result.winner is None:
        text = f"no candidate could be trained and scored: {failures}; see `envreward show {folder}`"
        raise BudgetExceededError(f"{result.stopped}; {text}") if result.stopped else RewardError(text)
    return 0


def resume_command(folder: Path) -> str:
    """Return the command line that goes on with the run in ``folder``."""
    return f"envreward resume {shlex.quote(str(folder))}"


def print_verdict(console: Console, folder: Path) -> None:
    """Print the report's first words and its table of the final comparison."""
    from envreward.reports.load import load_report_data
    from envreward.reports.verdict import NAMES, judge

    verdict = judge(load_report_data(folder, film=False))
    console.print(Text(verdict.headline, style="bold"))
    for sentence in verdict.sentences:
        console.print(Text(f"  {sentence}"))
    table = Table(box=None, header_style="dim")
    for name in ("", "seeds", "mean fitness", "IQM", "95% interval", "success"):
        table.add_column(name, justify="left" if not name else "right")
    for row in verdict.rows:
        interval = f"{number(row.interval.low)} to {number(row.interval.high)}" if row.interval else "-"
        seeds = str(len(row.arm.evaluations)) if row.arm.evaluations else "-"
        table.add_row(NAMES[row.arm.name], seeds, number(row.mean), number(row.iqm), interval, percent(row.success))
    console.print(table)


def _print_end(console: Console, folder: Path, report: Path, result: StudyResult) -> None:
    console.print()
    print_verdict(console, folder)
    lines = [("report", str(report)), ("reward", f"envreward show {shlex.quote(str(folder))} --code")]
    if result.stopped:
        lines.append(("ended early", result.stopped))
        lines.append(("go on", f"{resume_command(folder)} with a higher limit, e.g. --max-minutes 60"))
    for name, text in lines:
        console.print(Text(f"{name + ':':<13}{text}"), soft_wrap=True)


def _failures(store: StudyStore) -> str:
    candidates = store.candidates()
    counts = [(status, sum(c.status is status for c in candidates)) for status in Status]
    return ", ".join(f"{n} {status}" for status, n in counts if n) or "none was proposed"


@contextlib.contextmanager
def _terminated_is_interrupted() -> Iterator[None]:
    """Let SIGTERM, as batch systems send it, end the study as cleanly as Ctrl-C."""

    def interrupt(signum: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    previous = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)
