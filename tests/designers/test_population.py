"""The population as read from a study's record, and what it says about read-outs."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace

import pytest

from envreward.designers.population import is_flat, ranked, read_population, shares, tournament
from envreward.designers.programs import render
from envreward.designers.terms import Genome, Readout, Term
from envreward.fields import Field
from envreward.studies.records import Candidate, Evaluation, Status, Traces

FIELDS = {"a": Field("A."), "b": Field("B."), "c": Field("C.")}


def term(name: str, weight: float = 1.0) -> Term:
    return Term(form="linear", readout=Readout(name), weight=weight)


def candidate(id_: str, *terms: Term, fitness: float | None, traces: Traces | None = None) -> Candidate:
    scores = (
        ()
        if fitness is None
        else tuple(
            Evaluation(member=f"{id_}-{i}", seed=i, episodes=1, success=0.0, fitness=fitness + d, episode_length=9.0)
            for i, d in enumerate((-1.0, 1.0))
        )
    )
    status = Status.FAILED if fitness is None else Status.EVALUATED
    source = render(Genome(terms), FIELDS, "Go.")
    return Candidate(
        id=id_, iteration=0, index=0, answer=source, source=source, status=status, evaluations=scores, traces=traces
    )


def test_ranking_is_by_mean_fitness_and_leaves_out_the_unmeasured() -> None:
    """Best first, ties by age; a candidate that was never evaluated is neither good nor bad."""
    history = [
        candidate("c0", term("a"), fitness=1.0),
        candidate("c1", term("b"), fitness=None),
        candidate("c2", term("c"), fitness=3.0),
        candidate("c3", term("a", -1.0), fitness=1.0),
    ]
    population = read_population(history, FIELDS)
    assert [p.id for p in population] == ["c0", "c1", "c2", "c3"]
    assert [p.id for p in ranked(population)] == ["c2", "c0", "c3"]
    assert ranked(population)[0].standing == (True, 3.0)


def test_what_racing_retired_stands_below_what_it_kept() -> None:
    """Among the retired the last fitness in training decides; it never lifts one above an evaluated reward."""
    history = [
        candidate("c0", term("a"), fitness=1.0),
        replace(candidate("c1", term("b"), fitness=None, traces=Traces(fitness=(7.0, 4.0))), status=Status.PRUNED),
        replace(candidate("c2", term("c"), fitness=None, traces=Traces(fitness=(6.0, None))), status=Status.PRUNED),
        replace(candidate("c3", term("c"), fitness=None), status=Status.PRUNED),
    ]
    assert [p.id for p in ranked(read_population(history, FIELDS))] == ["c0", "c2", "c1"]


def test_programs_without_genes_are_no_individuals() -> None:
    """A record may hold candidates of any origin; only those that can be varied join the population."""
    foreign = Candidate(id="c0", iteration=0, index=0, answer="prose", source=None, status=Status.UNPARSED)
    assert read_population([foreign, candidate("c1", term("a"), fitness=0.0)], FIELDS)[0].id == "c1"


def test_equal_scores_say_nothing() -> None:
    """While no two scores differ there is nothing to select."""
    same = read_population([candidate(f"c{i}", term(n), fitness=0.0) for i, n in enumerate("abc")], FIELDS)
    assert is_flat(same)
    assert is_flat([]) and is_flat(same[:1])
    differing = read_population(
        [candidate("c0", term("a"), fitness=0.0), candidate("c1", term("b"), fitness=0.1)], FIELDS
    )
    assert not is_flat(differing)


def test_tournaments_prefer_the_better() -> None:
    """With two draws from three the best wins with probability 5/9, the worst with 1/9."""
    pool = ranked(read_population([candidate(f"c{i}", term(n), fitness=-i) for i, n in enumerate("abc")], FIELDS))
    rng = random.Random(0)
    wins = Counter(tournament(pool, rng, 2).id for _ in range(9000))
    assert [wins[f"c{i}"] / 1000 for i in range(3)] == pytest.approx([5.0, 3.0, 1.0], abs=0.2)


def test_shares_come_from_the_end_of_training() -> None:
    """A component's share is that of its last measured mean; missing points are skipped, not read as 0."""
    traces = Traces(
        steps=(1, 2, 3),
        components={"a_linear": (9.0, 3.0, None), "b_linear": (0.0, 0.0, -1.0), "alive_bonus": (5.0, 5.0, 5.0)},
        episode_length=(10.0, 20.0, None),
    )
    bonus = Term(form="constant", readout=None, weight=5.0)
    (individual,) = read_population([candidate("c0", term("a"), term("b"), bonus, fitness=1.0, traces=traces)], FIELDS)
    assert shares(individual, FIELDS) == {"a_linear": 0.75, "b_linear": 0.25}
    assert individual.episode_length == 20.0
