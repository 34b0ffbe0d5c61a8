"""LearnedSource: a reward that is learned, as a source of rewards for the training loop."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from envreward.errors import RewardRuntimeError
from envreward.rewards.function import RewardOutput
from envreward.rewards.sequence import Flow, Memory

from .learner import Learner

if TYPE_CHECKING:
    from ..reward_source import RewardSource

_FACTORS, _SPARSE = "factors.", "sparse."


class LearnedSource:
    """Pays what a learner makes of a reward's components and of the task's sparse reward, and ignores its total.

    Off-policy, what is drawn from the replay is paid by what has been learned by then, as LaRe's release does
    (mujoco/algos/SAC.py), not by what was known when it was collected.

    The sparse reward reads fields that are private. It has room of its own for them, which the program cannot see.
    """

    def __init__(self, factors: RewardSource, sparse: RewardSource, learner: Learner) -> None:
        """Learn from the components of ``factors`` and the total of ``sparse``, both on the CPU."""
        self._factors, self._sparse, self._learner = factors, sparse, learner
        self._shared = [name for name in sparse.inputs if name in factors.inputs]
        self.inputs: dict[str, Tensor] = {**sparse.inputs, **factors.inputs}
        self.memory: Memory = {_FACTORS + name: values for name, values in factors.memory.items()}
        self.memory |= {_SPARSE + name: values for name, values in sparse.memory.items()}
        self.learned = learner.memory
        self._flow: Flow | None = None

    def submit(self, flow: Flow) -> None:
        """Start on the rows of ``flow``.

        Raises:
            RewardCrashError: The program's process is gone.
        """
        rows = flow.first.numel()
        for name in self._shared:  # before the program gets to see them
            self._sparse.inputs[name][:rows] = self._factors.inputs[name][:rows]
        for prefix, source in ((_FACTORS, self._factors), (_SPARSE, self._sparse)):
            for name in source.memory:  # what was brought back takes the place of what it was opened with
                source.memory[name] = self.memory[prefix + name]
        self._flow = flow
        self._factors.submit(flow)
        self._sparse.submit(flow)

    def result(self, timeout_s: float) -> RewardOutput:
        """Wait for the program, learn, and return what was learned with the program's components.

        Raises:
            RewardRuntimeError: The program failed, names no component, or what was learned is not finite.
        """
        assert self._flow is not None
        output = self._factors.result(timeout_s)
        if not output.components:
            raise RewardRuntimeError(
                "it names no component, and a reward is to be learned from its components.",
                fix="Return each factor under its own name in the dictionary of components.",
            )
        shape = self._flow.first.shape
        factors = torch.stack([values.to(torch.float32) for values in output.components.values()], -1)
        sparse = self._sparse.result(timeout_s).total
        rewards = self._learner.rewards(factors.view(*shape, -1), sparse.view(shape), self._flow)
        return RewardOutput(rewards.flatten(), output.components)

    def relabel(self, step: Tensor, world: Tensor, rewards: Tensor) -> Tensor:
        """Return what the learner makes of earlier steps by now: see `Learner.relabel`."""
        given = self._learner.relabel(step.cpu(), world.cpu(), rewards.cpu())
        return given.to(rewards.device)

    def close(self) -> None:
        """Release both rewards."""
        self._factors.close()
        self._sparse.close()
