"""Predicates: comparisons of a number read from fields with a constant, read from text without evaluating any code."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from envreward.errors import ConfigError

from ..parts import as_float, is_set

_OPERATORS: Mapping[str, Callable[[Tensor, float], Tensor]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
}
_NAME = r"[A-Za-z_]\w*"
_TERM = re.compile(
    rf"(?P<field>{_NAME})(\[(?P<index>-?\d+)\])?|\|\s*(?P<normed>{_NAME})\s*(-\s*(?P<other>{_NAME})\s*)?\|"
)
_COMPARISON = re.compile(r"(?P<term>[^<>=!]+?)\s*((?P<operator><=|>=|==|!=|<|>)\s*(?P<value>.+))?")
FORMS = "FIELD, FIELD < 0.1, FIELD[2] >= 1, |FIELD| > 2 or |FIELD - OTHER| < 0.05"
"""What a predicate may look like, for messages."""


@dataclass(frozen=True, kw_only=True)
class Predicate:
    """A fact about one state that holds or does not."""

    field: str
    """The field it reads."""
    index: int | None = None
    """Which entry of a vector; ``None``: the field is a scalar, or its norm is taken."""
    norm: bool = False
    """Whether the Euclidean norm over all entries is taken (of a scalar: its size)."""
    other: str | None = None
    """With `norm`, a field of the same shape that is subtracted first."""
    operator: str | None = None
    """How it is compared; ``None``: the field is a flag that must be set."""
    value: float = 0.0
    """What it is compared with, in the unit of the field."""

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of the fields it reads."""
        return (self.field,) if self.other is None else (self.field, self.other)

    def holds(self, state: Mapping[str, Tensor]) -> Tensor:
        """Return where it holds, bool ``[T, N]``, of field values ``[T, N, ...]``.

        Raises:
            ConfigError: The field has not the shape that the predicate takes it to have.
        """
        values = state[self.field]
        if self.norm:
            numbers = as_float(values)
            if self.other is not None:
                numbers = numbers - as_float(state[self.other])
            number = torch.linalg.vector_norm(numbers.flatten(2), dim=-1) if numbers.dim() > 2 else numbers.abs()
        elif self.index is not None:
            if values.dim() != 3 or not -values.shape[2] <= self.index < values.shape[2]:
                raise ConfigError(f"field {self.field} of shape {list(values.shape[2:])} has no entry [{self.index}]")
            number = values[..., self.index]
        elif values.dim() != 2:
            raise ConfigError(f"field {self.field} is a vector: take an entry, {self.field}[0], or its norm")
        else:
            number = values
        if self.operator is None:
            return is_set(number)
        return _OPERATORS[self.operator](as_float(number), self.value)

    def __str__(self) -> str:
        if self.norm:
            term = f"|{self.field}|" if self.other is None else f"|{self.field} - {self.other}|"
        else:
            term = self.field if self.index is None else f"{self.field}[{self.index}]"
        return term if self.operator is None else f"{term} {self.operator} {written(self.value)}"


def written(number: float) -> str:
    """Return a number as a person writes it, to the last digit."""
    return repr(float(number)).removesuffix(".0")


@lru_cache(maxsize=1024)
def parse_predicate(text: str) -> Predicate:
    """Read a predicate: ``flag``, ``height > 0.2``, ``pos[2] >= 0.1``, ``|velocity| < 1``, ``|tcp - cube| < 0.03``.

    Raises:
        ConfigError: It has another form.
    """
    match = _COMPARISON.fullmatch(text.strip())
    term = _TERM.fullmatch(match["term"].strip()) if match else None
    if match is None or term is None:
        raise ConfigError(f"predicate {text.strip()!r} is not of the form {FORMS}")
    value = 0.0
    if match["operator"] is not None:
        try:
            value = float(match["value"])
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise ConfigError(f"{match['value'].strip()!r} is not a finite number: compare with a constant")
    normed = term["normed"] is not None
    if normed and match["operator"] is None:
        raise ConfigError(f"the size {text.strip()!r} must be compared with a number, as in {text.strip()} < 0.1")
    return Predicate(
        field=term["normed"] if normed else term["field"],
        index=None if term["index"] is None else int(term["index"]),
        norm=normed,
        other=term["other"],
        operator=match["operator"],
        value=value,
    )
