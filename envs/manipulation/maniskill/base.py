"""What every ManiSkill task declares, and its worlds need to know."""

from __future__ import annotations

import abc
from typing import ClassVar, Literal

import gymnasium as gym
import numpy as np
from torch import Tensor

from envreward.rewards.function import FunctionReward, RewardOutput
from envreward.task import SPARSE_SUCCESS, Task
from envreward.task_spec import TaskSpec

from .fields import SUCCESS_WEIGHT


def _dense(dense_reward: Tensor) -> RewardOutput:
    return RewardOutput(dense_reward, {"dense_reward": dense_reward})


_EXPERT = FunctionReward(("dense_reward",), _dense, doc="ManiSkill's own compute_dense_reward, not normalised")


class OfficialTask(Task, abc.ABC):
    """An official ManiSkill task with the Panda arm."""

    devices: ClassVar[tuple[str, ...]] = ("cpu", "cuda")
    official: ClassVar[str]
    """Id of the official environment."""
    observation_size: ClassVar[int]
    """Entries of one world's observation."""
    max_reward: ClassVar[float]
    """What the dense reward pays for success, its highest value (``compute_normalized_dense_reward``)."""
    per_world: ClassVar[tuple[str, ...]] = ()
    """Attributes of the official environment that differ between worlds or remember something."""

    expert = _EXPERT
    sparse = SPARSE_SUCCESS
    fitness_reduce: Literal["sum", "mean", "max", "last"] = "max"
    fitness_doc = (
        f"{SUCCESS_WEIGHT} if the success test held, and up to {1.0 - SUCCESS_WEIGHT:.1f} for the published reward "
        "over its highest value: the best step of the episode, 1 if it succeeded."
    )
    action_space = gym.spaces.Box(-1.0, 1.0, (8,), np.float32)

    def __init__(self, spec: TaskSpec) -> None:
        self.spec = spec
        self.observation_space = gym.spaces.Box(-np.inf, np.inf, (self.observation_size,), np.float32)
