"""The report's small print: costs, settings, versions, and what was not measured."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from envreward.llm.redact import redact
from envreward.studies.records import Status

from .charts import short
from .data import ReportData

FEW_SEEDS = 10


class Tile(NamedTuple):
    """One number of the cost section."""

    name: str
    value: str
    note: str = ""


def tiles(data: ReportData) -> list[Tile]:
    """Return what the study used, each beside its hard limit where one was set."""
    spent, budget = data.spent, data.config.budget
    if spent is None:
        return []
    found = [
        Tile("wall-clock time", duration(spent.wall_s), _limit(budget.wall_s, duration)),
        Tile("environment steps", short(spent.env_steps), _limit(budget.env_steps, short)),
        Tile("policies trained", str(spent.trainings), _limit(budget.trainings, short)),
    ]
    if data.config.llm is None and not spent.llm_calls:
        return [*found, Tile("language model", "none used", "the designer needs none")]
    tokens = f"{short(spent.prompt_tokens)} in, {short(spent.completion_tokens)} out"
    usd = (
        "unknown"
        if spent.usd is None
        else f"${spent.usd:,.2f}"
        if spent.usd >= 0.01 or not spent.usd
        else f"${spent.usd:.4f}"
    )
    return [
        *found,
        Tile("language-model calls", str(spent.llm_calls), _limit(budget.llm_calls, short)),
        Tile("tokens", short(spent.tokens), _limit(budget.tokens, short) or tokens),
        Tile(
            "US dollars",
            usd,
            _limit(budget.usd, lambda v: f"${v:,.2f}") or ("the model's price is not known" * (spent.usd is None)),
        ),
    ]


def _limit(limit: float | None, name: Any) -> str:
    return f"limit {name(limit)}" if limit is not None else ""


def duration(seconds: float) -> str:
    """Return a time span in words: ``42 s``, ``3 min 20 s``, ``2 h 5 min``."""
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min" + (f" {whole % 60} s" if whole % 60 else "")
    return f"{whole // 3600} h" + (f" {whole % 3600 // 60} min" if whole % 3600 // 60 else "")


def phases(data: ReportData) -> str:
    """Return where the time went, longest first: ``training 19 min 2 s, asking 41 s``."""
    longest = sorted(data.phases_s.items(), key=lambda item: -item[1])
    return ", ".join(f"{name} {duration(seconds)}" for name, seconds in longest if seconds >= 0.05)


def counted(n: int, noun: str) -> str:
    """Return ``1 run``, ``2 runs``."""
    return f"{n} {noun}" + ("" if n == 1 else "s")


def facts(data: ReportData) -> list[tuple[str, str]]:
    """Return the headline settings as name and value."""
    config = data.config
    found = [
        ("Environment", config.env_id),
        ("Designer", config.designer),
        ("Language model", config.llm or ""),
        ("Search", f"{config.iterations} iterations of {config.samples} candidates"),
        ("Training", f"{short(config.steps)} steps, {config.trainer}, {config.seeds} per candidate in the search"),
        ("Fitness", data.fitness_doc),
        ("Expert reward", data.expert_doc),
        ("Started", data.started),
    ]
    return [(name, value) for name, value in found if value]


def settings(data: ReportData) -> list[tuple[str, str]]:
    """Return every setting of the study, nested names joined by dots."""
    config = data.config
    seeds = [
        ("seeds of the search's trainings", ", ".join(map(str, config.search_seeds()))),
        ("seeds of the fresh trainings", ", ".join(map(str, config.report_seeds()))),
        ("seed of the search's evaluations", str(config.evaluation_seed(final=False))),
        ("seed of the fresh evaluations", str(config.evaluation_seed(final=True))),
    ]
    # A server's address may hold a password.
    return [(name, redact(value)) for name, value in (*_flat(dataclasses.asdict(config)), *seeds)]


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, "none" if value is None else str(value)


def limits(data: ReportData) -> list[str]:
    """Return what a reader must know before trusting the numbers, from what the data lacks."""
    found = list(data.notes)
    runs = len(data.arm("winner").evaluations)
    if 0 < runs < FEW_SEEDS:
        found.append(
            f"{counted(runs, 'training run')} per reward. A bootstrap interval from so few covers less than the 95% it "
            "aims at, and with fewer than four runs the interquartile mean is the plain mean."
        )
    if data.candidates:
        found.append(
            f"Fitness in the search comes from {counted(data.config.seeds, 'training run')} per candidate and served "
            "to choose the winner: it flatters the chosen one. Only the fresh-seed numbers compare rewards fairly."
        )
    if not data.arm("expert").evaluations:
        found.append(
            f"The expert reward was not measured ({data.arm('expert').absent or 'not run'}), so there is no "
            "human-normalised score."
        )
    if not data.arm("sparse").evaluations:
        found.append(f"The sparse reward was not measured ({data.arm('sparse').absent or 'not run'}).")
    curves = [value for arm in data.arms for curve in arm.curves for value in curve.fitness]
    if data.arm("winner").evaluations and all(value is None for value in curves):
        found.append("There are no learning curves: no episode ended during the trainings on fresh seeds.")
    pruned = data.status_counts().get(Status.PRUNED, 0)
    if pruned:
        count = counted(pruned, "candidate")
        found.append(f"Racing retired {count} early; what the full budget would have made of them is unknown.")
    if data.spent is not None and data.spent.usd is None:
        found.append(
            "The price of at least one language-model call is not known, so the cost in US dollars is not either."
        )
    if data.video_mp4:
        found.append("The video shows one policy in a few episodes: an illustration, no evidence.")
    found.append(
        "Success and fitness are the task's own tests, measured in a process that never loads the reward. They say "
        "nothing about qualities that the task does not test, such as how natural a motion looks."
    )
    return found
