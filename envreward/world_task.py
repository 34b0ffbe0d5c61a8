"""Tasks whose worlds are `World` s: what to declare, and how facts become batched fields."""

from __future__ import annotations

import abc
import dataclasses
import functools
from collections.abc import Mapping
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from torch import Tensor

from envreward.errors import ConfigError
from envreward.fields import Field
from envreward.rewards.function import FunctionReward, RewardOutput
from envreward.rewards.gated import GatedAccumulation, Level
from envreward.rewards.milestones import Milestones
from envreward.rewards.sequence import AnyReward
from envreward.rewards.shaping import PotentialShaping
from envreward.task import SPARSE_SUCCESS, Behaviour, Task
from envreward.task_spec import TaskSpec
from envreward.worlds import CandidateShape, Tool, WorldBatch

_DTYPES = {"float32": np.float32, "bool": np.bool_, "int64": np.int64}


class WorldTask(Task):
    """A task in worlds of its own making.

    Its fields are the facts of its worlds (see `declare`), with the private ``success``, ``failure`` (whether the
    episode ends now, success included where it ends the episode) and ``fitness`` among them.
    """

    candidate_shape: CandidateShape
    tools: tuple[Tool, ...] = ()
    """What a language model may call."""
    replayable: bool = False
    """Whether a world is a function of its seed and actions and fast enough to be saved as these."""
    sparse: FunctionReward = SPARSE_SUCCESS
    fitness_reduce = "last"

    def __init__(self, spec: TaskSpec) -> None:
        self.spec = spec

    @abc.abstractmethod
    def open(self, num_worlds: int) -> WorldBatch[Any]:
        """Return ``num_worlds`` worlds, yet to be reset.

        Raises:
            ConfigError: Something that the worlds need is not installed or not running; the message says what to do.
        """

    @functools.cached_property
    def rewards(self) -> Mapping[str, AnyReward]:  # type: ignore[override]
        """The usual dense rewards over ``milestones`` and ``progress``, where those are fields: see `dense_rewards`."""
        return dense_rewards(self.fields)

    @functools.cached_property
    def observation_space(self) -> gym.spaces.Space[Any]:  # type: ignore[override]
        """Context ``[G]``, mask ``[K]`` of the candidates that exist, features ``[K, F]``; flat float32."""
        return gym.spaces.Box(-np.inf, np.inf, (self.candidate_shape.size,), dtype=np.float32)

    @functools.cached_property
    def action_space(self) -> gym.spaces.Space[Any]:  # type: ignore[override]
        """Number of the candidate to take."""
        return gym.spaces.Discrete(self.candidate_shape.choices)


def declare(fields: Mapping[str, Field]) -> dict[str, Field]:
    """Return the fields of a `WorldTask`: each reads the fact of its own name; every such task's own come first."""
    common = {
        "action": Field(
            "Number of the candidate just taken; -1 where the action came as a tool call.", dtype="int64", role="action"
        ),
        "action_failed": Field("Whether the action just tried could not be taken.", dtype="bool", role="flag"),
        "steps_taken": Field("Steps taken in the episode, this one included.", unit="steps"),
        "steps_left": Field("Steps left before the episode is cut off.", unit="steps"),
    }
    return {name: dataclasses.replace(f, read=_reader(name)) for name, f in {**common, **fields}.items()}


SUCCESS_WORTH = 2.0
"""What success pays in the dense rewards; all milestones together pay 1."""


def _worth(success: Tensor) -> RewardOutput:
    reward = SUCCESS_WORTH * success.to(torch.get_default_dtype())
    return RewardOutput(reward, {"success": reward})


def dense_rewards(fields: Mapping[str, Field], gamma: float = 0.99) -> dict[str, AnyReward]:
    """Return the usual dense forms of one task's reward, to compare them, each with success as its largest part.

    Args:
        fields: The task's. ``milestones`` (flags ``[M]``, each set once it was reached) makes ``milestones`` and
            ``gated`` possible, ``progress`` (in [0, 1]) makes ``potential`` possible.
        gamma: Discount of whoever learns from them, which the potential's guarantee depends on.
    """
    base = FunctionReward(("success",), _worth, doc=f"{SUCCESS_WORTH:g} at success")
    rewards: dict[str, AnyReward] = {}
    if "milestones" in fields:
        (count,) = fields["milestones"].shape
        weights = (1.0 / count,) * count
        rewards["milestones"] = Milestones(weights=weights, misuse={"action_failed": -0.02}, base=base)
        outcome = Level(name="success", reward=base, gate=SUCCESS_WORTH)
        rewards["gated"] = GatedAccumulation(
            levels=(outcome, Level(name="milestones", reward=Milestones(weights=weights)))
        )
    if "progress" in fields:
        rewards["potential"] = PotentialShaping(potential="progress", gamma=gamma, base=base)
    return rewards


OWN_FACTS = ("action", "action_failed", "steps_taken", "steps_left")
"""Fields that the environment fills in, not the world."""


def _reader(name: str) -> Any:
    return lambda board: board.value(name)


class FactBoard:
    """The facts of N worlds as arrays, one row per world."""

    def __init__(self, fields: Mapping[str, Field], num_worlds: int) -> None:
        self._fields = fields
        self._arrays: dict[str, Any] = {
            name: [""] * num_worlds
            if field.dtype == "str"
            else np.zeros((num_worlds, *field.shape), dtype=_DTYPES[field.dtype])
            for name, field in fields.items()
        }
        self._values = {
            name: array if isinstance(array, list) else torch.from_numpy(array) for name, array in self._arrays.items()
        }
        self._facts = [name for name in fields if name not in OWN_FACTS]

    def value(self, name: str) -> Tensor | list[str]:
        """Return a field of all worlds: a live view ``[N, *shape]``, or a list of N strings."""
        return self._values[name]

    def write(self, world: int, facts: Mapping[str, Any], **own: Any) -> None:
        """Set the facts of one world, and those that the environment itself knows.

        Raises:
            ConfigError: A declared fact is missing, or does not fit its declaration.
        """
        arrays = self._arrays
        try:
            for name in self._facts:
                arrays[name][world] = facts[name]
            for name, value in own.items():
                arrays[name][world] = value
        except KeyError as error:
            raise ConfigError(f"the world states no fact {error.args[0]!r}, which is declared as a field") from None
        except (TypeError, ValueError) as error:
            raise ConfigError(
                f"fact {name} does not fit its field, {self._fields[name].signature(name)}: {error}"
            ) from None


def _oracle(worlds: WorldBatch[Any], step: int) -> Tensor:
    picks = []
    for world in range(worlds.num_worlds):
        action, offered = worlds.oracle(world), worlds.candidates(world).actions
        if action not in offered:
            raise ConfigError(f"the oracle's action {action!r} is not among the {len(offered)} candidates")
        picks.append(list(offered).index(action))
    return torch.tensor(picks)


ORACLE = Behaviour("oracle", True, "The task's own way to succeed, in the real world.", act=_oracle)
FIRST = Behaviour("first candidate", False, "Takes the first candidate again and again.")
"""The zero action of every step."""
