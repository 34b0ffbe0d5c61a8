"""History: the factors of a member's last steps, and which of them were whole episodes."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from envreward.rewards.sequence import Flow, Memory

_EPISODES = 4096
"""Finished episodes that are told apart; the oldest are forgotten first."""


class Episodes(NamedTuple):
    """B finished episodes."""

    world: Tensor
    """int64 ``[B]``."""
    start: Tensor
    """Number of their first step, counted from the beginning of the training; int64 ``[B]``."""
    length: Tensor
    """int64 ``[B]``."""
    returns: Tensor
    """Sums of the sparse reward, float64 ``[B]``."""
    factors: Tensor
    """Sums of the factors, float64 ``[B, d]``."""

    def take(self, rows: Tensor) -> Episodes:
        """Return some of them, int64 ``[k]``."""
        return Episodes(*(values[rows] for values in self))


class History:
    """Keeps steps in a ring; all that it holds lies in a mapping of tensors, by which it is saved and brought back."""

    def __init__(self, memory: Memory, capacity: int, horizon: int) -> None:
        """Keep in ``memory`` about ``capacity`` steps, of each world at least ``horizon``: one whole episode."""
        self._memory, self._capacity, self._horizon = memory, capacity, horizon

    def add(self, factors: Tensor, sparse: Tensor, flow: Flow) -> None:
        """Add T steps of N worlds.

        Args:
            factors: Float ``[T, N, d]``.
            sparse: The sparse reward, float ``[T, N]``.
            flow: Where episodes begin and end. One that was not seen from its first step on is left out, which is how
                worlds that were started anew are told; likewise one that was cut short.
        """
        memory, (steps, worlds, size) = self._memory, factors.shape
        if "ring" not in memory:
            self._allocate(steps, worlds, size)
        ring, clock = memory["ring"], int(memory["clock"])
        for begin in range(0, steps, len(ring)):
            some = factors[begin : begin + len(ring)]
            ring[torch.arange(clock + begin, clock + begin + len(some)) % len(ring)] = some.to(torch.float32)
        last, whole = flow.last, flow.last if flow.cut_short is None else flow.last & ~flow.cut_short
        sums = torch.cat((sparse.unsqueeze(2), factors), 2).double()
        since, running = memory["since"], memory["running"]
        for t in range(steps):
            first = flow.first[t]
            since[first] = clock + t
            running[first] = 0.0
            running += sums[t]
            for world in (whole[t] & (since >= 0)).nonzero()[:, 0].tolist():
                self._close(world, clock + t + 1)
            since[last[t]] = -1
        memory["clock"] += steps

    def episodes(self) -> Episodes:
        """Return the finished episodes of which all steps are still there, oldest first."""
        memory = self._memory
        if "ring" not in memory:
            none = torch.zeros(0, dtype=torch.int64)
            return Episodes(none, none, none, none.double(), none.double().view(0, 0))
        count = int(memory["ended"])
        rows = torch.arange(max(count - _EPISODES, 0), count) % _EPISODES
        rows = rows[memory["spans"][rows, 1] >= int(memory["clock"]) - len(memory["ring"])]
        spans, sums = memory["spans"][rows], memory["sums"][rows]
        return Episodes(spans[:, 0], spans[:, 1], spans[:, 2], sums[:, 0], sums[:, 1:])

    def factors(self, episodes: Episodes, steps: Tensor) -> Tensor:
        """Return the factors of steps of episodes, float32 ``[B, K, d]``.

        Args:
            episodes: B of them, from `episodes`.
            steps: Counted from the episode's first, int64 ``[B, K]``.
        """
        ring = self._memory["ring"]
        return ring[(episodes.start.unsqueeze(1) + steps) % len(ring), episodes.world.unsqueeze(1)]

    def recall(self, step: Tensor, world: Tensor) -> tuple[Tensor, Tensor]:
        """Return the factors of single steps, float32 ``[B, d]``, and which of them are still there, bool ``[B]``.

        Args:
            step: Counted from the beginning of the training, int64 ``[B]``.
            world: Int64 ``[B]``.
        """
        ring, clock = self._memory["ring"], int(self._memory["clock"])
        return ring[step % len(ring), world], (step >= clock - len(ring)) & (step < clock)

    def recent(self, count: int) -> Tensor:
        """Return the factors of the last ``count`` steps of each world that are there, float32 ``[k, d]``."""
        ring, clock = self._memory["ring"], int(self._memory["clock"])
        rows = torch.arange(clock - min(count, clock, len(ring)), clock) % len(ring)
        return ring[rows].flatten(0, 1)

    def _allocate(self, steps: int, worlds: int, size: int) -> None:
        slots = max(self._capacity // worlds, self._horizon, steps)
        self._memory |= {
            "ring": torch.zeros(slots, worlds, size),
            "clock": torch.zeros(1, dtype=torch.int64),
            "since": torch.full((worlds,), -1, dtype=torch.int64),
            "running": torch.zeros(worlds, 1 + size, dtype=torch.float64),
            "spans": torch.zeros(_EPISODES, 3, dtype=torch.int64),
            "sums": torch.zeros(_EPISODES, 1 + size, dtype=torch.float64),
            "ended": torch.zeros(1, dtype=torch.int64),
        }

    def _close(self, world: int, end: int) -> None:
        """Note that the episode running in ``world`` ended before step ``end``."""
        memory = self._memory
        row, start = int(memory["ended"]) % _EPISODES, int(memory["since"][world])
        memory["spans"][row] = torch.tensor([world, start, end - start])
        memory["sums"][row] = memory["running"][world]
        memory["ended"] += 1
