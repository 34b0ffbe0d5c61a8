"""Numbers and statuses as text for the terminal."""

from __future__ import annotations

from rich.text import Text

from envreward.studies import Candidate, Status

_STYLES = {
    Status.PROPOSED: "cyan",
    Status.EVALUATED: "green",
    Status.TRAINED: "green",
    Status.PRUNED: "yellow",
    Status.FILTERED: "yellow",
}


def duration(seconds: float) -> str:
    """Return a duration as ``8s``, ``3:05`` or ``2:07:09``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    hours, rest = divmod(whole, 3600)
    return f"{hours}:{rest // 60:02d}:{rest % 60:02d}" if hours else f"{rest // 60}:{rest % 60:02d}"


def count(number: float) -> str:
    """Return a large number short: ``950``, ``12.3k``, ``4.1M``, ``2.0G``."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:.1f}{letter}"
    return f"{number:,.0f}"


def money(usd: float | None) -> str:
    """Return an amount in US dollars; an unknown one is not a free one."""
    return "price unknown" if usd is None else f"${usd:,.2f}" if usd >= 0.01 or usd == 0 else f"${usd:.4f}"


def percent(share: float | None) -> str:
    """Return a share in percent, or a dash when it was not measured."""
    return "-" if share is None else f"{share:.0%}"


def number(value: float | None) -> str:
    """Return a score, or a dash when it was not measured."""
    return "-" if value is None else f"{value:,.4g}"


def fitness_text(candidate: Candidate) -> str:
    """Return a candidate's scores in words."""
    if candidate.fitness is None:
        return "not scored"
    return f"fitness {candidate.fitness:,.4g}, success {percent(candidate.success)}"


def status_text(status: Status) -> Text:
    """Return a status in its colour; one that is still open says what is awaited."""
    return Text("waiting" if status is Status.PROPOSED else str(status), style=_STYLES.get(status, "red"))
