"""``design`` from the command line to the report, with a search that needs no model and with models that fail."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Cli = Callable[..., Any]

# litellm's own types, when a part of it is first imported
pytestmark = pytest.mark.filterwarnings("ignore:.*`ReadOnly` qualifier:UserWarning")

SMALL = ["--env", "InvertedPendulum", "--samples", "2", "--iterations", "1", "--steps", "2048", "--final-seeds", "1"]
SMALL += ["--episodes", "4", "--processes", "1", "--ppo.num-worlds", "16"]
EUREKA = [*SMALL, "--designer", "eureka", "--llm", "openai/scripted", "--sandbox", "process", "--name", "asked"]


@pytest.fixture(autouse=True)
def quiet_client() -> None:
    """Let the language-model client's own remarks go to the log alone."""
    logging.getLogger("LiteLLM").setLevel(logging.CRITICAL)


def test_design_without_a_key_in_bubblewrap(cli: Cli, tmp_path: Path) -> None:
    """The default designer and sandbox find a winner and write a report; ``show`` and ``runs`` tell of it."""
    said = cli("design", *SMALL, "--name", "mine")
    assert said.code == 0, said.err
    report = tmp_path / "runs" / "mine" / "report.html"
    assert report.is_file() and f"report:      {report}" in said.out
    for text in ("iteration 1/1, training", "c000 evaluated: fitness", "final comparison", "designed reward"):
        assert text in said.out, text
    shown = json.loads(cli("show", "mine", "--json").out)
    assert shown["state"] == "finished" and shown["config"]["sandbox"] == "bubblewrap"
    assert [m["role"] for m in shown["comparison"]] == ["winner", "expert", "sparse"]
    code = cli("show", "mine", "--code").out
    assert "def compute_reward(" in code
    assert "finished" in cli("runs").out
    again = cli("resume", "mine", "--no-video")
    assert again.code == 0 and "training" not in again.out


def test_a_model_that_never_gives_code(cli: Cli, llm_server: Any, reply: Any) -> None:
    """Answers without code end as unparsed; the study says so in one line, with a non-zero exit and a report."""
    llm_server.respond(lambda body, number: reply.text("I am afraid I cannot."))
    said = cli("design", *EUREKA)
    assert said.code == 3, said.err
    assert "no candidate could be trained and scored: 2 unparsed" in said.err and "envreward show" in said.err
    assert "Traceback" not in said.err and said.err.count("\n") == 1
    assert cli("show", "asked").out.count("unparsed") == 2


def test_a_wrong_key_loses_nothing(cli: Cli, llm_server: Any, reply: Any) -> None:
    """A refused key stops the study with one error and the way to go on; with a right one it goes on from there."""
    llm_server.respond(lambda body, number: reply.error(401, "Incorrect API key", code="invalid_api_key"))
    said = cli("design", *EUREKA)
    assert said.code == 5 and "envreward resume" in said.err and "Traceback" not in said.err
    assert "sk-test" not in said.err + said.out
    llm_server.respond(lambda body, number: reply.text("No code, but an answer."))
    said = cli("resume", "asked")
    assert said.code == 3 and "2 unparsed" in said.err


def test_a_cap_on_calls_is_never_passed(cli: Cli, llm_server: Any, reply: Any) -> None:
    """Not one request more than allowed is sent, and the study ends with what it has."""
    llm_server.respond(lambda body, number: reply.text("No code."))
    arguments = [a if a != "1" or b != "--iterations" else "9" for a, b in zip(EUREKA, ["", *EUREKA], strict=False)]
    said = cli("design", *arguments, "--max-calls", "3")
    assert len(llm_server.requests) == 3
    assert said.code == 6 and "language-model calls" in said.err and "3 unparsed" in said.err
    said = cli("resume", "asked", "--max-calls", "5")
    assert said.code == 6 and len(llm_server.requests) == 5
