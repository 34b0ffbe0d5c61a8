"""Propositional formulas over named predicates: ``near & (held | !fast)``, read by a small parser of its own."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

import torch
from torch import Tensor

from envreward.errors import ConfigError

ALWAYS = "always"
"""The formula that holds in every state."""
_TOKEN = re.compile(r"\s*([A-Za-z_]\w*|[&|!()])")
_DEEPEST = 50  # nested brackets and negations; a text could otherwise exhaust the stack


@dataclass(frozen=True)
class Named:
    """A predicate, or ``always``."""

    name: str


@dataclass(frozen=True)
class Not:
    """What holds where ``part`` does not."""

    part: Formula


@dataclass(frozen=True)
class AllOf:
    """What holds where every part does."""

    parts: tuple[Formula, ...]


@dataclass(frozen=True)
class AnyOf:
    """What holds where some part does."""

    parts: tuple[Formula, ...]


Formula: TypeAlias = Named | Not | AllOf | AnyOf


@lru_cache(maxsize=1024)
def parse_formula(text: str) -> Formula:
    """Read a formula of names, ``!``, ``&``, ``|`` and brackets; ``!`` binds closest, ``|`` least.

    Raises:
        ConfigError: It cannot be read.
    """
    tokens, end = [], 0
    while text[end:].strip():
        match = _TOKEN.match(text, end)
        if match is None:
            raise ConfigError(f"formula {text!r}: {text[end:].strip()[0]!r} is not a name, !, &, | or a bracket")
        tokens.append(match[1])
        end = match.end()
    parser = _Parser(text, tokens)
    formula = parser.any(0)
    if parser.tokens:
        raise ConfigError(f"formula {text!r}: & or | is missing before {parser.tokens[0]!r}")
    return formula


def names(formula: Formula) -> frozenset[str]:
    """Return the predicates that a formula names."""
    if isinstance(formula, Named):
        return frozenset() if formula.name == ALWAYS else frozenset((formula.name,))
    parts = (formula.part,) if isinstance(formula, Not) else formula.parts
    return frozenset().union(*map(names, parts))


def holds(formula: Formula, facts: Mapping[str, Tensor], like: Tensor) -> Tensor:
    """Return where a formula holds, of predicates given as bool ``[T, N]``; ``like`` has the shape of the answer."""
    if isinstance(formula, Named):
        return torch.ones_like(like, dtype=torch.bool) if formula.name == ALWAYS else facts[formula.name]
    if isinstance(formula, Not):
        return ~holds(formula.part, facts, like)
    parts = torch.stack([holds(part, facts, like) for part in formula.parts])
    return parts.all(0) if isinstance(formula, AllOf) else parts.any(0)


class _Parser:
    """Recursive descent over tokens that are taken from the front."""

    def __init__(self, text: str, tokens: list[str]) -> None:
        self.text, self.tokens = text, tokens

    def any(self, depth: int) -> Formula:
        parts = [self.all(depth)]
        while self.tokens[:1] == ["|"]:
            self.tokens.pop(0)
            parts.append(self.all(depth))
        return parts[0] if len(parts) == 1 else AnyOf(tuple(parts))

    def all(self, depth: int) -> Formula:
        parts = [self.single(depth)]
        while self.tokens[:1] == ["&"]:
            self.tokens.pop(0)
            parts.append(self.single(depth))
        return parts[0] if len(parts) == 1 else AllOf(tuple(parts))

    def single(self, depth: int) -> Formula:
        if depth > _DEEPEST:
            raise ConfigError(f"a formula is nested more than {_DEEPEST} deep")
        if not self.tokens:
            raise ConfigError(f"formula {self.text!r} ends where a name is expected")
        token = self.tokens.pop(0)
        if token == "!":
            return Not(self.single(depth + 1))
        if token == "(":
            inner = self.any(depth + 1)
            if self.tokens[:1] != [")"]:
                raise ConfigError(f"formula {self.text!r}: a bracket is not closed")
            self.tokens.pop(0)
            return inner
        if token in "&|)":
            raise ConfigError(f"formula {self.text!r}: a name is expected before {token!r}")
        return Named(token)
