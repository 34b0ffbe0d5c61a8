"""RememberingProgram: a reward program with memory as a reward of sequences, run in this process."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from envreward.errors import RewardRuntimeError
from envreward.fields import MEMORY

from .function import RewardOutput
from .output import MEMORY_SIZE
from .program import RewardProgram
from .sequence import Flow, Memory


@dataclass(frozen=True)
class RememberingProgram:
    """Runs a program with memory over T steps of N worlds; a `SequenceReward`. Only inside a sandbox, or if trusted."""

    program: RewardProgram
    """One that `remembers`."""

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of the fields it reads."""
        return self.program.parameters

    def new_memory(self, num_worlds: int) -> Memory:
        """Return the memory with which N worlds begin: zeros, float32 ``[N, 16]``."""
        return new_program_memory(num_worlds)

    def over(self, flow: Flow, memory: Memory, **state: Tensor) -> RewardOutput:
        """Compute the rewards ``[T, N]``; see `SequenceReward.over`.

        Raises:
            RewardRuntimeError: It raised, or returned something unusable; ``memory`` is then as it was.
        """
        # as in training: programs are given the types that fields declare, never a simulator's double precision
        state = {n: values.float() if values.is_floating_point() else values for n, values in state.items()}
        remembered = memory[MEMORY]
        outputs: list[RewardOutput] = []
        for t, first in enumerate(flow.first):
            remembered = remembered.masked_fill(first.unsqueeze(1), 0.0)
            output, remembered = self.program.step(remembered, **{name: values[t] for name, values in state.items()})
            if outputs and output.components.keys() != outputs[0].components.keys():
                raise RewardRuntimeError("its components change from step to step.", fix="Return the same ones always.")
            outputs.append(output)
        memory[MEMORY].copy_(remembered)
        components = {name: torch.stack([o.components[name] for o in outputs]) for name in outputs[0].components}
        return RewardOutput(torch.stack([o.total for o in outputs]), components)


def new_program_memory(num_worlds: int) -> Memory:
    """Return what a program with memory remembers of N worlds in which nothing has happened yet."""
    return {MEMORY: torch.zeros(num_worlds, MEMORY_SIZE)}
