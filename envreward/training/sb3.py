"""``--trainer sb3:ppo|sac|td3``: Stable-Baselines3 on the same worlds, rewards and folder format, one member at a time.

For comparison, and for what the population does not have (TD3). SB3 has no checkpoints that would continue bit for bit:
a member that was interrupted starts over.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path

from envreward.errors import MissingExtraError, RewardError, RewardRuntimeError
from envreward.task import Task

from .config import Member, MemberResult, TrainerName, TrainingJob
from .reward_opening import open_reward
from .statuses import status_of


def require(trainer: TrainerName) -> None:
    """Check that Stable-Baselines3 is installed.

    Raises:
        MissingExtraError: It is not; the message has the pip line.
    """
    if importlib.util.find_spec("stable_baselines3") is None:
        raise MissingExtraError(f"trainer {trainer}", "sb3")


def train_member(job: TrainingJob, member: Member, folder: Path, task: Task, clock: Callable[[], float]) -> None:
    """Train one member to its end and write its policy and result.

    Raises:
        ConfigError: The algorithm cannot handle the task's actions.
    """
    from .sb3_learner import Sb3Learner

    try:
        worlds = Sb3Learner.num_worlds(job)
        source = open_reward(member, job, folder, task, worlds, worlds)
    except RewardError as error:
        MemberResult(key=member.key, status="failed", reason=str(error), wall_s=clock()).save(folder)
        return
    learner = Sb3Learner(job, member, folder, source, clock)
    result = MemberResult(key=member.key, status="trained")
    try:
        learner.learn()
    except RewardRuntimeError as error:
        result = MemberResult(key=member.key, status=status_of(error), reason=str(error))
    finally:
        source.close()
    learner.save_policy()
    MemberResult(key=member.key, status=result.status, reason=result.reason, steps=learner.steps, wall_s=clock()).save(
        folder
    )
