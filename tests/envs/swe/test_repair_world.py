"""The repair tasks: the contract, the oracle, and every action of an episode."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from envreward import contract, registry
from envreward.envs.swe.catalog import REPAIR
from envreward.envs.swe.repair.actions import SUBMIT, UNDO, MakeEdit, NamedEdit, ReplaceLine, RunTests, View
from envreward.envs.swe.repair.features import CONTEXT, FEATURES, GROUPS
from envreward.envs.swe.repair.task import Repair
from envreward.envs.swe.repair.world import RepairWorld
from envreward.errors import ActionError
from envreward.worlds import parse_call

ONE, TWO = REPAIR
IDS = [spec.id for spec in REPAIR]


@pytest.fixture(autouse=True, scope="module")
def known() -> Iterator[None]:
    """Make the tasks known where they are not installed."""
    missing = [spec for spec in REPAIR if spec.id not in registry.task_specs()]
    for spec in missing:
        registry.add_task(Repair(spec, **spec.kwargs))
    yield
    for spec in missing:
        del registry._ADDED[spec.id]
        gym.registry.pop(spec.id)


def world(spec: Any = ONE, seed: int = 0) -> RepairWorld:
    made = RepairWorld(spec.kwargs["bugs"], spec.horizon)
    made.reset(seed)
    return made


@pytest.mark.parametrize("env_id", IDS)
@pytest.mark.parametrize("check", contract.CHECKS, ids=lambda check: check.__name__)
def test_contract(check: Any, env_id: str) -> None:
    """Both tasks keep every promise that tasks make."""
    check(env_id)


@pytest.mark.parametrize("spec", REPAIR, ids=IDS)
def test_oracle_succeeds_from_every_seed(spec: Any) -> None:
    """The oracle mends 200 programs in as many edits as there are bugs, each of them among the candidates."""
    made = world(spec)
    for seed in range(200):
        made.reset(seed)
        for left in range(spec.kwargs["bugs"], 0, -1):
            facts = made.facts()
            assert not facts["success"] and facts["distance"] == left
            action = made.oracle()
            assert action in made.candidates().actions
            made.act(action)
        facts = made.facts()
        assert facts["success"] and facts["failure"] and facts["fitness"] == 1.0 and facts["progress"] == 1.0
        assert facts["milestones"][1:].all() and facts["last_exit"] == "ok"


def test_oracle_finds_back() -> None:
    """After wrong edits the oracle undoes them, and succeeds within the distance that is told."""
    rng = random.Random(0)
    for seed in range(20):
        made = world(TWO, seed)
        for _ in range(4):
            choice = rng.choice(made.candidates().actions[1:])
            made.act(choice)
            if made.facts()["success"]:
                break
        steps = 0
        while not made.facts()["success"]:
            left = made.facts()["distance"]
            made.act(made.oracle())
            assert made.facts()["distance"] == left - 1
            steps += 1
        assert steps <= 6


@pytest.mark.parametrize(("spec", "bound"), [(ONE, 0.10), (TWO, 0.02)], ids=IDS)
def test_random_play_seldom_succeeds(spec: Any, bound: float) -> None:
    """Uniformly random candidates mend fewer than 10 % (one bug) and about 1 % (two bugs) of the programs."""
    rng, wins, episodes = random.Random(1), 0, 60
    made = world(spec)
    for seed in range(episodes):
        made.reset(1000 + seed)
        for _ in range(spec.horizon):
            made.act(rng.choice(made.candidates().actions))
            if made.facts()["failure"]:
                break
        wins += made.facts()["success"]
    assert wins / episodes <= bound + 0.02  # sixty episodes tell it to within some percent


def test_an_edit_and_its_undo() -> None:
    """Undo gives back the state before, with the same hash; counts of what was done stay, as do milestones."""
    made = world(seed=3)
    before, first = made.state_hash(), made.facts()
    edit = made.candidates().actions[-1]
    made.act(edit)
    between = made.facts()
    assert made.state_hash() != before and between["source"] != first["source"]
    assert between["edits_made"] == between["changes_standing"] == between["diff_lines"] == 1
    made.act(UNDO)
    after = made.facts()
    assert made.state_hash() == before and after["source"] == first["source"]
    assert (after["edits_made"], after["changes_standing"], after["diff_lines"]) == (1, 0, 0)
    assert (after["newly_passing"], after["newly_failing"]) == (between["newly_failing"], between["newly_passing"])
    made.act(edit)
    assert made.facts()["repeated_edits"] == 1
    with pytest.raises(ActionError, match="no edit"):
        made.act(edit)


def test_facts_are_what_the_tests_say() -> None:
    """Shares, statuses and fitness follow from the outcomes of single tests, counted here one by one."""
    rng = random.Random(2)
    for seed in range(15):
        made = world(TWO, seed)
        start = {name: outcome.passed for name, outcome in made._now.outcomes.items()}
        visible = made._bug.problem.visible
        for _ in range(5):
            made.act(rng.choice(made.candidates().actions[1:]))
            facts = made.facts()
            now = {name: outcome.passed for name, outcome in made._now.outcomes.items()}
            f2p = [now[name] for name in visible if not start[name]]
            p2p = [now[name] for name in visible if start[name]]
            assert facts["visible_f2p"] == pytest.approx(np.mean(f2p))
            assert facts["visible_p2p"] == pytest.approx(np.mean(p2p))
            assert facts["progress"] == pytest.approx(np.mean(f2p) * np.mean(p2p))
            assert facts["visible_passed"] == pytest.approx(np.mean([now[name] for name in visible]))
            assert ((facts["test_status"] == 1) & (facts["test_mask"] == 1)).sum() == sum(now[n] for n in visible)
            assert facts["test_failed_at_start"].sum() == len(f2p)
            every = np.mean([now[n] for n in now if not start[n]]) * np.mean([now[n] for n in now if start[n]])
            assert facts["fitness"] == pytest.approx(every)
            assert facts["success"] == all(now.values())
            if facts["failure"]:
                break


def test_milestones_never_fall() -> None:
    """A milestone that was reached stays reached for the rest of the episode."""
    rng = random.Random(4)
    for seed in range(20):
        made, last = world(ONE, seed), np.zeros(5)
        for _ in range(12):
            made.act(rng.choice(made.candidates().actions[1:]))
            now = made.facts()["milestones"]
            assert (now >= last).all()
            last = now
            if made.facts()["failure"]:
                break


def test_submitting_ends_the_episode() -> None:
    """A submitted program that is not right is a failure, and nothing can be done after it."""
    made = world()
    made.act(SUBMIT)
    facts = made.facts()
    assert facts["failure"] and not facts["success"] and facts["fitness"] < 1
    with pytest.raises(ActionError, match="over"):
        made.act(View(1, 1))


def test_candidates_are_described_as_declared() -> None:
    """Features and context have their declared sizes, are within bounds, and remember what was tried."""
    made = world(TWO, 5)
    offered = made.candidates()
    assert offered.features.shape == (len(offered.actions), FEATURES) and offered.context.shape == (len(CONTEXT),)
    assert offered.actions[0] == SUBMIT and UNDO not in offered.actions
    suspicion = offered.features[1:, 2 + len(GROUPS) + 1]
    assert (np.diff(suspicion) <= 1e-6).all() and suspicion.max() > 0
    assert (offered.features[1:, 2 : 2 + len(GROUPS)].sum(1) == 1).all()
    made.act(offered.actions[1])
    assert made.candidates().actions[1] == UNDO
    back = made.candidates().features[:, -3]
    assert back.sum() == 1  # one of the edits takes the last one back
    made.act(UNDO)
    again = made.candidates()
    assert again.actions == offered.actions
    assert again.features[1:, 2 + len(GROUPS) + 5].tolist() == [1.0] + [0.0] * (len(offered.actions) - 2)
    assert np.abs(again.features).max() <= 1 and np.abs(again.context).max() <= 1


def call(name: str, arguments: str) -> Any:
    return parse_call(Repair.tools, name, arguments)


def test_tools_reach_the_same_actions() -> None:
    """Tool calls view, edit, test, replace, undo and submit; an edit named in words is the candidate's edit."""
    made = world(seed=3)
    made.act(call("view", '{"first": 1, "last": 3}'))
    assert "Edits:" in made.describe() and "   1  def " in made.describe()
    edit = made.oracle()
    assert isinstance(edit, MakeEdit)
    place = edit.edit
    made.act(call("run_tests", "{}"))
    assert "def test_" in made.describe()
    hidden = next(iter(made._bug.problem.hidden))
    assert hidden not in made.describe()
    words = f'{{"line": {place.line}, "column": {place.column}, "operator": "{place.operator}"}}'
    assert call("apply_edit", words) == NamedEdit(place.line, place.column, place.operator)
    made.act(call("apply_edit", words))
    assert made.facts()["success"]


def test_replacing_a_line_with_the_right_one_succeeds() -> None:
    """Free text that restores the program passes, as an edit would."""
    made = world(seed=8)
    problem, edit = made._bug.problem, made._bug.edits[0]
    right = problem.source.split("\n")[edit.line - 1]
    made.act(ReplaceLine(edit.line, right))
    assert made.facts()["success"] and made.facts()["diff_lines"] == 1


def test_free_text_is_tested_in_a_process_of_its_own() -> None:
    """Text that is no edit runs and is judged; an endless loop fails; text that does not parse is a state, too."""
    made = world(seed=8)
    last = made.facts()["source"].count("\n")
    made.act(ReplaceLine(last, "    while True:\n        pass"))
    assert "OutOfFuel" in {outcome.exception for outcome in made._now.outcomes.values()}
    made.act(UNDO)
    made.act(ReplaceLine(last, "    return (("))
    facts = made.facts()
    assert not facts["parses"] and not facts["imports"] and facts["last_exit"] == "SyntaxError"
    assert made.candidates().actions == (SUBMIT, UNDO)
    made.act(ReplaceLine(last, ""))
    made.act(UNDO)
    made.act(UNDO)
    assert made.facts()["parses"] and made.oracle() in made.candidates().actions


@pytest.mark.parametrize(("action", "words"), [
    (ReplaceLine(1, "import os\ndef f():"), "not run, nothing changed"),
    (ReplaceLine(1, "x = ().__class__\ndef f():"), "not run, nothing changed"),
    (ReplaceLine(999, "x"), "no line 999"),
    (ReplaceLine(0, "x"), "no line 0"),
    (ReplaceLine(1, "x" * 20_000), "longer than"),
    (ReplaceLine(1, "a\x00b"), "cannot be printed"),
    (NamedEdit(1, 0, "nonsense"), "no such edit on line 1"),
    (NamedEdit(-5, 0, "plus 1"), "no such edit"),
    (View(3, 1), "no lines 3 to 1"),
    (View(1, 10_000), "no lines"),
    (RunTests(("test_nothing",)), "no visible test"),
    (UNDO, "nothing to undo"),
])  # fmt: skip
def test_actions_that_cannot_be_taken(action: Any, words: str) -> None:
    """A bad action says why and leaves the world as it was."""
    made = world(seed=1)
    state, facts = made.state_hash(), made.facts()
    with pytest.raises(ActionError, match=words):
        made.act(action)
    after = made.facts()
    assert made.state_hash() == state
    assert all(np.array_equal(facts[name], after[name]) for name in facts)


@pytest.mark.parametrize(("name", "arguments"), [
    ("view", '{"first": "1", "last": 2}'),
    ("run_tests", '{"names": [1]}'),
    ("apply_edit", '{"line": 1}'),
    ("replace_line", '{"line": 1, "text": null}'),
    ("undo", '{"what": 1}'),
    ("delete", "{}"),
    ("view", "{"),
])  # fmt: skip
def test_malformed_calls(name: str, arguments: str) -> None:
    """A call that is not as the schema says is an error in words."""
    with pytest.raises(ActionError):
        call(name, arguments)


def test_an_episode_leaves_nothing_to_the_next() -> None:
    """A world that played another episode first gives the same facts, candidates and words from the same seed."""
    fresh, used = world(seed=11), world(seed=4)
    for _ in range(3):
        used.act(used.candidates().actions[-1])
    used.reset(11)
    assert used.describe() == fresh.describe() and used.state_hash() == fresh.state_hash()
    assert np.array_equal(used.candidates().features, fresh.candidates().features)
    assert np.array_equal(used.candidates().context, fresh.candidates().context)
    assert all(np.array_equal(value, used.facts()[name]) for name, value in fresh.facts().items())
