"""SAC as a population's algorithm: from rollouts to replays to batches, what a member's state holds, and its policy."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import gymnasium as gym
import numpy as np
import torch
from torch import Tensor

from envreward.errors import ConfigError
from envreward.task import Task

from . import squashed
from .algorithm import Learned, check_settings, vector_size
from .config import Member, SACConfig, TrainingJob
from .member_state import REPLAY, MemberState, weight_generator
from .mlp import ALIGNED, MLPForm
from .normalize import obs_statistics
from .policy_io import PolicyForm, action_bounds
from .replay import FAULTED, FIRST, TERMINATED, TRUNCATED, Chunk, Replay
from .reward_source import Relabel
from .rollout import Rollout
from .running import Running
from .sac import Batch, SACNetworks, Step, update

_RING = f"{REPLAY}ring."
_BLOCK = 8
"""Gradient steps whose batches are drawn at once, which takes half the time that one at a time would."""


class SAC:
    """SAC with a job's settings on a task; see `Algorithm`."""

    def __init__(self, job: TrainingJob, task: Task) -> None:
        """Check the settings.

        Raises:
            ConfigError: SAC cannot work on the task, or not with these settings.
        """
        self.config, self.task = job.sac, task
        _check(job.sac)
        self.obs_size = vector_size("SAC", task)
        space = task.action_space
        if getattr(task, "candidate_shape", None) is not None or not isinstance(space, gym.spaces.Box):
            raise ConfigError(f"{task.spec.id}: SAC needs continuous actions; use --trainer ppo")
        if len(space.shape) != 1 or not np.isfinite([space.low, space.high]).all():
            raise ConfigError(f"{task.spec.id}: SAC needs a vector within finite bounds as action, got {space}")
        self.action_size = int(space.shape[0])
        hidden, activation = job.sac.hidden_sizes, job.sac.activation
        self.actor = MLPForm((self.obs_size, *hidden, 2 * self.action_size), activation)
        self.critic = MLPForm((self.obs_size + self.action_size, *hidden, 1), activation)
        needed = -(-min(job.sac.replay_size, job.total_steps) // job.sac.num_worlds)
        self.slots = max(needed, job.sac.rollout_steps)
        self.memory = -(-self.slots // job.sac.rollout_steps)

    def fresh(self, member: Member) -> MemberState:
        """Return SAC's own part of the state of a member that has not trained yet."""
        log_alpha = math.log(self.config.init_alpha)
        return SACNetworks.fresh(self.actor, self.critic, log_alpha, weight_generator(member))

    def learner(self, state: Mapping[str, Tensor], running: Running, experience: Sequence[MemberState]) -> SACLearner:
        """Return a learner that goes on from stacked states and the members' replays."""
        return SACLearner(self, state, running, experience)

    def policy(self, state: MemberState) -> tuple[PolicyForm, dict[str, Tensor]]:
        """Return a member's policy, the mean of the squashed Gaussian: its form and its tensors."""
        views = self.actor.views(state["actor"].unsqueeze(0))
        tensors: dict[str, Tensor] = {}
        last = len(views) // 2 - 1
        for layer in range(last + 1):
            weight, bias = views[2 * layer][0], views[2 * layer + 1][0, 0]
            if layer == last:
                weight, bias = weight[:, : self.action_size], bias[: self.action_size]
            tensors |= {f"actor.{layer}.weight": weight.clone(), f"actor.{layer}.bias": bias.clone()}
        if self.config.normalize_obs:
            tensors |= obs_statistics(state["obs.mean"], state["obs.var"], self.config.obs_min_std)
        form = PolicyForm(
            env_id=self.task.spec.id,
            obs_shape=tuple(self.task.observation_space.shape or ()),
            action_shape=(self.action_size,),
            action_size=self.action_size,
            layers=self.config.hidden_sizes,
            activation=self.config.activation,
            head="gaussian",
            squash=True,
            obs_clip=self.config.obs_clip,
        )
        return form, tensors | action_bounds(self.task.action_space)

    def gradient_steps(self, updates: int) -> int:
        """Return how many gradient steps follow the rollout that comes after ``updates`` updates.

        In sum, ``updates_per_step`` for each environment step that a member takes once it may learn.
        """
        config = self.config
        per_update = config.num_worlds * config.rollout_steps
        before, after = (max(n * per_update - config.learning_starts, 0) for n in (updates, updates + 1))
        return math.floor(after * config.updates_per_step) - math.floor(before * config.updates_per_step)


class SACLearner:
    """M members that learn by SAC; see `Learner`."""

    def __init__(
        self, algorithm: SAC, state: Mapping[str, Tensor], running: Running, experience: Sequence[MemberState]
    ) -> None:
        self._algorithm, self._config, self._running = algorithm, algorithm.config, running
        self._nets = SACNetworks(algorithm.actor, algorithm.critic, state)
        self._device = self._nets.log_alpha.device
        bounds = action_bounds(algorithm.task.action_space, self._device)
        self._low, self._range = bounds["action_low"], bounds["action_high"] - bounds["action_low"]
        self._noise, self._random = torch.zeros(0, device=self._device), False
        self._replays = [self._open(own) for own in experience]
        self._sound = torch.ones(len(experience), dtype=torch.bool, device=self._device)
        entropy = self._config.target_entropy
        self._target_entropy = -float(algorithm.action_size) if entropy is None else entropy

    def begin(self, updates: int) -> None:
        """Draw the exploration noise of a rollout, ``[M, T, N, A]``: uniform actions before a member may learn."""
        config = self._config
        shape = (config.rollout_steps, config.num_worlds, self._algorithm.action_size)
        self._random = updates * config.num_worlds * config.rollout_steps < config.learning_starts
        if self._random:
            drawn = [torch.rand(shape, generator=g, device=g.device) for g in self._running.generators]
            self._noise = torch.stack(drawn).mul_(2).sub_(1)
        else:
            self._noise = torch.stack(
                [torch.randn(shape, generator=g, device=g.device) for g in self._running.generators]
            )

    def act(self, t: int, obs: Tensor) -> Tensor:
        """Return sampled actions in [-1, 1]."""
        noise = self._noise[:, t]
        return noise if self._random else squashed.squash(self._nets.actor.forward(self._normalized(obs)), noise)

    def to_env(self, action: Tensor) -> Tensor:
        """Return actions scaled to the bounds of the action space, ``[M * N, A]``."""
        return (action.flatten(0, 1) + 1).mul_(0.5).mul_(self._range).add_(self._low)

    def learn(self, rollout: Rollout, rewards: Tensor, updates: int) -> list[Learned]:
        """Add a rollout to the members' replays and learn from what is drawn of them."""
        config, members = self._config, len(self._replays)
        for m, chunk in enumerate(_chunks(rollout, rewards)):
            self._replays[m].write(chunk)
        if config.normalize_obs:
            self._running.normalizer.update(rollout.raw_obs.flatten(1, 2))
        if config.normalize_reward:
            self._running.scaler.update(rewards.transpose(0, 1), rollout.ended.transpose(0, 1))
        count = self._algorithm.gradient_steps(updates)
        if not count:
            return [Learned(config.learning_rate) for _ in range(members)]
        total = torch.zeros(len(Step._fields), members, device=self._device)
        for start in range(0, count, _BLOCK):
            for batch in self._batches(min(_BLOCK, count - start), rollout.relabel):
                total += torch.stack(update(self._nets, batch, config, self._target_entropy))
        self._sound = torch.isfinite(total).all(0)
        entropy, value_loss, value_mean, _, alpha = (total / count).tolist()
        return [
            Learned(
                config.learning_rate,
                entropy=entropy[m],
                value_loss=value_loss[m],
                alpha=alpha[m],
                value_mean=value_mean[m],
            )
            for m in range(members)
        ]

    def finite(self) -> list[bool]:
        """Return, for each member, whether its weights, and the losses that led to them, are numbers."""
        tensors = (self._nets.state[name].flatten(1) for name in ("actor", "critic", "log_alpha"))
        return (torch.isfinite(torch.cat([*tensors], 1)).all(1) & self._sound).tolist()

    def silence(self, row: int) -> None:
        """Set all that a member has learned to zero."""
        for values in self._nets.state.values():
            values[row] = 0.0

    def save(self) -> dict[str, Tensor]:
        """Return SAC's own part of the members' states, stacked."""
        return self._nets.state

    def experience(self, row: int, since: int | None) -> MemberState:
        """Return a member's replay; copied, its tensors' names begin with the number of the first step in them."""
        replay = self._replays[row]
        if since is None:
            return {f"{_RING}{name}": values for name, values in replay.share().items()}
        start = max(since * self._config.rollout_steps, replay.written - replay.count)
        if start >= replay.written:
            return {}
        return {f"{REPLAY}{start:012d}.{name}": values.cpu() for name, values in replay.read(start)._asdict().items()}

    def _open(self, experience: MemberState) -> Replay:
        algorithm = self._algorithm
        sizes = (algorithm.slots, self._config.num_worlds, algorithm.obs_size, algorithm.action_size)
        replay = Replay(*sizes, self._device)
        ring = {name.removeprefix(_RING): values for name, values in experience.items() if name.startswith(_RING)}
        if ring:
            replay.take_over(ring)
            return replay
        starts = sorted({name.removeprefix(REPLAY).partition(".")[0] for name in experience})
        for start in starts:
            parts = {name: experience[f"{REPLAY}{start}.{name}"].to(self._device) for name in Chunk._fields}
            replay.write(Chunk(**parts), int(start))
        return replay

    def _batches(self, count: int, relabel: Sequence[Relabel | None]) -> Iterator[Batch]:
        """Draw what ``count`` gradient steps learn from."""
        config, size, members = self._config, self._config.batch_size, len(self._replays)
        drawn, noise = [], []
        for replay, generator, change in zip(self._replays, self._running.generators, relabel, strict=True):
            drawn.append(replay.sample(count * size, config.n_step, config.gamma, generator, change))
            shape = (count, 2 * size, self._algorithm.action_size)
            noise.append(torch.randn(shape, generator=generator, device=self._device))
        stacked = (torch.stack(column).view(members, count, size, -1) for column in zip(*drawn, strict=True))
        obs, action, reward, next_obs, discount, weight = stacked
        both = self._normalized(torch.cat((obs, next_obs), 2).flatten(1, 2)).view(members, count, 2 * size, -1)
        scale = torch.full((members, 1), config.reward_scale, dtype=torch.float64, device=self._device)
        if config.normalize_reward:
            scale *= self._running.scaler.scale
        reward = reward.squeeze(-1) * scale.to(torch.float32).unsqueeze(1)
        noises = torch.stack(noise)
        for i in range(count):
            yield Batch(
                both=both[:, i],
                action=action[:, i],
                reward=reward[:, i],
                discount=discount[:, i, :, 0],
                noise=noises[:, i],
                weight=weight[:, i, :, 0],
            )

    def _normalized(self, obs: Tensor) -> Tensor:
        return self._running.normalizer(obs) if self._config.normalize_obs else obs.to(torch.float32)


def _chunks(rollout: Rollout, rewards: Tensor) -> list[Chunk]:
    """Return a rollout as each member's replay takes it."""
    flags = rollout.first * FIRST + (rollout.ended & ~rollout.truncated) * TERMINATED + rollout.truncated * TRUNCATED
    if rollout.faulted is not None:
        flags = flags + rollout.faulted * FAULTED
    members, _, worlds = rewards.shape
    obs, next_obs = rollout.raw_obs.to(torch.float32), rollout.next_obs.to(torch.float32).view(members, worlds, -1)
    finals: list[list[Tensor]] = [[] for _ in range(members)]
    for cut in rollout.cutoffs:
        last = cut.final_obs.to(torch.float32).view(members, worlds, -1)
        for m, mask in enumerate(cut.truncated):
            finals[m].append(last[m][mask])
    none = obs.new_empty(0, obs.shape[-1])
    return [
        Chunk(
            obs[m], rollout.action[m], rewards[m], flags[m].to(torch.uint8), torch.cat([none, *finals[m]]), next_obs[m]
        )
        for m in range(members)
    ]


def _check(config: SACConfig) -> None:
    check_settings(
        "sac", config,
        at_least_1=("num_worlds", "rollout_steps", "batch_size", "n_step"),
        above_0=("updates_per_step", "init_alpha", "learning_rate", "reward_scale", "obs_clip", "obs_min_std"),
        not_negative=("learning_starts", "alpha_learning_rate"),
        shares=("gamma",),
    )  # fmt: skip
    rollout = config.num_worlds * config.rollout_steps
    if config.replay_size < rollout:
        raise ConfigError(f"sac.replay_size must hold a rollout, {rollout} transitions, got {config.replay_size}")
    if not 0 < config.tau <= 1:
        raise ConfigError(f"sac.tau must be above 0 and at most 1, got {config.tau}")
    if not config.hidden_sizes or any(size < 1 or size % ALIGNED for size in config.hidden_sizes):
        raise ConfigError(f"sac.hidden_sizes must be multiples of {ALIGNED}, one or more, got {config.hidden_sizes}")
    if config.batch_size % ALIGNED:
        raise ConfigError(f"sac.batch_size must be a multiple of {ALIGNED}, got {config.batch_size}")
    if config.num_worlds > 1 and config.num_worlds % 2:
        raise ConfigError(f"sac.num_worlds must be 1 or even, got {config.num_worlds}")
