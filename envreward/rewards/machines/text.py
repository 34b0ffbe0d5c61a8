"""Reward machines as text that a person or a language model writes, checked line by line; no code is ever evaluated.

    # Fetch the cube, then lift it.
    predicate near: |tcp_pos - cube_pos| < 0.03
    predicate held: gripper_closed
    predicate high: cube_pos[2] >= 0.2
    start searching
    end done
    searching -> holding: near & held, reward 1
    holding -> searching: !held, reward -1
    holding -> done: high, reward 5

Each line is a predicate, the start, an end, a transition, a comment after ``#``, or empty, in any order; among the
transitions from one state, the first that holds is taken.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from envreward.errors import ConfigError, EnvRewardError, RewardParseError, RewardRejectedError, UnknownNameError
from envreward.fields import Field, readable_fields, resolve

from ..parse import answer_text, fenced_blocks
from .formula import names, parse_formula
from .machine import RewardMachine, Shaping, Transition, TransitionError
from .predicates import Predicate, parse_predicate, written

_NAME = r"[A-Za-z_]\w*"
_PREDICATE = re.compile(rf"predicate\s+(?P<name>{_NAME})\s*:(?P<fact>.*)")
_STATE = re.compile(rf"(?P<what>start|end)\s+(?P<name>{_NAME})")
_TRANSITION = re.compile(
    rf"(?P<source>{_NAME})\s*->\s*(?P<target>{_NAME})\s*:(?P<when>[^,]*)(,\s*reward\s+(?P<reward>\S+))?"
)
_LONGEST = 500
"""Lines of a machine at most: one that is longer was not written to be read."""
_FIX = "Write `predicate NAME: FACT`, `start STATE`, `end STATE` or `STATE -> STATE: FORMULA, reward NUMBER`."


@dataclass
class _Draft:
    """What has been read so far, with the line of each part."""

    predicates: dict[str, str] = field(default_factory=dict)
    transitions: list[Transition] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    start: str | None = None
    ends: list[str] = field(default_factory=list)


def extract_machine(answer: str) -> str:
    """Return the text of the machine in a language model's answer, to be parsed.

    It is the last fenced block that says where the machine starts, else the last block; an answer without blocks is the
    machine itself.
    """
    text = answer_text(answer)
    bodies = [block.body for block in fenced_blocks(text)]
    begun = [body for body in bodies if any(line.split()[:1] == ["start"] for line in body.splitlines())]
    return (begun or bodies or [text])[-1]


def parse_machine(
    text: str, fields: Mapping[str, Field], *, shaping: Shaping = "none", gamma: float = 0.99
) -> RewardMachine:
    """Read a machine and check it against the fields that a reward may read.

    Args:
        text: The machine, in the form above.
        fields: The task's fields; private ones may not be named.
        shaping: See `RewardMachine.shaping`.
        gamma: See `RewardMachine.gamma`.

    Raises:
        RewardParseError: A line has not the form of any part, or parts do not fit together.
        RewardRejectedError: A predicate names a field that is not there or private, or an entry that it has not.
    """
    lines = text.splitlines()
    if len(lines) > _LONGEST:
        raise RewardParseError(f"the machine has {len(lines)} lines, more than {_LONGEST}.", line=_LONGEST + 1)
    draft = _Draft()
    for number, line in enumerate(lines, 1):
        content = line.partition("#")[0].strip()
        if content:
            try:
                _read(draft, content, number, fields)
            except ConfigError as error:
                raise RewardParseError(_sentence(error), line=number, fix=_FIX) from None
    if draft.start is None:
        raise RewardParseError("the machine has no start.", fix="Add a line `start STATE`.")
    _check_names(draft)
    try:
        return RewardMachine(
            predicates=draft.predicates,
            transitions=tuple(draft.transitions),
            start=draft.start,
            ends=tuple(draft.ends),
            shaping=shaping,
            gamma=gamma,
        )
    except TransitionError as error:
        raise RewardParseError(_sentence(error), line=draft.lines[error.index], fix=_FIX) from None
    except ConfigError as error:
        raise RewardParseError(_sentence(error), fix=_FIX) from None


def write_machine(machine: RewardMachine) -> str:
    """Return a machine as text that `parse_machine` reads to the same machine."""
    lines = [f"predicate {name}: {parse_predicate(fact)}" for name, fact in machine.predicates.items()]
    lines += [f"start {machine.start}", *(f"end {state}" for state in machine.ends)]
    for transition in machine.transitions:
        lines.append(write_transition(transition))
    return "\n".join(lines) + "\n"


def write_transition(transition: Transition) -> str:
    """Return a transition as its line of a machine's text, and never more than one."""
    pay = f", reward {written(transition.reward)}" if transition.reward else ""
    return " ".join(f"{transition.source} -> {transition.target}: {transition.when}{pay}".split())


def _read(draft: _Draft, content: str, number: int, fields: Mapping[str, Field]) -> None:
    if match := _PREDICATE.fullmatch(content):
        if match["name"] in draft.predicates:
            raise ConfigError(f"there is a predicate {match['name']!r} already")
        _check_fields(parse_predicate(match["fact"]), fields, number)
        draft.predicates[match["name"]] = match["fact"].strip()
    elif match := _TRANSITION.fullmatch(content):
        reward = _number(match["reward"] or "0")
        parse_formula(match["when"])  # its own mistakes belong to this line
        draft.transitions.append(
            Transition(source=match["source"], target=match["target"], when=match["when"].strip(), reward=reward)
        )
        draft.lines.append(number)
    elif match := _STATE.fullmatch(content):
        if match["what"] == "end":
            if match["name"] in draft.ends:
                raise ConfigError(f"the end {match['name']!r} is there already")
            draft.ends.append(match["name"])
        elif draft.start is not None:
            raise ConfigError(f"the start is {draft.start!r} already")
        else:
            draft.start = match["name"]
    else:
        raise ConfigError(f"cannot read {content!r}")


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ConfigError(f"the reward {text!r} is not a finite number")
    return value


def _check_fields(predicate: Predicate, fields: Mapping[str, Field], line: int) -> None:
    """Raise `RewardRejectedError` if a predicate cannot be computed from the public fields."""
    readable = readable_fields(fields)
    for name in predicate.parameters:
        if name not in readable:
            raise RewardRejectedError(_sentence(UnknownNameError("field", name, readable)), line=line)
        if resolve(name, fields).dtype == "str":
            raise RewardRejectedError(f"field {name} is text.", line=line, fix="Compare numbers and flags.")
    shape = resolve(predicate.field, fields).shape
    if predicate.norm:
        if predicate.other is not None and resolve(predicate.other, fields).shape != shape:
            raise RewardRejectedError(f"{predicate.field} and {predicate.other} have different shapes.", line=line)
    elif predicate.index is None and shape:
        fix = f"Compare an entry, {predicate.field}[0], or the norm, |{predicate.field}|."
        raise RewardRejectedError(f"field {predicate.field} is a vector of shape {list(shape)}.", line=line, fix=fix)
    elif predicate.index is not None and (len(shape) != 1 or not -shape[0] <= predicate.index < shape[0]):
        raise RewardRejectedError(
            f"field {predicate.field} of shape {list(shape)} has no entry [{predicate.index}].", line=line
        )


def _check_names(draft: _Draft) -> None:
    """Raise `RewardParseError` at the line of the first transition that names a predicate that is not there."""
    for transition, line in zip(draft.transitions, draft.lines, strict=True):
        for name in sorted(names(parse_formula(transition.when))):
            if name not in draft.predicates:
                unknown = UnknownNameError("predicate", name, draft.predicates)
                raise RewardParseError(_sentence(unknown), line=line, fix=f"Add a line `predicate {name}: FACT`.")


def _sentence(error: EnvRewardError) -> str:
    text = str(error)
    return text if text.endswith("?") else f"{text}."
