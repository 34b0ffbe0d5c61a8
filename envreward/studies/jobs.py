"""Running a training for a study: watched while it runs, stopped when the study's time is over."""

from __future__ import annotations

import errno
import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from envreward.errors import SandboxError
from envreward.sandbox import Sandbox
from envreward.training.config import Member, MemberResult, TrainingJob
from envreward.training.runner import start_training

from .config import StudyConfig
from .watch import TrainingProgress, Watcher

_POLL_S = 0.1
_LEAST_FREE_BYTES = 1024**2


def make_job(config: StudyConfig, members: tuple[Member, ...], *, racing: bool) -> TrainingJob:
    """Return the job that trains ``members`` under the study's settings."""
    return TrainingJob(
        env_id=config.env_id,
        members=members,
        total_steps=config.steps,
        trainer=config.trainer,
        ppo=config.ppo,
        sac=config.sac,
        racing=config.racing if racing else None,
        processes=config.processes,
        device=config.device,
        checkpoint=config.checkpoint,
    )


def run_job(
    job: TrainingJob,
    rewards: Mapping[str, str],
    folder: Path,
    sandbox: Sandbox,
    watcher: Watcher,
    over: Callable[[float], bool],
) -> dict[str, MemberResult]:
    """Run a training to its end, or until ``over`` says that the study's time is.

    Args:
        job: What to train.
        rewards: Sources of the reward programs by their path relative to ``folder``.
        folder: The training's folder. A training that was killed in it goes on from its checkpoint.
        sandbox: Where it runs.
        watcher: Told of the progress.
        over: Asked a few times a second, with the training's speed in environment steps per second; yes stops it.

    Returns:
        The results by member; a member that was stopped has none.

    Raises:
        SandboxError: The training itself broke, or cannot be run here.
        OSError: The disk is full.
    """
    (folder / "rewards").mkdir(parents=True, exist_ok=True)
    for path, source in rewards.items():
        (folder / path).write_text(source)
    handle = start_training(job, folder, sandbox)
    speed = _Speed()
    try:
        while True:
            done = handle.poll()
            rate = speed.update(handle.steps_done)
            progress = TrainingProgress(
                key=folder.name,
                members=len(job.members),
                steps_done=handle.steps_done,
                steps_total=handle.steps_total,
                steps_per_s=rate,
                rows=handle.rows(),
            )
            watcher.training(progress)
            if done or over(rate):
                break
            time.sleep(_POLL_S)
    finally:
        handle.kill()
    results = handle.results()
    broken = [r for r in results.values() if MemberResult.load(folder, r.key) is None]
    if broken:  # programs run in processes of their own: when the training itself ends, it is no program's fault
        _require_room(folder)
        raise SandboxError(f"the training in {folder} broke: {broken[0].reason}")
    return results


class _Speed:
    """Steps per second since the first progress: what the start of Python and torch takes does not count."""

    def __init__(self) -> None:
        self._steps: int | None = None
        self._first: tuple[float, int] | None = None
        self._rate = 0.0

    def update(self, steps: int) -> float:
        """Return the speed now that ``steps`` are done; 0 while it is not known."""
        now_s = time.monotonic()
        if self._steps is not None and steps > self._steps:
            if self._first is None:
                self._first = (now_s, steps)
            elif now_s > self._first[0]:
                self._rate = (steps - self._first[1]) / (now_s - self._first[0])
        self._steps = steps
        return self._rate


def _require_room(folder: Path) -> None:
    if shutil.disk_usage(folder).free < _LEAST_FREE_BYTES:
        raise OSError(errno.ENOSPC, "no space left: free some and resume, nothing is lost", str(folder))
