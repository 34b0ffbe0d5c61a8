"""One Stable-Baselines3 training of one member. Imported only when SB3 is asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from stable_baselines3 import PPO, SAC, TD3
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.vec_env import VecEnv, VecNormalize
from torch import Tensor

from envreward.episodes import EpisodeTracker
from envreward.errors import ConfigError
from envreward.rewards.sequence import Flow
from envreward.task_vector_env import TaskVectorEnv
from envreward.vector_env import make_vector_env

from .config import Member, MetricRow, PPOConfig, TrainingJob
from .member_state import world_seeds
from .metrics import MetricWriter
from .policy_io import PolicyForm, action_bounds, save_policy
from .reward_source import RewardSource

_ACTIVATIONS = {"tanh": torch.nn.Tanh, "relu": torch.nn.ReLU, "elu": torch.nn.ELU}
_ROW_EVERY = 2048
"""Environment steps between metric rows of the off-policy algorithms."""


class Sb3Learner:
    """Trains one member with the algorithm that the job names."""

    def __init__(
        self, job: TrainingJob, member: Member, folder: Path, source: RewardSource, clock: Callable[[], float]
    ) -> None:
        """Create worlds and model; nothing is learned yet.

        Raises:
            ConfigError: The algorithm cannot handle the task's actions.
        """
        self._job, self._member, self._folder = job, member, folder
        self._env = make_vector_env(job.env_id, self.num_worlds(job), reward="none")
        self._env.request(source.inputs)
        worlds = _Worlds(self._env, source, world_seeds(member, self._env.num_envs, 0), job)
        self._normalizer: VecNormalize | None = None
        self._model = self._make(worlds)
        self._callback = _Metrics(job, member, worlds, MetricWriter(folder), clock)

    @staticmethod
    def num_worlds(job: TrainingJob) -> int:
        """Return how many worlds the algorithm steps together: the off-policy ones learn after every step of one."""
        return job.ppo.num_worlds if job.trainer == "sb3:ppo" else 1

    @property
    def steps(self) -> int:
        """Environment steps taken."""
        return int(self._model.num_timesteps)

    def learn(self) -> None:
        """Train to the end.

        Raises:
            RewardRuntimeError: The member's reward failed.
        """
        self._model.set_logger(Logger(None, []))  # its own would leave a folder in the temporary directory
        try:
            self._model.learn(self._job.total_steps, callback=self._callback)
        finally:
            self._callback.flush()
            self._env.close()

    def save_policy(self) -> None:
        """Write the actor, as it is, in the form that all trainers write."""
        env, model = self._env, self._model
        actor: Any = model.policy if isinstance(model, PPO) else model.actor  # type: ignore[attr-defined]
        if isinstance(model, PPO):
            modules = [*actor.mlp_extractor.policy_net, actor.action_net]
        else:
            modules = [*actor.latent_pi, actor.mu] if isinstance(model, SAC) else [*actor.mu]
        layers = [m for m in modules if isinstance(m, torch.nn.Linear)]
        tensors: dict[str, Tensor] = {}
        for i, layer in enumerate(layers):
            tensors |= {f"actor.{i}.weight": layer.weight.detach().T, f"actor.{i}.bias": layer.bias.detach()}
        if self._normalizer is not None:
            rms = self._normalizer.obs_rms
            assert not isinstance(rms, dict)
            mean, var = torch.as_tensor(rms.mean), torch.as_tensor(rms.var)
            tensors |= {"obs_mean": mean, "obs_scale": (var + self._normalizer.epsilon).rsqrt()}
        action = env.single_action_space
        tensors |= action_bounds(action)
        form = PolicyForm(
            env_id=self._job.env_id,
            obs_shape=tuple(env.single_observation_space.shape or ()),
            action_shape=tuple(action.shape or ()),
            action_size=layers[-1].out_features,
            layers=tuple(layer.out_features for layer in layers[:-1]),
            activation=self._job.ppo.activation if isinstance(model, PPO) else "relu",
            head="gaussian" if isinstance(action, gym.spaces.Box) else "categorical",
            squash=not isinstance(model, PPO),
            obs_clip=self._job.ppo.obs_clip,
        )
        save_policy(self._folder / "members" / self._member.key, form, tensors)

    def _make(self, worlds: _Worlds) -> BaseAlgorithm:
        job, seed = self._job, self._member.seed
        if job.trainer == "sb3:ppo":
            config = job.ppo
            venv: VecEnv = worlds
            if config.normalize_obs or config.normalize_reward:
                venv = self._normalizer = VecNormalize(
                    worlds,
                    norm_obs=config.normalize_obs,
                    norm_reward=config.normalize_reward,
                    clip_obs=config.obs_clip,
                    epsilon=config.obs_min_std**2,  # added to variances
                    gamma=config.gamma,
                )
                if not config.normalize_obs:
                    self._normalizer = None
            return PPO("MlpPolicy", venv, seed=seed, device="cpu", **_ppo_arguments(config, self._env.num_envs))
        if not isinstance(self._env.single_action_space, gym.spaces.Box):
            raise ConfigError(f"{job.trainer} needs continuous actions; use ppo or sb3:ppo for {job.env_id}")
        algorithm = SAC if job.trainer == "sb3:sac" else TD3
        return algorithm("MlpPolicy", worlds, seed=seed, device="cpu")


def _ppo_arguments(config: PPOConfig, num_worlds: int) -> dict[str, Any]:
    def schedule(progress_left: float) -> float:
        return config.learning_rate * (max(progress_left, 0.0) if config.lr_schedule == "linear" else 1.0)

    return {
        "n_steps": config.rollout_steps,
        "batch_size": min(config.minibatch_size, config.rollout_steps * num_worlds),
        "n_epochs": config.epochs,
        "learning_rate": schedule,
        "gamma": config.gamma,
        "gae_lambda": config.gae_lambda,
        "clip_range": config.clip_range,
        "vf_coef": config.value_coef,
        "ent_coef": config.entropy_coef,
        "max_grad_norm": config.max_grad_norm,
        "target_kl": config.target_kl,
        "normalize_advantage": config.normalize_advantage,
        "policy_kwargs": {
            "net_arch": [*config.hidden_sizes],
            "activation_fn": _ACTIVATIONS[config.activation],
            "log_std_init": config.init_log_std,
        },
    }


class _Worlds(VecEnv):
    """A `TaskVectorEnv` as SB3 wants it, with the member's reward."""

    def __init__(self, env: TaskVectorEnv, source: RewardSource, seeds: list[int], job: TrainingJob) -> None:
        super().__init__(env.num_envs, env.single_observation_space, env.single_action_space)
        self._task_env, self._source, self._world_seeds = env, source, seeds
        self._timeout_s, self._spread = job.reward_timeout_s, job.trainer == "sb3:ppo" and job.ppo.spread_starts
        self.tracker = EpisodeTracker(env.num_envs, env.task.fitness_reduce)
        self.episodes: list[tuple[bool, float, int, float]] = []
        """Success, fitness, length and return of the episodes that ended and count since the last row."""
        self.broken = 0
        self.rewards: list[float] = []
        self.components: dict[str, float] = {}
        self._action = torch.zeros(0)

    def reset(self) -> np.ndarray:
        self.tracker.reset()
        obs = self._task_env.reset(seed=self._world_seeds)[0].numpy()
        if self._spread:
            self._task_env.spread_starts(self.num_envs)
        return obs

    def step_async(self, actions: np.ndarray) -> None:
        self._action = torch.from_numpy(np.asarray(actions))

    def step_wait(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[dict[str, Any]]]:
        transition = self._task_env.advance(self._action)
        for name, values in self._source.inputs.items():
            values[: self.num_envs] = transition.state[name]
        flow = Flow(transition.first, transition.terminated, transition.truncated, transition.cut_short)
        self._source.submit(flow.each(lambda flags: flags.unsqueeze(0)))
        reward, components = self._source.result(self._timeout_s)
        reward = reward.clone()
        if transition.faulted is not None:  # these trainers cannot leave a step out: it pays nothing and is cut off
            reward[transition.faulted] = 0.0
        self.rewards.append(float(reward.mean()))
        for name, values in components.items():
            self.components[name] = self.components.get(name, 0.0) + float(values.mean())
        ended = self.tracker.update(transition, reward)
        self.broken += int(transition.broken.sum())
        infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        if ended is not None and ended.episode_return is not None:
            numbers = (ended.success, ended.fitness, ended.length, ended.episode_return)
            self.episodes.extend(zip(*(n[ended.scored].tolist() for n in numbers), strict=True))
            for i in ended.ids.tolist():
                infos[i]["terminal_observation"] = transition.final_obs[i].numpy()
                infos[i]["TimeLimit.truncated"] = bool(transition.truncated[i])
        done = transition.terminated | transition.truncated
        return transition.obs.numpy(), reward.numpy().astype(np.float32), done.numpy(), infos

    def close(self) -> None:
        """Nothing to release: the environment belongs to the learner."""

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        value = None if attr_name == "render_mode" else getattr(self._task_env, attr_name)
        return [value] * len(self._indices(indices))

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        raise NotImplementedError("the worlds are one object; set attributes on the task environment")

    def env_method(self, method_name: str, *args: Any, indices: Any = None, **kwargs: Any) -> list[Any]:
        raise NotImplementedError("the worlds are one object; call methods of the task environment")

    def env_is_wrapped(self, wrapper_class: Any, indices: Any = None) -> list[bool]:
        return [False] * len(self._indices(indices))

    def _indices(self, indices: Any) -> Sequence[int]:
        return range(self.num_envs) if indices is None else [*np.atleast_1d(indices)]


class _Metrics(BaseCallback):
    """Writes a metric row after each rollout of PPO, or every few thousand steps."""

    def __init__(
        self, job: TrainingJob, member: Member, worlds: _Worlds, writer: MetricWriter, clock: Callable[[], float]
    ) -> None:
        super().__init__()
        self._job, self._member, self._worlds, self._writer, self._clock = job, member, worlds, writer, clock
        self._last = 0

    def _on_step(self) -> bool:
        if self._job.trainer != "sb3:ppo" and self.num_timesteps - self._last >= _ROW_EVERY:
            self.flush()
        return True

    def _on_rollout_start(self) -> None:
        if self._job.trainer == "sb3:ppo":  # the update of the rollout before has just been logged
            self.flush()

    def _on_training_end(self) -> None:
        self.flush()

    def flush(self) -> None:
        """Write a row of what has come since the last one."""
        worlds, steps = self._worlds, len(self._worlds.rewards)
        if not steps:
            return
        columns = [*zip(*worlds.episodes, strict=True)] or [()] * 4
        success, fitness, length, returns = (sum(c) / len(c) if c else None for c in columns)
        self._last = self.num_timesteps
        row = MetricRow(
            key=self._member.key,
            step=self.num_timesteps,
            wall_s=self._clock(),
            success=success,
            fitness=fitness,
            episode_return=returns,
            episode_length=length,
            episodes=len(worlds.episodes),
            broken=worlds.broken,
            components={name: total / steps for name, total in worlds.components.items()},
            reward_mean=sum(worlds.rewards) / steps,
            entropy=self._logged("train/entropy_loss", -1.0),
            kl=self._logged("train/approx_kl"),
            clip_fraction=self._logged("train/clip_fraction"),
            value_loss=self._logged("train/value_loss") or self._logged("train/critic_loss"),
            explained_variance=self._logged("train/explained_variance"),
            learning_rate=self._logged("train/learning_rate") or 0.0,
        )
        worlds.episodes.clear()
        worlds.broken = 0
        worlds.rewards.clear()
        worlds.components.clear()
        self._writer.write([row])

    def _logged(self, name: str, factor: float = 1.0) -> float | None:
        value = self.model.logger.name_to_value.get(name)
        return None if value is None or not np.isfinite(value) else factor * float(value)
