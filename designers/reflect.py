"""Reflect: put into words how a candidate's training went, or why it could not be used."""

from __future__ import annotations

import math
from collections.abc import Sequence

from envreward.llm import Message
from envreward.studies.designer import Brief
from envreward.studies.records import Candidate, Status, Traces

from .prompt import render

CHECKPOINTS = 10
"""Values shown per quantity: eureka/eureka.py of the release samples each curve at every ``max_iterations // 10``."""

FEEDBACK = "curves of components, task score, success and length at {} times, with maximum, mean and minimum"
"""What `reflection` tells, for a designer's `Composition`; takes the number of times."""

_WHAT = {
    Status.UNPARSED: "no program could be read from it.",
    Status.REJECTED: "the program breaks a rule.",
    Status.FAILED: "the program failed when it was run.",
    Status.TIMED_OUT: "the program took too long.",
    Status.CRASHED: "the program's process died.",
}


def reflection(candidate: Candidate, brief: Brief, *, checkpoints: int = CHECKPOINTS, words: str = "") -> str:
    """Return the feedback on a trained candidate: reward reflection (arXiv:2310.12931, section 3.3).

    Each reward component, the task score, the success rate and the episode length at about ``checkpoints`` evenly
    spaced times, then maximum, mean and minimum over *all* values, as eureka/eureka.py of the release computes them.
    Values are shown to three significant digits, not to two decimals as there, where small components read 0.00.

    Args:
        candidate: One with traces or evaluations.
        brief: Its task.
        checkpoints: Times shown.
        words: What the name of the template begins with, where answers are no programs, e.g. ``"machine_"``.
    """
    traces = candidate.traces or Traces()
    stride = max(len(traces.steps) // checkpoints, 1)
    return render(
        f"{words}reflection",
        rows=curves(candidate, checkpoints=checkpoints),
        interval=f"{traces.steps[stride] - traces.steps[0]:,}" if len(traces.steps) > stride else "",
        score=scores(candidate),
        fitness_doc=brief.fitness_doc.strip(),
    )


def curves(candidate: Candidate, *, checkpoints: int = CHECKPOINTS) -> list[str]:
    """Return one line per quantity that was measured in a candidate's training; see `reflection`."""
    traces = candidate.traces or Traces()
    stride = max(len(traces.steps) // checkpoints, 1)
    measured: dict[str, Sequence[float | None]] = {
        **traces.components,
        "task score": traces.fitness,
        "success rate": traces.success,
        "episode length": traces.episode_length,
    }
    return [_row(name, values, stride) for name, values in measured.items() if any(v is not None for v in values)]


def scores(candidate: Candidate) -> str:
    """Return a candidate's clean-room scores in words; empty where it has none."""
    evaluations = candidate.evaluations
    if not evaluations:
        return ""
    length = sum(e.episode_length for e in evaluations) / len(evaluations)
    return (
        f"task score {number(candidate.fitness)}, success rate {number(candidate.success)}, "
        f"episode length {number(length)}"
    )


def failure_feedback(status: Status, reason: str, *, words: str = "") -> str:
    """Return the feedback on an answer that gave no usable reward.

    Args:
        status: How it ended.
        reason: Why, with line and fix where they are known.
        words: As for `reflection`.
    """
    return render(f"{words}failure", what=_WHAT.get(status, f"it ended as {status}."), reason=reason.strip())


def said(answer: str) -> Message:
    """Return an earlier answer as the assistant's turn; providers refuse a turn without text."""
    return Message(role="assistant", content=answer.strip() or "(no answer)")


def turn(candidate: Candidate, brief: Brief, *, checkpoints: int = CHECKPOINTS, words: str = "") -> list[Message]:
    """Return the two messages that show a candidate: its answer, and the feedback on it."""
    trained = candidate.traces is not None or bool(candidate.evaluations)
    text = (
        reflection(candidate, brief, checkpoints=checkpoints, words=words)
        if trained and candidate.status not in _WHAT
        else failure_feedback(candidate.status, candidate.reason, words=words)
    )
    return [said(candidate.answer), Message(role="user", content=text)]


def number(value: float | None) -> str:
    """Return a value to three significant digits (whole from 100 on), ``-`` when it is missing."""
    if value is None or not math.isfinite(value):
        return "-" if value is None else str(value)
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _row(name: str, values: Sequence[float | None], stride: int) -> str:
    known = [v for v in values if v is not None]
    shown = ", ".join(number(v) for v in values[::stride])
    return (
        f"{name}: [{shown}], max {number(max(known))}, mean {number(sum(known) / len(known))}, min {number(min(known))}"
    )
