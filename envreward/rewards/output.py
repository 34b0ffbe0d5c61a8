"""What a reward may return: one number per world, and the same for each named component."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from envreward.errors import RewardRuntimeError

from .function import RewardOutput

MAX_COMPONENTS = 32
MAX_NAME = 64
MEMORY_SIZE = 16
"""Numbers that a program with memory keeps of each world."""

_FIX = 'Return a pair: the total [N] and a dict of its parts, e.g. `return total, {"reach": reach}`.'
_STEP_FIX = f"Return three: total [N], the dict of its parts, and the new memory [N, {MEMORY_SIZE}]; or drop `memory`."


class StepOutput(NamedTuple):
    """What a program with memory returns for one step of N worlds."""

    reward: RewardOutput
    memory: Tensor
    """What it will remember in the next step, float32 ``[N, 16]``."""


def as_output(result: Any, num_envs: int) -> RewardOutput:
    """Check the form of what a reward program returned for ``num_envs`` worlds.

    Raises:
        RewardRuntimeError: It is not a pair of a number per world and a dict of named ones.
    """
    if not isinstance(result, tuple) or len(result) != 2:
        three = isinstance(result, tuple) and len(result) == 3
        fix = f"{_FIX} To keep a memory, take a parameter `memory` too." if three else _FIX
        raise RewardRuntimeError(f"it returned {_kind(result)}, not (total, components).", fix=fix)
    total, components = result
    if not isinstance(components, dict):
        raise RewardRuntimeError(f"its second result is {_kind(components)}, not a dict of components.", fix=_FIX)
    if len(components) > MAX_COMPONENTS:
        raise RewardRuntimeError(f"it returned {len(components)} components.", fix=f"Return at most {MAX_COMPONENTS}.")
    check_names(components)
    total = _per_world("the total", total, num_envs)
    if not total.is_floating_point():
        fix = "Compute it from float tensors, or end with .float()."
        raise RewardRuntimeError(f"the total is {str(total.dtype)[6:]}, not float.", fix=fix)
    return RewardOutput(total, {k: _per_world(f"component `{k}`", v, num_envs) for k, v in components.items()})


def as_step(result: Any, num_envs: int) -> StepOutput:
    """Check the form of what a reward program with memory returned for one step of ``num_envs`` worlds.

    Raises:
        RewardRuntimeError: It is not a pair as for `as_output` and a memory ``[N, 16]`` of floats.
    """
    if not isinstance(result, tuple) or len(result) != 3:
        raise RewardRuntimeError(f"it returned {_kind(result)}, not (total, components, memory).", fix=_STEP_FIX)
    memory = result[2]
    if not isinstance(memory, Tensor):
        raise RewardRuntimeError(f"its memory is {_kind(memory)}, not a tensor [N, {MEMORY_SIZE}].", fix=_STEP_FIX)
    if tuple(memory.shape) != (num_envs, MEMORY_SIZE):
        raise RewardRuntimeError(
            f"its memory has shape {_shape(memory, num_envs)}, not [N, {MEMORY_SIZE}].",
            fix="Build it column by column: new = memory.clone(); new[:, 0] = ...; return total, parts, new.",
        )
    if not memory.is_floating_point():
        raise RewardRuntimeError(f"its memory is {str(memory.dtype)[6:]}, not float.", fix="End with .float().")
    return StepOutput(as_output(result[:2], num_envs), memory.to(torch.float32))


def check_memory(memory: Tensor) -> None:
    """Check that what a program remembers are finite numbers.

    Raises:
        RewardRuntimeError: Some are not; the message says in which columns.
    """
    if not bool(torch.isfinite(memory.sum(dtype=torch.float64))):
        columns = (~torch.isfinite(memory)).any(0).nonzero()[:, 0].tolist()
        raise RewardRuntimeError(
            f"its memory is not finite (NaN or infinite) in column {', '.join(map(str, columns))}.",
            fix="Guard divisions, logarithms and roots with clamp(min=1e-6); bound what grows with every step.",
        )


def check_names(names: Any) -> None:
    """Check component names: printable text, not too long.

    Raises:
        RewardRuntimeError: One is not.
    """
    for name in names:
        if not isinstance(name, str) or not name.isprintable() or not 0 < len(name) <= MAX_NAME:
            raise RewardRuntimeError(
                f"the component name {str(name)[:MAX_NAME]!r} is not a short text.",
                fix=f"Use names like `reach`, of at most {MAX_NAME} characters.",
            )


def check_finite(output: RewardOutput) -> None:
    """Check that every reward and component is a finite number.

    Raises:
        RewardRuntimeError: Some are not; the first such component (or the total) is named with the count of its worlds.
    """
    for name, values in [*((f"component `{k}`", v) for k, v in output.components.items()), ("the total", output.total)]:
        # One reduction tells: the sum of finite float32 numbers in float64 cannot overflow.
        if not bool(torch.isfinite(values.sum(dtype=torch.float64))):
            bad = int((~torch.isfinite(values)).sum())
            raise RewardRuntimeError(
                f"{name} is not finite (NaN or infinite) in {bad} of {len(values)} states.",
                fix="Guard divisions, logarithms, roots and powers with clamp(min=1e-6); bound exp with clamp(max=20).",
            )


def _per_world(what: str, value: Any, num_envs: int) -> Tensor:
    if not isinstance(value, Tensor):
        raise RewardRuntimeError(
            f"{what} is {_kind(value)}, not a tensor [N].",
            fix="Give every world its own value: use torch.zeros_like or torch.full_like for constants.",
        )
    if tuple(value.shape) != (num_envs,):
        raise RewardRuntimeError(
            f"{what} has shape {_shape(value, num_envs)}, not [N].",
            fix="Reduce the last dimension with dim=-1, never over the worlds; use squeeze(-1), not squeeze().",
        )
    if value.is_complex():
        raise RewardRuntimeError(f"{what} is complex.", fix="Use real numbers.")
    return value


def _shape(value: Tensor, num_envs: int) -> str:
    dims = ["N" if size == num_envs and num_envs > 1 else str(size) for size in value.shape]
    return f"[{', '.join(dims)}]"


def _kind(value: Any) -> str:
    if isinstance(value, Tensor):
        return "a tensor"
    return {"NoneType": "None", "tuple": f"a tuple of {len(value) if isinstance(value, tuple) else 0}"}.get(
        type(value).__name__, f"a {type(value).__name__}"
    )
