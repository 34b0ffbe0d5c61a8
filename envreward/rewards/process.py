"""Rewards for single steps of a longer piece of work, placed so that repeating good steps gains nothing.

A process reward model, a judge or a learned progress model scores each step. Summed as they are, scores are earned
again with every further step. `Delta` and `MinForm` pay changes instead: of the score itself, or of the worst score so
far. Both exist in two ways: as rewards with memory, which look back and can be paid while acting, and
`delta_in_hindsight` and `min_form_in_hindsight`, the papers' own, which need whole episodes.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

import torch
from torch import Tensor

from envreward.errors import ConfigError

from .function import RewardOutput
from .parts import as_float, as_reward, evaluate_part, part_memory
from .sequence import AnyReward, Flow, Memory


@dataclass(frozen=True, kw_only=True)
class Delta:
    """Pays by how much a score has risen since the step before: ``r_t = score_t - score_{t-1}``.

    In an episode's first step, `start` stands for the score before it. The sum over an episode telescopes to the score
    of its last step minus `start`: bounded however many steps were taken.

    Source: Gao et al., *On designing effective RL reward at training time for LLM reasoning* (arXiv 2410.15115), the
    Delta mechanism, as accounts of the paper state it. There each step is paid the *fall* to the next one,
    ``score_t - score_{t+1}``, so that the return from a step on is its own score; see `delta_in_hindsight`. That needs
    the next step. This is the same idea looking back, where what has been collected up to a step is its score.

    When to use it: there is a score of how far or how good the work is so far, and it should not be paid for again in
    every step.

    Known failures: only the last score counts in the end, so what happens in between matters to a discounting learner
    alone. With a discount below 1 it is not potential-based shaping, which pays ``gamma * score_t - score_{t-1}``: a
    score that falls and rises again gains or loses; use `PotentialShaping` where optimal policies must not change.
    """

    base: str | AnyReward
    """The score: a scalar field or a reward."""
    start: float = 0.0
    """The score before an episode's first step."""
    doc: str = dataclasses.field(default="The Delta mechanism, arXiv 2410.15115, looking back.", init=False)
    """Where the formula comes from."""

    def __post_init__(self) -> None:
        if not math.isfinite(self.start):
            raise ConfigError(f"the score at the start must be finite, got {self.start}")

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of the fields it reads."""
        return as_reward(self.base).parameters

    def new_memory(self, num_worlds: int) -> Memory:
        """Return the memory with which N worlds begin: the score of the step before, float64 ``[N]``."""
        before = torch.full((num_worlds,), self.start, dtype=torch.float64)
        return {"before": before, **part_memory("base", as_reward(self.base), num_worlds)}

    def over(self, flow: Flow, memory: Memory, **state: Tensor) -> RewardOutput:
        """Compute the rewards ``[T, N]``; see `SequenceReward.over`."""
        score, components = evaluate_part("base", as_reward(self.base), flow, memory, state)
        score = as_float(score)
        before = torch.cat([memory["before"].to(score.dtype).unsqueeze(0), score[:-1]])
        rise = score - before.masked_fill(flow.first, self.start)
        memory["before"].copy_(score[-1])
        return RewardOutput(rise, {**components, "delta": rise})


@dataclass(frozen=True, kw_only=True)
class MinForm:
    """Makes an episode worth its worst step: pays the change of the (soft) minimum of the rewards so far.

    With weights ``w_i = exp(-r_i / temperature)``, the soft minimum of the steps up to t is
    ``S_t = sum_i w_i r_i / sum_i w_i`` and ``r'_t = S_t - S_{t-1}``, where ``S`` before the first step is 0. The sum
    over an episode is ``S`` of all its steps, which lies between the minimum and ``temperature * (n - 1) / e`` above
    it for n steps.

    Source: Cheng et al., *Stop summation: min-form credit assignment is all process reward model needs for reasoning*
    (PURE, arXiv 2504.15275): the value of a step is the minimum of the process rewards from there on. They get it from
    a learner that sums by weighting each reward, ``r*_i = w_i / sum_j w_j * r_i``, with temperature 0.1 in
    ``experience_maker.py`` of the released code, the one number that was checked there; see `min_form_in_hindsight`.
    The sum over an episode is the same. Theirs looks ahead to the end of the episode; this looks back and can be paid
    while acting.

    When to use it: a chain of steps is as good as its weakest one (a proof, a repair, a route without collision), and
    a process reward that is summed has been milked by many easy steps.

    Known failures: after one very bad step nothing that follows counts; an agent that can go on gains nothing by
    recovering. The first step is paid its whole reward, each later one at most about nothing, so ending at once is best
    unless a reward for the outcome outweighs it (PURE adds one). A flawed scorer that is too strict once spoils the
    episode.
    """

    base: str | AnyReward
    """The process reward: a scalar field or a reward."""
    temperature: float = 0.1
    """How soft the minimum is, in the unit of the base reward; towards 0 it becomes the minimum."""
    doc: str = dataclasses.field(default="PURE's min-form credit assignment, arXiv 2504.15275.", init=False)
    """Where the formula comes from."""

    def __post_init__(self) -> None:
        _check_temperature(self.temperature)

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of the fields it reads."""
        return as_reward(self.base).parameters

    def new_memory(self, num_worlds: int) -> Memory:
        """Return the memory with which N worlds begin, float64 ``[N]`` each.

        ``least`` is the least reward of the running episode, ``mass`` the sum of the steps' weights relative to that
        of the least (0 before the first step), ``minimum`` the soft minimum.
        """
        names = ("least", "mass", "minimum")
        memory = {name: torch.zeros(num_worlds, dtype=torch.float64) for name in names}
        return memory | part_memory("base", as_reward(self.base), num_worlds)

    def over(self, flow: Flow, memory: Memory, **state: Tensor) -> RewardOutput:
        """Compute the rewards ``[T, N]``; see `SequenceReward.over`."""
        raw, components = evaluate_part("base", as_reward(self.base), flow, memory, state)
        raw = as_float(raw)
        least, mass, minimum = memory["least"], memory["mass"], memory["minimum"]
        change = torch.empty_like(raw)
        for t, first in enumerate(flow.first):
            reward = raw[t].to(torch.float64)
            mass.masked_fill_(first, 0.0)
            minimum.masked_fill_(first, 0.0)
            lower = torch.where(mass == 0.0, reward, torch.minimum(least, reward))
            # Weights are kept relative to the least reward's, as they would overflow at low temperatures.
            kept = mass * torch.exp((lower - least).clamp(max=0.0) / self.temperature)
            weight = torch.exp((lower - reward) / self.temperature)
            fresh = (kept * minimum + weight * reward) / (kept + weight)
            change[t] = fresh - minimum
            least.copy_(lower)
            mass.copy_(kept + weight)
            minimum.copy_(fresh)
        return RewardOutput(change, {**components, "min_form": change})


def delta_in_hindsight(scores: Tensor, flow: Flow) -> Tensor:
    """Return the Delta mechanism's rewards, ``score_t - score_{t+1}``, of whole episodes.

    The form of arXiv 2410.15115, as accounts of the paper give it: in an episode of K steps the last is left out, it
    gets 0 (the outcome is paid there), the last but one its own score, and all before it the difference. The return
    from a step on, but the last, is its score. An episode that runs on beyond the last step of ``scores`` is treated
    as if it ended there.

    Args:
        scores: Scores of the steps, float ``[T, N]``.
        flow: Where episodes begin and end.

    Returns:
        The rewards ``[T, N]``.
    """
    last = flow.last.clone()
    last[-1] = True
    following = torch.cat([scores[1:], scores[-1:]])
    next_is_last = torch.cat([last[1:], last[-1:]])
    return (scores - following.masked_fill(next_is_last, 0.0)).masked_fill(last, 0.0)


def min_form_in_hindsight(rewards: Tensor, flow: Flow, temperature: float = 0.1) -> Tensor:
    """Return PURE's rewards of whole episodes, each weighted by ``softmax(-r / temperature)`` over its episode.

    The form of arXiv 2504.15275, in which each reward stays in its own step. An episode that runs on beyond the last
    step of ``rewards`` counts by what it has shown so far.

    Args:
        rewards: Process rewards, float ``[T, N]``.
        flow: Where episodes begin and end.
        temperature: How soft the minimum is.

    Returns:
        The weighted rewards ``[T, N]``.

    Raises:
        ConfigError: The temperature is not positive.
    """
    _check_temperature(temperature)
    starts = flow.first.clone()
    starts[0] = True
    worlds = torch.arange(starts.shape[1], device=starts.device)
    # A number for each episode: episodes of the same world follow each other, those of others have others.
    episode = (starts.cumsum(0) - 1) * starts.shape[1] + worlds
    cold = -rewards.to(torch.float64) / temperature
    flat, size = episode.flatten(), starts.numel()
    peak = cold.new_full((size,), -math.inf).scatter_reduce_(0, flat, cold.flatten(), "amax")
    weight = torch.exp(cold - peak[episode])
    mass = cold.new_zeros(size).scatter_add_(0, flat, weight.flatten())
    return (weight / mass[episode]).to(rewards.dtype) * rewards


def _check_temperature(temperature: float) -> None:
    if not 0.0 < temperature < math.inf:
        raise ConfigError(f"the temperature must be positive and finite, got {temperature}")
