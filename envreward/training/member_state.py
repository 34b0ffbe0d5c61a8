"""Member states: all that a member is, as a flat mapping of tensors that stack over members and go into checkpoints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor

from .config import Member

MemberState: TypeAlias = dict[str, Tensor]
"""``weights``, ``adam.*``, ``obs.*``, ``return.*``, ..., per world ``episode.*`` and ``env.*``, and ``replay.*``.

On the CPU, wherever the member trains; a replay that goes from one learner to the next stays where it is."""

REPLAY = "replay."
"""Prefix of what a member has experienced: long, of different lengths, and therefore never stacked."""

LEARNED = "learned."
"""Prefix of what a member's reward has learned: of any shapes, and never stacked either."""

PEAK = "peak."
"""Prefix of the best policy so far, which some members have and others do not: not stacked either."""

_WEIGHTS, _EXPLORATION, _WORLDS, _REWARD = range(4)
"""Streams of random numbers that are drawn from a member's seed."""


def stack_states(members: Sequence[Member], states: Mapping[str, MemberState]) -> MemberState:
    """Return the members' states as one, each tensor with a leading dimension M; without what is never stacked.

    Members that come from different processes may have had different fields of their worlds in use: each those that the
    rewards there read. Fields that a member never had are zero; its own reward does not read them.
    """
    examples = {n: t for m in members for n, t in states[m.key].items() if not n.startswith((REPLAY, LEARNED, PEAK))}
    return {
        name: torch.stack([states[m.key].get(name, torch.zeros_like(example)) for m in members])
        for name, example in examples.items()
    }


def subset(state: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Return the entries under ``prefix`` without it, their leading dimensions M and N joined."""
    return {n.removeprefix(prefix): rows.flatten(0, 1) for n, rows in state.items() if n.startswith(prefix)}


def unjoined(rows: Tensor, num_members: int) -> Tensor:
    """Return rows of all members' worlds ``[M * N, ...]`` as ``[M, N, ...]``."""
    return rows.view(num_members, -1, *rows.shape[1:])


def world_seeds(member: Member, count: int, updates: int) -> list[int]:
    """Return the seeds of a member's worlds when they begin after ``updates`` updates."""
    stream = np.random.SeedSequence([member.seed, _WORLDS, updates])
    return [int(s) for s in stream.generate_state(count, np.uint64)]


def weight_generator(member: Member) -> torch.Generator:
    """Return what draws a member's initial weights: on the CPU, so that a seed's weights are the same everywhere."""
    return _generator(member, _WEIGHTS, "cpu")


def exploration_generator(member: Member, device: torch.device | str) -> torch.Generator:
    """Return what draws a member's exploration, and whatever else is random in its learning, on ``device``."""
    return _generator(member, _EXPLORATION, device)


def reward_generator(member: Member) -> torch.Generator:
    """Return what a reward that is learned draws from: on the CPU, where it is computed."""
    return _generator(member, _REWARD, "cpu")


def _generator(member: Member, stream: int, device: torch.device | str) -> torch.Generator:
    seed = int(np.random.SeedSequence([member.seed, stream]).generate_state(1, np.uint64)[0] >> np.uint64(1))
    return torch.Generator(device=device).manual_seed(seed)
