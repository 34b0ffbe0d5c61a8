"""What a task's catalog says of its training: settings with which it is known to be learned, over the defaults."""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

from envreward.errors import ConfigError
from envreward.task_spec import TaskSpec

from .config import PPOConfig, SACConfig


class TaskSettings(NamedTuple):
    """Settings of the population's trainers."""

    ppo: PPOConfig
    sac: SACConfig


def task_settings(spec: TaskSpec) -> TaskSettings:
    """Return the settings for a task: the defaults but for what its `TaskSpec.training` names.

    Raises:
        ConfigError: The catalog names a trainer or a setting that there is not.
    """
    unknown = set(spec.training) - set(TaskSettings._fields)
    if unknown:
        raise ConfigError(f"{spec.id}: its catalog has settings of {', '.join(sorted(unknown))}, which is no trainer")
    return TaskSettings(_over(PPOConfig(), spec, "ppo"), _over(SACConfig(), spec, "sac"))


def _over(default: Any, spec: TaskSpec, trainer: str) -> Any:
    try:
        return dataclasses.replace(default, **spec.training.get(trainer, {}))
    except TypeError as error:
        raise ConfigError(f"{spec.id}: its catalog has a setting that {trainer} does not have ({error})") from error
