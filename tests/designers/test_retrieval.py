"""Retrieval by TF-IDF and cosine similarity."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envreward.designers.retrieval import nearest, similarities, words

TEXTS = ["Open the door.", "Open the drawer.", "Push the cube to the goal."]


def test_fidelity_tf_idf_by_hand() -> None:
    """Three sentences: "open" is in two of them, "the" in all, other words in one, "window" in none.

    Weights ln((1 + 3) / (1 + d)) + 1: open ln(4/3) + 1 = 1.2877, the 1, others ln(2) + 1 = 1.6931, window
    ln(4) + 1 = 2.3863. Query: (1.2877, 1, 2.3863), norm 2.8901. First two: (1.2877, 1, 1.6931), norm 2.3505, product
    1.6581 + 1. Third: "the" twice and four others, norm sqrt(2^2 + 4 x 1.6931^2) = 3.9328, product 2.
    """
    first, second, third = similarities("Open the window!", TEXTS)
    assert first == pytest.approx(2.658125 / (2.890074 * 2.350505), abs=1e-6) == pytest.approx(0.391296, abs=1e-6)
    assert second == first
    assert third == pytest.approx(2 / (2.890074 * 3.932809), abs=1e-6) == pytest.approx(0.175962, abs=1e-6)


def test_nearest_come_first_and_ties_keep_their_order() -> None:
    """The closest texts in order of similarity, the earlier at a tie, and no more than there are."""
    assert nearest("Open the window!", TEXTS, 3) == [0, 1, 2]
    assert nearest("push it", TEXTS, 1) == [2]
    assert nearest("push it", TEXTS, 9) == [2, 0, 1]
    assert nearest("push it", [], 2) == []


def test_words() -> None:
    """Capitals, punctuation and underscores part words; letters of any script belong to them."""
    assert words("Öffne die Tür: push_it 2x!") == ["öffne", "die", "tür", "push", "it", "2x"]


sentences = st.lists(st.sampled_from(["open", "the", "door", "cube", "goal"]), max_size=6).map(" ".join)


@given(sentences, st.lists(sentences, min_size=1, max_size=5))
def test_similarity_is_a_cosine_of_positive_vectors(query: str, texts: list[str]) -> None:
    """It lies in [0, 1]; it is 1 for the same words, whatever their order, and 0 exactly without a common word."""
    found = similarities(query, [*texts, " ".join(reversed(query.split()))])
    assert all(-1e-12 <= value <= 1 + 1e-12 for value in found)
    assert not query or math.isclose(found[-1], 1.0)
    for value, text in zip(found, texts, strict=False):
        assert (value > 0) == bool(set(query.split()) & set(text.split()))
