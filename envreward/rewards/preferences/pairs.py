"""Pairs of segments with a label, and whether a set of them makes sense."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor

from envreward.errors import ConfigError


@dataclass(frozen=True, kw_only=True, eq=False)
class Segment:
    """A stretch of one world's steps."""

    state: Mapping[str, Tensor]
    """Values of the fields by name, ``[T, *shape]`` each, ``prev_`` fields and ``action`` among them."""
    importance: Tensor | None = None
    """How much each step mattered, non-negative ``[T]`` with sum 1; for Hindsight PRIOR alone."""
    start_successors: Tensor | None = None
    """Successor features of K policies in the state before the first step, ``[K, D]``: what each policy's discounted
    sum of the D features would be from there; for the regret model alone."""
    end_successors: Tensor | None = None
    """The same in the state after the last step; zeros where the episode terminated."""

    def digest(self) -> bytes:
        """Return what tells this segment from any other: its states, and its ends where successor features say more."""
        ends = {"<start>": self.start_successors, "<end>": self.end_successors}
        known = {**self.state, **{name: values for name, values in ends.items() if values is not None}}
        digest = hashlib.blake2b(digest_size=16)
        for name in sorted(known):
            values = known[name].detach().cpu().contiguous()
            digest.update(f"{name}:{values.dtype}:{tuple(values.shape)};".encode())
            digest.update(values.numpy().tobytes())
        return digest.digest()


@dataclass(frozen=True, kw_only=True, eq=False)
class Preference:
    """Which of two segments somebody prefers."""

    first: Segment
    second: Segment
    label: float
    """Probability that the second is preferred: 0, 1, or 0.5 for a tie; values between say how sure the judge was."""


class PreferenceReport(NamedTuple):
    """What was found in a set of preferences that can be used."""

    pairs: int
    ties: int
    """Pairs with label 0.5."""
    cycles: tuple[tuple[int, ...], ...]
    """Groups of pairs, by their numbers, whose preferences go round in circles; no reward satisfies all of a group."""

    def describe(self) -> str:
        """Return it in one sentence."""
        text = f"{self.pairs} pairs, {self.ties} of them ties"
        if not self.cycles:
            return f"{text}; no preference contradicts another."
        example = ", ".join(map(str, self.cycles[0][:6])) + (", ..." if len(self.cycles[0]) > 6 else "")
        return f"{text}; {sum(map(len, self.cycles))} go round in {len(self.cycles)} circles, such as pairs {example}."


def check_preferences(preferences: Sequence[Preference], fields: Sequence[str]) -> PreferenceReport:
    """Check that a reward over ``fields`` can be learned from the pairs, and say what is odd about them.

    Circles (A over B, B over C, C over A) are allowed, as people's judgements have them, and reported. The same two
    segments with opposite labels are not: one of the labels is a mistake that only its author can mend.

    Raises:
        ConfigError: There are no pairs, or ties alone; a label is not a probability; a segment has no steps or lacks
            a field; a pair contradicts another.
    """
    if not preferences:
        raise ConfigError("there are no preferences to learn from")
    ties = sum(preference.label == 0.5 for preference in preferences)
    for i, preference in enumerate(preferences):
        _check(i, preference, fields)
    if ties == len(preferences):
        raise ConfigError("every label is a tie: nothing can be learned from them")
    # Each edge leads from the segment that lost to the one that won.
    edges: dict[tuple[bytes, bytes], int] = {}
    for i, preference in enumerate(preferences):
        if preference.label == 0.5:
            continue
        ends = (preference.first.digest(), preference.second.digest())
        lost, won = ends if preference.label > 0.5 else ends[::-1]
        if lost == won:
            raise ConfigError(f"pair {i} prefers a segment to itself: label it 0.5 or leave it out")
        if (won, lost) in edges:
            raise ConfigError(f"pairs {edges[won, lost]} and {i} are the same two segments with opposite labels")
        edges[lost, won] = i
    return PreferenceReport(len(preferences), ties, tuple(_circles(edges)))


def _check(number: int, preference: Preference, fields: Sequence[str]) -> None:
    if not 0.0 <= preference.label <= 1.0:
        raise ConfigError(f"pair {number}: the label must be within [0, 1], got {preference.label}")
    for side, segment in (("first", preference.first), ("second", preference.second)):
        if missing := [name for name in fields if name not in segment.state]:
            raise ConfigError(f"pair {number}: its {side} segment lacks field {missing[0]}")
        steps = {len(segment.state[name]) for name in fields}
        if len(steps) != 1 or not min(steps):
            raise ConfigError(f"pair {number}: its {side} segment must have equally many steps of each field, and some")
        if segment.importance is not None:
            _check_importance(number, segment.importance, steps.pop())


def _check_importance(number: int, importance: Tensor, steps: int) -> None:
    fits = importance.shape == (steps,) and bool((importance >= 0.0).all())
    if not fits or abs(float(importance.sum()) - 1.0) > 1e-3:
        raise ConfigError(f"pair {number}: importance must be {steps} non-negative numbers with sum 1")


def _circles(edges: Mapping[tuple[bytes, bytes], int]) -> Iterator[tuple[int, ...]]:
    """Yield the edges within each strongly connected component of more than one node (Kosaraju's two passes)."""
    forward: dict[bytes, list[bytes]] = {}
    backward: dict[bytes, list[bytes]] = {}
    for lost, won in edges:
        forward.setdefault(lost, []).append(won)
        backward.setdefault(won, []).append(lost)
    order: list[bytes] = []
    seen: set[bytes] = set()
    for node in dict.fromkeys(end for edge in edges for end in edge):
        order += _finished(node, forward, seen)
    seen = set()
    group: dict[bytes, int] = {}
    for number, node in enumerate(reversed(order)):
        group |= dict.fromkeys(_finished(node, backward, seen), number)
    members: dict[int, list[int]] = {}
    for (lost, won), number in edges.items():
        if group[lost] == group[won]:
            members.setdefault(group[lost], []).append(number)
    yield from (tuple(sorted(numbers)) for numbers in members.values())


def _finished(start: bytes, successors: Mapping[bytes, list[bytes]], seen: set[bytes]) -> list[bytes]:
    """Return the nodes reached from ``start`` that were not ``seen``, in the order in which a search leaves them."""
    if start in seen:
        return []
    seen.add(start)
    left, path = [], [(start, iter(successors.get(start, ())))]
    while path:
        node, rest = path[-1]
        following = next((other for other in rest if other not in seen), None)
        if following is None:
            left.append(node)
            path.pop()
        else:
            seen.add(following)
            path.append((following, iter(successors.get(following, ()))))
    return left
