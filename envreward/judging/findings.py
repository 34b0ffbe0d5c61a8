"""Findings: what was measured of rewards, as plain data. What could not be measured is ``None``, with the reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, TypeAlias

Kind: TypeAlias = Literal["reference", "null", "random", "trained", "recorded"]
"""What kind of policy acted: a behaviour of the task's own, the zero action, random actions or weights, a trained one,
or whoever a given file is of."""

ComponentState: TypeAlias = Literal["live", "constant", "negligible", "stuck"]
"""``constant``: never differs. ``negligible``: it moves, but next to the others it does not show. ``stuck``: nearly all
steps are at one end of its range."""

Course: TypeAlias = Literal["aligned", "hacked", "misaligned", "indifferent", "collapsed", "flat", "unclear"]
"""How a reward's own return and the task's score moved against each other in a training; see `divergence`."""


class Interval(NamedTuple):
    """A 95% interval."""

    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Correlation:
    """How two numbers per policy go together."""

    policies: int
    """Over how many policies."""
    pearson: float | None
    """``None`` where one of the two never differs, or with fewer than two policies."""
    spearman: float | None
    """Of ranks."""
    pearson_interval: Interval | None = None
    """95%, percentile bootstrap over policies; ``None`` with fewer than four."""
    spearman_interval: Interval | None = None


@dataclass(frozen=True, kw_only=True)
class PolicyScore:
    """What one policy did, and what each reward paid for it."""

    policy: str
    kind: Kind
    episodes: int
    """Without those that the machinery lost."""
    success: float | None
    """Share of episodes; ``None`` without any."""
    fitness: float | None
    """Mean over episodes."""
    returns: Mapping[str, float | None]
    """Mean undiscounted return by reward; ``None`` where some step's reward could not be measured."""


@dataclass(frozen=True, kw_only=True)
class ComponentFinding:
    """One component of a reward over all steps of all policies."""

    name: str
    mean: float
    spread: float
    """Standard deviation over steps."""
    low: float
    high: float
    share: float | None
    """Its spread as a share of that of all components; ``None`` where nothing moves."""
    at_one_end: float
    """Share of steps within 1% of its range of the end that is more frequent."""
    end: Literal["low", "high"]
    """Which end that is."""
    state: ComponentState


@dataclass(frozen=True, kw_only=True)
class Sensitivity:
    """How much the reward depends on each field that it reads."""

    transitions: int
    influence: Mapping[str, float]
    """Share of the reward's variance that goes with the field, largest first; they need not add up to 1, as fields act
    together. A field and its ``prev_`` value count as one."""


@dataclass(frozen=True, kw_only=True)
class ExploitFinding:
    """What a reward pays for the episodes of one archived exploit, held against honest successes."""

    source: str
    """File name."""
    actor: str
    episodes: int
    successes: int
    """Exploits in which the task's success test held all the same."""
    exploit_return: float
    """Median over the exploit's episodes."""
    honest_episodes: int
    """Successful episodes of the policies judged with."""
    honest_return: float | None
    """Median over honest successes; ``None`` where there are none."""
    paid_more: float | None
    """Probability that an exploit is paid more than an honest success, a tie counting one half."""


@dataclass(frozen=True, kw_only=True)
class RewardFindings:
    """All that was found of one reward alone."""

    name: str
    doc: str
    """Where it comes from."""
    reads: tuple[str, ...]
    """Fields."""
    remembers: bool
    """Whether it has memory over steps, and hence no value for a single transition."""
    cost_s: float | None
    """Seconds per 1,024 transitions on this machine, one thread."""
    nonzero_steps: float
    """Share of steps in which it pays anything but zero."""
    constant: bool
    """Whether it is the same in every step of every policy."""
    components: tuple[ComponentFinding, ...]
    fitness: Correlation
    """Of its mean return with the task's fitness, over policies."""
    auc: float | None
    """Probability that a successful episode has a higher return than another; ``None`` without both kinds."""
    sensitivity: Sensitivity | None
    exploits: tuple[ExploitFinding, ...] = ()
    absent: Mapping[str, str] = field(default_factory=dict)
    """Why something was not measured, by its name."""


@dataclass(frozen=True, kw_only=True)
class PairFindings:
    """What was found of two rewards together."""

    first: str
    second: str
    returns: Correlation
    """Of their mean returns, over policies."""
    epic: float | None = None
    """EPIC distance, 0 to 1."""
    composed: bool = False
    """Whether EPIC asked one of them for transitions put together from parts of others, which may be impossible."""
    starc_val: float | None = None
    """STARC distance with value-adjusted levelling, 0 to 1."""
    starc_minimal: float | None = None
    """STARC distance with the minimal canonicalisation, 0 to 1."""
    transitions: int = 0
    """On how many transitions STARC compared."""
    absent: Mapping[str, str] = field(default_factory=dict)
    """Why something was not measured, by its name."""


class Moment(NamedTuple):
    """Means over one stretch of a training."""

    step: int
    """Environment steps at its end."""
    own: float
    """Return of the reward trained with."""
    fitness: float


@dataclass(frozen=True, kw_only=True)
class Divergence:
    """How a reward's own return and the task's fitness moved in one training."""

    training: str
    """Whose it is, for people."""
    reward: str = ""
    """Name of the reward trained with, where it is one of those judged."""
    course: Course
    points: int
    """Rollouts of the training in which both were measured."""
    correlation: float | None = None
    """Of own return and fitness over the rollouts up to the stretch of highest fitness."""
    start: Moment | None = None
    """The first stretch; like the others, ``None`` where the course is unclear."""
    peak: Moment | None = None
    """The stretch of highest fitness."""
    end: Moment | None = None
    """The last stretch."""


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """Everything found of some rewards on one task."""

    env_id: str
    fitness_doc: str
    policies: tuple[PolicyScore, ...]
    rewards: tuple[RewardFindings, ...]
    pairs: tuple[PairFindings, ...]
    trainings: tuple[Divergence, ...] = ()
    """Of trainings with one of the rewards; whoever knows of some adds them (see `envreward.judging.trainings`)."""
