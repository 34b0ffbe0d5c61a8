"""Rollouts: what happened in episodes, fact by fact, so that any reward can be computed from it later.

A rollouts file is JSON lines, strict JSON (a number that is not finite is written as ``"nan"``, ``"inf"`` or
``"-inf"``). The first line says what the file is, with the declaration of every field; then three kinds of lines:

    {"kind": "begin", "seed": 7, "instruction": "...", "facts": {...}, "state_hash": "..."}
    {"kind": "step", "seed": 7, "step": 0, "facts": {...}, "action": ..., "state_hash": "...", "action_error": "", ...}
    {"kind": "end", "seed": 7, "outcome": "success", "fitness": 1.0, "steps": 5, "usage": {...}, ...}

``facts`` holds every declared field, public and private (the header tells which), ``success`` and ``fitness`` among
them: after the reset in ``begin``, after the action in ``step``. A language model's lines also have what it was shown
(``observation``), what it ``said`` and its ``usage``. An episode is known by its seed. Lines of concurrent episodes are
mixed. An episode without its end was cut off and counts as not played; a second ``begin`` of a seed starts it anew, yet
what was spent on the first stays counted. `envreward.agents.rollout_file` writes the file.
"""

from __future__ import annotations

import dataclasses
import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeAlias, get_args

import numpy as np
import torch
from torch import Tensor

from envreward.errors import ConfigError
from envreward.fields import PREV, Field, resolve
from envreward.llm import Usage
from envreward.llm.base import NO_USAGE
from envreward.rewards.sequence import Flow

logger = logging.getLogger("envreward.agents")

FORMAT, VERSION = "envreward-rollouts", 1

Outcome: TypeAlias = Literal["success", "failed", "truncated", "lost"]
"""How an episode ended: the success test held at some step; it ended by itself without; it was cut off without; the
machinery under it, or the language model's provider, failed. A lost episode has no score."""
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)

Stored: TypeAlias = Literal["float32", "float64", "bool", "int64", "str"]
"""In which type a field was recorded; physics has fields in float64 that are float32 to reward programs."""

_NOT_FINITE = {"nan", "inf", "-inf"}
_KINDS = {"float32": "fiu", "float64": "fiu", "bool": "b", "int64": "iu"}


@dataclass(frozen=True, kw_only=True)
class Header:
    """What a rollouts file is of."""

    env_id: str
    """The task."""
    actor: str
    """Who acted: a language model's name, a behaviour, a policy's folder."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """What else decides how episodes go, as plain JSON values."""
    horizon: int
    """Steps after which an episode is cut off."""
    fitness_reduce: Literal["sum", "mean", "max", "last"]
    """How the fitness of steps becomes an episode's."""
    fields: Mapping[str, Field]
    """Declarations of the fields recorded."""
    stored: Mapping[str, Stored]
    """In which type each field was recorded."""
    package: str = ""
    """EnvReward's version."""

    def to_json(self) -> str:
        """Return it as one line of JSON."""
        plain = {"format": FORMAT, "version": VERSION, **{f.name: getattr(self, f.name) for f in _plain_fields(Header)}}
        plain["fields"] = {
            name: {f.name: getattr(declared, f.name) for f in _plain_fields(Field)} | {"stored": self.stored[name]}
            for name, declared in self.fields.items()
        }
        return json.dumps(plain)

    @classmethod
    def from_json(cls, raw: dict[str, Any]) -> Header:
        """Read what `to_json` wrote; raises `KeyError`, `TypeError` or `ValueError` where that fails."""
        fields, stored = {}, {}
        for name, declared in raw["fields"].items():
            stored[name] = declared.pop("stored")
            if stored[name] not in get_args(Stored):
                raise ValueError(f"field {name} is stored as {stored[name]!r}")
            sizes, entries = tuple(declared.pop("shape")), tuple(declared.pop("names"))
            fields[name] = Field(**declared, shape=sizes, names=entries)
        known = {f.name: raw[f.name] for f in _plain_fields(cls) if f.name != "fields"}
        return cls(**known, fields=fields, stored=stored)


def _plain_fields(cls: Any) -> list[dataclasses.Field[Any]]:
    return [f for f in dataclasses.fields(cls) if f.name not in ("read", "stored")]


@dataclass(frozen=True, kw_only=True)
class Episode:
    """One recorded episode of T steps that has ended."""

    seed: int
    instruction: str
    outcome: Outcome
    reason: str
    """Why it was cut off or lost, where there is something to say."""
    fitness: float | None
    """``None`` for a lost episode."""
    usage: Usage
    """What a language model has cost in it."""
    facts: Mapping[str, Tensor | list[str]]
    """Every recorded field, ``[T + 1, *shape]``: row 0 right after the reset, row t + 1 after step t. Of ``action``,
    which none went before the reset, row 0 is zero. Empty where the world was lost before it could be seen."""
    terminated: Tensor
    """bool ``[T]``."""
    truncated: Tensor
    """bool ``[T]``."""
    actions: Sequence[Any]
    """The T actions: number of a candidate, list of numbers, or the tool call as it was written."""
    state_hash: Sequence[str]
    """Hashes of the T + 1 states; empty where there is none."""
    action_error: Sequence[str]
    """Why each of the T actions could not be taken; empty where it could."""
    infra_error: Sequence[str]
    """What of the machinery failed in each of the T steps; empty where nothing did."""

    @property
    def steps(self) -> int:
        """T."""
        return len(self.actions)

    @property
    def success(self) -> bool | None:
        """Whether the success test held at some step; ``None`` for a lost episode."""
        return None if self.outcome == "lost" else self.outcome == "success"

    def state(self, names: Iterable[str], fields: Mapping[str, Field]) -> dict[str, Tensor | list[str]]:
        """Return the values ``[T, *shape]`` of fields and of ``prev_`` fields, as a reward sees them.

        Raises:
            UnknownNameError: A name is not a recorded field; the message lists near matches.
        """
        state: dict[str, Tensor | list[str]] = {}
        for name in names:
            resolve(name, fields)
            own = name in fields
            values = self.facts[name if own else name.removeprefix(PREV)]
            state[name] = values[1:] if own else values[:-1]
        return state


class Joined(NamedTuple):
    """Episodes one after another, as one world would have played them; R steps in all."""

    flow: Flow
    """Where they begin and end, bool ``[R, 1]`` each."""
    state: dict[str, Tensor | list[str]]
    """Field values ``[R, *shape]``."""
    lengths: list[int]
    """Steps of each episode."""


def join(episodes: Sequence[Episode], names: Sequence[str], fields: Mapping[str, Field]) -> Joined:
    """Put episodes that have steps one after another.

    Args:
        episodes: At least one; each with at least one step.
        names: Fields wanted, ``prev_`` names included.
        fields: Their declarations.

    Raises:
        UnknownNameError: A name is not a recorded field; the message lists near matches.
    """
    states = [episode.state(names, fields) for episode in episodes]
    state: dict[str, Tensor | list[str]] = {}
    for name in names:
        columns = [s[name] for s in states]
        if isinstance(columns[0], Tensor):
            state[name] = torch.cat([c for c in columns if isinstance(c, Tensor)])
        else:
            state[name] = [text for column in columns for text in column]
    lengths = [episode.steps for episode in episodes]
    first = torch.zeros(sum(lengths), dtype=torch.bool)
    first[torch.tensor([0, *lengths[:-1]]).cumsum(0)] = True
    terminated, truncated = torch.cat([e.terminated for e in episodes]), torch.cat([e.truncated for e in episodes])
    last = torch.tensor(lengths).cumsum(0) - 1
    truncated[last] = ~terminated[last]  # one that was lost while its agent thought was cut off after its last step
    return Joined(Flow(*(flags.unsqueeze(1) for flags in (first, terminated, truncated))), state, lengths)


@dataclass(frozen=True, kw_only=True)
class Rollouts:
    """The contents of a rollouts file."""

    path: Path
    header: Header
    episodes: tuple[Episode, ...]
    """Those that have ended, by seed."""
    unfinished: tuple[int, ...]
    """Seeds of those that were cut off in the middle."""
    usage: Usage
    """What a language model has cost in all, unfinished episodes included."""
    torn: bool
    """Whether the last line was cut by a crash; it is left out."""


@dataclass
class _Draft:
    begin: dict[str, Any]
    steps: list[dict[str, Any]] = field(default_factory=list)
    end: dict[str, Any] | None = None


def read_rollouts(path: Path) -> Rollouts:
    """Read a rollouts file and check it against its own declarations.

    Raises:
        ConfigError: There is no such file, it is not a rollouts file, of a version that cannot be read here, or damaged
            elsewhere than in its last line; the message names the line or the episode.
    """
    try:
        data = path.read_bytes()
    except (FileNotFoundError, IsADirectoryError) as error:
        raise ConfigError(f"cannot read the rollouts {path}: no such file") from error
    lines = data.split(b"\n")
    torn = bool(lines.pop())
    if torn:
        logger.warning("%s: the last line was cut off while it was written; it is left out", path)
    header = _read_header(path, lines[0] if lines else b"")
    drafts: dict[int, _Draft] = {}
    usage = NO_USAGE
    for number, line in enumerate(lines[1:], start=2):
        try:
            usage += _sort_in(_loads(line), drafts)
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            reason = f"{error.args[0]!r} is missing" if isinstance(error, KeyError) else str(error)
            raise ConfigError(f"{path}, line {number}: not a line of rollouts: {reason[:200]}") from error
    ended = sorted(seed for seed, draft in drafts.items() if draft.end is not None)
    return Rollouts(
        path=path,
        header=header,
        episodes=tuple(_episode(path, header, seed, drafts[seed]) for seed in ended),
        unfinished=tuple(sorted(drafts.keys() - set(ended))),
        usage=usage,
        torn=torn,
    )


def _read_header(path: Path, line: bytes) -> Header:
    try:
        raw = _loads(line)
    except (ValueError, RecursionError):
        raw = None
    if not isinstance(raw, dict) or raw.get("format") != FORMAT:
        raise ConfigError(f"{path} is not a rollouts file: its first line must name {FORMAT!r}")
    if raw.get("version") != VERSION:
        raise ConfigError(f"{path} holds rollouts of version {raw.get('version')}; version {VERSION} can be read here")
    try:
        return Header.from_json(raw)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ConfigError(f"{path}, line 1: not the header of a rollouts file ({error!r})") from error


def _loads(line: bytes) -> Any:
    def refuse(name: str) -> Any:
        raise ValueError(f"{name} is not JSON")

    return json.loads(line, parse_constant=refuse)


def _sort_in(raw: dict[str, Any], drafts: dict[int, _Draft]) -> Usage:
    """Put a line to its episode; return what it says has been spent."""
    kind, seed = raw["kind"], int(raw["seed"])
    if kind == "begin":
        drafts[seed] = _Draft(raw)
        return NO_USAGE
    draft = drafts.get(seed)
    if draft is None or draft.end is not None:
        raise ValueError(f"no episode of seed {seed} is running")
    if kind == "end":
        draft.end = raw
        return NO_USAGE  # its usage is that of the steps
    if kind != "step":
        raise ValueError(f"unknown kind {kind!r}")
    if raw["step"] != len(draft.steps):
        raise ValueError(f"step {raw['step']} where step {len(draft.steps)} was to come")
    draft.steps.append(raw)
    return Usage(**raw["usage"]) if "usage" in raw else NO_USAGE


def _episode(path: Path, header: Header, seed: int, draft: _Draft) -> Episode:
    begin, steps, end = draft.begin, draft.steps, draft.end
    assert end is not None
    try:
        if end["outcome"] not in OUTCOMES:
            raise ValueError(f"unknown outcome {end['outcome']!r}")
        rows = [begin["facts"], *(step["facts"] for step in steps)] if begin["facts"] is not None else []
        facts = {name: _column(name, rows, header) for name in header.fields} if rows else {}
        if not rows and steps:
            raise ValueError("no facts after the reset")
        return Episode(
            seed=seed,
            instruction=begin["instruction"],
            outcome=end["outcome"],
            reason=end["reason"],
            fitness=None if end["fitness"] is None else float(end["fitness"]),
            usage=sum((Usage(**step["usage"]) for step in steps if "usage" in step), NO_USAGE),
            facts=facts,
            terminated=torch.tensor([step["terminated"] for step in steps], dtype=torch.bool),
            truncated=torch.tensor([step["truncated"] for step in steps], dtype=torch.bool),
            actions=[step["action"] for step in steps],
            state_hash=[begin["state_hash"], *(step["state_hash"] for step in steps)],
            action_error=[step["action_error"] for step in steps],
            infra_error=[step["infra_error"] for step in steps],
        )
    except (ValueError, TypeError, KeyError) as error:
        reason = f"{error.args[0]!r} is missing" if isinstance(error, KeyError) else str(error)
        raise ConfigError(f"{path}, episode of seed {seed}: {reason}") from error


def _column(name: str, rows: list[dict[str, Any]], header: Header) -> Tensor | list[str]:
    """Return a field over the rows, checked against its declaration."""
    declared, stored = header.fields[name], header.stored[name]
    if name == "action" and name not in rows[0]:
        values = [row[name] for row in rows[1:]]
        values.insert(0, np.zeros(declared.shape, dtype=np.int64).tolist())
    else:
        values = [row[name] for row in rows]
    if stored == "str":
        if not all(isinstance(value, str) for value in values):
            raise ValueError(f"field {name}: not all values are text")
        return values
    if stored.startswith("float"):
        values = [_finite_or_spelled(value) for value in values]
    try:
        array = np.asarray(values)
    except ValueError:
        raise ValueError(f"field {name}: its values differ in shape") from None
    if array.dtype.kind not in _KINDS[stored] or array.shape[1:] != declared.shape:
        raise ValueError(f"field {name}: not {stored} of shape {list(declared.shape)}")
    return torch.from_numpy(array.astype(stored))


def _finite_or_spelled(value: Any) -> Any:
    if isinstance(value, list):
        return [_finite_or_spelled(entry) for entry in value]
    return float(value) if isinstance(value, str) and value in _NOT_FINITE else value
