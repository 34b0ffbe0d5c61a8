"""NovelSource: a reward and, beside it, how new a state is, as a source of rewards for the training loop."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from envreward.errors import ConfigError, RewardRuntimeError
from envreward.fields import Field, public_fields, resolve, torch_dtype
from envreward.rewards.features import feature_size
from envreward.rewards.function import RewardOutput
from envreward.rewards.novelty import RandomNetworkDistillation, RndConfig
from envreward.rewards.sequence import Flow, Memory

from .config import NoveltyConfig

if TYPE_CHECKING:
    from ..reward_source import RewardSource

COMPONENT = "rnd"
"""Name of the bonus among a reward's components."""


def require_fields(config: NoveltyConfig, fields: Mapping[str, Field]) -> tuple[str, ...]:
    """Return the fields that novelty is measured of.

    Raises:
        UnknownNameError: A name is no field that a reward may read.
        ConfigError: None is named, one is text, or one is named twice.
    """
    names = tuple(filter(None, config.fields.split("+")))
    if not names:
        raise ConfigError("rnd needs the fields that novelty is measured of, e.g. rnd:fields=tcp_pos+obj_pos")
    twice = [name for name in dict.fromkeys(names) if names.count(name) > 1]
    if twice:
        raise ConfigError(f"rnd: fields has {twice[0]} more than once, which would count it as often")
    feature_size(names, public_fields(fields))
    return names


class NovelSource:
    """Pays a reward and what is new to a network that learns from each rollout after it has been paid.

    A program's process can write to the fields that it reads. So novelty has room of its own for what it reads, filled
    before the program gets to see it.
    """

    def __init__(
        self, paid: RewardSource, config: NoveltyConfig, fields: Mapping[str, Field], capacity: int, seed: int
    ) -> None:
        """Add to ``paid``, on the CPU, the novelty of the named ones of ``fields``.

        Args:
            paid: The reward, for rollouts of up to ``capacity`` transitions.
            config: Settings.
            fields: Those of the task.
            capacity: Rows to make room for.
            seed: Of the networks.

        Raises:
            UnknownNameError: A name is no field that a reward may read.
            ConfigError: None is named, or one is text.
        """
        names = require_fields(config, fields)
        settings = RndConfig(
            fields=names,
            hidden=(config.hidden, config.hidden),
            embedding=config.embedding,
            learning_rate=config.learning_rate,
            seed=seed,
        )
        self._paid, self._weight = paid, config.weight
        self._novelty = RandomNetworkDistillation.for_fields(settings, fields)
        self._room: dict[str, Tensor] = {}
        for name in names:
            field = resolve(name, fields)
            self._room[name] = torch.zeros(capacity, *field.shape, dtype=torch_dtype(field.dtype), device="cpu")
        self.inputs: dict[str, Tensor] = {**self._room, **paid.inputs}
        self.memory = paid.memory
        self.learned: Memory = self._novelty.tensors()
        self._flow: Flow | None = None

    def submit(self, flow: Flow) -> None:
        """Start on the rows of ``flow``.

        Raises:
            RewardCrashError: The program's process is gone.
        """
        rows = flow.first.numel()
        for name, room in self._room.items():
            if self.inputs[name] is not room:
                room[:rows] = self.inputs[name][:rows]
        self._flow = flow
        self._paid.submit(flow)

    def result(self, timeout_s: float) -> RewardOutput:
        """Wait for the reward, add the bonus, and let the network learn.

        Raises:
            RewardRuntimeError: The reward failed or has a component called like the bonus, or a field is not finite.
        """
        assert self._flow is not None
        output, shape = self._paid.result(timeout_s), self._flow.first.shape
        if COMPONENT in output.components:
            raise RewardRuntimeError(
                f"it names a component {COMPONENT}, as the bonus for what is new is called.",
                fix="Give it another name.",
            )
        rows = shape.numel()
        state = {name: room[:rows].view(*shape, *room.shape[1:]) for name, room in self._room.items()}
        self._novelty.restore(self.learned)
        bonus = self._weight * self._novelty.learn(**state).total.flatten()
        self.learned.update(self._novelty.tensors())
        return RewardOutput(output.total + bonus, {**output.components, COMPONENT: bonus})

    def close(self) -> None:
        """Release the reward."""
        self._paid.close()
