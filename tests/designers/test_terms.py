"""Terms: what each form pays, what can be read from a field, and what counts as the same reward."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from envreward import registry
from envreward.designers.programs import parse, render
from envreward.designers.terms import (
    MAX_ENTRIES,
    Form,
    Genome,
    Readout,
    Term,
    distances,
    ends,
    is_departure,
    is_gap,
    readouts,
)
from envreward.fields import Field, public_fields
from envreward.rewards.program import RewardProgram

FIELDS = {
    "height": Field("Height.", unit="m", role="position"),
    "velocity": Field("Velocity.", shape=(3,), unit="m/s", role="velocity", names=("x", "y", "z-up")),
    "forces": Field("Forces.", shape=(2, 3), unit="N", role="force"),
    "touching": Field("Touching.", shape=(2,), dtype="bool", role="flag"),
    "count": Field("How many.", dtype="int64"),
    "note": Field("Words.", dtype="str"),
    "action": Field("Action.", shape=(3,), role="action"),
}


def value_of(term: Term, **state: list[object]) -> list[float]:
    program = RewardProgram.from_source(render(Genome((term,)), FIELDS, "Do it."), FIELDS)
    out = program(**{name: torch.tensor(rows) for name, rows in state.items()})
    assert torch.equal(out.total, out.components[term.name(FIELDS)])
    return out.total.tolist()


@pytest.mark.parametrize(
    ("form", "formula"),
    [
        ("linear", lambda x: 2.0 * x),
        ("tanh", lambda x: 2.0 * math.tanh((x - 0.5) / 0.4)),
        ("near", lambda x: 2.0 * math.exp(-(((x - 0.5) / 0.4) ** 2))),
        ("square", lambda x: 2.0 * ((x - 0.5) / 0.4) ** 2),
        ("above", lambda x: 2.0 * min(max((x - 0.5) / 0.4, 0.0), 1.0)),
        ("within", lambda x: 2.0 if abs(x - 0.5) < 0.4 else 0.0),
    ],
)
def test_each_form_pays_its_formula(form: Form, formula: object) -> None:
    """The program that a term becomes computes the formula in the grammar's table, for either sign of the centre."""
    xs = [-1.3, -0.5, 0.0, 0.3, 0.7, 0.95, 2.0]
    term = Term(form=form, readout=Readout("height"), weight=2.0, centre=0.5, scale=0.4)
    assert callable(formula)
    assert value_of(term, height=xs) == pytest.approx([formula(x) for x in xs], rel=1e-5, abs=1e-6)
    mirrored = Term(form=form, readout=Readout("height"), weight=2.0, centre=-0.5, scale=0.4)
    expected = [formula(x + 1.0) if form != "linear" else 2.0 * x for x in xs]
    assert value_of(mirrored, height=xs) == pytest.approx(expected, rel=1e-5, abs=1e-6)


@pytest.mark.parametrize(
    ("readout", "state", "expected"),
    [
        (Readout("velocity", "entry", (1,)), {"velocity": [[1.0, -2.0, 2.0], [0.0, 3.0, 4.0]]}, [-2.0, 3.0]),
        (Readout("velocity", "norm"), {"velocity": [[1.0, -2.0, 2.0], [0.0, 3.0, 4.0]]}, [3.0, 5.0]),
        (Readout("velocity", "energy"), {"velocity": [[1.0, -2.0, 2.0], [0.0, 3.0, 0.0]]}, [3.0, 3.0]),
        (Readout("forces", "entry", (1, 2)), {"forces": [[[0.0, 0.0, 0.0], [1.0, 2.0, 7.0]]]}, [7.0]),
        (Readout("forces", "norm"), {"forces": [[[0.0, 0.0, 3.0], [0.0, 4.0, 0.0]]]}, [5.0]),
        (Readout("forces", "energy"), {"forces": [[[0.0, 0.0, 3.0], [0.0, 3.0, 0.0]]]}, [3.0]),
        (Readout("height", "change"), {"height": [1.0, 1.5], "prev_height": [0.75, 2.0]}, [0.25, -0.5]),
        (Readout("touching", "entry", (0,)), {"touching": [[True, False], [False, True]]}, [1.0, 0.0]),
        (Readout("count"), {"count": [3, -1]}, [3.0, -1.0]),
    ],
)
def test_each_kind_of_readout_reads_what_it_says(
    readout: Readout, state: dict[str, list[object]], expected: list[float]
) -> None:
    """Entries, norms, mean squares and changes become numbers per world, for vectors, matrices, flags and counts."""
    assert value_of(Term(form="linear", readout=readout, weight=1.0), **state) == pytest.approx(expected)


def test_readouts_of_a_field() -> None:
    """A field offers its entries; norm and energy if it has several numbers; changes if it is a position; no text."""
    kinds = {name: [r.kind for r in readouts(name, field)] for name, field in FIELDS.items()}
    assert kinds["height"] == ["entry", "change"]
    assert kinds["velocity"] == ["entry"] * 3 + ["norm", "energy"]
    assert kinds["forces"] == ["entry"] * 6 + ["norm", "energy"]
    assert kinds["touching"] == ["entry"] * 2
    assert kinds["count"] == ["entry"]
    assert kinds["note"] == []


PLACE = Field("A place.", shape=(3,), unit="m", frame="world", role="position")


def pairs_of(fields: dict[str, Field]) -> set[tuple[str, ...]]:
    return {ends(readout, fields) or (readout.field,) for readout in distances(fields)}


def test_only_points_in_space_or_in_the_plane_are_places() -> None:
    """Two heights are no point, whatever their shape; neither is a vector along axes that are not told."""
    feet = replace(PLACE, shape=(2,), names=("right", "left"))
    flat = replace(PLACE, shape=(2,), names=("x", "y"))
    others = {
        "knees": feet,
        "feet": feet,
        "legs": replace(PLACE, names=("front", "left", "right")),
        "arms": replace(PLACE, names=("front", "left", "right")),
        "cart": replace(PLACE, shape=(2,)),
        "pole": replace(PLACE, shape=(2,)),
        "side": replace(flat, names=("x", "z")),
    }
    places = {"hand": PLACE, "cup": replace(PLACE, names=("x", "y", "z")), "car": flat, "door": flat}
    assert pairs_of({**others, **places}) == {("hand", "cup"), ("car", "door")}


def test_an_offset_is_a_distance_and_no_place() -> None:
    """Its length says how far two places are apart, once: they are no pair besides, and it is none with any place."""
    way = replace(PLACE, role="offset", between=("cup", "shelf"))
    fields = {"hand": PLACE, "cup": PLACE, "shelf": replace(PLACE, fixed=True), "way": way}
    fields["wind"] = replace(PLACE, role="offset")
    found = distances(fields)
    assert [r for r in found if r.kind == "norm"] == [Readout("way", "norm"), Readout("wind", "norm")]
    assert pairs_of(fields) == {("cup", "shelf"), ("wind",), ("hand", "cup"), ("hand", "shelf")}
    assert is_gap(Readout("way", "norm"), way) and not is_gap(Readout("way", "entry", (0,)), way)
    assert not is_gap(Readout("hand", "norm"), PLACE)


def test_points_of_one_thing_and_strange_starts_are_no_pairs() -> None:
    """Hand and finger move together; where the cup began matters to the cup alone, as a place to leave."""
    fields = {
        "hand": replace(PLACE, part="gripper"),
        "finger": replace(PLACE, part="gripper"),
        "cup": PLACE,
        "hand_init": replace(PLACE, fixed=True, start_of="hand"),
        "cup_init": replace(PLACE, fixed=True, start_of="cup"),
    }
    left = {("hand", "cup"), ("finger", "cup"), ("hand", "hand_init"), ("finger", "hand_init"), ("cup", "cup_init")}
    assert pairs_of(fields) == left
    departures = {ends(readout, fields) for readout in distances(fields) if is_departure(readout, fields)}
    assert departures == {("hand", "hand_init"), ("finger", "hand_init"), ("cup", "cup_init")}


def test_a_pair_that_is_no_goal_is_still_understood() -> None:
    """A program by hand that pays for the distance of two points of one thing is a genome as any other."""
    fields = {"hand": replace(PLACE, part="gripper"), "finger": replace(PLACE, part="gripper")}
    genome = Genome((Term(form="linear", readout=Readout("hand", "apart", other="finger"), weight=1.0),))
    assert parse(render(genome, fields, "Open."), fields) == genome


@pytest.mark.parametrize("env_id", registry.task_specs())
def test_every_distance_of_every_task_is_between_two_places(env_id: str) -> None:
    """Both ends are declared points along the same axes, of two things, of which one moves."""
    fields = public_fields(registry.make_task(env_id).fields)
    for readout in distances(fields):
        both = ends(readout, fields)
        assert len(both) == 2, f"{readout.field} does not say which two places it is between"
        one, other = (fields[name] for name in both)
        for name, place in zip(both, (one, other), strict=True):
            axes = place.names or ("x", "y", "z")
            assert place.role == "position" and place.shape == (len(axes),) and set(axes) <= set("xyz"), name
        assert one.shape == other.shape and one.frame == other.frame and not (one.fixed and other.fixed), both
        assert not one.part or one.part != other.part, both


def test_large_fields_are_read_as_a_whole_only() -> None:
    """A field with more entries than `MAX_ENTRIES` does not flood the search with entries."""
    image = Field("Pixels.", shape=(MAX_ENTRIES + 1,))
    assert [r.kind for r in readouts("image", image)] == ["norm", "energy"]


def test_labels_are_identifiers_that_say_what_is_read() -> None:
    """Component names can be Python identifiers whatever the entries are called, and use the entries' names."""
    labels = [r.label(field) for name, field in FIELDS.items() for r in readouts(name, field)]
    assert all(label.isidentifier() for label in labels)
    assert len(set(labels)) == len(labels)
    assert Readout("velocity", "entry", (2,)).label(FIELDS["velocity"]) == "velocity_z_up"
    assert Readout("forces", "entry", (1, 0)).label(FIELDS["forces"]) == "forces_1_0"
    assert Readout("action", "energy").label(FIELDS["action"]) == "action_energy"


def _term(weight: float, field: str = "height", form: Form = "linear", **numbers: float) -> Term:
    return Term(form=form, readout=Readout(field), weight=weight, **numbers)


def test_a_common_factor_makes_no_other_reward() -> None:
    """Rewards that differ by a factor, or by less than a training could tell, count as one; others do not."""
    bonus = Term(form="constant", readout=None, weight=0.5)
    key = Genome((_term(2.0), bonus)).key(FIELDS)
    assert Genome((_term(4.0), Term(form="constant", readout=None, weight=1.0))).key(FIELDS) == key
    assert Genome((bonus, _term(2.02))).key(FIELDS) == key
    assert Genome((_term(-2.0), bonus)).key(FIELDS) != key
    assert Genome((_term(2.0), Term(form="constant", readout=None, weight=1.0))).key(FIELDS) != key
    assert Genome((_term(2.0),)).key(FIELDS) != key
    assert Genome((_term(2.0, form="tanh"), bonus)).key(FIELDS) != key
    near = [Genome((_term(1.0, form="near", centre=c, scale=0.5),)).key(FIELDS) for c in (1.0, 1.01, 1.5)]
    assert near[0] == near[1] != near[2]


def test_normalised_keeps_ratios_and_one_term_per_name() -> None:
    """The largest weight becomes 1, ratios and signs stay, and a repeated term does not add up."""
    genome = Genome((_term(-8.0), _term(2.0, "count"), _term(3.0, "count"))).normalised(FIELDS)
    assert {t.name(FIELDS): t.weight for t in genome.terms} == {"height_linear": -1.0, "count_linear": 0.375}


def test_what_reads_only_the_action_is_no_goal() -> None:
    """Terms of the action and constants do not count as terms that read the state."""
    effort = Term(form="linear", readout=Readout("action", "energy"), weight=-0.1)
    constant = Term(form="constant", readout=None, weight=1.0)
    assert Genome((effort, constant)).state_terms == ()
    assert Genome((effort, _term(1.0))).state_terms == (_term(1.0),)
