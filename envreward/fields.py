"""Fields: the named, documented facts of an environment that a reward may read.

A task declares each field once. From that declaration come the batched tensors at run time, the
description of the environment in every prompt, the check that a reward names only what exists, and the
docs. Two kinds of names are derived and never declared: ``action`` (the action just applied) and
``prev_<name>`` (the value of ``<name>`` before that action; in an episode's first step, the value right
after the reset).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass
from typing import Any, Literal, TypeAlias

import torch
from torch import Tensor

from envreward.errors import UnknownNameError

DType: TypeAlias = Literal["float32", "bool", "int64", "str"]
Role: TypeAlias = Literal[
    "position",
    "offset",
    "orientation",
    "angle",
    "velocity",
    "angular_velocity",
    "force",
    "distance",
    "flag",
    "action",
    "other",
]
"""A ``position`` says where something is; an ``offset`` leads from one place to another, and its length is how far they
are apart."""
State: TypeAlias = Mapping[str, Any]
"""Field values by name: a tensor ``[N, *shape]``, or ``list[str]`` of length N for text fields."""

PREV = "prev_"
MEMORY = "memory"
"""No field may be called so: to a reward program it is what it remembers (see `envreward.rewards.program`)."""


@dataclass(frozen=True)
class Field:
    """One documented fact about the worlds of a task."""

    doc: str
    """What it is, one line, as a person or a language model should read it."""
    _: KW_ONLY
    shape: tuple[int, ...] = ()
    """Shape of one world's value; a batch adds a leading dimension N."""
    unit: str = "1"
    """SI unit; ``"1"`` for a number without one."""
    frame: str = ""
    """Frame of reference, where it has one: ``"world"``, ``"torso"``, ..."""
    names: tuple[str, ...] = ()
    """Names of the entries along the last dimension, when they differ in meaning (joint names, axes)."""
    dtype: DType = "float32"
    role: Role = "other"
    """What kind of quantity it is; used by designers that build rewards without a language model."""
    fixed: bool = False
    """Whether it stays as it is for a whole episode: where something was at its start, where it should go."""
    part: str = ""
    """Of a position: the thing that it is a point of, where other fields are points of the same thing. How far two of
    them are apart is no goal: it is always the same, or has a field of its own as the opening of a gripper does."""
    start_of: str = ""
    """Of a fixed position: the name of the field of what was here, or about here, when the episode began."""
    between: tuple[str, str] | None = None
    """Of an offset: the names of the two positions that it leads from and to, where they are fields."""
    private: bool = False
    """Private fields serve success, fitness and the oracle. No reward program can read them."""
    read: Callable[[Any], Any] | None = None
    """Computes the batch ``[N, *shape]`` from the task it belongs to (the task holds the simulator)."""

    def signature(self, name: str) -> str:
        """Return the one-line description used in prompts and docs, e.g. ``qvel: float32 [N, 6], rad/s. ...``."""
        dims = ", ".join(["N", *map(str, self.shape)])
        kind = "list[str] of length N" if self.dtype == "str" else f"{self.dtype} [{dims}]"
        unit = "" if self.unit in ("", "1") else f", {self.unit}"
        frame = f", {self.frame} frame" if self.frame else ""
        entries = f" Entries: {', '.join(self.names)}." if self.names else ""
        return f"{name}: {kind}{unit}{frame}. {self.doc}{entries}"


def torch_dtype(dtype: DType) -> torch.dtype:
    """Return the torch dtype of a field's declared dtype."""
    return {"float32": torch.float32, "bool": torch.bool, "int64": torch.int64}[dtype]


def public_fields(fields: Mapping[str, Field]) -> dict[str, Field]:
    """Return the fields that a reward program may read, in order of declaration."""
    return {name: field for name, field in fields.items() if not field.private}


def readable_fields(fields: Mapping[str, Field]) -> dict[str, Field]:
    """Return the public fields and the ``prev_`` name of each but ``action``: all that a program may name."""
    public = public_fields(fields)
    previous = {PREV + name: field for name, field in public.items() if name != "action"}
    return {**public, **previous}


def resolve(name: str, fields: Mapping[str, Field]) -> Field:
    """Return the field that ``name`` (possibly ``prev_...``) reads, private ones included.

    Raises:
        UnknownNameError: The name is neither a field nor ``prev_`` and a field.
    """
    if name in fields:
        return fields[name]
    if name.startswith(PREV) and name[len(PREV) :] in fields and name != PREV + "action":
        return fields[name[len(PREV) :]]
    raise UnknownNameError("field", name, readable_fields(fields))


def describe(fields: Mapping[str, Field]) -> str:
    """Return the public fields as a bulleted list, one line each."""
    return "\n".join(f"- {field.signature(name)}" for name, field in public_fields(fields).items())


def check_state(state: State, fields: Mapping[str, Field], num_envs: int) -> None:
    """Check that each value has the shape and dtype its field declares.

    Raises:
        ValueError: A value's batch shape or dtype differs from the declaration.
    """
    for name, value in state.items():
        field = resolve(name, fields)
        if field.dtype == "str":
            if not isinstance(value, list) or len(value) != num_envs:
                raise ValueError(f"field {name}: expected a list of {num_envs} strings")
            continue
        if not isinstance(value, Tensor) or tuple(value.shape) != (num_envs, *field.shape):
            got = list(value.shape) if isinstance(value, Tensor) else type(value).__name__
            raise ValueError(f"field {name}: expected {[num_envs, *field.shape]}, got {got}")
        wanted = torch_dtype(field.dtype)
        if value.dtype != wanted and not (wanted.is_floating_point and value.dtype.is_floating_point):
            raise ValueError(f"field {name}: expected {wanted}, got {value.dtype}")
