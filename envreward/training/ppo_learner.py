"""PPO as a population's algorithm: from rollouts to batches, what a member's state holds, and its policy."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import gymnasium as gym
import torch
from torch import Tensor

from envreward.errors import ConfigError
from envreward.task import Task

from .algorithm import Learned, check_settings, vector_size
from .candidate_networks import make_networks
from .config import Member, PPOConfig, TrainingJob
from .gae import advantages
from .heads import make_head
from .member_state import MemberState, weight_generator
from .networks import NetworkSpec, initial_weights, named_weights
from .normalize import obs_statistics
from .optimizer import StackedAdam
from .policy_io import PolicyForm, action_bounds, network_form
from .ppo import Batch, explained_variance, update
from .rollout import ActionMap, Rollout, bootstrap
from .running import Running


class PPO:
    """PPO with a job's settings on a task; see `Algorithm`."""

    def __init__(self, job: TrainingJob, task: Task) -> None:
        """Check the settings.

        Raises:
            ConfigError: PPO cannot work on the task, or not with these settings.
        """
        self.config, self.total_updates = job.ppo, job.total_updates
        check_settings(
            "ppo", job.ppo,
            at_least_1=("num_worlds", "rollout_steps", "minibatch_size", "epochs"),
            above_0=("learning_rate", "clip_range", "max_grad_norm", "obs_clip", "obs_min_std"),
            not_negative=("value_coef", "entropy_coef"),
            shares=("gamma", "gae_lambda"),
        )  # fmt: skip
        if job.ppo.lr_schedule == "adaptive" and job.ppo.target_kl is None:
            raise ConfigError("ppo.lr_schedule adaptive needs ppo.target_kl, e.g. 0.01")
        self.task = task
        self.spec = network_spec(task, job.ppo)
        self.obs_size, self.memory = self.spec.obs_size, 0

    def fresh(self, member: Member) -> MemberState:
        """Return PPO's own part of the state of a member that has not trained yet."""
        weights = initial_weights(self.spec, self.config.init_log_std, weight_generator(member))
        return {
            "weights": weights,
            "adam.first": torch.zeros_like(weights),
            "adam.second": torch.zeros_like(weights),
            "adam.steps": torch.zeros(1, dtype=torch.float64),
            "learning_rate": torch.full((1,), self.config.learning_rate, dtype=torch.float64),
        }

    def learner(self, state: Mapping[str, Tensor], running: Running, experience: Sequence[MemberState]) -> PPOLearner:
        """Return a learner that goes on from stacked states; PPO keeps no experience."""
        return PPOLearner(self, state, running)

    def policy(self, state: MemberState) -> tuple[PolicyForm, dict[str, Tensor]]:
        """Return a member's policy: its form and its tensors."""
        tensors = named_weights(self.spec, state["weights"])
        if self.config.normalize_obs:
            tensors |= obs_statistics(state["obs.mean"], state["obs.var"], self.config.obs_min_std)
        tensors |= action_bounds(self.task.action_space)
        shape = tuple(self.task.observation_space.shape or ())
        return network_form(self.task.spec.id, self.spec, shape, self.config.obs_clip), tensors


class PPOLearner:
    """M members that learn by PPO; see `Learner`."""

    def __init__(self, algorithm: PPO, state: Mapping[str, Tensor], running: Running) -> None:
        self._algorithm, self._config, self._running = algorithm, algorithm.config, running
        spec, device = algorithm.spec, state["weights"].device
        self._nets = make_networks(spec, state["weights"])
        self._head = make_head(spec.head, spec.action_size)
        self._adam = StackedAdam(self._nets.weights, state["adam.first"], state["adam.second"], state["adam.steps"])
        self._learning_rate = state["learning_rate"]
        self._noise = torch.zeros(0, device=device)
        self.to_env = ActionMap(algorithm.task.action_space, device)

    def begin(self, updates: int) -> None:
        """Draw the exploration noise of a rollout, ``[M, T, N, ...]``."""
        steps, worlds = self._config.rollout_steps, self._config.num_worlds
        drawn = [self._head.noise(steps, worlds, g) for g in self._running.generators]
        self._noise = torch.stack(drawn)

    def act(self, t: int, obs: Tensor) -> Tensor:
        """Return sampled actions, continuous ones not clipped."""
        return self._head.sample(self._nets, self._nets.action(self._running.normalizer(obs)), self._noise[:, t])

    def learn(self, rollout: Rollout, rewards: Tensor, updates: int) -> list[Learned]:
        """Learn from a rollout."""
        batch, values = self._prepare(rollout, rewards)
        order = torch.Generator(device=rewards.device).manual_seed(updates)
        rates = self._scheduled(updates)
        stats = update(self._nets, self._adam, self._head, batch, self._config, rates, order)
        self._learning_rate = stats.learning_rate.unsqueeze(1)
        if self._config.normalize_obs and self._algorithm.spec.candidates is None:
            self._running.normalizer.update(
                rollout.raw_obs.flatten(1, 2)
            )  # candidates are scaled by whoever makes them
        numbers = {name: values.tolist() for name, values in stats._asdict().items()}
        variance = explained_variance(values, batch.target).tolist()
        return [
            Learned(explained_variance=None if math.isnan(v) else v, **{name: n[m] for name, n in numbers.items()})
            for m, v in enumerate(variance)
        ]

    def finite(self) -> list[bool]:
        """Return, for each member, whether its weights are numbers."""
        return torch.isfinite(self._nets.weights).all(1).tolist()

    def silence(self, row: int) -> None:
        """Set a member's weights and moments to zero."""
        for values in (self._nets.weights, self._adam.first, self._adam.second):
            values[row] = 0.0

    def save(self) -> dict[str, Tensor]:
        """Return PPO's own part of the members' states, stacked."""
        return {
            "weights": self._nets.weights,
            "adam.first": self._adam.first,
            "adam.second": self._adam.second,
            "adam.steps": self._adam.steps,
            "learning_rate": self._learning_rate,
        }

    def experience(self, row: int, since: int | None) -> MemberState:
        """Return nothing: each rollout is learned from once."""
        return {}

    def _prepare(self, rollout: Rollout, rewards: Tensor) -> tuple[Batch, Tensor]:
        """Return the batch to learn from and the critic's values of its observations ``[M, B]``."""
        config, normalizer = self._config, self._running.normalizer
        members, _, worlds = rewards.shape
        ended = rollout.ended.transpose(0, 1)
        scaled = rewards.transpose(0, 1)
        scaled = self._running.scaler(scaled, ended) if config.normalize_reward else scaled.clone()
        for cut in rollout.cutoffs:
            value = self._nets.value(normalizer(cut.final_obs.view(members, worlds, -1)))
            bootstrap(scaled, cut, value, config.gamma)
        obs, action = normalizer(rollout.raw_obs.flatten(1, 2)), rollout.action.flatten(1, 2)
        output = self._nets.forward(obs)
        last = self._nets.value(normalizer(rollout.next_obs.view(members, worlds, -1)))
        values = torch.cat((output.value.view(members, -1, worlds), last.unsqueeze(1)), 1).transpose(0, 1)
        faulted = rollout.faulted
        if faulted is not None:  # nothing is known of what such a step led to: it earns what the critic expected
            scaled = torch.where(faulted.transpose(0, 1), values[:-1], scaled)
        advantage = advantages(scaled, values, ended, config.gamma, config.gae_lambda).transpose(0, 1).flatten(1)
        batch = Batch(
            obs=obs,
            action=action,
            log_prob=self._head.score(self._nets, output.action, action).log_prob,
            advantage=advantage,
            target=advantage + output.value,
            counts=None if faulted is None else (~faulted).flatten(1).to(torch.float32),
        )
        return batch, output.value

    def _scheduled(self, updates: int) -> Tensor:
        config = self._config
        if config.lr_schedule == "adaptive":
            return self._learning_rate
        left = 1.0 - updates / self._algorithm.total_updates if config.lr_schedule == "linear" else 1.0
        return torch.full_like(self._learning_rate, config.learning_rate * left)


def network_spec(task: Task, config: PPOConfig) -> NetworkSpec:
    """Return the form of the networks for a task.

    Raises:
        ConfigError: The task's observations are no vectors, or its actions neither a vector nor one choice of several.
    """
    action = task.action_space
    obs_size = vector_size("PPO", task)
    if isinstance(action, gym.spaces.Discrete):
        size, discrete = int(action.n), True
    elif isinstance(action, gym.spaces.Box) and len(action.shape) == 1:
        size, discrete = int(action.shape[0]), False
    else:
        raise ConfigError(f"{task.spec.id}: PPO needs a vector or a single discrete choice as action, got {action}")
    candidates = getattr(task, "candidate_shape", None)
    if candidates is not None and (not config.hidden_sizes or min(config.hidden_sizes) < 2):
        raise ConfigError(f"{task.spec.id}: choosing among candidates needs hidden layers of 2 units or more")
    return NetworkSpec(
        obs_size=obs_size,
        action_size=size,
        hidden_sizes=config.hidden_sizes,
        activation=config.activation,
        head="categorical" if discrete else "gaussian",
        candidates=candidates,
    )
