"""``envreward agent``: what it plays, prints and returns."""

from __future__ import annotations

import json
import logging
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from envreward.agents.rollouts import read_rollouts
from envreward.training.policy_io import PolicyForm, save_policy

Cli = Callable[..., Any]

# litellm's own types, when a part of it is first imported
pytestmark = pytest.mark.filterwarnings("ignore:.*`ReadOnly` qualifier:UserWarning")

COUNTER = f"{Path(__file__).parents[1] / 'counter_worlds.py'}:counter"
LLM = ["--env", COUNTER, "--llm", "openai/gpt-4o", "--llm-config.max-tokens", "500"]


@pytest.fixture(autouse=True)
def quiet_client() -> None:
    """Let the language-model client's own remarks go to the log alone."""
    logging.getLogger("LiteLLM").setLevel(logging.CRITICAL)


@pytest.fixture
def solve(llm_server: Any, reply: Any) -> Callable[..., Any]:
    """Have the server answer as an agent that solves the counter."""

    def respond(body: dict[str, Any], index: int) -> Any:
        talk = " ".join(m["content"] for m in body["messages"])
        target = int(re.findall(r"Bring the counter to (-?\d+)", talk)[0])
        shown = int(re.findall(r"The counter shows (-?\d+)", talk)[-1])
        return reply.calls(("add", json.dumps({"amount": 1 if shown < target else -1})))

    llm_server.respond(respond)
    return respond


def test_episodes_are_played_recorded_and_summed_up(cli: Cli, solve: Any, tmp_path: Path) -> None:
    """A model plays its episodes; the summary gives success with its interval, steps, errors, tokens and dollars."""
    out = tmp_path / "r.jsonl"
    said = cli("agent", *LLM, "--episodes", "6", "--out", str(out))
    assert said.code == 0, said.err
    rollouts = read_rollouts(out)
    assert [e.seed for e in rollouts.episodes] == [*range(6)] and rollouts.header.actor == "openai/gpt-4o"
    steps = sum(e.steps for e in rollouts.episodes)
    for words in (
        "6: 6 success",
        "100% (95% interval 61.0% to 100.0%)",
        f"0 of {steps} actions",
        f"{steps} calls",
        "$",
    ):
        assert words in said.out, said.out
    assert "seed 0: success" in said.err and str(out) in said.out.replace("\n", "")


def test_only_what_has_not_ended_is_played(cli: Cli, solve: Any, llm_server: Any, tmp_path: Path) -> None:
    """The same command again asks nothing; with more episodes, it plays the new ones alone."""
    out = ["--out", str(tmp_path / "r.jsonl")]
    cli("agent", *LLM, "--episodes", "2", *out)
    asked = len(llm_server.requests)
    assert cli("agent", *LLM, "--episodes", "2", *out).code == 0 and len(llm_server.requests) == asked
    said = cli("agent", *LLM, "--episodes", "4", *out, "--json")
    assert json.loads(said.out)["outcomes"]["success"] == 4 and "2 episodes to play" in said.err
    other = cli("agent", *LLM, "--temperature", "0.5", *out)
    assert other.code == 2 and "holds rollouts with settings" in other.err


def test_lost_episodes_are_played_again_when_asked_for(
    cli: Cli, solve: Any, llm_server: Any, reply: Any, tmp_path: Path
) -> None:
    """Episodes whose provider failed are lost, not failed; --retry-lost plays them again. All lost is exit code 4."""
    out = ["--out", str(tmp_path / "r.jsonl"), "--episodes", "2", "--llm-config.attempts", "1"]
    llm_server.respond(lambda body, i: reply.error(500, "boom"))
    said = cli("agent", *LLM, *out)
    assert said.code == 4 and "all 2 episodes were lost" in said.err and "2: 2 lost" in said.out
    llm_server.respond(solve)
    assert cli("agent", *LLM, *out).code == 4
    said = cli("agent", *LLM, *out, "--retry-lost")
    assert said.code == 0 and "2: 2 success" in said.out


def test_a_limit_ends_the_run_and_is_kept_over_sessions(cli: Cli, solve: Any, llm_server: Any, tmp_path: Path) -> None:
    """At a limit: exit code 6, what was played is summed up and kept; the next session counts what was spent before."""
    out = ["--out", str(tmp_path / "r.jsonl"), "--episodes", "30"]
    said = cli("agent", *LLM, *out, "--max-calls", "9")
    assert said.code == 6 and "limit of 9 language-model calls" in said.err and "not finished" in said.out
    assert "what was played is kept; the same command with --out" in said.err
    assert len(llm_server.requests) == 9
    assert cli("agent", *LLM, *out, "--max-calls", "9").code == 6 and len(llm_server.requests) == 9
    assert cli("agent", *LLM, *out, "--max-calls", "12").code == 6 and len(llm_server.requests) == 12
    said = cli("agent", *LLM, *out, "--max-usd", "0.0001")
    assert said.code == 6 and "limit of $0.0001" in said.err and len(llm_server.requests) == 12


def test_a_wrong_key_is_one_line(cli: Cli, llm_server: Any, reply: Any, tmp_path: Path) -> None:
    """A refused key ends the run with exit code 5."""
    llm_server.respond(lambda body, i: reply.error(401, "Incorrect API key", code="invalid_api_key"))
    said = cli("agent", *LLM, "--out", str(tmp_path / "r.jsonl"))
    assert said.code == 5 and "Incorrect API key" in said.err.splitlines()[-1]


@pytest.mark.parametrize(("policy", "success"), [("oracle", 6), ("random", None)])
def test_policies_without_a_model(cli: Cli, tmp_path: Path, policy: str, success: int | None) -> None:
    """Oracle and random policies are recorded without a language model, twice alike."""
    for name in ("a", "b"):
        out = ["--out", str(tmp_path / f"{name}.jsonl"), "--json"]
        said = cli("agent", "--env", COUNTER, "--policy", policy, "--episodes", "6", *out)
        assert said.code == 0, said.err
        assert success is None or json.loads(said.out)["outcomes"]["success"] == success
    assert (tmp_path / "a.jsonl").read_bytes() == (tmp_path / "b.jsonl").read_bytes()


def test_locomotion_and_the_default_file(cli: Cli, tmp_path: Path) -> None:
    """Policies are recorded in any environment, by default into a new file among the runs."""
    args = ["--env", "InvertedPendulum", "--policy", "random", "--episodes", "3", "--max-steps", "30"]
    said = cli("agent", *args)
    assert said.code == 0, said.err
    (file,) = (tmp_path / "runs").glob("rollouts-InvertedPendulum-*.jsonl")
    assert len(read_rollouts(file).episodes) == 3
    assert cli("agent", *args).code == 0 and len([*(tmp_path / "runs").iterdir()]) == 2


def test_a_trained_policy(cli: Cli, tmp_path: Path) -> None:
    """A trained policy's folder is recorded in its environment, and refused in one that it does not fit."""
    form = PolicyForm(
        env_id="EnvReward/InvertedPendulum-v0",
        obs_shape=(4,),
        action_shape=(1,),
        action_size=1,
        layers=(),
        activation="tanh",
        head="gaussian",
        obs_clip=10.0,
    )
    tensors = {
        "actor.0.weight": torch.tensor([[1.0], [20.0], [1.0], [2.0]]),
        "actor.0.bias": torch.zeros(1),
        "action_low": torch.tensor([-3.0]),
        "action_high": torch.tensor([3.0]),
    }
    folder = tmp_path / "policy"
    save_policy(folder, form, tensors)
    out = tmp_path / "r.jsonl"
    args = ["--policy", str(folder), "--episodes", "2", "--max-steps", "25", "--out", str(out)]
    assert cli("agent", "--env", "InvertedPendulum", *args).code == 0
    rollouts = read_rollouts(out)
    assert rollouts.header.actor == str(folder) and len(rollouts.episodes) == 2
    refused = cli("agent", "--env", "Hopper", *args[:-2])
    assert refused.code == 2 and "does not fit EnvReward/Hopper-v0" in refused.err


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (["--env", COUNTER], 2, "who acts? name a language model with --llm"),
        (["--env", COUNTER, "--llm", "manual", "--policy", "random"], 2, "one of the two"),
        (["--env", "Hoper", "--llm", "manual"], 2, "did you mean 'Hopper'"),
        (["--env", "InvertedPendulum", "--llm", "manual"], 2, "has no tools that a language model could call"),
        (["--env", COUNTER, "--policy", "orcale"], 2, "neither oracle, random nor the folder"),
        (["--env", COUNTER, "--policy", "/tmp"], 2, "holds no policy"),
        (["--env", COUNTER, "--policy", "random", "--episodes", "0"], 2, "--episodes must be positive"),
        (["--env", COUNTER, "--policy", "random", "--seed", "-1"], 2, "--seed cannot be negative"),
        (["--env", COUNTER, "--llm", "manual", "--max-usd", "0"], 2, "--max-usd must be positive"),
        (["--env", COUNTER, "--llm", "manual", "--context-tokens", "10"], 2, "context_tokens must be at least 1000"),
        (["--env", COUNTER, "--llm", "replay:/nowhere.jsonl"], 2, "/nowhere.jsonl"),
        (["--env", COUNTER, "--policy", "random", "--out", "/proc/none/r.jsonl"], 1, "/proc/none"),
    ],
)
def test_mistakes_are_one_line(cli: Cli, tmp_path: Path, args: list[str], code: int, words: str) -> None:
    """Each mistake is said in one line, with its exit code, and leaves no file behind."""
    said = cli("agent", *args)
    assert said.code == code, said.err
    assert words in said.err and said.err.splitlines()[-1].startswith("envreward: error: ")
    assert not (tmp_path / "runs").exists()


def test_an_answer_from_any_chat_window(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With manual:FOLDER a person carries prompts and answers: tools are in the prompt, calls are written as text."""
    folder = tmp_path / "window"
    folder.mkdir()
    for step in range(2):
        answer = folder / f"seed-0-step-{step}.answer-1.md"
        answer.write_text('I add one.\n{"tool": "add", "arguments": {"amount": 1}}\n')
    out = tmp_path / "r.jsonl"
    said = cli("agent", "--env", COUNTER, "--llm", f"manual:{folder}", "--episodes", "1", "--out", str(out))
    assert said.code == 0, said.err
    assert "1: 1 success" in said.out
    assert '{"tool": "NAME", "arguments": {...}}' in (folder / "seed-0-step-0.prompt.md").read_text()


def test_ctrl_c_keeps_what_was_done(llm_server: Any, solve: Any, reply: Any, tmp_path: Path) -> None:
    """Ctrl-C waits for no answer: exit code 130, a summary and the way to go on; the file is whole."""
    llm_server.respond(lambda body, i: solve(body, i) if i < 8 else reply.text("late", delay_s=900.0))
    out = tmp_path / "r.jsonl"
    command = [sys.executable, "-m", "envreward.cli.main", "agent", *LLM, "--episodes", "50", "--out", str(out)]
    with subprocess.Popen(
        command, env=dict(os.environ), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as run:
        deadline = time.monotonic() + 120
        while len(llm_server.requests) < 8 + 4 and time.monotonic() < deadline and run.poll() is None:
            time.sleep(0.05)
        run.send_signal(signal.SIGINT)
        text, errors = run.communicate(timeout=120)
    assert run.returncode == 130 and "Traceback" not in errors, errors
    assert f"the same command with --out {out} goes on" in errors and "not finished" in text
    rollouts = read_rollouts(out)
    assert rollouts.episodes and rollouts.unfinished and rollouts.usage.calls == 8
