"""Any Gymnasium environment as a task: name fields of what it shows, say when it is done, and design rewards for it.

    import envreward
    from envreward import Field

    cartpole = envreward.wrap(
        "CartPole-v1",
        instruction="Keep the pole upright with the cart near the middle of the track.",
        fields={
            "cart_position": Field("Position of the cart.", unit="m", role="position", read=lambda w: w.obs[:, 0]),
            "pole_angle": Field("0 is upright.", unit="rad", role="angle", read=lambda w: w.obs[:, 2]),
        },
        success=lambda w: w.steps >= 475,
    )

Saved as ``my_env.py``, it is a task called ``my_env.py:cartpole`` everywhere a task can be named: ``envreward design
--env my_env.py:cartpole``, `envreward.vector_env.make_vector_env`, `envreward.make_task`. With an ``id``, such as
``Mine/CartPole-v0``, it can be made by `gymnasium.make` and `gymnasium.make_vec` too, in the process that wrapped it.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypeAlias

import gymnasium as gym
import numpy as np
import torch
from torch import Tensor

from envreward.errors import ConfigError, UnknownNameError
from envreward.fields import MEMORY, PREV, DType, Field
from envreward.gym_worlds import Worlds
from envreward.registry import add_task
from envreward.rewards.function import FunctionReward, RewardOutput
from envreward.task import SPARSE_SUCCESS, Behaviour, Task
from envreward.task_spec import TaskSpec

Test: TypeAlias = Callable[[Worlds], Any]
"""Maps N worlds to one value each: bool ``[N]`` for success and failure, float ``[N]`` for fitness."""

_SUCCESS_FITNESS_DOC = "1 if the success test held at some step of the episode, else 0."
_RESERVED = (MEMORY, "action", "success", "failure", "fitness", "native_reward")


class WrappedTask(Task):
    """A task in a foreign Gymnasium environment, made by `wrap`. It keeps no state: it can be used repeatedly."""

    def __init__(
        self,
        source: str | Callable[..., gym.Env[Any, Any]],
        *,
        spec: TaskSpec,
        fields: Mapping[str, Field],
        expert: FunctionReward | None,
        fitness_reduce: Literal["sum", "mean", "max", "last"],
        fitness_doc: str,
        success_doc: str,
        behaviours: tuple[Behaviour, ...],
        processes: bool,
    ) -> None:
        self.spec = spec
        self.expert = expert
        self.sparse = SPARSE_SUCCESS
        self.fitness_reduce = fitness_reduce
        self.fitness_doc = fitness_doc
        self.success_doc = success_doc
        self.behaviours = behaviours
        self.processes = processes
        """Whether each world steps in a process of its own."""
        self._source = source
        self._fields = fields

    def make(self, render_mode: str | None = None) -> gym.Env[Any, Any]:
        """Make one world of the foreign environment, without a time limit where it is given by id."""
        if isinstance(self._source, str):
            return gym.make(self._source, max_episode_steps=-1, render_mode=render_mode)
        if render_mode is not None and "render_mode" in inspect.signature(self._source).parameters:
            return self._source(render_mode=render_mode)
        return self._source()

    @functools.cached_property
    def _spaces(self) -> tuple[gym.spaces.Space[Any], gym.spaces.Space[Any]]:
        env = self.make()
        try:
            return env.observation_space, env.action_space
        finally:
            env.close()

    @functools.cached_property
    def observation_space(self) -> gym.spaces.Space[Any]:  # type: ignore[override]
        """The environment's own, flattened to a Box where it is not one."""
        space = self._spaces[0]
        if isinstance(space, gym.spaces.Box):
            return space
        if not space.is_np_flattenable:
            raise ConfigError(
                f"{self.spec.id}: a policy network cannot read observations of type {type(space).__name__}"
            )
        flat = gym.spaces.utils.flatten_space(space)
        assert isinstance(flat, gym.spaces.Box)
        return gym.spaces.Box(flat.low.astype(np.float32), flat.high.astype(np.float32), dtype=np.float32)

    @functools.cached_property
    def action_space(self) -> gym.spaces.Space[Any]:  # type: ignore[override]
        """The environment's own.

        Raises:
            ConfigError: It is neither Box, Discrete, MultiDiscrete nor MultiBinary.
        """
        space = self._spaces[1]
        kinds = (gym.spaces.Box, gym.spaces.Discrete, gym.spaces.MultiDiscrete, gym.spaces.MultiBinary)
        if not isinstance(space, kinds):
            raise ConfigError(f"{self.spec.id}: actions of type {type(space).__name__} are not supported")
        return space

    @functools.cached_property
    def fields(self) -> Mapping[str, Field]:  # type: ignore[override]
        """Declared fields by name, with ``action`` and the private ones."""
        space = self.action_space
        continuous = isinstance(space, gym.spaces.Box)
        dtype: DType = "float32" if continuous else "int64"
        doc = "The action just applied" + ("." if continuous else f", one of {space}.")
        action = Field(doc, shape=space.shape or (), dtype=dtype, role="action", read=lambda w: w.action)
        return {"action": action, **self._fields}


def wrap(
    env: str | Callable[..., gym.Env[Any, Any]],
    *,
    instruction: str,
    fields: Mapping[str, Field],
    success: Test,
    failure: Test | None = None,
    fitness: Test | None = None,
    fitness_reduce: Literal["sum", "mean", "max", "last"] | None = None,
    fitness_doc: str = "",
    success_doc: str = "",
    horizon: int | None = None,
    expert: FunctionReward | Literal["native"] | None = None,
    behaviours: Sequence[Behaviour] = (),
    id: str | None = None,
    processes: bool = False,
) -> WrappedTask:
    """Turn a Gymnasium environment into a task.

    Args:
        env: A Gymnasium id, or a function that makes one environment (it is given ``render_mode="rgb_array"`` to film
            a policy, if it takes that argument).
        instruction: What the agent should do, one sentence: all that a designer is told of the goal.
        fields: The facts that rewards may read, by name, each a `Field` whose ``read`` maps `Worlds` to a batch
            ``[N, *shape]``. ``action`` comes by itself. Say what each means, its unit and its sign: a reward is
            written from these words.
        success: Maps `Worlds` to bool ``[N]``: whether the instruction is fulfilled now. An episode in which that was
            so at some step is a success.
        failure: Maps `Worlds` to bool ``[N]``: whether to end the episode now. Besides, an episode ends when the
            environment itself terminates or truncates it.
        fitness: Maps `Worlds` to float ``[N]``: the score by which rewards are ranked. Default: success.
        fitness_reduce: How the steps' fitness becomes an episode's. Default: ``"last"``; ``"max"`` without a fitness.
        fitness_doc: What fitness measures, and its unit, for reports and `envreward envs`.
        success_doc: When an episode counts as a success, in words, for the same.
        horizon: Steps after which an episode is truncated. Default: the limit registered with the environment's id.
        expert: ``"native"``: the environment's own reward is the human-written one to compare with; or a reward
            function over fields.
        behaviours: Policies, from `Worlds` and the step's number to actions, that must succeed or must not: with them
            `envreward.contract.check_behaviours` tests your success test.
        id: Gymnasium id under which to register the task in this process, e.g. ``Mine/CartPole-v0``.
        processes: Step each world in a process of its own: pays for environments slower than about 1 ms a step.

    Raises:
        UnknownNameError: No environment is registered with Gymnasium under that id.
        ConfigError: An argument cannot work; the message says which and why.
    """
    _check(instruction, fields)
    if horizon is None:
        horizon = _registered_horizon(env)
    if horizon < 1:
        raise ConfigError(f"horizon must be at least 1, got {horizon}")
    task = WrappedTask(
        env,
        spec=TaskSpec(
            id=id or (env if isinstance(env, str) else str(getattr(env, "__name__", "environment"))),
            family="wrapped",
            instruction=instruction.strip(),
            horizon=horizon,
            entry_point="",
        ),
        fields={**fields, **_private_fields(success, failure, fitness or success)},
        expert=_NATIVE if expert == "native" else expert,
        fitness_reduce=fitness_reduce or ("last" if fitness else "max"),
        fitness_doc=fitness_doc
        or ("" if fitness else "1 if the success test held at some step of the episode, else 0."),
        success_doc=success_doc or "The success test given to envreward.wrap holds at some step.",
        behaviours=tuple(behaviours),
        processes=processes,
    )
    if id is not None:
        add_task(task)
    return task


def _check(instruction: str, fields: Mapping[str, Field]) -> None:
    if not instruction.strip():
        raise ConfigError("instruction is empty: it is all that a designer is told of the goal")
    if not fields:
        raise ConfigError("fields is empty: a reward could read nothing but the action")
    for name, field in fields.items():
        if not name.isidentifier() or name.startswith(PREV) or name in _RESERVED:
            raise ConfigError(
                f"field {name!r}: names must be Python identifiers, not begin with {PREV!r}, "
                f"and not be one of {', '.join(_RESERVED)}"
            )
        if field.read is None:
            raise ConfigError(f"field {name}: give it read=, a function from the worlds to a batch of its values")


def _registered_horizon(env: str | Callable[..., gym.Env[Any, Any]]) -> int:
    if not isinstance(env, str):
        raise ConfigError("horizon is needed: an environment given as a function names no time limit")
    try:
        limit = gym.spec(env).max_episode_steps
    except gym.error.Error as error:
        raise UnknownNameError("Gymnasium environment", env, gym.registry) from error
    if limit is None:
        raise ConfigError(f"horizon is needed: {env} is registered without a time limit")
    return limit


def _private_fields(success: Test, failure: Test | None, fitness: Test) -> dict[str, Field]:
    def fails(worlds: Worlds) -> Tensor:
        ended = worlds.terminated
        return ended if failure is None else ended | torch.as_tensor(failure(worlds))

    def flag(doc: str, read: Test) -> Field:
        return Field(doc, dtype="bool", role="flag", private=True, read=read)

    def number(doc: str, read: Test) -> Field:
        return Field(doc, private=True, read=read)

    return {
        "success": flag("Whether the instruction is fulfilled now.", success),
        "failure": flag("Whether the episode ends now, other than by its time limit.", fails),
        "fitness": number("The score by which rewards are ranked.", fitness),
        "native_reward": number("The environment's own reward in this step.", lambda worlds: worlds.reward),
    }


def _native(native_reward: Tensor) -> RewardOutput:
    return RewardOutput(native_reward, {"native_reward": native_reward})


_NATIVE = FunctionReward(("native_reward",), _native, doc="the environment's own reward")
