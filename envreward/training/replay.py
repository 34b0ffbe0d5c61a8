"""Replay: the transitions that one member has experienced, in a ring from which batches are drawn.

Time runs along the ring: slot t holds what the member's N worlds saw, did and earned in step t, so that the observation
after a step is the one in the next slot and is stored once. Only where an episode was cut off, the next slot belongs to
another episode; the final observations of these lie in a ring of their own. One slot is kept free for the observation
after the newest step. A transition takes ``4 (O + A + 1) + 5`` bytes: 181 with Meta-World's 39 observations and 4
actions, 181 MB for a million.

Each member has its own, and its own random numbers: what it draws never depends on who trains beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from .reward_source import Relabel

FIRST, TERMINATED, TRUNCATED, FAULTED = 1, 2, 4, 8
"""Bits of the flags: an episode's first step, its end by itself, its cut-off, and a failure of the machinery."""

_ENDED = TERMINATED | TRUNCATED
_FIRST_FINALS = 256
_RING = ("obs", "action", "reward", "flags", "final", "finals", "before", "position")


class Chunk(NamedTuple):
    """T consecutive steps of N worlds."""

    obs: Tensor
    """Before each step, float32 ``[T, N, O]``."""
    action: Tensor
    """Float32 ``[T, N, A]``."""
    reward: Tensor
    """Float32 ``[T, N]``."""
    flags: Tensor
    """uint8 ``[T, N]``."""
    finals: Tensor
    """Last observations of the episodes that were cut off, by step and then by world, float32 ``[k, O]``."""
    next_obs: Tensor
    """After the last step, float32 ``[N, O]``."""


class Sample(NamedTuple):
    """Transitions drawn from a replay."""

    obs: Tensor
    """Float32 ``[B, O]``."""
    action: Tensor
    """Float32 ``[B, A]``."""
    reward: Tensor
    """Discounted sum of the rewards until ``next_obs``, ``[B]``."""
    next_obs: Tensor
    """Float32 ``[B, O]``."""
    discount: Tensor
    """Of what is worth ``next_obs``, ``[B]``: 0 where the episode ended by itself."""
    weight: Tensor
    """1, or 0 for a step in which the machinery failed: nothing can be learned from it. ``[B]``."""


class Replay:
    """The last transitions of N worlds."""

    def __init__(
        self, slots: int, num_worlds: int, obs_size: int, action_size: int, device: torch.device | str = "cpu"
    ) -> None:
        """Make room for ``slots`` steps of each world on ``device``; memory is taken as it is written.

        Counts of what has been written stay on the CPU, which decides by them where to write.
        """
        self.slots, self.num_worlds = slots, num_worlds
        rows = (slots + 1) * num_worlds
        self.obs = torch.empty(rows, obs_size, device=device)
        self.action = torch.empty(rows, action_size, device=device)
        self.reward = torch.empty(rows, device=device)
        self.flags = torch.empty(rows, dtype=torch.uint8, device=device)
        self.final = torch.empty(rows, dtype=torch.int32, device=device)
        """Row of `finals` in which an episode that was cut off has its last observation; 0 for others."""
        self.finals = torch.empty(_FIRST_FINALS, obs_size, device=device)
        self.before = torch.empty(slots + 1, dtype=torch.int64, device="cpu")
        """Finals written before each slot."""
        self.position = torch.zeros(3, dtype=torch.int64, device="cpu")
        """Slots and finals written since the beginning, and the first slot that was."""

    @property
    def written(self) -> int:
        """Steps written since the beginning, overwritten ones included."""
        return int(self.position[0])

    @property
    def count(self) -> int:
        """Steps that can be drawn from, per world."""
        return min(self.written - int(self.position[2]), self.slots)

    def share(self) -> dict[str, Tensor]:
        """Return all tensors, for a `take_over` by another replay of the same sizes."""
        return {name: getattr(self, name) for name in _RING}

    def take_over(self, tensors: Mapping[str, Tensor]) -> None:
        """Go on with the tensors of another replay, without copying."""
        for name in _RING:
            setattr(self, name, tensors[name])

    def write(self, chunk: Chunk, start: int | None = None) -> None:
        """Add steps.

        Where a world's next episode begins although the one before never ended, the worlds were started anew in
        between: the episode before was cut off.

        Args:
            chunk: At most as many steps as there are slots.
            start: Number of its first step, where an empty replay goes on from what another one has saved.
        """
        if start is not None and not self.count:
            self.position[0] = self.position[2] = start
        steps, start = len(chunk.obs), self.written
        if self.count:
            self._cut((chunk.flags[0] & FIRST).bool())
        slot = torch.arange(start, start + steps, device="cpu")
        cut = (chunk.flags & TRUNCATED).bool()
        before = self._append(chunk.finals, int(slot[-1]))
        finals = cut.sum(1).cpu()
        self.before[slot % (self.slots + 1)] = before + finals.cumsum(0) - finals
        number = (before + cut.flatten().cumsum(0) - 1) % len(self.finals)
        rows = self._rows(slot.to(cut.device)).flatten()
        self.obs[rows] = chunk.obs.flatten(0, 1)
        self.action[rows] = chunk.action.flatten(0, 1)
        self.reward[rows] = chunk.reward.flatten()
        self.flags[rows] = chunk.flags.flatten()
        self.final[rows] = torch.where(cut.flatten(), number, 0).to(torch.int32)
        self.position[0] += steps
        self.obs[self._rows(self._newest() + 1)[0]] = chunk.next_obs

    def read(self, since: int) -> Chunk:
        """Return copies of the steps from number ``since`` on that are still there."""
        slot = torch.arange(max(since, self.written - self.count), self.written, device=self.obs.device)
        shape, rows = (len(slot), self.num_worlds), self._rows(slot).flatten()
        flags = self.flags[rows]
        finals = self.finals[self.final[rows][(flags & TRUNCATED).bool()]]
        columns = (self.obs[rows].view(*shape, -1), self.action[rows].view(*shape, -1), self.reward[rows].view(shape))
        return Chunk(*columns, flags.view(shape), finals, self.obs[self._rows(self._newest() + 1)[0]])

    def sample(
        self, size: int, n_step: int, gamma: float, generator: torch.Generator, relabel: Relabel | None = None
    ) -> Sample:
        """Draw transitions uniformly, with replacement.

        Args:
            size: B.
            n_step: Rewards to sum; fewer where the episode ends or nothing more has been written. What follows a
                cut-off counts by the value of the final observation, what follows the newest step by that of the next.
            gamma: Discount per step.
            generator: On the replay's device.
            relabel: Says what the rewards are by now.
        """
        paid = relabel or _as_written
        many, device = self.count * self.num_worlds, self.obs.device
        index = torch.randint(many, (size,), generator=generator, device=device)
        slot, world = index // self.num_worlds + (self.written - self.count), index % self.num_worlds
        here = self._row(slot, world)
        flags = self.flags.index_select(0, here)
        sound = (flags & FAULTED) == 0
        reward, last, at = paid(slot, world, self.reward.index_select(0, here)), here, slot
        discount = torch.full_like(reward, gamma)
        if n_step > 1:
            going_on = (flags & _ENDED) == 0
            for step in range(1, n_step):
                row = self._row(slot + step, world)
                ahead = self.flags[row]
                going_on = going_on & (slot + step < self.written)
                going_on = going_on & ((ahead & FAULTED) == 0)
                reward += torch.where(going_on, discount * paid(slot + step, world, self.reward[row]), 0.0)
                discount = torch.where(going_on, discount * gamma, discount)
                at = at + going_on
                going_on = going_on & ((ahead & _ENDED) == 0)
            last = self._row(at, world)
            flags = self.flags[last]
        following = self.obs.index_select(0, self._row(at + 1, world))
        cut = (flags & TRUNCATED).nonzero()[:, 0]
        following[cut] = self.finals[self.final[last[cut]]]
        discount = discount * ((flags & TERMINATED) == 0)
        obs, action = self.obs.index_select(0, here), self.action.index_select(0, here)
        return Sample(obs, action, reward, following, discount, sound.to(torch.float32))

    def _newest(self) -> Tensor:
        return torch.tensor([self.written - 1], device=self.obs.device)

    def _row(self, slot: Tensor, world: Tensor) -> Tensor:
        return slot % (self.slots + 1) * self.num_worlds + world

    def _rows(self, slot: Tensor) -> Tensor:
        """Return the rows of all worlds in slots ``[k]``, ``[k, N]``."""
        return self._row(slot.unsqueeze(1), torch.arange(self.num_worlds, device=self.obs.device))

    def _cut(self, begins: Tensor) -> None:
        """Mark the newest steps as cut off where the next episode ``begins`` without their having ended."""
        rows = self._rows(self._newest())[0]
        lost = begins & ((self.flags[rows] & _ENDED) == 0)
        if not lost.any():
            return
        after = self._rows(self._newest() + 1)[0]
        before = self._append(self.obs[after[lost]], self.written - 1)
        self.flags[rows[lost]] |= TRUNCATED
        numbers = before + torch.arange(int(lost.sum()), device=rows.device)
        self.final[rows[lost]] = (numbers % len(self.finals)).to(torch.int32)

    def _append(self, finals: Tensor, newest: int) -> int:
        """Write final observations of steps up to slot number ``newest``; return how many had been written before."""
        before = int(self.position[1])
        oldest = max(newest + 1 - self.slots, int(self.position[2]))
        kept = int(self.before[oldest % (self.slots + 1)]) if oldest < self.written else before
        if before + len(finals) - kept > len(self.finals):
            self._grow(kept, before, before + len(finals) - kept)
        numbers = torch.arange(before, before + len(finals), device=finals.device)
        self.finals[numbers % len(self.finals)] = finals
        self.position[1] += len(finals)
        return before

    def _grow(self, kept: int, before: int, wanted: int) -> None:
        """Move final observations number ``kept`` to ``before`` to a ring twice as long or more."""
        old, size = self.finals, len(self.finals)
        while size < wanted:
            size *= 2
        self.finals = old.new_empty(size, old.shape[1])
        numbers = torch.arange(kept, before, device=old.device)
        self.finals[numbers % size] = old[numbers % len(old)]
        moved = torch.full((len(old),), 0, dtype=torch.int32, device=old.device)
        moved[numbers % len(old)] = (numbers % size).to(torch.int32)
        written = self._rows(torch.arange(self.written - self.count, self.written, device=old.device)).flatten()
        self.final[written] = torch.where((self.flags[written] & TRUNCATED).bool(), moved[self.final[written]], 0)


def _as_written(step: Tensor, world: Tensor, rewards: Tensor) -> Tensor:
    return rewards
