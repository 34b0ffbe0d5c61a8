"""Small whole studies of a designer, its language model a server that answers over HTTP."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from envreward.llm import LLMConfig, open_llm
from envreward.registry import make_task
from envreward.studies import StudyConfig
from envreward.studies.crew import Crew, make_brief, usable_sandbox
from envreward.studies.designer import Designer, default_checkpoint
from envreward.training.config import PPOConfig


@pytest.fixture
def small_study() -> Callable[..., tuple[StudyConfig, Crew]]:
    """Make a study on InvertedPendulum whose trainings take a second, and its crew, by designer."""

    def make(
        designer: Designer, *, samples: int = 1, iterations: int = 1, steps: int = 512, worlds: int = 16, **crew: Any
    ) -> tuple[StudyConfig, Crew]:
        config = StudyConfig(
            env_id="EnvReward/InvertedPendulum-v0",
            instruction="Keep the pole upright.",
            samples=samples,
            iterations=iterations,
            steps=steps,
            final_seeds=1,
            eval_episodes=2,
            processes=1,
            ppo=PPOConfig(num_worlds=worlds, rollout_steps=16, minibatch_size=128, epochs=1),
            checkpoint=default_checkpoint(designer),
            sandbox="process",
        )
        task = make_task(config.env_id)
        brief = make_brief(config, task)
        llm = open_llm("openai/gpt-4o", config=LLMConfig(concurrency=1))
        sandbox = usable_sandbox("process")
        return config, Crew(task=task, brief=brief, designer=designer, sandbox=sandbox, llm=llm, **crew)

    return make
