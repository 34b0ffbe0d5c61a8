"""Chosen fields as one vector of numbers, for rewards that learn or measure something about states."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from envreward.errors import ConfigError, RewardRuntimeError
from envreward.fields import Field, resolve

from .parts import as_float


def feature_size(names: Sequence[str], fields: Mapping[str, Field]) -> int:
    """Return how many numbers the fields have together.

    Raises:
        UnknownNameError: A name is no field.
        ConfigError: There is no name, or one is of a text field.
    """
    if not names:
        raise ConfigError("name at least one field")
    declared = [resolve(name, fields) for name in names]
    if text := [name for name, field in zip(names, declared, strict=True) if field.dtype == "str"]:
        raise ConfigError(f"field {text[0]} is text and has no numbers")
    return sum(math.prod(field.shape) for field in declared)


def joined(names: Sequence[str], state: Mapping[str, Tensor], leading: int) -> Tensor:
    """Return the fields one after the other as one tensor, float ``[*batch, D]``.

    Args:
        names: Which fields, in order.
        state: Their values, ``[*batch, *shape]``.
        leading: How many dimensions the batch has.

    Raises:
        RewardRuntimeError: A value is not finite.
    """
    features = torch.cat([_row(as_float(state[name]), leading) for name in names], -1)
    if not bool(torch.isfinite(features).all()):
        bad = [name for name in names if not bool(torch.isfinite(as_float(state[name])).all())]
        raise RewardRuntimeError(f"field {bad[0]} is not finite.", fix="Look at its values: physics may have broken.")
    return features


def _row(values: Tensor, leading: int) -> Tensor:
    return values.flatten(leading) if values.dim() > leading else values.unsqueeze(-1)
