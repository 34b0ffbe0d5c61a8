"""Task: what to do in an environment, written once, in torch, over batches.

A task owns no physics. A `SimTask` is bound to a `Sim` that holds N worlds; it writes controls, reads
fields, and says which worlds succeeded or failed. A task of a foreign Gymnasium environment has no `Sim`
(see `envreward.wrap`). Both kinds have a `TaskSpec`, which is light enough to list without loading torch or physics.
"""

from __future__ import annotations

import abc
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

import torch
from torch import Tensor

from envreward.fields import Field
from envreward.rewards.function import FunctionReward, RewardOutput
from envreward.rewards.sequence import AnyReward
from envreward.task_spec import TaskSpec

if TYPE_CHECKING:
    import gymnasium as gym
    import mujoco

    from envreward.sims import Sim, Stage


class Behaviour(NamedTuple):
    """A reference behaviour, by which a task's contract test knows that its success test can say yes and no."""

    name: str
    succeeds: bool
    """Whether the success test must hold at some step of an episode of it; if not, it must never hold."""
    doc: str
    """What it does, and whether it is a policy in the real physics or a playback of poses."""
    act: Callable[[Any, int], Tensor] | None = None
    """A policy: maps the task, bound to its worlds, and the step's number from 0 to actions ``[N, *action_shape]``.
    A behaviour with neither ``act`` nor ``poses`` takes the zero action."""
    poses: Callable[[Any], Tensor] | None = None
    """A playback: maps the task to the ``qpos`` of each control step, float64 ``[T, nq]``. The simulator is put there
    instead of being stepped: what is tested is the task's own logic, not that physics allows it."""


class Task(abc.ABC):
    """Instruction, fields, success, fitness and baselines of one task."""

    spec: TaskSpec
    fields: Mapping[str, Field]
    """Declared fields by name, ``action`` included; private ones are marked so."""
    expert: FunctionReward | None = None
    """The published human-written reward, or ``None`` where none is published."""
    sparse: FunctionReward
    """The reward that pays only for the task itself, from the private success or fitness fields."""
    fitness_reduce: Literal["sum", "mean", "max", "last"] = "last"
    """How the per-step private field ``fitness`` becomes an episode's fitness."""
    fitness_doc: str = ""
    """What fitness measures, and its unit."""
    success_doc: str = ""
    """When an episode counts as a success, in words a person can check."""
    behaviours: tuple[Behaviour, ...] = ()
    """Reference behaviours; an installed task has one that succeeds and one that does not: see `envreward.contract`."""
    observation_space: gym.spaces.Space[Any]
    """Of one world."""
    action_space: gym.spaces.Space[Any]
    """Of one world."""
    rewards: Mapping[str, AnyReward] = {}
    """Further rewards that people have designed for it, by name."""
    devices: ClassVar[tuple[str, ...]] = ("cpu",)
    """Kinds of devices that its worlds can live on; one beside the CPU is handed on to what makes the worlds."""


class SimTask(Task):
    """A task on a simulator: the code here runs for all N worlds at once, on every backend.

    The environment calls, in this order: `bind` once; `reset` for the worlds that start an episode; then
    per step `apply`, the simulator's own stepping, `update`, and the reads (fields, `success`, `failure`).
    The private fields ``success`` (bool), ``failure`` (bool) and ``fitness`` (float32) must be declared.
    """

    devices: ClassVar[tuple[str, ...]] = ("cpu", "cuda")
    frame_skip: ClassVar[int]
    memory: ClassVar[tuple[str, ...]] = ()
    """Names of the attributes that remember something per world (tensors ``[N, ...]``), so that worlds can be saved."""
    sim: Sim

    @abc.abstractmethod
    def build_model(self) -> mujoco.MjModel:
        """Return the compiled MuJoCo model, the same for all worlds."""

    def bind(self, sim: Sim) -> None:
        """Attach to a simulator of N worlds and allocate per-world memory."""
        self.sim = sim

    @abc.abstractmethod
    def reset(self, ids: Tensor, uniform: Tensor, normal: Tensor) -> None:
        """Write the initial state of the worlds ``ids`` (int64 ``[k]``) and clear their memory.

        ``uniform`` (in [0, 1)) and ``normal`` are ``[k, reset_noise_size]`` random numbers, on the simulator's device
        and of its float type, that depend only on each world's own seed and episode number, so that a world never
        depends on its neighbours.
        """

    @property
    @abc.abstractmethod
    def reset_noise_size(self) -> int:
        """How many random numbers of each kind one reset takes."""

    @abc.abstractmethod
    def apply(self, action: Tensor) -> None:
        """Write the controls for ``action`` ``[N, *action_shape]``; called right before the step."""

    @property
    def stage(self) -> Stage:
        """Which derived fields the task reads at the state after a step, and not a substep behind it."""
        return "none"

    def step(self) -> None:
        """Advance the simulator by one control step: ``frame_skip`` substeps, then derived fields up to ``stage``."""
        self.sim.step(self.frame_skip, stage=self.stage)

    def update(self) -> None:
        """Update per-world memory from the state after the step, e.g. accumulate a rotation."""

    @abc.abstractmethod
    def observe(self) -> Tensor:
        """Return the observation of all worlds ``[N, *obs_shape]``, a fresh tensor."""

    def read(self, name: str) -> Tensor:
        """Return the current value of a declared field ``[N, *shape]``, in the simulator's own float type."""
        reader = self.fields[name].read
        if reader is None:
            raise ValueError(f"field {name} of {self.spec.id} declares no reader")
        value: Tensor = reader(self)
        return value


def success_reward(success: Tensor) -> RewardOutput:
    """Pay 1 in every step in which the task counts as done, else 0; ``success`` is bool ``[N]``."""
    reward = success.to(torch.get_default_dtype())
    return RewardOutput(reward, {"success": reward})


SPARSE_SUCCESS = FunctionReward(("success",), success_reward, doc="1 while the task's success test holds, else 0")
