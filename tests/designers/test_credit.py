"""The linear model of what ranked well."""

from __future__ import annotations

import pytest

from envreward.designers.credit import credit, predicted
from envreward.designers.population import Individual
from envreward.designers.terms import Genome, Readout, Term
from envreward.fields import Field

FIELDS = {name: Field(name.upper(), unit="m/s", role="velocity") for name in "abcd"}
A, B, C, D = (Readout(name) for name in "abcd")


def tried(id_: str, fitness: float | None, **weights: float) -> Individual:
    terms = tuple(Term(form="linear", readout=Readout(name), weight=weight) for name, weight in weights.items())
    return Individual(id_, Genome(terms), None if fitness is None else (True, fitness))


def test_one_trial_speaks_for_its_direction_and_against_the_opposite() -> None:
    """Worked by hand: ridge of y = +-0.5 on one signed (penalty 0.5) and one unsigned (penalty 2) feature, each 1.

    The effects are y * 2 / 3.5 and y * 0.5 / 3.5; their sum is the direction's credit, their difference the opposite's.
    """
    found = credit([tried("c0", 5.0, a=1.0), tried("c1", 1.0, b=-1.0)], FIELDS)
    assert found[A, True] == pytest.approx(0.5 * 2.5 / 3.5)
    assert found[A, False] == pytest.approx(-0.5 * 1.5 / 3.5)
    assert found[B, False] == pytest.approx(-0.5 * 2.5 / 3.5)
    assert found[B, True] == pytest.approx(0.5 * 1.5 / 3.5)


def test_a_common_factor_of_a_reward_changes_nothing() -> None:
    """What counts is how the pay is shared out, not its size."""
    small = [tried("c0", 5.0, a=0.01, b=-0.005), tried("c1", 1.0, b=0.01)]
    large = [tried("c0", 5.0, a=10.0, b=-5.0), tried("c1", 1.0, b=7.0)]
    assert credit(small, FIELDS) == pytest.approx(credit(large, FIELDS))


def test_a_companion_of_winners_and_losers_alike_gets_little() -> None:
    """A term that came with the best and the worst explains nothing; the one that only the best had does."""
    found = credit(
        [
            tried("c0", 9.0, a=1.0, c=1.0),
            tried("c1", 8.0, a=1.0),
            tried("c2", 2.0, b=1.0),
            tried("c3", 1.0, b=1.0, c=1.0),
        ],
        FIELDS,
    )
    assert found[A, True] > 0.15 and found[B, True] < -0.15
    assert abs(found[C, True]) < 0.05


def test_what_fails_either_way_is_held_against_both_signs() -> None:
    """A read-out that ranked last raised and lowered is not to be paid for at all."""
    found = credit([tried("c0", 9.0, a=1.0), tried("c1", 1.0, b=1.0), tried("c2", 1.0, b=-1.0)], FIELDS)
    assert found[B, True] < -0.1 and found[B, False] < -0.1


def test_equal_scores_share_their_rank() -> None:
    """The order of two rewards that scored the same says nothing about their terms."""
    found = credit([tried("c0", 9.0, a=1.0), tried("c1", 1.0, b=1.0), tried("c2", 1.0, c=1.0)], FIELDS)
    assert found[B, True] == pytest.approx(found[C, True])


def test_what_failed_ranks_last() -> None:
    """A reward that failed speaks against its terms as the worst of the measured does."""
    found = credit([tried("c0", 9.0, a=1.0), tried("c1", 1.0, b=1.0), tried("c2", None, d=1.0)], FIELDS)
    assert found[D, True] == pytest.approx(found[B, True])


def test_equal_scores_give_no_credit() -> None:
    """While no two scores differ, nothing is preferred."""
    assert credit([tried("c0", 0.0, a=1.0), tried("c1", 0.0, b=1.0)], FIELDS) == {}
    assert credit([], FIELDS) == {}


def test_prediction_sums_what_is_known_of_the_terms() -> None:
    """Worked by hand: full pay for a, half against b, and something never tried."""
    credits = {(A, True): 0.4, (A, False): -0.2, (B, False): 0.1, (B, True): -0.3}
    genome = tried("c0", None, a=2.0, b=-1.0, d=0.5).genome
    assert predicted(genome, credits, FIELDS) == pytest.approx(0.4 + 0.5 * 0.1)
    assert predicted(tried("c1", None, d=1.0).genome, credits, FIELDS) == 0.0
