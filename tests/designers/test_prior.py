"""What evolve takes from a task's declarations before anything was tried."""

from __future__ import annotations

from dataclasses import replace

import pytest

from envreward.designers.prior import Prior, typical, words
from envreward.designers.terms import Readout
from envreward.designers.variation import Vocabulary
from envreward.fields import Field, public_fields
from envreward.registry import make_task
from envreward.studies.designer import Brief

FIELDS = {
    "tilt": Field("How far the tray leans.", unit="rad", role="angle"),
    "lid": Field("Opening of the lid.", unit="m", role="distance"),
    "arm": Field("Speed of the arm's parts.", shape=(3,), unit="m/s", role="velocity", names=("left", "right", "top")),
    "clock": Field("Time gone by.", unit="s", role="other"),
    "action": Field("Motor commands.", shape=(2,), role="action"),
}
BRIEF = Brief(env_id="Toy", instruction="Close the lid.", fields=FIELDS, horizon=100, fitness_doc="score")


def test_words_are_compared_without_endings_and_filler() -> None:
    """Inflected forms of a word meet; articles, prepositions and words of every episode do not count."""
    assert words("Opening the lids, slowly!") == words("open lid slow")
    assert words("the end of an episode") == frozenset()


def test_what_the_instruction_names_weighs_most() -> None:
    """A field whose documentation shares the instruction's rare words outweighs the others; so do entries."""
    weights = Prior.of(BRIEF).weights
    assert max(weights, key=weights.__getitem__).field == "lid"
    left = Prior.of(replace(BRIEF, instruction="Move to the left.")).weights
    assert max(left, key=left.__getitem__) == Readout("arm", "entry", (0,))


def test_without_shared_words_only_roles_and_shapes_count() -> None:
    """No overlap is no error: velocities come before angles, and entries of one field are alike."""
    prior = Prior.of(replace(BRIEF, instruction="Do it.", fitness_doc=""))
    assert prior.mentioned == frozenset()
    entries = [prior.weights[Readout("arm", "entry", (i,))] for i in range(3)]
    assert entries[0] == entries[1] == entries[2] > prior.weights[Readout("tilt")] > prior.weights[Readout("clock")]


def test_the_action_is_never_a_goal() -> None:
    """No read-out of the action can be drawn as what the agent should do."""
    assert all(readout.field != "action" for readout in Prior.of(BRIEF).weights)


def test_distances_are_between_places_that_can_be_compared_and_of_which_one_moves() -> None:
    """Same unit, frame and shape; two fixed places are always as far apart, and a fixed one is no goal by itself."""
    place = Field("A place.", shape=(3,), unit="m", frame="world", role="position")
    fields = {
        "hand": place,
        "cup": place,
        "shelf": replace(place, fixed=True),
        "table": replace(place, fixed=True),
        "seen": replace(place, frame="camera"),
        "flat": replace(place, shape=(2,), names=("x", "y")),
        "secret": replace(place, private=True),
    }
    read = Prior.of(replace(BRIEF, fields=fields)).weights
    pairs = {(r.field, r.other) for r in read if r.kind == "apart"}
    assert pairs == {("hand", "cup"), ("hand", "shelf"), ("hand", "table"), ("cup", "shelf"), ("cup", "table")}
    assert {r.field for r in read if r.kind != "apart"} == {"hand", "cup", "seen", "flat"}


def test_a_distance_weighs_most_where_the_instruction_names_both_ends() -> None:
    """Bringing the cup to the shelf is about the cup and the shelf, less about the hand and either of them."""
    place = Field("Where the hand is.", shape=(3,), unit="m", frame="world", role="position")
    fields = {"hand": place, "cup": replace(place, doc="The cup."), "shelf": replace(place, doc="Shelf.", fixed=True)}
    weights = Prior.of(replace(BRIEF, fields=fields, instruction="Bring the cup to the shelf.")).weights
    both = weights[Readout("cup", "apart", other="shelf")]
    assert both > weights[Readout("hand", "apart", other="cup")]
    assert both > weights[Readout("hand", "apart", other="shelf")]


def test_points_of_one_thing_share_its_weight() -> None:
    """Four points of a gripper make its way to the cup no more of a goal than one would, and no other less of one."""
    place = Field("A place.", shape=(3,), unit="m", frame="world", role="position")
    things = {"cup": place, "shelf": replace(place, fixed=True)}
    several = {**things, **{f"point{i}": replace(place, part="gripper") for i in range(4)}}
    one, four = (
        Prior.of(replace(BRIEF, fields=fields, instruction="Qqq.")).weights
        for fields in ({**things, "point0": several["point0"]}, several)
    )
    goal = Readout("cup", "apart", other="shelf")
    assert four[goal] == one[goal]
    assert sum(four[Readout("cup", "apart", other=f"point{i}")] for i in range(4)) == pytest.approx(
        one[Readout("cup", "apart", other="point0")]
    )


def test_the_length_of_an_offset_is_a_distance_whose_ends_are_named() -> None:
    """It weighs as much as the distance of the two places would, words included; its entries weigh less than it."""
    place = Field("The hand.", shape=(3,), unit="m", frame="world", role="position")
    fields = {"hand": place, "cup": replace(place, doc="The cup."), "shelf": replace(place, doc="Shelf.", fixed=True)}
    brief = replace(BRIEF, fields=fields, instruction="Bring the cup to the shelf.")
    way = replace(place, doc="Qqq.", role="offset", between=("cup", "shelf"))
    told = Prior.of(replace(brief, fields={**fields, "way": way})).weights
    assert Readout("cup", "apart", other="shelf") not in told
    assert told[Readout("way", "norm")] == max(w for r, w in told.items() if r.kind in ("apart", "norm"))
    assert told[Readout("way", "norm")] > 3 * told[Readout("way", "entry", (0,))]


@pytest.mark.parametrize(
    ("env_id", "answers", "least"),
    [
        ("MetaWorld-drawer-open", [Readout("drawer_pos"), Readout("obj_pos", "apart", other="goal_pos")], 0.15),
        ("ManiSkill-PickCube", [Readout("cube_to_goal", "norm")], 0.07),
    ],
)
def test_what_solves_a_task_has_a_good_share(env_id: str, answers: list[Readout], least: float) -> None:
    """Of all that could be paid for first, the few goals that solve it are not one in twenty but one in ten or so."""
    task = make_task(env_id)
    fields = public_fields(task.fields)
    brief = replace(BRIEF, fields=fields, instruction=task.spec.instruction, fitness_doc=task.fitness_doc)
    weights = Vocabulary(fields=fields, prior=Prior.of(brief)).directions()
    assert sum(weights[answer, False] for answer in answers) / sum(weights.values()) > least


def test_names_of_fields_do_not_matter_by_themselves() -> None:
    """Nothing is known of any particular name: renaming fields to nonsense renames the weights and no more."""
    fields = {"f1": replace(FIELDS["tilt"], doc="A."), "f2": replace(FIELDS["lid"], doc="B.")}
    renamed = {"x_velocity": fields["f1"], "torso_height": fields["f2"]}
    brief = replace(BRIEF, fields=fields, instruction="Qqq.")
    mine, yours = (
        [(r.kind, r.index, w) for r, w in Prior.of(b).weights.items()] for b in (brief, replace(brief, fields=renamed))
    )
    assert mine == yours


@pytest.mark.parametrize(
    ("readout", "expected"),
    [
        (Readout("tilt"), 0.5),
        (Readout("tilt", "change"), 0.025),
        (Readout("arm", "entry", (0,)), 1.0),
        (Readout("arm", "norm"), 3**0.5),
        (Readout("arm", "energy"), 1.0),
        (Readout("action", "energy"), 1.0),
    ],
)
def test_magnitudes_follow_units_and_kinds(readout: Readout, expected: float) -> None:
    """A typical magnitude is that of the unit; a norm grows with the entries, a change is a twentieth."""
    assert typical(readout, FIELDS[readout.field]) == pytest.approx(expected)
