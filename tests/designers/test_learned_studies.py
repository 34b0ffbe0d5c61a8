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
from envreward.fields import public_fields
from envreward.llm import LLMConfig, open_llm
from envreward.registry import make_task
from envreward.studies import Candidate, Status, StudyConfig
from envreward.studies.crew import Crew, usable_sandbox
from envreward.studies.designer import Brief, Designer
from envreward.studies.loop import Study
from envreward.studies.store import StudyStore
from envreward.training.config import PPOConfig

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


def run(folder: Path, designer: Designer, iterations: int) -> tuple[list[Candidate], set[str]]:
    """Run a study to its end; return its candidates and how the rewards of its winner's policies were learned."""
    config = StudyConfig(
        env_id="EnvReward/InvertedPendulum-v0",
        instruction="Keep the pole upright.",
        samples=1,
        iterations=iterations,
        steps=512,
        final_seeds=1,
        eval_episodes=2,
        processes=1,
        ppo=PPOConfig(num_worlds=16, rollout_steps=16, minibatch_size=128, epochs=1),
        sandbox="process",
    )
    task = make_task(config.env_id)
    brief = Brief(
        env_id=config.env_id,
        instruction=config.instruction,
        fields=public_fields(task.fields),
        horizon=task.spec.horizon,
        fitness_doc=task.fitness_doc,
    )
    llm = open_llm("openai/gpt-4o", config=LLMConfig(concurrency=1))
    crew = Crew(task=task, brief=brief, designer=designer, sandbox=usable_sandbox("process"), llm=llm)
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


def test_lare(tmp_path: Path, llm_server: Any, reply: Any) -> None:
    """The decoder learns in the search and again for the report, from the factors that the model wrote."""
    llm_server.respond(lambda body, i: reply.text(FACTORS))
    (candidate,), learning = run(tmp_path / "run", LaRe(drafts=2), 1)
    assert curves(candidate) == ["calm", "upright"] and learning == {"lare:loss=rrd"}
    assert candidate.learning == "lare:loss=rrd" and len(llm_server.requests) == 3


def test_heron(tmp_path: Path, llm_server: Any, reply: Any) -> None:
    """The reward is learned from the factors in the order in which they were ranked."""
    llm_server.script(reply.text(FACTORS), reply.text("upright > calm"))
    (candidate,), learning = run(tmp_path / "run", Heron(pairs="steps", mends=0), 1)
    assert curves(candidate) == ["upright", "calm"] and learning == {"heron:pairs=steps,margin=0.1"}


def test_auto_mc_reward(tmp_path: Path, llm_server: Any, reply: Any) -> None:
    """A program with memory is trained, its policy watched, and the next one written with what was seen."""

    def respond(body: dict[str, Any], number: int) -> Any:
        failed = "why the agent fails" in body["messages"][-1]["content"]
        return reply.text("It falls to the right." if failed else SIGNED)

    llm_server.respond(respond)
    candidates, learning = run(tmp_path / "run", AutoMCReward(critic_rounds=0, episodes=2), 2)
    assert [curves(candidate) for candidate in candidates] == [["sparse", "dense"]] * 2 and learning == {""}
    assert candidates[1].parents == ("c000",) and len(llm_server.requests) == 3
    assert "It falls to the right." in llm_server.requests[-1]["messages"][-1]["content"]
