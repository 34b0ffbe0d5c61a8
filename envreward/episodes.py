"""Transitions of N worlds, and bookkeeping over them: success, fitness, length and return of each episode that ends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor


class Transition(NamedTuple):
    """What one step of N worlds gave."""

    obs: Tensor
    """``[N, *obs_shape]`` after autoreset: worlds that ended show their new episode's first observation."""
    final_obs: Tensor
    """``[N, *obs_shape]`` before autoreset; the same object as ``obs`` when no world was reset."""
    terminated: Tensor
    """bool ``[N]``."""
    truncated: Tensor
    """bool ``[N]``; never true together with ``terminated``."""
    state: dict[str, Any]
    """The requested fields: values after the action and before autoreset; ``prev_*`` those before the action."""
    success: Tensor
    """bool ``[N]``; the private success field at this step."""
    fitness: Tensor
    """float ``[N]``; the private per-step fitness."""
    broken: Tensor
    """bool ``[N]``; worlds whose physics broke in this step: truncated, all else shows their state before it."""
    first: Tensor
    """bool ``[N]``; whether this was the first step of its episode."""
    faulted: Tensor | None = None
    """bool ``[N]``; worlds whose machinery failed in this step (see `envreward.worlds`): truncated, and neither trained
    on nor scored. ``None``: no world's did."""
    cut_short: Tensor | None = None
    """bool ``[N]``; worlds that ended an episode which was never to have its whole time (see `TaskVectorEnv.cut`):
    trained on like any other, but not scored, since its sums do not compare. ``None``: no world did."""

    @property
    def unscored(self) -> Tensor | None:
        """Worlds whose episode has no score if it ends in this step, bool ``[N]``; ``None``: all have."""
        return either(self.faulted, self.cut_short)


def either(first: Tensor | None, second: Tensor | None) -> Tensor | None:
    """Return where one of two flags is set, ``None`` being nowhere."""
    if first is None or second is None:
        return first if second is None else second
    return first | second


class Episodes(NamedTuple):
    """The episodes that ended in one step, in order of their worlds."""

    ids: Tensor
    """Worlds in which they ended, int64 ``[k]``."""
    success: Tensor
    """Whether the success test held at some step, bool ``[k]``."""
    fitness: Tensor
    """Per-step fitness reduced as the task says, float64 ``[k]``."""
    length: Tensor
    """Steps, int64 ``[k]``."""
    episode_return: Tensor | None
    """Undiscounted sum of rewards, float64 ``[k]``; ``None`` where no reward was given."""
    components: dict[str, Tensor]
    """Undiscounted sum of each reward component, float64 ``[k]``."""
    faulted: Tensor
    """Whether its machinery failed, bool ``[k]``: such an episode has no score, and the numbers above mean nothing."""
    scored: Tensor
    """Whether the numbers above may be compared with those of others, bool ``[k]``: its machinery held, and the episode
    had its whole time."""


class EpisodeTracker:
    """Accumulates N running episodes; a world's episode begins right after its previous one ended."""

    def __init__(
        self,
        num_envs: int,
        fitness_reduce: Literal["sum", "mean", "max", "last"] = "last",
        device: torch.device | str = "cpu",
    ) -> None:
        self._reduce = fitness_reduce
        self._start = float("-inf") if fitness_reduce == "max" else 0.0
        self._success = torch.zeros(num_envs, dtype=torch.bool, device=device)
        self._fitness = torch.full((num_envs,), self._start, dtype=torch.float64, device=device)
        self._length = torch.zeros(num_envs, dtype=torch.int64, device=device)
        self._sums: dict[str | None, Tensor] = {}

    def update(
        self, transition: Transition, reward: Tensor | None = None, components: Mapping[str, Tensor] | None = None
    ) -> Episodes | None:
        """Add one step of all worlds; return the episodes that ended in it, or ``None``.

        Args:
            transition: The step.
            reward: Rewards ``[N]``, where known.
            components: Reward components ``[N]`` by name, where known.
        """
        self._success |= transition.success
        self._length += 1
        self._add_fitness(transition.fitness)
        given: dict[str | None, Tensor] = dict(components.items()) if components else {}
        if reward is not None:
            given[None] = reward  # no component can be called None
        for name, value in given.items():
            if name not in self._sums:
                self._sums[name] = torch.zeros_like(self._fitness)
            self._sums[name] += value
        ids = (transition.terminated | transition.truncated).nonzero().squeeze(1)
        return self._finish(ids, transition) if len(ids) else None

    def reset(self, ids: Tensor | None = None) -> None:
        """Forget the running episodes of the worlds ``ids``, of all by default."""
        rows = slice(None) if ids is None else ids
        self._success[rows] = False
        self._fitness[rows] = self._start
        self._length[rows] = 0
        for total in self._sums.values():
            total[rows] = 0.0

    def save(self) -> dict[str, Tensor]:
        """Return copies of the running episodes' success, fitness and length, one row per world."""
        return {"success": self._success.clone(), "fitness": self._fitness.clone(), "length": self._length.clone()}

    def load(self, saved: Mapping[str, Tensor]) -> None:
        """Go on with the running episodes that `save` returned."""
        self._success, self._fitness, self._length = (saved[k].clone() for k in ("success", "fitness", "length"))

    def _add_fitness(self, fitness: Tensor) -> None:
        if self._reduce in ("sum", "mean"):
            self._fitness += fitness
        elif self._reduce == "max":
            torch.maximum(self._fitness, fitness.to(torch.float64), out=self._fitness)
        else:
            self._fitness.copy_(fitness)

    def _finish(self, ids: Tensor, transition: Transition) -> Episodes:
        faulted, unscored = transition.faulted, transition.unscored
        none = torch.zeros_like(ids, dtype=torch.bool)
        length = self._length[ids]
        fitness = self._fitness[ids]
        episodes = Episodes(
            ids=ids,
            success=self._success[ids],
            fitness=fitness / length if self._reduce == "mean" else fitness,
            length=length,
            episode_return=self._sums[None][ids] if None in self._sums else None,
            components={name: total[ids] for name, total in self._sums.items() if name is not None},
            faulted=none if faulted is None else faulted[ids],
            scored=~none if unscored is None else ~unscored[ids],
        )
        self.reset(ids)
        return episodes
