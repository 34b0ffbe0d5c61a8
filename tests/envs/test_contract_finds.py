"""The contract's checks of what fields declare find what is wrong: a declaration that does not hold is told."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

import envreward
from envreward import Field, contract
from envreward.task import Behaviour

PLACE = Field("A place.", shape=(3,), unit="m", role="position", read=lambda w: w.steps[:, None] * w.obs.new_ones(3))
FAR = Field("Twice as far.", shape=(3,), unit="m", role="position", read=lambda w: 2 * PLACE.read(w))
WAY = Field("The way.", shape=(3,), unit="m", role="offset", between=("place", "far"), read=lambda w: PLACE.read(w))


def wrapped(name: str, fields: Mapping[str, Field]) -> str:
    """Return the id of a task that succeeds after 30 steps of the one behaviour that acts."""
    envreward.wrap(
        "MountainCarContinuous-v0",
        instruction="Wait.",
        fields=fields,
        success=lambda w: (w.steps > 30) & (w.action[:, 0] > 0.0),
        success_doc="After 30 steps the action is positive.",
        behaviours=(
            Behaviour("push", succeeds=True, doc="policy: ones", act=lambda w, step: w.action.new_ones(1, 1)),
            Behaviour("nothing", succeeds=False, doc="policy: zeros"),
        ),
        horizon=40,
        id=f"Test/{name}",
    )
    return f"Test/{name}"


def test_a_fixed_field_that_only_success_moves_is_found() -> None:
    """Random actions in short episodes leave it as it is; the behaviour that succeeds does not, nor is it let pass."""
    late = Field("Whether it is late.", dtype="bool", role="flag", read=lambda w: w.steps > 20)
    env_id = wrapped("Late-v0", {"late": Field(late.doc, dtype="bool", role="flag", fixed=True, read=late.read)})
    contract.check_previous(env_id)
    with pytest.raises(AssertionError, match="late is said to be fixed and has changed in step 20 of 'push'"):
        contract.check_behaviours(env_id)
    contract.check_behaviours(wrapped("NotFixed-v0", {"late": late}))


def test_an_offset_between_other_places_is_found() -> None:
    """The length of an offset is the distance of the places that it names, or the check says by how much it is not."""
    good = wrapped("Way-v0", {"place": PLACE, "far": FAR, "way": WAY})
    contract.check_declaration(good)
    contract.check_fields(good)
    bad = wrapped("Astray-v0", {"place": PLACE, "far": PLACE, "way": WAY})
    with pytest.raises(AssertionError, match=r"way is .* longer or shorter than its two places are apart"):
        contract.check_fields(bad)


@pytest.mark.parametrize(
    ("name", "field", "words"),
    [
        ("NoPlace", Field("A way.", shape=(3,), role="offset", between=("place", "moon"), read=PLACE.read), "moon"),
        ("NoWay", Field("A place.", shape=(3,), role="position", between=("place", "far"), read=PLACE.read), "offset"),
        ("NoPoint", Field("How far.", role="distance", part="cup", read=lambda w: w.obs[:, 0]), "position"),
        ("NoStart", Field("A place.", shape=(3,), role="position", start_of="far", read=PLACE.read), "fixed"),
        (
            "NoThing",
            Field("A place.", shape=(3,), role="position", fixed=True, start_of="moon", read=PLACE.read),
            "moon",
        ),
    ],
)
def test_what_a_field_says_of_places_is_checked(name: str, field: Field, words: str) -> None:
    """Only positions are points of things and starts, only offsets lead somewhere, and what they name exists."""
    env_id = wrapped(f"{name}-v0", {"place": PLACE, "far": FAR, "odd": field})
    with pytest.raises(AssertionError, match=words):
        contract.check_declaration(env_id)
