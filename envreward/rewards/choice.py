"""Which reward an environment pays: one of its task's own, a program's file, or a function."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, Protocol, TypeAlias

from envreward.errors import ConfigError
from envreward.fields import Field
from envreward.task_spec import TaskSpec

from .function import FunctionReward
from .sequence import AnyReward

RewardChoice: TypeAlias = Literal["expert", "sparse", "none"] | str | Path | AnyReward | None
"""``expert``, ``sparse``, ``none``, another of the task's own by name, the path of a reward program, or a reward
function; ``None``: expert, else sparse."""


class RewardedTask(Protocol):
    """What of a `Task` its rewards depend on."""

    spec: TaskSpec
    fields: Mapping[str, Field]
    expert: FunctionReward | None
    sparse: FunctionReward
    rewards: Mapping[str, AnyReward]


def choose_reward(task: RewardedTask, reward: RewardChoice = None) -> AnyReward | None:
    """Return the reward function that ``reward`` names, or ``None`` for ``"none"``.

    The path of a program makes it run in this process, after the static check alone: give only programs you trust.
    Searches and trainings never do this; they run programs in a sandbox.

    Raises:
        ConfigError: The task has no expert reward, or there is no such file.
        RewardError: The program breaks a rule of reward programs.
    """
    if reward is None:
        return task.expert or task.sparse
    if reward == "expert":
        if task.expert is None:
            raise ConfigError(f"{task.spec.id} has no published expert reward; use reward='sparse' or a program")
        return task.expert
    if reward == "sparse":
        return task.sparse
    if reward == "none":
        return None
    if isinstance(reward, str) and reward in task.rewards:
        return task.rewards[reward]
    if isinstance(reward, (str, Path)):
        path = Path(reward)
        if not path.is_file():
            named = ", ".join(["expert", "sparse", *task.rewards])
            raise ConfigError(f"reward {str(reward)!r} is neither a file nor one of {named}, none")
        from .program import RewardProgram
        from .remembering import RememberingProgram

        program = RewardProgram.from_source(path.read_text(), task.fields)
        return RememberingProgram(program) if program.remembers else program
    if getattr(reward, "remembers", False):  # a program, which is not imported for every other reward
        from .program import RewardProgram
        from .remembering import RememberingProgram

        assert isinstance(reward, RewardProgram)
        return RememberingProgram(reward)
    return reward
