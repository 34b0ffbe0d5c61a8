"""Rollout: T steps of every member's worlds, and what became of the episodes that ended in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import gymnasium as gym
import torch
from torch import Tensor

from envreward.episodes import Episodes, EpisodeTracker, either
from envreward.rewards.sequence import Flow
from envreward.task_vector_env import TaskVectorEnv

from .reward_source import Relabel, RewardSource


class Actor(Protocol):
    """Acts in the worlds of M members for the length of a rollout."""

    def act(self, t: int, obs: Tensor) -> Tensor:
        """Return the actions of step ``t`` for raw observations ``[M, N, O]``: float32 ``[M, N, A]`` or int64."""
        ...

    def to_env(self, action: Tensor) -> Tensor:
        """Return actions as the environment takes them, ``[M * N, ...]``."""
        ...


class Cutoff(NamedTuple):
    """Episodes cut off by the time limit in one step: their value goes on although the episode does not."""

    t: int
    final_obs: Tensor
    """Raw, of all worlds, ``[M * N, O]``."""
    truncated: Tensor
    """bool ``[M, N]``."""


@dataclass(kw_only=True)
class Rollout:
    """T steps of N worlds of each of M members."""

    raw_obs: Tensor
    """Observations before each step as the environment gave them, float64 ``[M, T, N, O]``."""
    action: Tensor
    """As the actor returned them: float32 ``[M, T, N, A]`` or int64 ``[M, T, N]``."""
    ended: Tensor
    """bool ``[M, T, N]``."""
    cutoffs: list[Cutoff] = field(default_factory=list)
    first: Tensor
    """Whether the step was its episode's first, bool ``[M, T, N]``."""
    truncated: Tensor
    """Whether the episode was cut off after the step, bool ``[M, T, N]``."""
    faulted: Tensor | None = None
    """Steps in which the world's machinery failed, bool ``[M, T, N]``; ``None`` where none did."""
    cut_short: Tensor | None = None
    """Steps that ended an episode which was never to have its whole time, bool ``[M, T, N]``; ``None`` where none
    did."""
    broken: list[int]
    """Episodes that ended because the physics broke, by member."""
    success: list[list[bool]]
    """Of the episodes that ended and count, by member; likewise the next two."""
    fitness: list[list[float]]
    length: list[list[int]]
    next_obs: Tensor
    """Raw observations after the last step, ``[M * N, O]``."""
    relabel: Sequence[Relabel | None] = ()
    """What the rewards of earlier steps are by now, by member; ``None`` where they stay as they were."""

    def flow(self, member: int) -> Flow:
        """Return where a member's episodes begin and end, on the CPU, where rewards are computed."""
        first, truncated = self.first[member].cpu(), self.truncated[member].cpu()
        cut_short = None if self.cut_short is None else self.cut_short[member].cpu()
        return Flow(first, self.ended[member].cpu() & ~truncated, truncated, cut_short)

    @property
    def unscored(self) -> Tensor | None:
        """Steps at whose end an episode has no score, bool ``[M, T, N]``; ``None``: all have."""
        return either(self.faulted, self.cut_short)


class ActionMap:
    """Turns stacked actions into what the environment takes."""

    def __init__(self, space: gym.spaces.Space[object], device: torch.device | str = "cpu") -> None:
        self._bounds: tuple[Tensor, Tensor] | None = None
        if isinstance(space, gym.spaces.Box):
            self._bounds = (torch.as_tensor(space.low, device=device), torch.as_tensor(space.high, device=device))

    def __call__(self, action: Tensor) -> Tensor:
        """Return ``[M * N, ...]``, continuous actions clipped to the space (the policy itself is not bounded)."""
        flat = action.flatten(0, 1)
        return flat if self._bounds is None else flat.clamp(*self._bounds)


def collect(
    env: TaskVectorEnv,
    actor: Actor,
    tracker: EpisodeTracker,
    sources: Sequence[RewardSource],
    steps: int,
    obs: Tensor,
) -> Rollout:
    """Step all worlds T times and write what the rewards read into their inputs, in time order.

    Where the worlds are on a GPU, inputs on the CPU, those of programs, are written at the end, with one copy per field
    for all members and steps.

    Args:
        env: M * N worlds, member by member.
        actor: Acts in them.
        tracker: Of the worlds' episodes.
        sources: The members' rewards.
        steps: T.
        obs: Raw observations to begin with, ``[M * N, O]``.
    """
    members = len(sources)
    worlds, size = len(obs) // members, obs.shape[1]
    raw = torch.empty(members, steps, worlds, size, dtype=obs.dtype, device=obs.device)
    flags = torch.zeros(3, members, steps, worlds, dtype=torch.bool, device=obs.device)
    ended, first, truncated = flags
    rollout = Rollout(
        raw_obs=raw, action=raw, ended=ended, first=first, truncated=truncated, next_obs=obs,
        broken=[0] * members, relabel=[getattr(source, "relabel", None) for source in sources],
        success=[[] for _ in sources], fitness=[[] for _ in sources], length=[[] for _ in sources],
    )  # fmt: skip
    inputs = _Inputs(sources, worlds, obs.device)
    for t in range(steps):
        raw[:, t] = obs.view(members, worlds, size)
        action = actor.act(t, raw[:, t])
        if t == 0:
            rollout.action = torch.empty(members, steps, *action.shape[1:], dtype=action.dtype, device=obs.device)
        rollout.action[:, t] = action
        transition = env.advance(actor.to_env(action))
        inputs.write(t, transition.state)
        first[:, t] = transition.first.view(members, worlds)
        obs = transition.obs.flatten(1)
        if transition.faulted is not None:
            if rollout.faulted is None:
                rollout.faulted = torch.zeros_like(ended)
            rollout.faulted[:, t] = transition.faulted.view(members, worlds)
        if transition.cut_short is not None:
            if rollout.cut_short is None:
                rollout.cut_short = torch.zeros_like(ended)
            rollout.cut_short[:, t] = transition.cut_short.view(members, worlds)
        episodes = tracker.update(transition)
        if episodes is not None:
            ended[:, t] = (transition.terminated | transition.truncated).view(members, worlds)
            if transition.truncated.any():
                cut = truncated[:, t] = transition.truncated.view(members, worlds)
                rollout.cutoffs.append(Cutoff(t, transition.final_obs.flatten(1), cut))
            _log(rollout, worlds, episodes)
            for world in transition.broken.nonzero()[:, 0].tolist():
                rollout.broken[world // worlds] += 1
    rollout.next_obs = obs
    inputs.finish()
    return rollout


class _Inputs:
    """The fields that rewards read, on their way from the worlds into the rewards' inputs."""

    def __init__(self, sources: Sequence[RewardSource], worlds: int, device: torch.device) -> None:
        """Write what N ``worlds`` per member on ``device`` show into the inputs of ``sources``."""
        copies = [(values, name, m) for m, source in enumerate(sources) for name, values in source.inputs.items()]
        self._near = [copy for copy in copies if copy[0].device == device]
        self._far = [copy for copy in copies if copy[0].device != device]
        self._seen: dict[str, list[Tensor]] = {name: [] for _, name, _ in self._far}
        self._worlds = worlds

    def write(self, t: int, state: Mapping[str, Tensor]) -> None:
        """Take in the fields of all worlds after step ``t``, ``[M * N, *shape]`` each."""
        n = self._worlds
        for values, name, m in self._near:
            values[t * n : (t + 1) * n] = state[name][m * n : (m + 1) * n]
        for name, seen in self._seen.items():
            seen.append(state[name])

    def finish(self) -> None:
        """Copy what lies on another device than its inputs, once for all steps and members."""
        n = self._worlds
        moved = {name: torch.stack(seen).cpu() for name, seen in self._seen.items()}
        for values, name, m in self._far:
            rows = moved[name][:, m * n : (m + 1) * n].flatten(0, 1)
            values[: len(rows)] = rows


def _log(rollout: Rollout, worlds: int, episodes: Episodes) -> None:
    columns = (episodes.ids, episodes.success, episodes.fitness, episodes.length, episodes.scored)
    for world, succeeded, score, steps, scored in zip(*(column.tolist() for column in columns), strict=True):
        if not scored:
            continue
        member = world // worlds
        rollout.success[member].append(succeeded)
        rollout.fitness[member].append(score)
        rollout.length[member].append(steps)


def bootstrap(rewards: Tensor, cut: Cutoff, value: Tensor, gamma: float) -> None:
    """Add ``gamma * value`` to the rewards of episodes that a time limit cut off, in place.

    Args:
        rewards: ``[T, M, N]``, on the scale of the critic's values.
        cut: Where.
        value: The critic's value of ``cut.final_obs``, ``[M, N]``.
        gamma: Discount.
    """
    rewards[cut.t] += torch.where(cut.truncated, gamma * value, 0.0)


def ended_returns(rewards: Tensor, ended: Tensor, running: Tensor, unscored: Tensor | None = None) -> list[list[float]]:
    """Return the undiscounted returns of the episodes that ended and count, by member.

    Args:
        rewards: ``[M, T, N]``.
        ended: bool ``[M, T, N]``.
        running: Returns so far of the running episodes ``[M, N]``; updated in place.
        unscored: Where an episode ended that does not count, bool ``[M, T, N]``.
    """
    returns: list[list[float]] = [[] for _ in range(len(rewards))]
    any_ended = ended.any(2).any(0).tolist()
    for t, some in enumerate(any_ended):
        running += rewards[:, t]
        if some:
            whole = ended[:, t] if unscored is None else ended[:, t] & ~unscored[:, t]
            for member, mask in enumerate(whole):
                returns[member].extend(running[member][mask].tolist())
            running.masked_fill_(ended[:, t], 0.0)
    return returns
