"""Composition: what a designer is made of, as data that can be compared."""

from __future__ import annotations

from typing import Any

import pytest

from envreward import registry
from envreward.designers.era import Era
from envreward.designers.eureka import Eureka
from envreward.designers.evolve import Evolve
from envreward.designers.random_search import Random
from envreward.designers.revolve import Revolve
from envreward.designers.reward_machine import RewardMachineDesigner
from envreward.designers.text2reward import Text2Reward
from envreward.designers.zeroshot import ZeroShot
from envreward.studies.composition import Calls, Composed, Composition, differences

OWN = [Era, Eureka, Evolve, Random, Revolve, RewardMachineDesigner, Text2Reward, ZeroShot]
INSTALLED = [registry.find("designers", name) for name in registry.names("designers")]
DESIGNERS: list[Any] = [*dict.fromkeys([*OWN, *INSTALLED])]


@pytest.mark.parametrize("designer", DESIGNERS)
def test_every_designer_says_what_it_is_made_of(designer: Any) -> None:
    """Each stage has words, on one line; one that asks no model says so by its calls."""
    made = designer()
    assert isinstance(made, Composed)
    composition = made.composition(made.default_samples)
    assert all(words and "\n" not in words and not words.endswith(".") for words in composition.stages().values())
    assert 0 <= composition.calls.least <= composition.calls.most
    assert (composition.calls.most > 0) == made.needs_llm


@pytest.mark.parametrize("first", DESIGNERS)
@pytest.mark.parametrize("second", DESIGNERS)
def test_two_designers_differ_in_some_stage(first: Any, second: Any) -> None:
    """No two designers are the same in every stage, and none differs from itself."""
    assert bool(differences(first().composition(8), second().composition(8))) == (first is not second)


def test_random_differs_from_eureka_by_its_feedback_alone() -> None:
    """The control differs in nothing but what is made of earlier iterations."""
    found = differences(Random().composition(16), Eureka().composition(16))
    assert list(found) == ["feedback", "select", "memory"]
    assert Random().composition(16).calls == Eureka().composition(16).calls == Calls(16, 16)


def test_reward_machine_differs_from_eureka_by_its_language() -> None:
    """Beside what answers are and how they are mended, nothing but eureka's rule for parents differs."""
    eureka = Eureka(parent_rule="best_so_far").composition(16)
    assert list(differences(RewardMachineDesigner().composition(16), eureka)) == [
        "prompt",
        "generate",
        "mend",
        "feedback",
    ]


@pytest.mark.parametrize(
    ("plain", "changed", "stages"),
    [
        (Eureka(), Eureka(parent_rule="best_so_far"), ["select"]),
        (Eureka(), Eureka(parent_rule="paper"), ["memory"]),
        (Eureka(), Eureka(repairs=2, score="peak"), ["mend", "score"]),
        (Text2Reward(), Text2Reward(mend_rule="released"), ["mend"]),
        (Text2Reward(), Text2Reward(shots=1), ["prompt"]),
        (
            Text2Reward(),
            Text2Reward(feedback="person"),
            ["generate", "feedback", "select", "memory", "person"],
        ),
        (Revolve(), Revolve(numbers="released"), ["select"]),
        (Revolve(), Revolve(score="elo", judge="person"), ["score", "feedback", "person"]),
        (Era(), Era(rank="fitness", feedback="curves", turns=2), ["score", "feedback", "memory"]),
    ],
)
def test_options_change_the_stages_that_they_are_about(plain: Any, changed: Any, stages: list[str]) -> None:
    """A composition is that of the options a designer was made with."""
    assert list(differences(plain.composition(4), changed.composition(4))) == stages


def test_defaults_are_what_most_do() -> None:
    """Stages that a designer leaves alone need no words of its own, and differences come in the order of the stages."""
    own = {"prompt": "p", "generate": "g", "feedback": "f", "select": "s", "memory": "m"}
    plain = Composition(**own, calls=Calls(1, 2))
    assert plain.person == "nobody" and plain.screen.startswith("none")
    other = Composition(**(own | {"memory": "n", "prompt": "q"}), score="a person's word", calls=Calls(1, 2))
    found = differences(plain, other)
    assert list(found.items()) == [
        ("prompt", ("p", "q")),
        ("score", ("clean-room fitness", "a person's word")),
        ("memory", ("m", "n")),
    ]
