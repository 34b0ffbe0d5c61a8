"""Bounded forms of a reward: what a learned or hand-made reward can pay in one step is given an upper limit."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

import torch
from torch import Tensor

from envreward.errors import ConfigError

from .function import RewardOutput
from .parts import as_float, as_reward, evaluate_part, part_memory, united
from .sequence import AnyReward, Flow, Memory


@dataclass(frozen=True, kw_only=True)
class PreferenceAsReward:
    """PAR: pays how probable it is that a step is preferred to reference steps.

    ``r' = 1/M sum_m sigmoid(sharpness * (r - r_ref_m))``, with ``r`` the base reward and ``r_ref_1 .. r_ref_M`` the
    rewards of references.

    Source: Fu et al., *Reward shaping to mitigate reward hacking in RLHF* (arXiv 2502.18770), Preference As Reward:
    under Bradley and Terry's model, the sigmoid of a difference of rewards is the probability that one is preferred to
    the other. Its three principles: a reward should be bounded, should rise quickly at first and then level off, and
    should be a function of the *centred* reward, ``r`` minus that of a reference. There a reward is paid once per
    answer, references are answers of the initial policy to the same question, ``sharpness`` is 1, and one reference
    is found to be enough. Restated from the abstract and accounts of the paper, not from its text.

    When to use it: the base reward is learned (a preference model, a judge), which can be trusted near the behaviour
    that it was fitted to and can be driven to absurd values far from it. Beyond the references there is little left to
    gain. `references` are numbers (mean rewards of the initial or of a scripted policy), fields, or rewards.

    Known failures: it is strictly positive, so that in an environment whose episodes can end early each step is worth
    staying for; ``signed`` subtracts one half, and a step as good as its references is worth nothing. It is not
    potential-based: which of two behaviours is the better can change, as sums of bounded rewards count how long
    something was done more than how well. A base reward on a large scale saturates it: set `sharpness` to about one
    over the spread of ``r - r_ref``.
    """

    base: str | AnyReward
    """A scalar field or a reward."""
    references: tuple[float | str | AnyReward, ...]
    """What the base reward is compared with: numbers, scalar fields, rewards; at least one."""
    sharpness: float = 1.0
    """Multiplies the difference; in one over the unit of the base reward."""
    signed: bool = False
    """Whether one half is subtracted, so that rewards lie within (-1/2, 1/2) instead of (0, 1)."""
    doc: str = dataclasses.field(default="Preference As Reward (PAR), arXiv 2502.18770.", init=False)
    """Where the formula comes from."""

    def __post_init__(self) -> None:
        if not self.references:
            raise ConfigError("PAR needs at least one reference: the mean reward of the initial policy, for example")
        if bad := [value for value in self._numbers() if not math.isfinite(value)]:
            raise ConfigError(f"references must be finite, got {bad[0]}")
        if not 0.0 < self.sharpness < math.inf:
            raise ConfigError(f"sharpness must be positive and finite, got {self.sharpness}")

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of the fields it reads."""
        return united(as_reward(self.base).parameters, *(reward.parameters for reward in self._rewards().values()))

    def new_memory(self, num_worlds: int) -> Memory:
        """Return the memory with which N worlds begin: those of the base and of the references."""
        memory = part_memory("base", as_reward(self.base), num_worlds)
        for name, reward in self._rewards().items():
            memory |= part_memory(name, reward, num_worlds)
        return memory

    def over(self, flow: Flow, memory: Memory, **state: Tensor) -> RewardOutput:
        """Compute the rewards ``[T, N]``; see `SequenceReward.over`."""
        raw, components = evaluate_part("base", as_reward(self.base), flow, memory, state)
        raw = as_float(raw)
        references = [torch.full_like(raw, value) for value in self._numbers()]
        for name, reward in self._rewards().items():
            references.append(as_float(evaluate_part(name, reward, flow, memory, state).total))
        preferred = torch.sigmoid(self.sharpness * (raw - torch.stack(references))).mean(0)
        total = preferred - 0.5 if self.signed else preferred
        return RewardOutput(total, {**components, "unbounded": raw, "preference": preferred})

    def _numbers(self) -> list[float]:
        return [float(value) for value in self.references if isinstance(value, (int, float))]

    def _rewards(self) -> dict[str, AnyReward]:
        """Return the references that are rewards, by the names of their memories."""
        others = [value for value in self.references if not isinstance(value, (int, float))]
        return {f"reference{i}": as_reward(value) for i, value in enumerate(others)}


@dataclass(frozen=True, kw_only=True)
class Clip:
    """Takes from a process reward what exceeds a threshold: only steps that are worse than it count.

    ``r' = min(r - threshold, 0)``.

    Source: Gao et al., *On designing effective RL reward at training time for LLM reasoning* (arXiv 2410.15115), the
    Clip mechanism; the threshold, called eta there, is chosen so that most steps of reasoning get 0. Its numbers were
    read in accounts of the paper.

    When to use it: the base scores single steps (a process reward model, a judge) and the agent has found that good
    steps can be repeated. As no step pays anything, nothing is gained by another one. It belongs beside a reward for
    the outcome, which alone is left to attract.

    Known failures: each step that is not perfect costs, so a shorter episode is a better one; where an agent can give
    up early, it learns to. Steps above the threshold are all alike: there is no reason to improve on them.
    """

    base: str | AnyReward
    """A scalar field or a reward."""
    threshold: float
    """From which reward on a step costs nothing."""
    doc: str = dataclasses.field(default="The Clip mechanism, arXiv 2410.15115.", init=False)
    """Where the formula comes from."""

    def __post_init__(self) -> None:
        if not math.isfinite(self.threshold):
            raise ConfigError(f"the threshold must be finite, got {self.threshold}")

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of the fields it reads."""
        return as_reward(self.base).parameters

    def new_memory(self, num_worlds: int) -> Memory:
        """Return the memory with which N worlds begin: that of the base."""
        return part_memory("base", as_reward(self.base), num_worlds)

    def over(self, flow: Flow, memory: Memory, **state: Tensor) -> RewardOutput:
        """Compute the rewards ``[T, N]``; see `SequenceReward.over`."""
        raw, components = evaluate_part("base", as_reward(self.base), flow, memory, state)
        clipped = (as_float(raw) - self.threshold).clamp(max=0.0)
        return RewardOutput(clipped, {**components, "clipped": clipped})
