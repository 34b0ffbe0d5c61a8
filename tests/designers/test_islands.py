"""Islands: admission, migration and the draw of parents, by REvolve's rules."""

from __future__ import annotations

import math
import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envreward.designers.islands import admit, best_of, draw_island, draw_parents, mean_score, migrate, softmax


def test_fidelity_softmax_weights() -> None:
    """``exp(v / T)`` over their sum (rewards_database.py): 0, ln 2, ln 3 weigh 1 : 2 : 3; at T = 2 their roots."""
    values = [0.0, math.log(2), math.log(3)]
    assert softmax(values) == pytest.approx([1 / 6, 2 / 6, 3 / 6])
    roots = [1.0, math.sqrt(2), math.sqrt(3)]
    assert softmax(values, 2.0) == pytest.approx([r / sum(roots) for r in roots])
    assert softmax([5000.0, 4000.0, -math.inf]) == [1.0, 0.0, 0.0]


def test_fidelity_admission_at_the_islands_mean() -> None:
    """Section 3.3: who scores at least the mean is let in, into an empty island anyone; of too many the worst goes."""
    scores = {"a": 1.0, "b": 3.0, "equal": 2.0, "below": 1.999, "first": -5.0}
    assert admit(("a", "b"), "equal", scores, 8) == ("a", "b", "equal")
    assert admit(("a", "b"), "below", scores, 8) == ("a", "b")
    assert admit((), "first", scores, 8) == ("first",)
    assert admit(("a", "b"), "equal", scores, 2) == ("b", "equal")


def test_fidelity_migration_resets_the_weaker_half() -> None:
    """reset_islands: the weaker half by best individual keeps its best and gets one from a stronger, not its best."""
    scores = {"a": 1.0, "b": 2.0, "c": 3.0, "d": 4.0, "e": 9.0, "f": 8.0, "g": 7.0}
    islands = [("a", "b"), ("e", "f"), ("c", "d"), ("g",)]
    for seed in range(20):
        first, second, third, fourth = migrate(islands, scores, random.Random(seed))
        # the weak ones (best 2 and 4) keep b and d; e and g are bests of the strong ones and stay
        assert first[0] == "b" and third[0] == "d" and second[0] == "e" and fourth == ("g",)
        assert len(first) + len(third) == 3, "the one individual that could go went to one of the two"
        assert ("f" in first) != ("f" in third) and "f" not in second


def test_migration_with_nothing_to_send() -> None:
    """Where every strong island has one individual, and on empty ones, the weak only lose all but their best."""
    scores = {"a": 1.0, "b": 2.0, "c": 3.0}
    assert migrate([("a", "b"), ("c",)], scores, random.Random(0)) == [("b",), ("c",)]
    assert migrate([(), ("c",)], scores, random.Random(0)) == [(), ("c",)]


def test_fidelity_parents_are_drawn_by_softmax_without_replacement() -> None:
    """Draws follow the softmax; the second is drawn by the softmax of those left, so a pair is never one twice.

    Scores ln 1, ln 2, ln 3: P(c) = 3/6; P(c, then b) = 3/6 x 2/3 = 1/3.
    """
    scores = {"a": 0.0, "b": math.log(2), "c": math.log(3)}
    rng = random.Random(0)
    singles = Counter(draw_parents(("a", "b", "c"), scores, rng, 1, 1.0)[0] for _ in range(6000))
    assert singles["c"] / 6000 == pytest.approx(3 / 6, abs=0.02) and singles["a"] / 6000 == pytest.approx(
        1 / 6, abs=0.02
    )
    pairs = Counter(draw_parents(("a", "b", "c"), scores, rng, 2, 1.0) for _ in range(6000))
    assert pairs["c", "b"] / 6000 == pytest.approx(1 / 3, abs=0.02)
    assert all(first != second for first, second in pairs)


def test_fidelity_islands_are_drawn_by_their_mean() -> None:
    """The draw of an island follows the softmax of the means; one with too few individuals is never drawn."""
    scores = {"a": 0.0, "b": 2 * math.log(3), "c": 0.0, "d": 5.0}
    islands = [("a", "b"), ("c", "a"), ("d",), ()]  # means ln 3, 0, 5, none
    rng = random.Random(1)
    found = Counter(draw_island(islands, scores, rng, least=2, temperature=1.0) for _ in range(4000))
    assert found.keys() == {0, 1} and found[0] / 4000 == pytest.approx(3 / 4, abs=0.02)
    assert draw_island(islands, scores, rng, least=3, temperature=1.0) is None
    assert mean_score(islands[0], scores) == pytest.approx(math.log(3)) and mean_score((), scores) == -math.inf


@st.composite
def populations(draw: st.DrawFn) -> tuple[list[tuple[str, ...]], dict[str, float]]:
    sizes = draw(st.lists(st.integers(0, 4), min_size=2, max_size=6))
    names = iter(f"c{i}" for i in range(sum(sizes)))
    islands = [tuple(next(names) for _ in range(size)) for size in sizes]
    values = st.floats(-1e6, 1e6)
    return islands, {i: draw(values) for island in islands for i in island}


@given(populations(), st.integers(0, 10))
def test_migration_never_copies_and_keeps_every_best(
    population: tuple[list[tuple[str, ...]], dict[str, float]], seed: int
) -> None:
    """Nobody lives twice, nobody is made up, each island keeps its best, and the stronger half only gives."""
    islands, scores = population
    after = migrate(islands, scores, random.Random(seed))
    everyone = [i for island in after for i in island]
    assert len(set(everyone)) == len(everyone) and set(everyone) <= scores.keys()
    for before, now in zip(islands, after, strict=True):
        assert not before or best_of(before, scores) in now
    unreset = sum(set(now) <= set(before) and len(before) - len(now) <= len(islands) // 2
                  for before, now in zip(islands, after, strict=True))  # fmt: skip
    assert unreset >= (len(islands) + 1) // 2
    assert sum(len(now) for now in after) <= sum(map(len, islands))
