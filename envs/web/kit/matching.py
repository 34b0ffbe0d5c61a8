"""How well a text on a page matches the values that an instruction gives, by the words they share."""

from __future__ import annotations

import functools
import re

from .app import MAX_PARTS, Goal, Slot

_WORD = re.compile(r"\w+")
_AMOUNT = re.compile(r"(\d+(?:\.\d+)?) €")
_NONE: frozenset[str] = frozenset()
_NO_PARTS = (0.0,) * MAX_PARTS


@functools.lru_cache(maxsize=65536)
def words(text: str) -> frozenset[str]:
    """Return the words of a text in lower case, a plural's ``s`` taken off those of four letters and more."""
    found = _WORD.findall(text.lower())
    return frozenset(word[:-1] if len(word) > 3 and word[-1] == "s" else word for word in found)


@functools.lru_cache(maxsize=65536)
def _all_words(texts: tuple[str, ...]) -> frozenset[str]:
    return _NONE.union(*map(words, texts))


@functools.lru_cache(maxsize=65536)
def amount(texts: tuple[str, ...]) -> float | None:
    """Return the first amount of money in some texts, in €."""
    for text in texts:
        if found := _AMOUNT.search(text):
            return float(found[1])
    return None


class Matcher:
    """Compares texts with the slots of one goal."""

    def __init__(self, goal: Goal) -> None:
        self.slots: tuple[Slot, ...] = tuple(slot for slot in goal.slots if slot.at_most is None)
        """Slots that a text can match; limits are apart."""
        self._limits: dict[int, float] = {s.part: s.at_most for s in goal.slots if s.at_most is not None}
        self._by_word: dict[str, list[int]] = {}
        self._shares = [1.0 / max(1, len(words(slot.value))) for slot in self.slots]
        for index, slot in enumerate(self.slots):
            for word in words(slot.value):
                self._by_word.setdefault(word, []).append(index)
        self._vocabulary = frozenset(self._by_word)
        self._named: dict[tuple[str, ...], dict[int, float]] = {}

    def by_slot(self, texts: tuple[str, ...]) -> dict[int, float]:
        """Return for each slot that shares a word with ``texts`` the share of its words that they hold."""
        shared = _all_words(texts) & self._vocabulary
        covered: dict[int, float] = {}
        for word in shared:
            for index in self._by_word[word]:
                covered[index] = covered.get(index, 0.0) + self._shares[index]
        return covered

    def by_part(self, covered: dict[int, float]) -> tuple[float, ...]:
        """Return the best match of each part's slots, `MAX_PARTS` numbers in [0, 1]."""
        if not covered:
            return _NO_PARTS
        best = [0.0] * MAX_PARTS
        for index, share in covered.items():
            part = self.slots[index].part
            if share > best[part]:
                best[part] = min(share, 1.0)
        return tuple(best)

    def fits(self, part: int, texts: tuple[str, ...]) -> float:
        """Return 1 where the first amount in ``texts`` is within the part's limit, -1 where it is above, else 0."""
        limit = self._limits.get(part)
        if limit is None:
            return 0.0
        found = amount(texts)
        return 0.0 if found is None else 1.0 if found <= limit else -1.0

    def named(self, *texts: str) -> dict[int, float]:
        """Return for each slot whose name shares a word with ``texts``, a field's label and legend, the share of the
        name's words that they hold.
        """
        found = self._named.get(texts)
        if found is None:
            present, found = _all_words(texts), {}
            for index, slot in enumerate(self.slots):
                name = words(slot.name)
                if name & present:
                    found[index] = len(name & present) / len(name)
            self._named[texts] = found
        return found
