"""Settings of the trainers that a task's catalog gives."""

from __future__ import annotations

import dataclasses

import pytest

from envreward.errors import ConfigError
from envreward.registry import find_task_spec, task_specs
from envreward.training.config import PPOConfig, SACConfig
from envreward.training.task_settings import task_settings


def test_a_task_has_its_own_settings_over_the_defaults() -> None:
    """What the catalog names is replaced, and nothing else."""
    spec = dataclasses.replace(find_task_spec("HalfCheetah"), training={"ppo": {"gamma": 0.9}, "sac": {"n_step": 5}})
    ppo, sac = task_settings(spec)
    assert ppo == dataclasses.replace(PPOConfig(), gamma=0.9)
    assert sac == dataclasses.replace(SACConfig(), n_step=5)


def test_a_task_without_settings_has_the_defaults() -> None:
    """Nothing said is nothing changed."""
    spec = dataclasses.replace(find_task_spec("HalfCheetah"), training={})
    assert task_settings(spec) == (PPOConfig(), SACConfig())


@pytest.mark.parametrize(
    ("training", "message"),
    [({"dqn": {}}, "dqn, which is no trainer"), ({"ppo": {"gama": 0.9}}, "ppo does not have .*gama")],
)
def test_unknown_settings_are_refused(training: dict[str, dict[str, float]], message: str) -> None:
    """A mistake in a catalog is one line that names the task."""
    spec = dataclasses.replace(find_task_spec("HalfCheetah"), training=training)
    with pytest.raises(ConfigError, match=message):
        task_settings(spec)


def test_every_registered_task_has_settings() -> None:
    """All catalogs name settings that there are."""
    for spec in task_specs().values():
        task_settings(spec)
