"""MiniWoB++: every task can be won, doing nothing wins none, and an episode depends on its seed and actions alone."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from envreward import contract, registry
from envreward.envs.web.kit import chromium
from envreward.envs.web.miniwob.actions import TOOLS, Click, Hover, Press, Select, Type, Wait
from envreward.envs.web.miniwob.batch import MiniWoBBatch
from envreward.envs.web.miniwob.catalog import TASKS
from envreward.envs.web.miniwob.games import GAMES
from envreward.envs.web.miniwob.omitted import OMITTED
from envreward.envs.web.miniwob.pages import html_folder, page
from envreward.envs.web.miniwob.task import MiniWoB
from envreward.errors import ActionError, ConfigError
from envreward.worlds import parse_call

HORIZONS = {spec.kwargs["page"]: spec.horizon for spec in TASKS}
LONGER = ("click-checkboxes", "click-link", "enter-text", "read-table", "social-media-some")
"""Tasks whose oracle is tried on 20 seeds."""


@pytest.fixture(scope="module", autouse=True)
def browser() -> Iterator[None]:
    """Leave no browser behind."""
    yield
    chromium.close_shared()


def _batch(name: str, worlds: int, first_seed: int = 0) -> MiniWoBBatch:
    batch = MiniWoBBatch(name, GAMES[name], worlds)
    batch.reset(range(worlds), range(first_seed, first_seed + worlds))
    assert not any(batch.infra_error), batch.infra_error
    return batch


def _running(batch: MiniWoBBatch) -> list[int]:
    return [world for world in range(batch.num_worlds) if not batch.facts(world)["over"]]


def _play_oracle(batch: MiniWoBBatch, horizon: int) -> None:
    for _ in range(horizon):
        actions = {}
        for world in _running(batch):
            offered = batch.candidates(world)
            actions[world] = batch.oracle(world)
            assert actions[world] in offered.actions, f"{batch.instruction(world)}: {actions[world]} is not offered"
            assert np.abs(offered.features).max() <= 1 and np.abs(offered.context).max() <= 1
        if not actions:
            return
        batch.act(actions)
        assert not any(batch.action_error), batch.action_error


@pytest.mark.parametrize("name", GAMES)
def test_the_oracle_wins_and_waiting_does_not(name: str) -> None:
    """The oracle wins within the horizon from every seed tried, by candidates that are offered; the first does not."""
    worlds = 20 if name in LONGER else 5
    batch = _batch(name, worlds, first_seed=100)
    _play_oracle(batch, HORIZONS[name])
    for world in range(worlds):
        facts = batch.facts(world)
        assert facts["success"] and facts["failure"] and facts["fitness"] == facts["raw_reward"] > 0, batch.instruction(
            world
        )
    batch.reset([0], [7])
    for _ in range(HORIZONS[name]):
        assert batch.candidates(0).actions[0] == Wait()
        batch.act({0: Wait()})
    assert not batch.facts(0)["success"]
    batch.close()


def test_every_page_is_a_task_or_has_a_reason_not_to_be() -> None:
    """The catalogue and the table of what is left out name each page of MiniWoB++ exactly once."""
    pages = {file.stem for file in (html_folder() / "miniwob").glob("*.html")}
    assert set(HORIZONS) == set(GAMES)
    assert sorted([*HORIZONS, *OMITTED]) == sorted(pages)
    assert len(HORIZONS) >= 30


@pytest.mark.parametrize("name", ["click-tab-2", "email-inbox", "use-autocomplete", "click-menu", "use-slider"])
def test_an_episode_depends_on_its_seed_and_actions_alone(name: str) -> None:
    """What was played before, and what the neighbours do at the same time, changes nothing."""
    crowd, alone = _batch(name, 3), MiniWoBBatch(name, GAMES[name], 1)
    rng = random.Random(0)
    for _ in range(4):
        crowd.act({world: rng.choice(crowd.candidates(world).actions) for world in range(3)})
    crowd.reset([0, 1, 2], [11, 12, 13])
    alone.reset([0], [12])
    for _ in range(5):
        assert crowd.state_hash(1) == alone.state_hash(0)
        assert crowd.facts(1) == alone.facts(0)
        assert crowd.describe(1) == alone.describe(0)
        action = rng.choice(alone.candidates(0).actions)
        others = {world: rng.choice(crowd.candidates(world).actions) for world in (0, 2)}
        crowd.act({0: others[0], 1: action, 2: others[2]})
        alone.act({0: action})
    crowd.close()
    alone.close()


def test_seeds_are_those_of_miniwob() -> None:
    """A seed below 2**53 gives the episode that it gives in MiniWoB's own environment (``Math.seedrandom(seed)``)."""
    batch = _batch("enter-text", 1, first_seed=3)
    assert batch._frames is not None
    left, top = batch._frames.peek(0, "Math.seedrandom(3), [core.randi(0,20), core.randi(0,20)]")
    style = batch._frames.peek(0, "document.getElementById('form').getAttribute('style')")
    assert style == f"margin-left:{left}px;margin-top:{top}px;"
    batch.reset([0], [2**62 + 1])
    far = batch.state_hash(0)
    batch.reset([0], [2**62])
    assert batch.state_hash(0) != far
    batch.close()


def test_wall_time_plays_no_role() -> None:
    """A page's clock moves by one second with each action; the time limit of MiniWoB is out of reach."""
    batch = _batch("click-test-2", 1)
    assert batch._frames is not None
    start = batch._frames.peek(0, "Date.now()")
    for _ in range(15):  # MiniWoB ends this page's episodes after ten seconds
        batch.act({0: Wait()})
    assert batch._frames.peek(0, "Date.now()") - start == 15_000
    assert not batch.facts(0)["over"]
    batch.close()


def test_actions_that_cannot_be_taken_change_nothing() -> None:
    """Unknown, disabled and unfit elements are refused in words; the state stays as it was and the others go on."""
    batch = _batch("login-user", 2)
    field, button = 1, batch._episodes[0].look.elements[-1].number  # type: ignore[union-attr]
    before = batch.state_hash(0)
    for action, reason in (
        (Click(99), "no element 99"),
        (Click(-1), "no element -1"),
        (Hover(99), "no element 99"),
        (Type(button, "x"), "not something to type into"),
        (Select(button, "x"), "not something to select from"),
    ):
        batch.act({0: action, 1: Type(field, "name")})
        assert reason in batch.action_error[0]
        assert not batch.action_error[1]
        assert batch.state_hash(0) == before
    batch.close()
    batch = _batch("enter-date", 1)
    batch.act({0: Type(0, "tomorrow")})
    assert "takes no such text" in batch.action_error[0]
    batch.close()
    batch = _batch("choose-list", 1)
    batch.act({0: Select(0, "Atlantis")})
    assert 'has no option "Atlantis"' in batch.action_error[0]
    batch.close()


def test_typed_texts_arrive_as_they_are() -> None:
    """Whatever is typed, scripts and emoji too, is text and nothing else."""
    batch = _batch("enter-text", 1)
    for text in ("<script>alert(1)</script>", 'a"b\\c`${1}', "🛒 \u2028 é", ""):
        batch.act({0: Type(0, text)})
        assert batch.facts(0)["entered"] == text
    batch.close()


def test_an_episode_that_is_over_stays_so() -> None:
    """Nothing that is done after the end changes the outcome; the next reset begins another episode."""
    batch = _batch("click-test-2", 1)
    batch.act({0: batch.oracle(0)})
    ended = batch.facts(0)
    assert ended["success"]
    batch.act({0: Click(1)})
    batch.act({0: Press("Enter")})
    assert batch.facts(0)["raw_reward"] == ended["raw_reward"] == 1.0
    batch.reset([0], [5])
    assert not batch.facts(0)["over"] and batch.facts(0)["clicks"] == 0
    batch.close()


def test_facts_follow_what_is_done() -> None:
    """Counts and flags say what was typed, clicked, ticked and entered."""
    batch = _batch("login-user", 1)
    facts = batch.facts(0)
    assert facts["fields_total"] == 2 and facts["fields_entered"] == 0 and facts["states_seen"] == 1
    batch.act({0: batch.oracle(0)})
    facts = batch.facts(0)
    assert facts["fields_entered"] == 1 and facts["characters_typed"] > 0 and facts["page_changed"]
    assert facts["focused"].startswith("field") and facts["elements_touched"] == 1 and facts["states_seen"] == 2
    batch.close()


def test_tools_reach_the_page() -> None:
    """A language model's calls become actions; the listing names the elements that they take."""
    batch = _batch("click-checkboxes", 1)
    assert '] checkbox "' in batch.describe(0) and '] submit "Submit"' in batch.describe(0)
    batch.act({0: parse_call(TOOLS, "click", '{"id": 0}')})
    assert "checked" in batch.describe(0).splitlines()[0]
    assert parse_call(TOOLS, "drag", '{"from": 1, "to": 2}').onto == 2
    assert parse_call(TOOLS, "type", '{"id": 1, "text": "x"}') == Type(1, "x")
    assert parse_call(TOOLS, "wait", "{}") == Wait()
    with pytest.raises(ActionError, match="must be one of"):
        parse_call(TOOLS, "press", '{"key": "F13"}')
    with pytest.raises(ActionError, match="at most"):
        parse_call(TOOLS, "type", '{"id": 1, "text": "' + "x" * 20_000 + '"}')
    batch.close()


def test_a_page_that_breaks_costs_its_own_episode() -> None:
    """Where a page's script fails, its world reports it and is loaded anew; the others never notice."""
    batch = _batch("click-test-2", 2)
    assert batch._frames is not None
    batch._frames.peek(0, "(core.getUtterance = () => { throw new Error('lost'); }, 0)")
    batch.act({0: Wait(), 1: Wait()})
    assert "the page failed: Error: lost" in batch.infra_error[0] and not batch.infra_error[1]
    batch.act({1: batch.oracle(1)})
    assert batch.facts(1)["success"]
    batch.reset([0], [0])
    assert not batch.infra_error[0]
    batch.act({0: batch.oracle(0)})
    assert batch.facts(0)["success"]
    batch.close()


def test_pictures_show_the_world_that_is_asked_for() -> None:
    """A picture is of the task's own 160 x 210 pixels, and each world has its own."""
    batch = _batch("click-test-2", 2)
    first, second = batch.frame(0), batch.frame(1)
    assert first.shape == (210, 160, 3) and first.dtype == np.uint8
    assert (first != second).any()
    batch.close()


def test_a_page_that_does_not_exist_is_refused_at_once() -> None:
    """The message says what to do."""
    with pytest.raises(ConfigError, match="no page 'click-moon': upgrade it"):
        page("click-moon")


def _contract_task() -> str:
    spec = next(spec for spec in TASKS if spec.kwargs["page"] == "click-checkboxes")
    task = MiniWoB(spec, **spec.kwargs)
    if spec.id not in registry.task_specs():
        registry.add_task(task)
    return spec.id


@pytest.mark.parametrize("check", contract.CHECKS, ids=lambda check: check.__name__)
def test_contract(check: Any) -> None:
    """A MiniWoB task promises what every task promises."""
    check(_contract_task())
