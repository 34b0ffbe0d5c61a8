"""Fixtures for the tests of agents: the counter family, and a language model that solves it over real HTTP."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from counter_worlds import CounterTask

from envreward.agents.episode import AgentConfig, agent_header
from envreward.agents.rollout_file import RolloutFile
from envreward.agents.rollouts import Rollouts, read_rollouts
from envreward.agents.runner import Ended, run_agent
from envreward.llm import Caps, LLMConfig, open_llm

QUICK = LLMConfig(backoff_s=0.01, timeout_s=100.0, attempts=2, max_tokens=500)
PLAIN, NO_CAPS = AgentConfig(), Caps()


@pytest.fixture(autouse=True)
def quiet_client() -> None:
    """Let the language-model client's own remarks go to the log alone."""
    logging.getLogger("LiteLLM").setLevel(logging.CRITICAL)


class Counter(NamedTuple):
    """What a request to an agent of the counter family shows it."""

    target: int
    shown: int
    step: int
    """Answers given so far."""


def seen(body: dict[str, Any]) -> Counter:
    """Read a request: its goal is in the first message of the user, the counter in the last message."""
    messages = body["messages"]
    goal = re.search(r"Bring the counter to (-?\d+)", messages[1]["content"])
    shown = re.findall(r"The counter shows (-?\d+)", messages[-1]["content"])
    assert goal is not None and shown, messages
    return Counter(int(goal[1]), int(shown[-1]), sum(m["role"] == "assistant" for m in messages))


@pytest.fixture
def solve(reply: Any) -> Callable[[dict[str, Any], int], Any]:
    """Answers requests as an agent that solves its task."""

    def respond(body: dict[str, Any], index: int) -> Any:
        counter = seen(body)
        return reply.calls(("add", json.dumps({"amount": 1 if counter.shown < counter.target else -1})))

    return respond


class Played(NamedTuple):
    """What a run left behind."""

    rollouts: Rollouts
    ended: list[Ended]


@pytest.fixture
def play(tmp_path: Path, llm_server: Any, solve: Any) -> Callable[..., Played]:
    """Run the scripted model over the counter family; it solves its tasks unless the test has it do otherwise."""
    llm_server.respond(solve)

    def run(
        seeds: Sequence[int] = (0,),
        *,
        task: CounterTask | None = None,
        config: AgentConfig = PLAIN,
        horizon: int = 12,
        caps: Caps = NO_CAPS,
        llm: str = "openai/gpt-4o",
        llm_config: LLMConfig = QUICK,
        **options: Any,
    ) -> Played:
        task = task or CounterTask()
        model = open_llm(llm, config=llm_config, caps=caps)
        ended: list[Ended] = []
        path = tmp_path / "rollouts.jsonl"
        with RolloutFile(path, agent_header(task, model.model, config, horizon)) as file:
            run_agent(task, model, file, seeds, config=config, ended=ended.append, **options)
        return Played(read_rollouts(path), ended)

    return run
