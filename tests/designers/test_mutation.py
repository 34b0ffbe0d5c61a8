"""Mutations: each kind does what it says, and those that look at traces mend what the traces show."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import replace

import pytest

from envreward.designers.mutation import mutate
from envreward.designers.population import Individual
from envreward.designers.prior import Prior
from envreward.designers.programs import parse, render
from envreward.designers.terms import Form, Genome, Readout, Term
from envreward.designers.variation import MAX_TERMS, Vocabulary
from envreward.fields import Field
from envreward.studies.designer import Brief

FIELDS = {
    "speed": Field("Speed.", unit="m/s", role="velocity"),
    "drift": Field("Drift.", unit="m/s", role="velocity"),
    "joints": Field("Joints.", shape=(2,), unit="rad", role="angle"),
    "flag": Field("Flag.", dtype="bool", role="flag"),
    "action": Field("Action.", shape=(2,), role="action"),
}
BRIEF = Brief(env_id="Toy", instruction="Qqq.", fields=FIELDS, horizon=100, fitness_doc="")
VOCABULARY = Vocabulary(fields=FIELDS, prior=Prior.of(BRIEF))

FORMS: tuple[Form, ...] = ("linear", "tanh", "above", "square")

SPEED = Term(form="linear", readout=Readout("speed"), weight=1.0)
POSE = Term(form="near", readout=Readout("joints", "entry", (0,)), weight=0.5, centre=0.3, scale=0.2)
PULL = Term(form="tanh", readout=Readout("drift"), weight=-0.5, scale=1.5)
BONUS = Term(form="constant", readout=None, weight=0.25)


def children(
    genome: Genome, what: str, means: Mapping[str, float] | None = None, vocabulary: Vocabulary = VOCABULARY
) -> list[tuple[Genome, str]]:
    """Return the children of ``genome`` whose description begins with ``what``, from many seeds."""
    parent = Individual("c0", genome, (True, 1.0), means or {}, 50.0)
    variants = [mutate(parent, genome, vocabulary, random.Random(seed)) for seed in range(600)]
    return [v for v in variants if v is not None and v[1].startswith(what)]


def weights(genome: Genome) -> dict[str, float]:
    return {t.name(FIELDS): t.weight for t in genome.terms}


def test_every_mutation_gives_a_usable_reward_that_differs() -> None:
    """A child still has a goal, at most `MAX_TERMS` terms, survives its program, and is not its parent."""
    genome = Genome((SPEED, POSE, PULL, BONUS)).normalised(FIELDS)
    found = children(genome, "")
    assert len(found) == 600
    for child, what in found:
        assert child.state_terms and len(child.terms) <= MAX_TERMS and what
        assert parse(render(child, FIELDS, "Go."), FIELDS) == child
    assert sum(child.key(FIELDS) == genome.key(FIELDS) for child, _ in found) < 30


def test_all_kinds_occur() -> None:
    """Weights, scales, centres, forms, signs and read-outs change; terms and companions come and go."""
    kinds = {" ".join(what.split()[:1]) for _, what in children(Genome((SPEED, POSE, PULL, BONUS)), "")}
    assert kinds >= {"weight", "scale", "centre", "form", "sign", "read", "add", "drop"}


def test_weight_changes_one_ratio_and_no_sign() -> None:
    """One of the weights moves against the others by a factor of 1.5 to 5, either way."""
    for child, _ in children(Genome((SPEED, BONUS)), "weight of"):
        (ratio,) = [weights(child)["speed_linear"] / weights(child)["alive_bonus"]]
        factor = ratio / 4.0
        assert 1.48 < max(factor, 1 / factor) < 5.0


def test_sign_and_readout_change_nothing_else() -> None:
    """A flipped term keeps its size; a term that reads something else keeps to quantities of the same unit and role."""
    flipped = children(Genome((SPEED, BONUS)), "sign of")
    assert flipped and all(weights(c) == {"speed_linear": -1.0, "alive_bonus": 0.25} for c, _ in flipped)
    reread = children(Genome((SPEED, BONUS)), "read")
    assert reread and all(weights(c) == {"drift_linear": 1.0, "alive_bonus": 0.25} for c, _ in reread)


PLACE = Field("A place.", shape=(3,), unit="m", frame="world", role="position")
SCENE = {
    "cup": PLACE,
    "shelf": replace(PLACE, fixed=True),
    "cup_init": replace(PLACE, fixed=True, start_of="cup"),
    "hand": PLACE,
    "reach": replace(PLACE, role="offset", between=("hand", "cup")),
}


def reread(readout: Readout, weight: float, form: Form = "linear") -> dict[Readout, set[bool]]:
    """Return what a term on ``readout`` comes to read, and whether it then pays for more of it."""
    vocabulary = Vocabulary(fields=SCENE, prior=Prior.of(replace(BRIEF, fields=SCENE)))
    found: dict[Readout, set[bool]] = {}
    for child, _ in children(Genome((Term(form=form, readout=readout, weight=weight),)), "read", None, vocabulary):
        (term,) = child.terms
        assert term.readout is not None
        found.setdefault(term.readout, set()).add(term.weight > 0)
    return found


def test_what_comes_to_read_a_distance_pays_for_closeness() -> None:
    """More of the cup's height becomes less of its distance from the shelf, and more of that from where it began."""
    to_shelf, from_start = Readout("cup", "apart", other="shelf"), Readout("cup", "apart", other="cup_init")
    height = Readout("cup", "entry", (2,))
    for weight in (1.0, -1.0):
        for form in FORMS:
            found = reread(height, weight, form)
            assert found[to_shelf] == {False} and found[from_start] == {True}
            assert found[Readout("hand", "entry", (2,))] == {weight > 0}, "another entry keeps the sign"
    assert reread(height, 1.0, "near")[to_shelf] == {True}, "to be held at a distance is not to be far"


def test_distances_stand_for_each_other_and_keep_what_they_mean() -> None:
    """A length of an offset is re-read as a distance of two fields and back; closer stays closer, farther farther."""
    to_shelf, reach = Readout("cup", "apart", other="shelf"), Readout("reach", "norm")
    from_start = Readout("cup", "apart", other="cup_init")
    for weight in (1.0, -1.0):
        assert reread(to_shelf, weight)[reach] == reread(reach, weight)[to_shelf] == {weight > 0}
        assert reread(to_shelf, weight)[from_start] == reread(from_start, weight)[to_shelf] == {weight < 0}


def test_a_sign_that_is_known_to_be_right_stays() -> None:
    """Once lowering a quantity has ranked below raising it, no child of one that raises it lowers it."""
    known = replace(VOCABULARY, credit={(Readout("speed"), True): 0.3, (Readout("speed"), False): -0.3})
    assert not children(Genome((SPEED, BONUS)), "sign of", vocabulary=known)
    wrong = Genome((replace(SPEED, weight=-1.0), BONUS))
    assert children(wrong, "sign of speed_linear", vocabulary=known)


def test_what_ranked_badly_is_dropped_first() -> None:
    """Terms are dropped the rather, the worse rewards with them ranked."""
    known = replace(VOCABULARY, credit={(Readout("speed"), True): 0.4, (Readout("drift"), False): -0.4})
    what = [w for _, w in children(Genome((SPEED, PULL)), "drop", vocabulary=known)]
    assert what.count("drop drift_tanh") > 10 * max(1, what.count("drop speed_linear"))


def test_the_last_goal_is_never_dropped() -> None:
    """A reward of one goal and a bonus may lose the bonus, not the goal."""
    dropped = children(Genome((SPEED, BONUS)), "drop")
    assert dropped and all(weights(c) == {"speed_linear": 1.0} for c, _ in dropped)


def test_a_saturated_term_is_widened() -> None:
    """A tanh that pays 95% of what it can has no slope left: its scale grows."""
    found = children(Genome((SPEED, PULL)), "widen", {"speed_linear": 1.0, "drift_tanh": -0.475})
    assert found
    for child, what in found:
        assert what == "widen drift_tanh, which was saturated"
        (term,) = [t for t in child.terms if t.form == "tanh"]
        assert term.scale == pytest.approx(3.75)


def test_a_target_out_of_reach_is_widened() -> None:
    """A term that pays under 5% of its weight gives no gradient to follow: its scale grows."""
    found = children(Genome((SPEED, POSE)), "widen", {"speed_linear": 1.0, "joints_0_near": 0.01})
    assert found
    for child, what in found:
        assert what == "widen joints_0_near, which was out of reach"
        (term,) = [t for t in child.terms if t.form == "near"]
        assert (term.scale, term.centre) == (pytest.approx(0.5), 0.3)


def test_dead_terms_go_and_drowned_ones_are_raised() -> None:
    """Under 1% of the reward a term is dropped; under 10% it is raised to 20% of what it was all together."""
    genome = Genome((SPEED, replace(POSE, form="linear", centre=0.0, scale=1.0)))
    dead = [w for _, w in children(genome, "drop", {"speed_linear": 5.0, "joints_0_linear": 0.004}) if "dead" in w]
    assert dead and set(dead) == {"drop joints_0_linear, which was dead"}
    drowned = children(genome, "raise", {"speed_linear": 0.95, "joints_0_linear": 0.05})
    assert drowned
    assert all(weights(c)["joints_0_linear"] / weights(c)["speed_linear"] == pytest.approx(2.0) for c, _ in drowned)


def test_without_traces_nothing_is_mended() -> None:
    """What was not measured is not taken for zero: no term is called dead for lack of a trace."""
    assert not children(Genome((SPEED, POSE)), "raise")
    assert not [w for _, w in children(Genome((SPEED, POSE)), "drop") if "dead" in w]


def test_no_bonus_is_added_where_episodes_never_end_early() -> None:
    """The constant is no mutation when it can change nothing."""
    never = replace(VOCABULARY, episodes_end_early=False)
    assert not [w for _, w in children(Genome((SPEED, POSE)), "add alive", vocabulary=never)]
    assert [w for _, w in children(Genome((SPEED, POSE)), "add alive")]
