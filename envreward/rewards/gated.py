"""Gated Reward Accumulation: small rewards count only once the large one says that they led somewhere."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from envreward.errors import ConfigError

from .function import RewardOutput
from .parts import as_float, as_reward, evaluate_part, part_memory, united
from .sequence import AnyReward, Flow, Memory


@dataclass(frozen=True, kw_only=True)
class Level:
    """One reward of several in order of priority."""

    name: str
    """What it is called among the reward's components."""
    reward: str | AnyReward
    """A scalar field, or a reward."""
    gate: float | None = None
    """What the reward of a step must at least be for the levels below to count from there on; ``None`` only in the last
    level, which gates nothing."""
    weight: float = 1.0
    """Multiplies what is paid; the gate is compared with the reward before that."""


@dataclass(frozen=True, kw_only=True)
class GatedAccumulation:
    """Accumulates the rewards of lower levels only where every level above them has reached its gate.

    Source: Sun, Li, Chen, Qin & Hu, *Stabilizing long-term multi-turn reinforcement learning with gated rewards* (arXiv
    2508.10548), the definition of G-RA: with rewards ``R_1, ..., R_n`` from the highest priority down and gates
    ``g_j``, ``R_i`` is set to zero unless ``R_j >= g_j`` for every ``j < i``, and the return of an episode is
    ``sum_i sum_t R_i(s_t, a_t)`` over what is left. (Their abstract speaks of rewards that *meet* a threshold, which is
    read as "at least" here.) In their use the highest level is the outcome at the end of an episode: no submission, an
    empty patch, a patch that fails, one that passes; below it are the per-step rewards for well-formed and well-chosen
    actions. Here a level's gate opens in the first step of an episode whose reward reaches it, and stays open until the
    episode ends.

    Three ways to place the same sum in time:

    * ``"on_opening"``: what a level has collected is paid in one piece in the step in which its gate opens, and from
      then on each reward in its own step. Causal, so that it can be paid while acting.
    * ``"at_end"``: everything below the highest level is paid in the last step of the episode.
    * `gate_in_hindsight`, the paper's own form, leaves each reward in the step that earned it. It needs whole episodes.

    All three have the same undiscounted return per episode.

    When to use it: there are cheap step rewards (calls that parse, new files read, tests run) that tend to be milked
    for their own sake, and an outcome that tells whether it was worth anything.

    Known failures: as long as no gate ever opens it is the sparse reward and no easier to learn. Penalties wait behind
    the gate too and are lost with it: what must always cost belongs into the highest level. Paid on opening, the credit
    arrives late, and a learner with short memory (small ``gae_lambda``) gives it to the last steps.
    """

    levels: tuple[Level, ...]
    """From the highest priority down, at least two."""
    paid: Literal["on_opening", "at_end"] = "on_opening"
    """When a level that is gated is paid."""
    doc: str = dataclasses.field(default="Gated Reward Accumulation (G-RA), arXiv 2508.10548.", init=False)
    """Where the formula comes from."""

    def __post_init__(self) -> None:
        if len(self.levels) < 2:
            raise ConfigError("gated accumulation needs two levels or more, the highest priority first")
        names = [level.name for level in self.levels]
        if len(set(names)) < len(names) or any("." in name for name in names):
            raise ConfigError(f"levels need different names without dots, got {', '.join(names)}")
        if ungated := [level.name for level in self.levels[:-1] if level.gate is None]:
            raise ConfigError(f"level {ungated[0]} stands above others and needs a gate")
        if self.paid not in ("on_opening", "at_end"):
            raise ConfigError(f"paid must be 'on_opening' or 'at_end', got {self.paid!r}")

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of the fields it reads."""
        return united(*(as_reward(level.reward).parameters for level in self.levels))

    def new_memory(self, num_worlds: int) -> Memory:
        """Return the memory with which N worlds begin.

        ``open`` is whether each gate has been reached, bool ``[N, L - 1]``; ``held`` what the levels below the first
        have earned and not been paid, float64 ``[N, L - 1]``.
        """
        gates = len(self.levels) - 1
        memory = {
            "open": torch.zeros(num_worlds, gates, dtype=torch.bool),
            "held": torch.zeros(num_worlds, gates, dtype=torch.float64),
        }
        for level in self.levels:
            memory |= part_memory(level.name, as_reward(level.reward), num_worlds)
        return memory

    def over(self, flow: Flow, memory: Memory, **state: Tensor) -> RewardOutput:
        """Compute the rewards ``[T, N]``; see `SequenceReward.over`."""
        parts = [(level.name, as_reward(level.reward)) for level in self.levels]
        earned = [evaluate_part(name, reward, flow, memory, state).total for name, reward in parts]
        rewards = torch.stack([as_float(reward) for reward in earned], -1)
        weights = torch.tensor([level.weight for level in self.levels], dtype=rewards.dtype, device=rewards.device)
        reaches = rewards[..., :-1] >= _gates(self.levels, rewards)
        below = rewards[..., 1:].to(torch.float64)
        pays = flow.last if self.paid == "at_end" else torch.ones_like(flow.last)
        opened, held = memory["open"], memory["held"]
        out = torch.empty_like(below)
        for t, first in enumerate(flow.first):
            begun = first.unsqueeze(-1)
            opened.logical_and_(~begun).logical_or_(reaches[t])
            held.masked_fill_(begun, 0.0).add_(below[t])
            # A level is paid where its own gate and all above it are open.
            due = opened.cummin(-1).values & pays[t].unsqueeze(-1)
            out[t] = held.where(due, 0.0)
            held.masked_fill_(due, 0.0)
        paid = torch.cat([rewards[..., :1], out.to(rewards.dtype)], -1) * weights
        return RewardOutput(paid.sum(-1), {level.name: paid[..., i] for i, level in enumerate(self.levels)})


def gate_in_hindsight(rewards: Sequence[Tensor], gates: Sequence[float], flow: Flow) -> list[Tensor]:
    """Zero each reward unless every reward of higher priority reaches its gate somewhere in the same episode.

    The form of arXiv 2508.10548, in which each reward stays in the step that earned it. It looks ahead, so it is for
    whole episodes: one that runs on beyond the last step counts by what it has shown so far.

    Args:
        rewards: One ``[T, N]`` for each level, the highest priority first.
        gates: What each of them but the last must at least be.
        flow: Where episodes begin and end.

    Returns:
        What is left of each, ``[T, N]``.

    Raises:
        ConfigError: There is not one gate for each level but the last.
    """
    if len(gates) != len(rewards) - 1:
        raise ConfigError(f"{len(rewards)} levels need {len(rewards) - 1} gates, got {len(gates)}")
    left = [rewards[0]]
    is_open = torch.ones_like(flow.first)
    for above, gate, reward in zip(rewards[:-1], gates, rewards[1:], strict=True):
        is_open = is_open & _anywhere_in_episode(above >= gate, flow)
        left.append(reward.where(is_open, 0.0))
    return left


def _anywhere_in_episode(flags: Tensor, flow: Flow) -> Tensor:
    """Return for each step whether a flag is set in any step of its episode, bool ``[T, N]``."""
    found = torch.empty_like(flags)
    so_far = torch.zeros_like(flags[0])
    for t in range(len(flags)):  # what earlier steps of the episode have shown ...
        so_far = (so_far & ~flow.first[t]) | flags[t]
        found[t] = so_far
    for t in range(len(flags) - 2, -1, -1):  # ... and what later ones show
        found[t] |= found[t + 1] & ~flow.first[t + 1]
    return found


def _gates(levels: Sequence[Level], like: Tensor) -> Tensor:
    return torch.tensor([level.gate for level in levels[:-1]], dtype=like.dtype, device=like.device)
