"""Judge: from rewards and recorded episodes to findings."""

from __future__ import annotations

import itertools
import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from envreward.agents.rescoring import Score, agreement
from envreward.errors import ConfigError, RewardError
from envreward.registry import make_task
from envreward.rewards.distances import EpicSample, StarcSample
from envreward.rewards.distances.transitions import reads_before
from envreward.sandbox import Sandbox

from .components import component_findings, is_constant
from .config import JudgingConfig
from .evidence import Draw, Player, draw_transitions, public_states, transcript
from .exploits import exploit_finding
from .findings import ExploitFinding, Judgement, PairFindings, PolicyScore, RewardFindings, Sensitivity
from .scoring import Subject, Transcript, evaluate, measure_cost
from .sensitivity import SensitivitySample
from .statistics import correlate


@dataclass(frozen=True, kw_only=True)
class _Samples:
    """The transitions by which rewards are compared: the same for all."""

    drawn: Draw
    epic: EpicSample
    starc: StarcSample
    sensitivity: SensitivitySample


@dataclass(frozen=True, kw_only=True)
class _Judged:
    """A reward's values on everything, taken apart."""

    subject: Subject
    own: list[Score]
    """Over the policies' episodes."""
    exploits: list[Score]
    transitions: Tensor
    """Of the transitions drawn, ``[R]``."""
    epic: Sequence[Tensor] | None
    """Of the tables that EPIC asks for."""
    sensitivity: Sensitivity | None
    absent: str
    """Why there is neither."""


def judge(
    env_id: str,
    subjects: Sequence[Subject],
    players: Sequence[Player],
    *,
    exploits: Sequence[Player] = (),
    sandbox: Sandbox | None = None,
    config: JudgingConfig | None = None,
) -> Judgement:
    """Judge rewards over recorded episodes.

    Args:
        env_id: The task.
        subjects: At least one reward; names differ.
        players: Episodes of the policies to judge with.
        exploits: Archived exploits, a player each.
        sandbox: Where programs run; only needed for them.
        config: How much to compute.

    Raises:
        ConfigError: There is nothing to judge, or episodes are of different versions of the task.
        RewardRuntimeError: A reward fails on the episodes; the message names it.
        SandboxError: The sandbox cannot be used, or broke.
    """
    if not subjects:
        raise ConfigError("name at least one reward to judge")
    config = config or JudgingConfig()
    task = make_task(env_id)
    everything = transcript([*players, *exploits])
    own = transcript(players)
    drawn = draw_transitions(players, config.transitions, seed=config.seed)
    found = drawn.transitions
    samples = _Samples(
        drawn=drawn,
        epic=EpicSample(
            found, coverage=config.coverage, expectation=config.expectation, gamma=config.gamma, seed=config.seed
        ),
        starc=StarcSample(public_states(found, own.header.fields), gamma=config.gamma, seed=config.seed),
        sensitivity=SensitivitySample(found, limit=config.sensitivity, seed=config.seed),
    )
    judged = []
    with tempfile.TemporaryDirectory(prefix="envreward-judge-") as scratch:
        for number, subject in enumerate(subjects):
            folder = Path(scratch) / str(number)
            folder.mkdir()
            judged.append(_compute(subject, everything, own, samples, sandbox, folder))
    policies = _policies(players, judged)
    return Judgement(
        env_id=task.spec.id,
        fitness_doc=task.fitness_doc,
        policies=policies,
        rewards=tuple(_reward(one, own, policies, exploits, samples, config) for one in judged),
        pairs=tuple(_pair(a, b, policies, samples, config) for a, b in itertools.combinations(judged, 2)),
    )


def _compute(
    subject: Subject,
    everything: Transcript,
    own: Transcript,
    samples: _Samples,
    sandbox: Sandbox | None,
    folder: Path,
) -> _Judged:
    names = subject.reward.parameters
    epic = [] if subject.remembers else samples.epic.tables(names)
    sensitivity = [] if subject.remembers else samples.sensitivity.tables(names)
    try:
        values = evaluate(subject, everything, [*epic, *sensitivity], sandbox, folder)
    except RewardError as error:
        raise type(error)(f"{subject.name}: {error.reason}", line=error.line, fix=error.fix) from error
    played = sum(bool(episode.steps) for episode in own.episodes)
    scores = values.episodes[:played]
    tables = values.tables
    return _Judged(
        subject=subject,
        own=scores,
        exploits=values.episodes[played:],
        transitions=torch.cat([score.rewards for score in scores])[samples.drawn.rows],
        epic=None if tables is None else tables[: len(epic)],
        sensitivity=None if tables is None else samples.sensitivity.result(names, tables[len(epic) :]),
        absent=values.absent,
    )


def _policies(players: Sequence[Player], judged: Sequence[_Judged]) -> tuple[PolicyScore, ...]:
    """Return what each policy did and was paid; scores come in the order of the players' episodes with steps."""
    found, start = [], 0
    for player in players:
        end = start + sum(bool(episode.steps) for episode in player.rollouts.episodes)
        scored = [e for e in player.rollouts.episodes if e.outcome != "lost"]
        fitness = [e.fitness for e in scored if e.fitness is not None]
        found.append(
            PolicyScore(
                policy=player.name,
                kind=player.kind,
                episodes=len(scored),
                success=sum(bool(e.success) for e in scored) / len(scored) if scored else None,
                fitness=statistics.fmean(fitness) if fitness else None,
                returns={one.subject.name: _mean_return(one.own[start:end]) for one in judged},
            )
        )
        start = end
    return tuple(found)


def _mean_return(scores: Sequence[Score]) -> float | None:
    returns = [score.episode_return for score in scores if score.episode.outcome != "lost"]
    known = [value for value in returns if value is not None]
    return statistics.fmean(known) if known and len(known) == len(returns) else None


def _reward(
    one: _Judged,
    own: Transcript,
    policies: Sequence[PolicyScore],
    exploits: Sequence[Player],
    samples: _Samples,
    config: JudgingConfig,
) -> RewardFindings:
    subject = one.subject
    rewards = torch.cat([score.rewards.double() for score in one.own])
    rewards = rewards[torch.isfinite(rewards)]
    constant = not len(rewards) or is_constant(rewards)
    summary = agreement(one.own)
    absent = {"distance by EPIC, sensitivity": one.absent} if one.absent else {}
    if one.sensitivity is None and not one.absent:
        absent["sensitivity"] = "it is the same in all transitions that were drawn"
    if (cost_s := measure_cost(subject, own)) is None:
        absent["cost"] = "it was not verified before"
    return RewardFindings(
        name=subject.name,
        doc=subject.doc,
        reads=tuple(subject.reward.parameters),
        remembers=subject.remembers,
        cost_s=cost_s,
        nonzero_steps=summary.nonzero_steps / summary.steps if summary.steps else 0.0,
        constant=constant,
        components=component_findings(one.own),
        fitness=correlate(
            [p.returns[subject.name] for p in policies],
            [p.fitness for p in policies],
            resamples=config.resamples,
            seed=config.seed,
        ),
        auc=summary.auc,
        sensitivity=one.sensitivity,
        exploits=_exploits(one, exploits),
        absent=absent,
    )


def _exploits(one: _Judged, exploits: Sequence[Player]) -> tuple[ExploitFinding, ...]:
    found, start = [], 0
    for player in exploits:
        end = start + sum(bool(episode.steps) for episode in player.rollouts.episodes)
        finding = exploit_finding(player.rollouts.path, player.rollouts.header.actor, one.exploits[start:end], one.own)
        if finding is not None:
            found.append(finding)
        start = end
    return tuple(found)


def _pair(
    one: _Judged, two: _Judged, policies: Sequence[PolicyScore], samples: _Samples, config: JudgingConfig
) -> PairFindings:
    names = (one.subject.name, two.subject.name)
    absent = {}
    epic = starc_val = starc_minimal = None
    if one.epic is None or two.epic is None:
        absent["EPIC"] = "; ".join(f"{j.subject.name}: {j.absent}" for j in (one, two) if j.epic is None)
    else:
        try:
            epic = samples.epic.distance(one.epic, two.epic)
        except RewardError as error:
            absent["EPIC"] = error.reason
    if bool(torch.isfinite(one.transitions).all() & torch.isfinite(two.transitions).all()):
        starc_val = samples.starc.distance(one.transitions, two.transitions, "val")
        starc_minimal = samples.starc.distance(one.transitions, two.transitions, "minimal")
    else:
        absent["STARC"] = "a reward of some step could not be measured"
    return PairFindings(
        first=names[0],
        second=names[1],
        returns=correlate(
            [p.returns[names[0]] for p in policies],
            [p.returns[names[1]] for p in policies],
            resamples=config.resamples,
            seed=config.seed,
        ),
        epic=epic,
        composed=any(reads_before(j.subject.reward.parameters, samples.drawn.transitions.after) for j in (one, two)),
        starc_val=starc_val,
        starc_minimal=starc_minimal,
        transitions=len(samples.drawn.rows),
        absent=absent,
    )
