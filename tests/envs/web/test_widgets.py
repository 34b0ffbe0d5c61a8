"""The widgets: each template can be solved, can be missed, and says how far it is."""

from __future__ import annotations

import random

import pytest
from web_play import act, any_event, tree_world

from envreward.envs.web.apps.widgets.app import TEMPLATES, Widgets
from envreward.envs.web.kit.events import Click, Fill, GoTo, SubmitAnswer
from envreward.envs.web.kit.view import View
from envreward.errors import UnknownNameError


def test_there_are_twenty() -> None:
    """Templates are many, documented, and all are drawn."""
    assert len(TEMPLATES) >= 20 and all(make.__doc__ for make in TEMPLATES.values())
    app = Widgets()
    assert {app.new_state(seed).widget.template for seed in range(400)} == set(TEMPLATES)


@pytest.mark.parametrize("template", TEMPLATES)
def test_oracle(template: str) -> None:
    """The way leads to success in 1 to 8 steps, as many as are announced, with progress up to 1 and every milestone."""
    world = tree_world(Widgets(templates=(template,)), 15)
    for seed in range(20):
        world.reset(seed)
        steps = world.facts()["oracle_steps"]
        assert 1 <= steps <= 8 and world.facts()["template"] == template
        for left in range(steps, 0, -1):
            facts = world.facts()
            assert not facts["failure"] and facts["oracle_steps"] == left
            assert world.oracle() in world.candidates().actions
            world.act(world.oracle())
        facts = world.facts()
        assert facts["success"] and facts["failure"] and facts["fitness"] == facts["progress"] == 1.0
        assert all(facts["milestones"]) and facts["oracle_steps"] == 0


@pytest.mark.parametrize("template", TEMPLATES)
def test_oracle_after_anything(template: str) -> None:
    """From wherever play leads while the episode goes on, there is a way, it is offered, and it succeeds."""
    world, rng = tree_world(Widgets(templates=(template,)), 40), random.Random(3)
    for seed in range(12):
        world.reset(seed)
        for _ in range(6):
            if world.facts()["failure"]:
                break
            act(world, any_event(world, rng))
        if world.facts()["failure"]:
            continue
        for left in range(world.facts()["oracle_steps"], 0, -1):
            assert world.facts()["oracle_steps"] == left
            assert world.oracle() in world.candidates().actions
            world.act(world.oracle())
        assert world.facts()["success"]


@pytest.mark.parametrize("template", TEMPLATES)
def test_it_can_be_missed(template: str) -> None:
    """Random play gets it wrong sometimes: the episode ends without success, and without fitness."""
    world, rng = tree_world(Widgets(templates=(template,)), 15), random.Random(0)
    for seed in range(120):
        world.reset(seed)
        for _ in range(15):
            act(world, rng.choice(world.candidates().actions))
            if world.facts()["failure"]:
                break
        facts = world.facts()
        if facts["failure"] and not facts["success"]:
            assert facts["fitness"] == facts["progress"] == 0.0
            return
    raise AssertionError("random play never gets it wrong")


def test_the_first_form_counts() -> None:
    """What was sent wrong cannot be mended by sending it again."""
    world = tree_world(Widgets(templates=("enter-text",)), 15)
    world.reset(0)
    world.act(Fill("text", "something else"))
    world.act(Click("submit"))
    assert world.facts()["failure"] and not world.facts()["success"]
    world.act(GoTo("/"))
    word = world.state.widget.goal.slots[0].value
    world.act(Fill("text", word))
    world.act(Click("submit"))
    assert not world.facts()["success"]


def test_answers() -> None:
    """A question takes one answer, whose capitals and outer spaces do not matter."""
    world = tree_world(Widgets(templates=("answer-question",)), 15)
    world.reset(0)
    wanted = world.state.widget.way["/"].answer
    assert SubmitAnswer(wanted) in world.candidates().actions
    world.act(SubmitAnswer(f"  {wanted.upper()} "))
    assert world.facts()["success"]
    world.reset(1)
    world.act(SubmitAnswer("Atlantis"))
    assert world.facts()["failure"] and not world.facts()["success"]


def test_templates_are_checked() -> None:
    """An unknown template is refused, with those that resemble it."""
    with pytest.raises(UnknownNameError, match="click-button"):
        Widgets(templates=("click-buton",))


def test_ways_are_complete() -> None:
    """Every page that the way goes over exists, so that an episode never dead-ends."""
    app = Widgets()
    for seed in range(200):
        state = app.new_state(seed)
        for path, step in state.widget.way.items():
            view = View(state.widget.pages[path])
            assert step.answer or step.click in view.page.by_id
            assert set(step.fields) <= set(view.page.by_id)
