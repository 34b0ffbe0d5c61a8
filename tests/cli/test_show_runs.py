"""``show`` and ``runs``: all that the record holds, in words and as JSON, also of runs that are not whole."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from envreward.studies import Evaluation, Outcome, Proposal, Status, StudyConfig, TrainedMember
from envreward.studies.records import Verified
from envreward.studies.store import StudyStore

Cli = Callable[..., Any]
SOURCE = "def compute_reward(x):\n    return x, {}"


def _evaluation(member: str, fitness: float) -> Evaluation:
    return Evaluation(member=member, seed=0, episodes=1, success=0.75, fitness=fitness, episode_length=9.0)


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    """A finished study: a winner, a rejected candidate with markup in its reason, a comparison."""
    folder = tmp_path / "runs" / "mine"
    config = StudyConfig(env_id="EnvReward/Hopper-v0", instruction="Hop [bold]now[/bold].")
    with StudyStore.create(folder, config, {"python": "3"}) as store:
        store.add_proposals(0, [Proposal(answer="the answer", origin="new"), Proposal(answer="b")])
        verified = Verified(candidate="c000", source=SOURCE, time_per_call_s=1e-4, components=())
        reason = "line 1: [red]no[/red] <b>"
        store.record_verification([verified], [Outcome(candidate="c001", status=Status.REJECTED, reason=reason)])
        member = TrainedMember(
            key="c000-s0", role="search", candidate="c000", training="i000", seed=0, status="trained", steps=12_345
        )
        store.end_training([member])
        ended = Outcome(candidate="c000", status=Status.EVALUATED)
        store.record_evaluation([_evaluation("c000-s0", 1234.5)], [ended])
        expert = TrainedMember(
            key="expert-r0", role="expert", candidate=None, training="x", seed=5, status="trained", reused=True
        )
        store.end_training([expert])
        store.record_evaluation([_evaluation("expert-r0", 777.0)])
        store.add_event("finished")
    return folder


def test_show_tells_candidates_comparison_and_costs(cli: Cli, recorded: Path) -> None:
    """The tables hold each candidate's status, score and reason as written, the comparison and what was used."""
    said = cli("show", "mine")
    assert said.code == 0
    for text in ("finished", "c000 *", "evaluated", "1,234", "75%", "rejected", "line 1: [red]no[/red] <b>", "777"):
        assert text in said.out, text
    assert "Hop [bold]now[/bold]." in said.out, "text is shown as it is, never read as markup"
    assert "kept from an earlier study" in said.out and "12.3k environment steps, 1 trainings" in said.out


def test_show_code_prints_the_program_and_nothing_else(cli: Cli, recorded: Path) -> None:
    """``--code`` can be piped into a file: the winner's program, or the candidate's that was asked for."""
    assert cli("show", str(recorded), "--code").out == SOURCE + "\n"
    assert cli("show", "mine", "--candidate", "c000", "--answer").out == "the answer\n"
    said = cli("show", "mine", "--candidate", "c001", "--code")
    assert said.code == 3 and said.out == "" and "--answer" in said.err


def test_show_one_candidate(cli: Cli, recorded: Path) -> None:
    """One candidate with status, reason and text; an unknown one offers those that are there."""
    said = cli("show", "mine", "--candidate", "c001")
    assert "rejected" in said.out and "[red]no[/red]" in said.out
    said = cli("show", "mine", "--candidate", "c01")
    assert said.code == 2 and "c001" in said.err


def test_show_json_holds_the_whole_record(cli: Cli, recorded: Path) -> None:
    """The JSON is complete enough to analyse a study without this program."""
    data = json.loads(cli("show", "mine", "--json").out)
    assert data["winner"] == "c000" and data["state"] == "finished"
    assert data["candidates"][0]["evaluations"][0]["fitness"] == 1234.5
    assert data["comparison"][0]["reused"] is True and data["config"]["env_id"] == "EnvReward/Hopper-v0"
    assert json.loads(cli("show", "mine", "--candidate", "c001", "--json").out)["status"] == "rejected"


def test_runs_lists_every_run_even_a_damaged_one(cli: Cli, recorded: Path) -> None:
    """A run that cannot be read is listed with the reason and does not hide the others."""
    bad = recorded.parent / "zbad"
    bad.mkdir()
    (bad / "study.db").write_bytes(b"scribble" * 1000)
    said = cli("runs")
    assert said.code == 0 and "mine" in said.out and "1,234" in said.out and "unreadable" in said.out
    rows = json.loads(cli("runs", "--json").out)
    assert [row["run"] for row in rows] == ["mine", "zbad"] and rows[0]["fitness"] == 1234.5


def test_no_runs_says_how_to_begin(cli: Cli) -> None:
    """An empty folder is no error."""
    said = cli("runs")
    assert said.code == 0 and "envreward design" in said.out
