"""A study can be run again from its report: the command line means the same settings, the recording plays back."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
import tyro

from envreward.cli.design import Command
from envreward.llm import Answer, Completion, Exchange, Usage, open_llm
from envreward.llm.base import Message
from envreward.registry import find_task_spec
from envreward.reports.rerun import export_recording, rerun_command
from envreward.studies import Budget, StudyConfig
from envreward.studies.store import StudyStore
from envreward.training.config import PPOConfig, RacingConfig

HOPPER = find_task_spec("Hopper")


@pytest.mark.parametrize(
    "config",
    [
        StudyConfig(env_id=HOPPER.id, instruction=HOPPER.instruction, samples=3, iterations=2),
        StudyConfig(
            env_id=HOPPER.id,
            instruction='Hop; don\'t `fall` "over" & $HOME.',
            designer="eureka",
            llm="openai/gpt-4o",
            samples=5,
            iterations=1,
            steps=1234,
            seeds=2,
            final_seeds=7,
            eval_episodes=9,
            racing=RacingConfig(),
            processes=1,
            sandbox="process",
            budget=Budget(usd=1.5, tokens=10_000_000, wall_s=90.0, env_steps=5_000_000, trainings=30, llm_calls=12),
            ppo=PPOConfig(hidden_sizes=(32, 16, 8), normalize_obs=False, target_kl=0.02, learning_rate=1e-4),
            seed=42,
        ),
    ],
)
def test_the_command_line_means_the_same_settings(config: StudyConfig) -> None:
    """What the command line parses to is the configuration it was written from."""
    words = shlex.split(rerun_command(config, None))
    assert words[:2] == ["envreward", "design"]
    command = tyro.cli(Command, args=words[2:], config=(tyro.conf.AvoidSubcommands,))
    assert command.config() == config


def test_recorded_answers_play_back(tmp_path: Path) -> None:
    """The exported recording answers the study's own requests, without a network; a second export adds nothing."""
    config = StudyConfig(env_id=HOPPER.id, instruction="Hop.", designer="eureka", llm="openai/gpt-4o")
    messages: list[Message] = [{"role": "user", "content": "write a reward"}]
    with StudyStore.create(tmp_path / "run", config, {}) as store:
        assert export_recording(store) is None
        exchange = Exchange(
            key="iteration-0/samples#0",
            model="openai/gpt-4o",
            messages=tuple(messages),
            answer=Answer(text="def compute_reward(): ..."),
            usage=Usage(calls=1, prompt_tokens=5, completion_tokens=7, cost_usd=0.01),
        )
        store.put(exchange.key, exchange)
        path = export_recording(store)
        assert path is not None
        size = path.stat().st_size
        assert export_recording(store) == path and path.stat().st_size == size
    completion: Completion = open_llm(f"replay:{path}").complete(messages, n=1, key="iteration-0/samples")
    assert [answer.text for answer in completion.answers] == ["def compute_reward(): ..."]
    assert f"--llm replay:{path}" in rerun_command(config, path)
