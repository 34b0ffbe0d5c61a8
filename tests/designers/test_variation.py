"""New rewards and crossover."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace

import pytest

from envreward.designers.prior import Prior
from envreward.designers.programs import parse, render
from envreward.designers.terms import Genome, Readout, Term
from envreward.designers.variation import (
    MAX_TERMS,
    Vocabulary,
    crossover,
    effort_term,
    fresh,
    goal_term,
    magnitude,
    stratified,
)
from envreward.fields import Field
from envreward.studies.designer import Brief

FIELDS = {
    "speed": Field("Speed.", unit="m/s", role="velocity"),
    "gap": Field("Gap.", unit="m", role="distance"),
    "pose": Field("Pose.", shape=(2, 2), unit="rad", role="angle"),
    "spin": Field("Spin.", unit="rad/s", role="angular_velocity"),
    "flag": Field("Flag.", dtype="bool", role="flag"),
    "action": Field("Action.", shape=(2,), role="action"),
}
BRIEF = Brief(env_id="Toy", instruction="Qqq.", fields=FIELDS, horizon=100, fitness_doc="")
VOCABULARY = Vocabulary(fields=FIELDS, prior=Prior.of(BRIEF))
A, B, C = Readout("speed"), Readout("gap"), Readout("flag")


def test_systematic_sampling_gives_everyone_their_share() -> None:
    """Each direction comes up its expected number of times, rounded up or down, whatever the random start."""
    weights = {(A, True): 5.0, (A, False): 2.5, (B, True): 1.5, (C, True): 1.0}
    for seed in range(50):
        drawn = stratified(weights, 10, random.Random(seed))
        counts = Counter(drawn)
        assert len(drawn) == 10
        assert (
            counts[A, True] == 5 and counts[A, False] in (2, 3) and counts[B, True] in (1, 2) and counts[C, True] == 1
        )
    rare = Counter(d for seed in range(2000) for d in stratified(weights, 3, random.Random(seed)))
    assert rare[C, True] / 2000 == pytest.approx(0.3, abs=0.05)


def test_new_rewards_are_programs_with_a_goal() -> None:
    """Whatever is drawn pays for the goal with its sign, and can be written and read back."""
    rng = random.Random(3)
    for goal in stratified(VOCABULARY.directions(), 300, rng):
        genome = fresh(goal, VOCABULARY, rng)
        assert any(t.readout == goal[0] and (t.weight > 0) == goal[1] for t in genome.state_terms)
        assert len(genome.terms) <= 4
        assert parse(render(genome, FIELDS, "Go."), FIELDS) == genome


def test_a_bonus_for_lasting_is_only_tried_where_it_can_matter() -> None:
    """When every episode lasts to the horizon, a constant changes nothing and costs no candidates."""
    rng = random.Random(0)
    never = replace(VOCABULARY, episodes_end_early=False)
    goals = stratified(VOCABULARY.directions(), 200, rng)
    with_bonus, without = (
        sum(any(t.form == "constant" for t in fresh(g, v, rng).terms) for g in goals) for v in (VOCABULARY, never)
    )
    assert with_bonus > 60 and without == 0


def test_credit_shifts_what_is_drawn() -> None:
    """What ranked well is drawn more often, what ranked badly less, the rest as before."""
    plain = VOCABULARY.directions()
    credited = replace(VOCABULARY, credit={(A, True): 0.4, (B, True): -0.4}).directions()
    assert credited[A, True] / plain[A, True] == pytest.approx(7.389, rel=1e-3)
    assert credited[B, True] / plain[B, True] == pytest.approx(0.1353, rel=1e-3)
    assert credited[C, True] == plain[C, True]


def test_distances_are_rather_closed() -> None:
    """A distance is more often to be made small; other quantities go either way until something is known."""
    weights = VOCABULARY.directions()
    assert weights[B, False] > weights[B, True]
    assert weights[A, False] == weights[A, True]


def test_what_is_to_be_brought_somewhere_is_mostly_approached_too() -> None:
    """A reward for the cup's way to the shelf mostly pays for the hand's way to the cup as well."""
    place = Field("A place.", shape=(3,), unit="m", frame="world", role="position")
    fields = {"hand": place, "cup": place, "shelf": replace(place, fixed=True)}
    vocabulary = Vocabulary(fields=fields, prior=Prior.of(replace(BRIEF, fields=fields)))
    goal, approach = Readout("cup", "apart", other="shelf"), Readout("hand", "apart", other="cup")
    made = [fresh((goal, False), vocabulary, random.Random(i)) for i in range(200)]
    both = [g for g in made if {goal, approach} <= {t.readout for t in g.terms}]
    assert 0.6 < len(both) / len(made) < 0.8
    assert all(t.weight < 0 for g in both for t in g.terms if t.readout == approach and t.form == "linear")
    weights = vocabulary.directions()
    assert weights[approach, False] > weights[approach, True]


PLACE = Field("A place.", shape=(3,), unit="m", frame="world", role="position")


def vocabulary_of(fields: dict[str, Field]) -> Vocabulary:
    return Vocabulary(fields=fields, prior=Prior.of(replace(BRIEF, fields=fields)))


def share_approached(goal: tuple[Readout, bool], approach: Readout, vocabulary: Vocabulary) -> float:
    made = [fresh(goal, vocabulary, random.Random(i)) for i in range(200)]
    return sum(any(t.readout == approach and t.weight < 0 for t in g.terms) for g in made) / len(made)


def test_what_is_to_be_kept_from_a_place_is_not_approached() -> None:
    """Paying for the cup's distance from the shelf draws any second goal, and no more of the hand's way to the cup."""
    vocabulary = vocabulary_of({"hand": PLACE, "cup": PLACE, "shelf": replace(PLACE, fixed=True)})
    goal, approach = Readout("cup", "apart", other="shelf"), Readout("hand", "apart", other="cup")
    assert share_approached((goal, False), approach, vocabulary) > 0.6
    assert share_approached((goal, True), approach, vocabulary) < 0.2


def test_what_is_to_be_brought_somewhere_by_an_offset_is_approached_too() -> None:
    """The length of the way from the cup to the shelf counts as their distance; any point of the cup is neared."""
    way = replace(PLACE, role="offset", between=("cup", "shelf"))
    ear = replace(PLACE, part="cup")
    fields = {"hand": PLACE, "cup": ear, "ear": ear, "shelf": replace(PLACE, fixed=True), "way": way}
    vocabulary = vocabulary_of(fields)
    near = [
        share_approached((Readout("way", "norm"), False), Readout("hand", "apart", other=n), vocabulary)
        for n in ("cup", "ear")
    ]
    assert all(share > 0.2 for share in near) and 0.6 < sum(near) < 0.8


def test_a_thing_rather_leaves_where_it_began() -> None:
    """Its distance from there is mostly to grow, and then something else comes near it."""
    fields = {"hand": PLACE, "cup": PLACE, "cup_init": replace(PLACE, fixed=True, start_of="cup")}
    vocabulary = vocabulary_of(fields)
    goal, approach = Readout("cup", "apart", other="cup_init"), Readout("hand", "apart", other="cup")
    weights = vocabulary.directions()
    assert weights[goal, True] > 3 * weights[goal, False]
    assert share_approached((goal, True), approach, vocabulary) > 0.6
    assert share_approached((goal, False), approach, vocabulary) < 0.3


def test_lengths_of_offsets_are_rather_closed_and_their_entries_go_either_way() -> None:
    """Though the instruction mentions it, more of an entry of a way is no nearer than less of it."""
    way = replace(PLACE, role="offset", doc="The way.")
    brief = replace(BRIEF, fields={"way": way}, instruction="Go all the way.")
    weights = Vocabulary(fields=brief.fields, prior=Prior.of(brief)).directions()
    assert all(weights[Readout("way", k), False] > 3 * weights[Readout("way", k), True] for k in ("norm", "energy"))
    entry = Readout("way", "entry", (0,))
    assert weights[entry, False] == weights[entry, True]


def test_terms_have_the_magnitude_asked_for() -> None:
    """A linear term pays its magnitude where the read-out has the typical size of its unit: 3 rad/s here."""
    spin = Readout("spin")
    terms = [goal_term((spin, False), VOCABULARY, random.Random(i), weight=0.6) for i in range(40)]
    linear = [t for t in terms if t.form == "linear"]
    assert linear and all(t.weight == pytest.approx(-0.2) for t in linear)
    assert all(magnitude(t, FIELDS) == pytest.approx(0.6) and t.weight < 0 and t.scale > 0 for t in terms)


def test_effort_is_a_penalty_on_the_action_where_it_is_a_vector() -> None:
    """Efforts cost; discrete actions have none."""
    term = effort_term(FIELDS, random.Random(0))
    assert term is not None and term.weight < 0 and term.readout == Readout("action", "energy")
    assert effort_term({"action": Field("A choice.", dtype="int64", role="action")}, random.Random(0)) is None
    single = effort_term({"action": Field("One torque.", shape=(1,), role="action")}, random.Random(0))
    assert single is not None and single.form == "square" and single.weight < 0


def test_crossover_keeps_the_first_parent_and_takes_from_the_second() -> None:
    """The child has all the first parent's names and at least one more of the second's, in proportion to its own."""
    first = Genome((Term(form="linear", readout=A, weight=1.0), Term(form="constant", readout=None, weight=0.5)))
    second = Genome((Term(form="linear", readout=C, weight=4.0), Term(form="tanh", readout=B, weight=-4.0, scale=2.0)))
    for seed in range(50):
        child = crossover(first, second, FIELDS, random.Random(seed))
        by_name = {t.name(FIELDS): t.weight for t in child.terms}
        assert {"speed_linear", "alive_bonus"} < by_name.keys()
        assert by_name["alive_bonus"] == 0.5
        assert {abs(w) for n, w in by_name.items() if n in ("flag_linear", "gap_tanh")} == {1.0}


def test_crossover_does_not_grow_without_end() -> None:
    """A child has at most `MAX_TERMS` terms."""
    pose = [Readout("pose", "entry", (i, j)) for i in range(2) for j in range(2)]
    many = Genome(tuple(Term(form="linear", readout=r, weight=1.0) for r in pose))
    more = Genome(tuple(Term(form="tanh", readout=r, weight=1.0) for r in (*pose, A, B)))
    assert all(len(crossover(many, more, FIELDS, random.Random(s)).terms) <= MAX_TERMS for s in range(20))
