"""lare, heron and auto_mc_reward in whole studies: real verification, sandbox, training and evaluation.

The language model is a server that answers over HTTP; trainings take a second.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from envreward.designers.auto_mc_reward import AutoMCReward
from envreward.designers.heron import Heron
from envreward.designers.lare import LaRe
from envreward.studies import Candidate, Status, StudyConfig
from envreward.studies.crew import Crew
from envreward.studies.loop import Study
from envreward.studies.store import StudyStore

FACTORS = """```python
def compute_reward(pole_angle, cart_velocity):
    calm = -cart_velocity.square()
    upright = torch.exp(-3.0 * torch.abs(pole_angle))
    return calm + upright, {"calm": calm, "upright": upright}
```"""
SIGNED = """```python
def sparse(pole_angle):
    return -(pole_angle.abs() > 0.18).float()

def dense(pole_angle, memory):
    new = memory.clone()
    new[:, 0] = pole_angle.abs()
    return memory[:, 0] - new[:, 0], new
```"""


@pytest.fixture(scope="module", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Baselines are kept between the studies of this module alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ENVREWARD_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


def run(folder: Path, study: tuple[StudyConfig, Crew]) -> tuple[list[Candidate], set[str]]:
    """Run a study to its end; return its candidates and how the rewards of its winner's policies were learned."""
    config, crew = study
    with StudyStore.create(folder, config, {}) as store:
        result = Study(store, crew).run()
        assert result.winner is not None and {m.role for m in result.members} >= {"winner", "sparse"}
        jobs = store.trainings().values()
        return store.candidates(), {m.learning for job in jobs for m in job.members if m.group == result.winner.id}


def curves(candidate: Candidate) -> list[str]:
    """Return the names of the components that were followed."""
    assert candidate.status is Status.EVALUATED, candidate.reason
    assert candidate.traces is not None
    return [*candidate.traces.components]


def test_lare(tmp_path: Path, llm_server: Any, reply: Any, small_study: Any) -> None:
    """The decoder learns in the search and again for the report, from the factors that the model wrote."""
    llm_server.respond(lambda body, i: reply.text(FACTORS))
    (candidate,), learning = run(tmp_path / "run", small_study(LaRe(drafts=2)))
    assert curves(candidate) == ["calm", "upright"] and learning == {"lare:loss=rrd"}
    assert candidate.learning == "lare:loss=rrd" and len(llm_server.requests) == 3


def test_heron(tmp_path: Path, llm_server: Any, reply: Any, small_study: Any) -> None:
    """The reward is learned from the factors in the order in which they were ranked."""
    llm_server.script(reply.text(FACTORS), reply.text("upright > calm"))
    (candidate,), learning = run(tmp_path / "run", small_study(Heron(pairs="steps", mends=0)))
    assert curves(candidate) == ["upright", "calm"] and learning == {"heron:pairs=steps,margin=0.1"}


def test_auto_mc_reward(tmp_path: Path, llm_server: Any, reply: Any, small_study: Any) -> None:
    """A program with memory is trained, its policy watched, and the next one written with what was seen."""

    def respond(body: dict[str, Any], number: int) -> Any:
        failed = "why the agent fails" in body["messages"][-1]["content"]
        return reply.text("It falls to the right." if failed else SIGNED)

    llm_server.respond(respond)
    candidates, learning = run(tmp_path / "run", small_study(AutoMCReward(critic_rounds=0, episodes=2), iterations=2))
    assert [curves(candidate) for candidate in candidates] == [["sparse", "dense"]] * 2 and learning == {""}
    assert candidates[1].parents == ("c000",) and len(llm_server.requests) == 3
    assert "It falls to the right." in llm_server.requests[-1]["messages"][-1]["content"]
