"""CARD and ICPL in whole studies: real verification, sandbox, training, rollouts, re-scoring and films.

The language model is a server that answers over HTTP, the person a script; trainings take a second.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from envreward.designers.card import Card
from envreward.designers.icpl import ICPL
from envreward.fields import public_fields
from envreward.llm import LLMConfig, open_llm
from envreward.registry import make_task
from envreward.studies import Candidate, Status, StudyConfig
from envreward.studies.crew import Crew, usable_sandbox
from envreward.studies.designer import Brief, Designer
from envreward.studies.loop import Study
from envreward.studies.store import StudyStore
from envreward.training.config import PPOConfig

# About half of all episodes succeed, whatever the policy does, and do so in their first step.
COIN = """
import envreward
from envreward import Field

coin = envreward.wrap(
    "CartPole-v1",
    instruction="Begin on the right.",
    fields={
        "cart_position": Field("Position of the cart.", unit="m", role="position", read=lambda w: w.obs[:, 0]),
        "pole_angle": Field("Tilt of the pole.", unit="rad", role="angle", read=lambda w: w.obs[:, 2]),
    },
    success=lambda w: (w.steps == 1) & (w.obs[:, 0] > 0),
    fitness=lambda w: w.steps,
    fitness_doc="Steps.",
)
"""
UPRIGHT = """```python
def compute_reward(pole_angle):
    up = {scale} * pole_angle.cos()
    return up, {{"up": up}}
```"""
FLAT = "```python\ndef compute_reward(cart_position):\n    r = 0.0 * cart_position\n    return r, {'nothing': r}\n```"
RAISES = "```python\ndef compute_reward(pole_angle):\n    return pole_angle.reshape(3, -1, 7), {}\n```"


class Person:
    """Prefers the second policy, and keeps what was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def answer(self, key: str, question: str) -> str:
        """Return a preference."""
        self.asked.append(question)
        return "best 2 worst 1"


@pytest.fixture(scope="module", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Baselines are kept between the studies of this module alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ENVREWARD_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


def run(folder: Path, env_id: str, designer: Designer, person: Person, **settings: Any) -> list[Candidate]:
    """Run a study to its end, or go on with it, and return its candidates."""
    config = StudyConfig(
        env_id=env_id, instruction="Keep the pole upright.", steps=256, final_seeds=1, eval_episodes=2, processes=1,
        ppo=PPOConfig(num_worlds=8, rollout_steps=16, minibatch_size=128, epochs=1), sandbox="process", **settings,
    )  # fmt: skip
    task = make_task(env_id)
    brief = Brief(
        env_id=env_id,
        instruction=config.instruction,
        fields=public_fields(task.fields),
        horizon=task.spec.horizon,
        fitness_doc=task.fitness_doc,
    )
    llm = open_llm("openai/gpt-4o", config=LLMConfig(concurrency=1))
    crew = Crew(task=task, brief=brief, designer=designer, sandbox=usable_sandbox("process"), llm=llm, person=person)
    new = not (folder / "study.db").exists()
    with StudyStore.create(folder, config, {}) if new else StudyStore.open(folder, versions={}) as store:
        result = Study(store, crew).run()
        assert result.stopped is None and result.winner is not None
        return store.candidates()


def test_card_trains_only_what_orders_known_episodes(tmp_path: Path, llm_server: Any, reply: Any) -> None:
    """A reward that tells success from failure in none of the known episodes is not trained, and says why."""
    (tmp_path / "coin.py").write_text(COIN)
    llm_server.script(reply.text(UPRIGHT.format(scale=1.0)), reply.text(FLAT))
    env_id, designer = f"{tmp_path}/coin.py:coin", Card(trajectories=12, episodes=3)
    candidates = run(tmp_path / "run", env_id, designer, Person(), samples=1, iterations=2)
    assert [c.status for c in candidates] == [Status.EVALUATED, Status.FILTERED]
    assert [c.parents for c in candidates] == [(), ("c000",)]
    assert candidates[0].origin == "sample 0; preferences cannot be told (0 successes, 0 failures)"
    assert candidates[1].reason.startswith("trajectory preferences: 0 of ")
    assert candidates[1].origin == "sample 0; preferences refused (0%)"
    *_, answer, told = llm_server.requests[-1]["messages"]
    assert answer["content"] == UPRIGHT.format(scale=1.0) and len(llm_server.requests) == 2
    assert "success rate" in told["content"] and "up (part of the reward)" in told["content"]
    assert "Of 3 episodes" in told["content"]
    assert run(tmp_path / "run", env_id, designer, Person(), samples=1, iterations=2) == candidates
    assert len(llm_server.requests) == 2, "nothing is asked again on a resume"


def test_icpl_goes_by_what_a_person_prefers(tmp_path: Path, llm_server: Any, reply: Any) -> None:
    """What does not run is regenerated; films are shown; the person's choice makes the examples, and is asked once."""
    llm_server.script(reply.text(UPRIGHT.format(scale=1.0)), reply.text(RAISES), reply.text(UPRIGHT.format(scale=2.0)))
    llm_server.respond(lambda body, i: reply.text(UPRIGHT.format(scale=3.0 + i)))
    person, env_id = Person(), "EnvReward/InvertedPendulum-v0"
    candidates = run(tmp_path / "run", env_id, ICPL(), person, samples=2, iterations=2)
    assert [c.status for c in candidates] == [Status.EVALUATED] * 4
    assert candidates[1].origin == "sample 1, mended 1x"
    assert {c.parents for c in candidates[2:]} == {("c001", "c000")}
    (question,) = person.asked
    films = sorted((tmp_path / "run" / "films").iterdir())
    assert len(films) == 2 and all(str(film) in question for film in films)
    text = llm_server.requests[-1]["messages"][-1]["content"]
    assert text.index("up = 2.0 *") < text.index("up = 1.0 *")
    answered = len(llm_server.requests)
    assert run(tmp_path / "run", env_id, ICPL(), person, samples=2, iterations=2) == candidates
    assert (len(person.asked), len(llm_server.requests)) == (1, answered), "nothing is asked again on a resume"
