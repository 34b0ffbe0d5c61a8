"""Rewards under judgement, and their values over recorded episodes and over tables of single transitions.

A table is put to a reward as an episode whose steps need not follow one another. So one call, and for a program one
start of the sandbox, computes everything that is wanted of a reward.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from envreward.agents.rescoring import Score, rescore, rescore_program
from envreward.agents.rollouts import Episode, Header, Rollouts
from envreward.errors import ConfigError, RewardRuntimeError
from envreward.fields import Field, resolve
from envreward.llm.base import NO_USAGE
from envreward.rewards.choice import RewardedTask, choose_reward
from envreward.rewards.distances.transitions import Column
from envreward.rewards.program import RewardProgram
from envreward.rewards.sequence import AnyReward, SequenceReward
from envreward.sandbox import Sandbox

COST_ROWS = 1024
"""Transitions of which the cost is told: as many as a program is verified on."""
_REPEATS = 5


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A reward under judgement."""

    name: str
    reward: AnyReward | RewardProgram
    """A program runs in the sandbox alone; any other reward is trusted and runs here."""
    doc: str = ""
    """Where it comes from."""
    cost_s: float | None = None
    """Seconds per call on `COST_ROWS` transitions, where it is known: programs' from their verification."""

    @property
    def is_program(self) -> bool:
        """Whether it runs in the sandbox alone."""
        return isinstance(self.reward, RewardProgram)

    @property
    def remembers(self) -> bool:
        """Whether its value depends on more than one transition."""
        if isinstance(self.reward, RewardProgram):
            return self.reward.remembers
        return isinstance(self.reward, SequenceReward)


def trusted_subject(task: RewardedTask, name: str) -> Subject:
    """Return one of a task's own rewards.

    Raises:
        ConfigError: The task has no reward of that name.
    """
    if name not in ("expert", "sparse", *task.rewards):
        named = ", ".join(["expert"] * (task.expert is not None) + ["sparse", *task.rewards])
        raise ConfigError(f"{name!r} is neither a file nor a reward of {task.spec.id}, which has {named}")
    reward = choose_reward(task, name)
    assert reward is not None
    return Subject(name=name, reward=reward, doc=str(getattr(reward, "doc", "")))


class Values(NamedTuple):
    """A reward's values over everything that was put to it."""

    episodes: list[Score]
    """Of each episode that has steps, in order."""
    tables: list[Tensor] | None
    """Of each table, float ``[Q]``; ``None`` where it could not be computed on them."""
    absent: str
    """Why there are no tables' values."""


class Transcript(NamedTuple):
    """Episodes of one task, by whomever they were played, whose fields are declared alike."""

    header: Header
    episodes: tuple[Episode, ...]


def evaluate(
    subject: Subject,
    transcript: Transcript,
    tables: Sequence[Mapping[str, Column]],
    sandbox: Sandbox | None,
    folder: Path,
) -> Values:
    """Compute a reward over episodes and tables.

    Transitions put together from parts of others may be such as cannot happen, so a reward that fails on the tables but
    not on the episodes is no worse for it: their values are then missing.

    Args:
        subject: The reward.
        transcript: The episodes.
        tables: Fields of transitions, each with all that the reward reads; none where it remembers.
        sandbox: Where programs run; only trusted rewards can do without.
        folder: Existing scratch folder.

    Raises:
        RewardRuntimeError: The reward fails on the episodes.
        SandboxError: The sandbox cannot be used, or broke.
        UnknownNameError: The reward reads a field that was not recorded.
    """
    if subject.remembers:
        scores = _score(subject, transcript.header, transcript.episodes, sandbox, folder)
        return Values(scores, None, "it has memory, so a single transition has no value")
    extra = [_TableEpisode.of(table) for table in tables]
    played = sum(bool(episode.steps) for episode in transcript.episodes)
    try:
        scores = _score(subject, transcript.header, (*transcript.episodes, *extra), sandbox, folder)
    except RewardRuntimeError as error:
        if not extra:
            raise
        scores = _score(subject, transcript.header, transcript.episodes, sandbox, folder)
        return Values(scores, None, f"it fails on transitions put together from parts of others: {error.reason}")
    values = [score.rewards for score in scores[played:]]
    if any(bool(v.isnan().any()) for v in values):
        return Values(scores[:played], None, "some of its values could not be measured")
    return Values(scores[:played], values, "")


def measure_cost(subject: Subject, transcript: Transcript) -> float | None:
    """Return the seconds that `COST_ROWS` transitions take; for a program what is known from its verification."""
    if subject.is_program:
        return subject.cost_s
    chosen: list[Episode] = []
    for episode in transcript.episodes:
        if sum(e.steps for e in chosen) < COST_ROWS and episode.steps:
            chosen.append(episode)
    rows = sum(e.steps for e in chosen)
    rollouts = _rollouts(transcript.header, chosen)
    times = []
    for _ in range(_REPEATS):
        begin = time.perf_counter()
        _trusted(subject, rollouts)
        times.append(time.perf_counter() - begin)
    return statistics.median(times) * COST_ROWS / rows


def _score(
    subject: Subject, header: Header, episodes: Sequence[Episode], sandbox: Sandbox | None, folder: Path
) -> list[Score]:
    rollouts = _rollouts(header, episodes)
    if not isinstance(subject.reward, RewardProgram):
        return _trusted(subject, rollouts)
    if sandbox is None:
        raise ConfigError(f"{subject.name} is a program: it needs a sandbox to run in")
    return rescore_program(rollouts, subject.reward, sandbox, folder)


def _trusted(subject: Subject, rollouts: Rollouts) -> list[Score]:
    assert not isinstance(subject.reward, RewardProgram)
    with torch.inference_mode():
        return rescore(rollouts, subject.reward)


def _rollouts(header: Header, episodes: Sequence[Episode]) -> Rollouts:
    return Rollouts(path=Path(), header=header, episodes=tuple(episodes), unfinished=(), usage=NO_USAGE, torn=False)


class _TableEpisode(Episode):
    """A table of transitions in the form of an episode: ``facts`` holds columns by the names that rewards read."""

    @classmethod
    def of(cls, table: Mapping[str, Column]) -> _TableEpisode:
        rows = len(next(iter(table.values())))
        return cls(
            seed=0,
            instruction="",
            outcome="truncated",
            reason="",
            fitness=None,
            usage=NO_USAGE,
            facts=table,
            terminated=torch.zeros(rows, dtype=torch.bool),
            truncated=torch.zeros(rows, dtype=torch.bool),
            actions=[None] * rows,
            state_hash=[],
            action_error=[],
            infra_error=[],
        )

    def state(self, names: Sequence[str], fields: Mapping[str, Field]) -> dict[str, Column]:  # type: ignore[override]
        for name in names:
            resolve(name, fields)
        return {name: self.facts[name] for name in names}
