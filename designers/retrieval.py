"""Retrieval: which texts of a small collection are closest to another, by TF-IDF and cosine similarity.

A term's weight is its count in the text times ``ln((1 + n) / (1 + d)) + 1``, with ``n`` texts of which ``d`` hold the
term (Salton & Buckley 1988, "Term-weighting approaches in automatic text retrieval", with both counts one higher so
that a term of the query that no text holds is no division by zero). Similarity is the cosine of the two vectors.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence

_WORD = re.compile(r"[^\W_]+")


def words(text: str) -> list[str]:
    """Return a text's words in small letters, without punctuation."""
    return _WORD.findall(text.lower())


def similarities(query: str, texts: Sequence[str]) -> list[float]:
    """Return how close each of ``texts`` is to ``query``: 0 (no word in common) to 1 (the same words)."""
    counts = [Counter(words(text)) for text in texts]
    held = Counter(term for count in counts for term in count)

    def weights(count: Mapping[str, int]) -> dict[str, float]:
        return {t: c * (math.log((1 + len(texts)) / (1 + held[t])) + 1) for t, c in count.items()}

    wanted = weights(Counter(words(query)))
    return [_cosine(wanted, weights(count)) for count in counts]


def nearest(query: str, texts: Sequence[str], k: int) -> list[int]:
    """Return the places of the ``k`` texts closest to ``query``, the closest first, the earlier one at a tie."""
    found = similarities(query, texts)
    return sorted(range(len(texts)), key=lambda place: -found[place])[:k]


def _cosine(a: Mapping[str, float], b: Mapping[str, float]) -> float:
    norms = math.hypot(*a.values()) * math.hypot(*b.values())
    return sum(weight * b[term] for term, weight in a.items() if term in b) / norms if norms else 0.0
