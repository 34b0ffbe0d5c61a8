"""What all locomotion tasks share: the robot's model, reset noise, controls, forward velocity, and the published task.

A robot is a subclass with its MJCF asset, its fields (``body_fields``: facts that hold whatever the task is) and its
observation. The robot's published task is that class itself; a task with another goal on the same robot subclasses
it, keeps ``body_fields``, the observation and the dynamics, and declares success, failure and fitness anew.
"""

from __future__ import annotations

import abc
import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal, cast

import gymnasium as gym
import mujoco
import numpy as np
import torch
from torch import Tensor

from envreward.fields import Field
from envreward.rewards.function import FunctionReward, RewardOutput
from envreward.sims import Sim
from envreward.task import SimTask
from envreward.task_spec import TaskSpec


class LocomotionTask(SimTask):
    """A Gymnasium MuJoCo v5 robot; by itself its published task, "go forward as fast as possible"."""

    asset: ClassVar[str]
    """File name of the model in Gymnasium's package."""
    frame_skip: ClassVar[int]
    """Physics substeps per control step."""
    reset_noise: ClassVar[float]
    """Half-width of the uniform noise on the initial ``qpos``, and scale of that on ``qvel``."""
    velocity_noise: ClassVar[Literal["uniform", "normal"]] = "uniform"
    """Distribution of the noise on the initial ``qvel``: uniform in +-``reset_noise``, or normal of that deviation."""
    body_fields: ClassVar[Mapping[str, Field]]
    """Facts about the robot, whatever the task."""
    camera: ClassVar[Mapping[str, Any]] = {}
    """For rendering, where the model has no camera of its own called ``track``."""
    success_distance_m: ClassVar[float] = float("nan")
    """Forward distance from which an episode of the published task counts as a success."""

    memory: ClassVar[tuple[str, ...]] = ("before", "origin")

    def __init__(self, spec: TaskSpec) -> None:
        self.spec = spec
        bounds = self.model.actuator_ctrlrange.astype(np.float32)
        self.action_space = gym.spaces.Box(bounds[:, 0], bounds[:, 1], dtype=np.float32)
        self.observation_space = gym.spaces.Box(-np.inf, np.inf, (self.observation_size,), dtype=np.float64)

    @functools.cached_property
    def model(self) -> mujoco.MjModel:
        """The compiled model, from Gymnasium's own file."""
        return mujoco.MjModel.from_xml_path(str(asset_path(self.asset)))

    def build_model(self) -> mujoco.MjModel:
        """Return the compiled model."""
        return self.model

    @property
    def observation_size(self) -> int:
        """Entries of one world's observation."""
        return int(self.model.nq + self.model.nv - 1)

    @functools.cached_property
    def dt_s(self) -> float:
        """Seconds per control step."""
        return float(self.model.opt.timestep * self.frame_skip)

    @property
    def reset_noise_size(self) -> int:
        """Random numbers of each kind that one reset takes."""
        return int(self.model.nq + self.model.nv)

    def bind(self, sim: Sim) -> None:
        """Attach to a simulator and allocate per-world memory."""
        super().bind(sim)
        self.qpos0 = torch.as_tensor(self.model.qpos0, dtype=sim.dtype, device=sim.device)
        self.action = torch.zeros_like(sim.ctrl)
        """The action just applied, ``[N, nu]``."""
        self.before = self.position().clone()
        """Position before the step, ``[N, 1 or 2]``, m."""
        self.origin = self.before.clone()
        """Position at the start of the episode, ``[N, 1 or 2]``, m."""

    def reset(self, ids: Tensor, uniform: Tensor, normal: Tensor) -> None:
        """Start the worlds ``ids`` from Gymnasium's reset distribution: the default pose with noise."""
        nq, nv = int(self.model.nq), int(self.model.nv)
        noise = self.reset_noise * (2.0 * uniform - 1.0)
        velocity = noise[:, nq:] if self.velocity_noise == "uniform" else self.reset_noise * normal[:, :nv]
        self.start(ids, self.qpos0 + noise[:, :nq], velocity)

    def start(self, ids: Tensor, qpos: Tensor, qvel: Tensor) -> None:
        """Start an episode in the worlds ``ids`` (sorted, int64 ``[k]``) at ``qpos [k, nq]`` and ``qvel [k, nv]``."""
        self.sim.reset(ids)
        self.sim.qpos[ids] = qpos
        self.sim.qvel[ids] = qvel
        self.sim.forward(ids)
        self.begin(ids)

    def begin(self, ids: Tensor) -> None:
        """Clear the memory of the worlds ``ids``, whose state has just been set."""
        position = self.position()[ids]
        self.before[ids] = position
        self.origin[ids] = position

    def apply(self, action: Tensor) -> None:
        """Write the controls and remember where the robot is."""
        self.before = self.position().clone()
        self.action = action.to(self.sim.ctrl.dtype)
        self.sim.ctrl.copy_(self.action)

    @abc.abstractmethod
    def position(self) -> Tensor:
        """Return the position whose rate of change is the published velocity, ``[N, 1 or 2]``, m; maybe a live view."""

    def velocity(self, axis: int) -> Tensor:
        """Return the mean velocity over the last control step along x (0) or y (1), ``[N]``, m/s."""
        return ((self.position() - self.before) / self.dt_s)[:, axis]

    def distance(self) -> Tensor:
        """Return how far forward (along x) the robot is from where it started, ``[N]``, m."""
        return (self.position() - self.origin)[:, 0]

    @abc.abstractmethod
    def healthy(self) -> Tensor:
        """Return whether the published health test holds, bool ``[N]``; the published task ends when it does not."""


def asset_path(name: str) -> Path:
    """Return the path of a model file in Gymnasium's package, found without importing its environments."""
    return Path(gym.__file__).parent / "envs" / "mujoco" / "assets" / name


SHARED_FIELDS: Mapping[str, Field] = {
    "time": Field("Time since the episode began.", unit="s", read=lambda t: t.sim.time),
}
"""Fields of every robot and task."""


def joint_fields(joints: tuple[str, ...], qpos_start: int, qvel_start: int) -> dict[str, Field]:
    """Return the fields of a robot's hinges.

    Args:
        joints: Their names, in the order of ``qpos``.
        qpos_start: Where in ``qpos`` the first one's angle is; the others follow.
        qvel_start: Where in ``qvel`` its angular velocity is.
    """
    count = len(joints)
    return {
        "joint_angles": Field(
            "Angle of each joint.",
            shape=(count,),
            unit="rad",
            names=joints,
            role="angle",
            read=lambda t: t.sim.qpos[:, qpos_start:],
        ),
        "joint_velocities": Field(
            "Angular velocity of each joint.",
            shape=(count,),
            unit="rad/s",
            names=joints,
            role="angular_velocity",
            read=lambda t: t.sim.qvel[:, qvel_start:],
        ),
    }


FORWARD_FIELDS: Mapping[str, Field] = {
    "healthy": Field(
        "Whether the robot is still upright and sound; the episode ends when it is not.",
        dtype="bool",
        role="flag",
        read=lambda t: t.healthy(),
    ),
    "success": Field(
        "Whether the robot is far enough from its start.",
        dtype="bool",
        role="flag",
        private=True,
        read=lambda t: t.distance() >= t.success_distance_m,
    ),
    "failure": Field(
        "Whether the robot is not healthy.", dtype="bool", role="flag", private=True, read=lambda t: ~t.healthy()
    ),
    "fitness": Field(
        "Forward distance from the start of the episode.",
        unit="m",
        role="distance",
        private=True,
        read=lambda t: t.distance(),
    ),
}
"""Fields of the published tasks: forward as fast as possible."""

FORWARD_FITNESS_DOC = "Distance travelled forward (along x) by the end of the episode, in metres."


def forward_reward(
    x_velocity: Tensor,
    action: Tensor,
    failure: Tensor | None = None,
    contact_forces: Tensor | None = None,
    *,
    forward_weight: float = 1.0,
    ctrl_weight: float,
    survive: float = 0.0,
    contact_weight: float = 0.0,
    max_contact_cost: float = float("inf"),
) -> RewardOutput:
    """Gymnasium v5's reward of its robots (``_get_rew`` of gymnasium/envs/mujoco/*_v5.py); components as its info."""
    components = {"reward_forward": forward_weight * x_velocity, "reward_ctrl": -ctrl_weight * action.square().sum(-1)}
    if contact_forces is not None:
        cost = contact_weight * contact_forces.square().sum((-2, -1))
        components["reward_contact"] = -cost.clamp(max=max_contact_cost)
    if failure is not None:  # where the published task ends exactly when the robot is not healthy
        components["reward_survive"] = survive * (~failure).to(x_velocity.dtype)
    total = functools.reduce(torch.add, components.values())
    return RewardOutput(total, components)


def published(parameters: tuple[str, ...], **weights: float) -> FunctionReward:
    """Return `forward_reward` over ``parameters`` with Gymnasium's ``weights``."""
    return FunctionReward(
        parameters,
        functools.partial(forward_reward, **cast("Any", weights)),
        doc="Gymnasium v5's reward, to 1e-6 the same numbers",
    )


def _progress(fitness: Tensor, prev_fitness: Tensor) -> RewardOutput:
    gained = fitness - prev_fitness
    return RewardOutput(gained, {"progress": gained})


SPARSE_PROGRESS = FunctionReward(
    ("fitness", "prev_fitness"), _progress, doc="metres gained in this step: the fitness itself, handed out as it grows"
)
"""The sparse reward of the published tasks: the fitness itself, as Eureka's baseline "Sparse" (arXiv:2310.12931)."""
