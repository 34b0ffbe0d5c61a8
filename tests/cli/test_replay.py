"""``share`` and ``replay``: a study as one file, run again to the same end."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from envreward.reports import write_report
from envreward.studies.folder import JUDGEMENT
from envreward.studies.replay import differences, result_of
from envreward.studies.store import StudyStore

Cli = Callable[..., Any]

# litellm's own types, when a part of it is first imported
pytestmark = pytest.mark.filterwarnings("ignore:.*`ReadOnly` qualifier:UserWarning")

SMALL = ["--env", "InvertedPendulum", "--samples", "2", "--iterations", "2", "--steps", "2048", "--final-seeds", "1"]
SMALL += ["--episodes", "4", "--processes", "1", "--ppo.num-worlds", "16", "--sandbox", "process", "--no-video"]
PROGRAMS = [
    "```python\ndef compute_reward(pole_angle):\n    r = 1.0 - pole_angle.square()\n    return r, {'upright': r}\n```",
    "```python\ndef compute_reward(cart_velocity):\n    r = -cart_velocity.square()\n    return r, {'still': r}\n```",
    "Nothing comes to mind.",
    "```python\ndef compute_reward(pole_angle):\n    r = -pole_angle.abs()\n    return r, {'angle': r}\n```",
]
KEY = "sk-0123456789abcdefghij"


@pytest.fixture
def asked(
    cli: Cli, llm_server: Any, reply: Any, monkeypatch: pytest.MonkeyPatch, made_once: Any, tmp_path: Path
) -> Any:
    """A finished study whose programs came from a model, with the baselines that were kept; each test's own copy."""
    logging.getLogger("LiteLLM").setLevel(logging.CRITICAL)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)

    def study(folder: Path) -> None:
        llm_server.respond(lambda body, number: reply.text(PROGRAMS[number % 4]))
        said = cli("design", *SMALL, "--designer", "eureka", "--llm", "openai/scripted", "--name", "asked")
        assert said.code == 0, said.err
        for part in ("runs", "cache"):
            shutil.move(tmp_path / part, folder / part)

    shutil.copytree(made_once("a-study-that-asked", study), tmp_path, dirs_exist_ok=True)
    llm_server.respond(lambda body, number: reply.error(500, "nobody may ask"))
    return json.loads(cli("show", "asked", "--json").out)


def _outcome(shown: dict[str, Any]) -> dict[str, Any]:
    """Return what must come out the same, without times; the baselines are not trained again where they are kept."""
    candidates = [{k: v for k, v in one.items() if k != "wall_s"} for one in shown["candidates"]]
    scores = {m["key"]: (m["status"], m["steps"], m["evaluation"]) for m in shown["comparison"]}
    return {"candidates": candidates, "comparison": scores}


def test_a_study_runs_again_from_its_own_record(cli: Cli, asked: Any, llm_server: Any, tmp_path: Path) -> None:
    """The same candidates, scores, selection and comparison to the last digit, without asking the model."""
    before = len(llm_server.requests)
    said = cli("replay", "asked", "--no-video")
    assert said.code == 0, said.err + said.out
    assert "the same as the original: 4 candidates, selected" in said.out
    assert len(llm_server.requests) == before
    again = json.loads(cli("show", "asked-replay", "--json").out)
    assert _outcome(again) == _outcome(asked)
    assert (
        cli("replay", "asked", "--out", str(tmp_path / "runs" / "asked-replay")).err.count("already holds a study") == 1
    )


def test_a_replay_is_judged_as_the_original_was(cli: Cli, asked: Any, tmp_path: Path) -> None:
    """The winner's judgement on episodes is the same, and one that is not is told."""
    assert cli("replay", "asked", "--no-video").code == 0
    runs = [tmp_path / "runs" / name for name in ("asked", "asked-replay")]
    found = []
    for run in runs:
        write_report(run, video=False, judge=True)
        with StudyStore.open(run) as store:
            found.append(result_of(store))
    original, again = found
    assert [*original.judgement] == ["designed", "designed and expert", "designed and sparse"]
    assert differences(original, again) == []
    kept = runs[0] / JUDGEMENT
    judgement = json.loads(kept.read_text())
    assert "It costs" not in kept.read_text(), "how long a program takes is never the same"
    judgement["others"][0]["headline"] = "designed and expert ask for something"
    kept.write_text(json.dumps(judgement))
    with StudyStore.open(runs[0]) as store:
        (told,) = differences(result_of(store), again)
    assert told.startswith("judgement on designed and expert: designed and expert ")
    assert "was designed and expert ask for something" in told


def test_a_shared_file_is_all_that_is_needed(cli: Cli, asked: Any, tmp_path: Path) -> None:
    """It holds model, prompts, answers and tokens, no key, and replays where the run is not at hand."""
    said = cli("share", "asked", "--out", str(tmp_path / "study.jsonl"))
    assert said.code == 0 and "4 exchanges" in said.out
    text = (tmp_path / "study.jsonl").read_text()
    head, *lines = map(json.loads, text.splitlines())
    assert head["study"]["config"]["env_id"] == "EnvReward/InvertedPendulum-v0"
    assert {line["model"] for line in lines} == {"openai/scripted"}
    assert all(line["messages"] and line["usage"]["prompt_tokens"] > 0 for line in lines)
    assert {line["answer"]["text"] for line in lines} == set(PROGRAMS)
    assert KEY not in text
    (scores,) = asked["candidates"][0]["evaluations"]
    assert head["study"]["candidates"]["c000"][:3] == ["evaluated", scores["fitness"], scores["success"]]
    assert cli("share", "asked", "--out", str(tmp_path / "study.jsonl")).code != 0, "a file is never overwritten"
    (tmp_path / "runs" / "asked").rename(tmp_path / "elsewhere")
    said = cli("replay", str(tmp_path / "study.jsonl"), "--no-video")
    assert said.code == 0 and "the same as the original" in said.out, said.err + said.out


def test_another_outcome_is_told(cli: Cli, asked: Any, tmp_path: Path) -> None:
    """Where something comes out differently, each difference is a line and the exit code says so."""
    cli("share", "asked", "--out", str(tmp_path / "study.jsonl"))
    path = tmp_path / "study.jsonl"
    head, *lines = path.read_text().splitlines()
    study = json.loads(head)
    study["study"]["candidates"]["c000"][1] = 123.0
    study["study"]["winner"] = "c009"
    study["study"]["versions"]["torch"] = "0.1"
    path.write_text("\n".join([json.dumps(study), *lines]) + "\n")
    said = cli("replay", str(tmp_path / "study.jsonl"), "--no-video")
    assert said.code == 1
    assert (
        "was c009" in said.out
        and "candidate c000: evaluated, fitness" in said.out
        and "was evaluated, fitness 123.0" in said.out
    )
    assert "2 differences from the original (versions or machine differ: torch 0.1 ->" in said.out


def test_files_that_do_not_fit_are_refused(cli: Cli, asked: Any, tmp_path: Path) -> None:
    """A recording of another task, one without its study, one of another version, no recording: one line each."""
    cli("share", "asked", "--out", str(tmp_path / "study.jsonl"))
    other = ["--env", "Hopper", *SMALL[2:], "--designer", "eureka"]
    said = cli("design", *other, "--llm", f"replay:{tmp_path}/study.jsonl")
    assert said.code != 0 and "is the recording of a study of EnvReward/InvertedPendulum-v0, not of" in said.err
    for text, wrong in (
        ('{"format": "envreward-llm-recording", "version": 1}\n', "holds answers but not the study"),
        ('{"format": "envreward-llm-recording", "version": 9}\n', "version 9; version 1 can be read here"),
        ('{"format": "envreward-llm-recording", "version": 1, "study": {"x": 1}}\n', "does not describe a study"),
        ("hello\n", "is not a recording"),
    ):
        (tmp_path / "other.jsonl").write_text(text)
        said = cli("replay", str(tmp_path / "other.jsonl"))
        assert said.code != 0 and wrong in said.err and said.err.count("\n") == 1, said.err
        assert not (tmp_path / "runs" / "other-replay").exists()
    (tmp_path / "other.jsonl").write_text('{"format": "envreward-llm-recording", "version": 1, "study": {"x": 1}}\n')
    said = cli("design", *SMALL, "--designer", "eureka", "--llm", f"replay:{tmp_path}/other.jsonl")
    assert said.code != 0 and "does not describe a study" in said.err and said.err.count("\n") == 1, said.err
