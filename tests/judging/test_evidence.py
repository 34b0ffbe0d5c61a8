"""Evidence: who plays, what is read, and which transitions are drawn."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from envreward import registry
from envreward.agents.rollout_file import RolloutFile
from envreward.errors import ConfigError
from envreward.judging import JudgingConfig, Player
from envreward.judging.evidence import (
    draw_transitions,
    find_policies,
    find_rollouts,
    play_all,
    public_states,
    random_policies,
    read_players,
    told_apart,
)
from envreward.training.policy_io import load_policy

ENV = f"{Path(__file__).parents[1] / 'counter_worlds.py'}:shaped"
Play = Callable[..., Player]


def test_everyone_plays_the_same_episodes(tmp_path: Path) -> None:
    """Behaviours, random weights and trained policies, each called what it is, on the same seeds."""
    trained = random_policies(registry.make_task("InvertedPendulum"), 1, tmp_path / "kept", seed=9)
    config = JudgingConfig(episodes=2, random_policies=2, seed=4)
    players = play_all("InvertedPendulum", trained, config, tmp_path / "played")
    kinds = {p.name: p.kind for p in players}
    assert kinds == {
        "balance": "reference",
        "null": "null",
        "random": "random",
        "linear-1": "random",
        "linear-2": "random",
        "linear-1 (trained)": "trained",
    }
    assert len({tuple(e.seed for e in p.rollouts.episodes) for p in players}) == 1
    assert all(len(p.rollouts.episodes) == 2 for p in players)


def test_random_policies_differ_and_can_be_made_again(tmp_path: Path) -> None:
    """The same seed gives the same weights; the scale of actions grows from one to the next."""
    task = registry.make_task("Hopper")
    first, again = (random_policies(task, 5, tmp_path / name, seed=1) for name in "ab")
    obs = torch.randn(200, 11, generator=torch.Generator().manual_seed(0))
    sizes = []
    for name in first:
        action = load_policy(first[name]).act(obs)
        assert action.shape == (200, 3) and torch.equal(action, load_policy(again[name]).act(obs))
        sizes.append(float(action.abs().mean()))
    assert sizes == sorted(sizes) and sizes[-1] > 2 * sizes[0]


def test_tasks_of_other_observations_have_no_random_weights(tmp_path: Path) -> None:
    """A linear policy needs a vector; agentic worlds have none."""
    assert random_policies(registry.make_task(ENV), 3, tmp_path, seed=0) == {}


def test_policies_are_found_and_told_apart(tmp_path: Path) -> None:
    """Below any folder; two of the same name keep as much of their path as it takes."""
    made = random_policies(registry.make_task("Hopper"), 2, tmp_path / "one", seed=0)
    shutil.copytree(tmp_path / "one" / "linear-1", tmp_path / "two" / "linear-1")
    found = find_policies([tmp_path, tmp_path / "two"])
    assert {name: path.relative_to(tmp_path.resolve()).as_posix() for name, path in found.items()} == {
        "one-linear-1": "one/linear-1",
        "linear-2": "one/linear-2",
        "two-linear-1": "two/linear-1",
    }
    assert found["linear-2"] == made["linear-2"].resolve()
    with pytest.raises(ConfigError, match="holds no policy"):
        find_policies([tmp_path / "none"])


def test_files_of_others_are_refused(tmp_path: Path, play: Play) -> None:
    """Another task's rollouts, files without an episode, and folders without files: one line each."""
    plain = ENV.replace(":shaped", ":counter")
    path = tmp_path / "null.jsonl"
    header = dataclasses.replace(play("null").rollouts.header, env_id=registry.make_task(plain).spec.id)
    facts = {"value": 0.0, "target": 2.0, "shown": "", "success": False, "failure": False, "fitness": 0, "progress": 0}
    with RolloutFile(path, header) as file:
        log = file.begin(0, instruction="", facts=facts)
        log.step(facts=facts, action=0, terminated=False, truncated=True)
        log.end()
    (player,) = read_players([path], plain)
    assert player.kind == "recorded" and player.name == "null" and len(player.rollouts.episodes) == 1
    assert [p.name for p in told_apart(read_players([path, path], plain))] == ["null", "null (2)"]
    assert find_rollouts(tmp_path) == [path]
    begun = tmp_path / "begun.jsonl"
    begun.write_text("".join(path.read_text().splitlines(keepends=True)[:2]))
    (tmp_path / "empty").mkdir()
    for call, words in (
        (lambda: read_players([path], ENV), r"not of .*counter_worlds.py:shaped"),
        (lambda: read_players([begun], plain), "no episode that has ended"),
        (lambda: read_players([tmp_path / "none.jsonl"], plain), "no such file"),
        (lambda: find_rollouts(tmp_path / "empty"), "no rollouts"),
    ):
        with pytest.raises(ConfigError, match=words):
            call()


def test_transitions_are_drawn_evenly_and_from_where_they_say(play: Play) -> None:
    """Long episodes do not drown short ones; rows tell where in all steps each transition is; ends are kept."""
    long = play("long", [i % 3 for i in range(101)])
    short = play("short", [0, 1, 2, 3], [0])
    drawn = draw_transitions([long, short], 20, seed=0)
    assert len(drawn.rows) == 10 + 3
    values = torch.cat([e.facts["value"][1:] for p in (long, short) for e in p.rollouts.episodes])  # type: ignore[misc]
    before = torch.cat([e.facts["value"][:-1] for p in (long, short) for e in p.rollouts.episodes])  # type: ignore[misc]
    assert torch.equal(drawn.transitions.after["value"], values[drawn.rows])  # type: ignore[arg-type]
    assert torch.equal(drawn.transitions.before["value"], before[drawn.rows])  # type: ignore[arg-type]
    assert drawn.transitions.after["shown"][-1] == "3 of 3" and drawn.transitions.before["shown"][-1] == "2 of 3"
    assert drawn.transitions.terminated.tolist() == [False] * 12 + [True]
    again = draw_transitions([long, short], 20, seed=0)
    assert torch.equal(again.rows, drawn.rows)
    assert not torch.equal(draw_transitions([long, short], 20, seed=1).rows, drawn.rows)


def test_private_fields_are_no_part_of_the_state(play: Play) -> None:
    """A potential fitted on the score itself would explain any reward away."""
    player = play("p", [0, 1, 2])
    states = public_states(draw_transitions([player], 9, seed=0).transitions, player.rollouts.header.fields)
    assert set(states.before) == set(states.after) == {"value", "target", "shown", "progress"}
