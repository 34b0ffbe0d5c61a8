"""Runs trainings in a sandbox and watches them from outside, through the files in the training's folder alone."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable
from pathlib import Path

from envreward import child
from envreward.errors import ConfigError
from envreward.registry import make_task, require_packages, task_files
from envreward.sandbox import Limits, Sandbox, SandboxProcess
from envreward.task import Task

from .config import MemberResult, MetricRow, TrainingJob
from .learned import NoveltyConfig, parse_learning, require_fields
from .metrics import MetricReader

_POLL_S = 0.1
_LIMITS = Limits(processes=4096, file_bytes=8 * 1024**3)
"""What stops a training that has run wild; `TrainingJob` limits time and memory of each reward program."""
_ENV = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
"""One thread per process: with more threads than free cores the members' small products run many times slower."""


class TrainingHandle:
    """A training that runs, or has run, in a folder."""

    def __init__(self, job: TrainingJob, folder: Path, process: SandboxProcess | None, lock: int | None) -> None:
        """Watch ``process``; ``None`` when all members had ended before. Use `start_training`."""
        self.job, self.folder = job, folder
        self._process, self._lock = process, lock
        self._killed = False
        self._exitcode: int | None = 0 if process is None else None
        self._reader = MetricReader(folder)
        self._steps: dict[str, int] = dict.fromkeys((m.key for m in job.members), 0)
        self._unread: list[MetricRow] = []

    def poll(self) -> bool:
        """Return whether the training has ended, for whatever reason."""
        if self._exitcode is None and self._process is not None:
            self._exitcode = self._process.poll()
            if self._exitcode is not None:
                self._unlock()
        return self._exitcode is not None

    def rows(self) -> list[MetricRow]:
        """Return the metrics that have come since the last call, those of earlier sessions first."""
        self._read()
        rows, self._unread = self._unread, []
        return rows

    def results(self) -> dict[str, MemberResult]:
        """Return how the members ended, by key.

        A training that ended by itself and left members without a result has failed them: they are ``crashed``, with
        the end of its log as the reason. After `kill`, members that were still running have no result.
        """
        found = {m.key: MemberResult.load(self.folder, m.key) for m in self.job.members}
        results = {key: result for key, result in found.items() if result is not None}
        if self.poll() and not self._killed and len(results) < len(found):
            tail = self._process.log_tail(600).strip() if self._process is not None else ""
            last = tail.splitlines()[-1] if tail else "no output"
            reason = f"the training ended with exit code {self._exitcode} before its members had: {last}"
            for key in found.keys() - results.keys():
                results[key] = MemberResult(key=key, status="crashed", reason=reason, steps=self._steps[key])
        return {m.key: results[m.key] for m in self.job.members if m.key in results}

    @property
    def steps_done(self) -> int:
        """Environment steps of all members together, of `steps_total`."""
        self._read()
        return sum(self._counted(key, steps) for key, steps in self._steps.items())

    @property
    def steps_total(self) -> int:
        """Environment steps that all members together will have taken; fewer once some have ended early."""
        return sum(self._counted(key, self.job.total_steps) for key in self._steps)

    def _counted(self, key: str, steps: int) -> int:
        """Return a member's final steps once it has ended, before that ``steps``; never more than were asked for."""
        result = MemberResult.load(self.folder, key)
        return min(result.steps if result is not None else steps, self.job.total_steps)

    def kill(self) -> None:
        """Stop the training, if it runs; starting it again in the same folder goes on from its last checkpoint."""
        if not self.poll() and self._process is not None:
            self._killed = True
            self._process.kill()
            self._exitcode = self._process.poll()
        self._unlock()

    def log_tail(self, max_chars: int = 4000) -> str:
        """Return the end of what the training wrote to its output."""
        return "" if self._process is None else self._process.log_tail(max_chars)

    def _read(self) -> None:
        for row in self._reader.new_rows():
            self._steps[row.key] = row.step
            self._unread.append(row)

    def _unlock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def start_training(job: TrainingJob, folder: Path, sandbox: Sandbox) -> TrainingHandle:
    """Start a training in ``folder``, or go on with the one that was stopped there.

    Args:
        job: What to train; reward programs must lie at their members' paths below ``folder``.
        folder: Created if missing. If it holds the same job, members with a result stay as they are and the others go
            on from the last checkpoint.
        sandbox: Where it runs.

    Raises:
        ConfigError: The job cannot work, or the folder holds another one or is being trained in.
        SandboxError: The sandbox cannot be used.
    """
    check_job(job)
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    own = ("expert", "sparse", *make_task(job.env_id).rewards)
    for member in job.members:
        if member.reward not in own and not (folder / member.reward).is_file():
            raise ConfigError(f"reward program {member.reward} of member {member.key} is not in {folder}")
    lock = _lock(folder)
    try:
        if (folder / "job.json").exists() and TrainingJob.load(folder) != job:
            raise ConfigError(f"{folder} holds another training; choose another folder or delete it")
        job.save(folder)
        if all(MemberResult.load(folder, m.key) for m in job.members):
            os.close(lock)
            return TrainingHandle(job, folder, None, None)
        argv = child.command("envreward.training.job", str(folder))
        process = sandbox.start(
            argv,
            workdir=folder,
            readonly=task_files(job.env_id),
            devices=() if job.on_cpu else gpu_files(),
            limits=_LIMITS,
            env=_ENV,
        )
    except BaseException:
        os.close(lock)
        raise
    return TrainingHandle(job, folder, process, lock)


def run_training(
    job: TrainingJob,
    folder: Path,
    sandbox: Sandbox,
    on_rows: Callable[[list[MetricRow]], None] | None = None,
) -> dict[str, MemberResult]:
    """Run a training to its end and return how its members ended, by key.

    Args:
        job: What to train.
        folder: See `start_training`.
        sandbox: Where it runs.
        on_rows: Called with new metrics as they come.

    Raises:
        ConfigError: See `start_training`.
        SandboxError: The sandbox cannot be used.
    """
    handle = start_training(job, folder, sandbox)
    try:
        done = False
        while not done:
            done = handle.poll()
            rows = handle.rows()
            if rows and on_rows is not None:
                on_rows(rows)
            if not done:
                time.sleep(_POLL_S)
    finally:
        handle.kill()
    return handle.results()


def check_job(job: TrainingJob) -> None:
    """Check what can be checked before anything is started.

    Raises:
        ConfigError: A setting cannot work; the message names it.
        UnknownNameError: No such environment, or no such way of learning a reward.
        MissingExtraError: The task or the trainer needs an optional dependency.
    """
    task = make_task(job.env_id)
    require_packages(task.spec)
    if not job.members:
        raise ConfigError("a training needs at least one member")
    keys = [m.key for m in job.members]
    if len(set(keys)) < len(keys):
        raise ConfigError(f"member keys must be unique, got {', '.join(sorted(keys))}")
    for key in keys:
        if key != Path(key).name or key in (".", ".."):
            raise ConfigError(f"member key {key!r} is not a plain file name")
    for learning in {member.learning for member in job.members if member.learning}:
        settings = parse_learning(learning)
        if isinstance(settings, NoveltyConfig):
            require_fields(settings, task.fields)
    if job.total_steps < 1:
        raise ConfigError(f"total_steps must be at least 1, got {job.total_steps}")
    if task.expert is None and any(m.reward == "expert" for m in job.members):
        raise ConfigError(f"{task.spec.id} has no published expert reward; use sparse or a reward program")
    check_device(job, task)
    if not job.population:
        if job.checkpoint != "final":
            raise ConfigError(f"{job.trainer} keeps its last policy only: leave checkpoint out, or use ppo or sac")
        from .sb3 import require

        require(job.trainer)
        return
    from .trainers import make_algorithm

    make_algorithm(job, task)


def gpu_files() -> tuple[Path, ...]:
    """Return the device files through which CUDA reaches the GPUs of this machine; none where it has no driver."""
    names = ("nvidia*", "nvidia-caps/*", "dxg")  # the last on Windows' Linux
    found = (path for name in names for path in Path("/dev").glob(name))
    return tuple(sorted(path for path in found if path.is_char_device()))


def check_device(job: TrainingJob, task: Task) -> None:
    """Check that a job's members can train on its device.

    Raises:
        ConfigError: They cannot, or this machine has no such device.
    """
    if job.on_cpu:
        return
    if not job.population:
        raise ConfigError(f"{job.trainer} trains on the CPU only: leave device {job.device!r} out, or use ppo or sac")
    if job.processes > 1:
        raise ConfigError(f"one process trains on a GPU: leave processes {job.processes} out")
    from envreward.vector_env import find_task_device

    find_task_device(task, job.device)


def _lock(folder: Path) -> int:
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        raise ConfigError(f"another process is training in {folder}; wait for it or choose another folder") from None
    return handle
