"""``envreward train``."""

from __future__ import annotations

import shutil
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from envreward.errors import ConfigError
from envreward.studies.folder import runs_root
from envreward.training.config import (
    CheckpointRule,
    Member,
    MemberResult,
    PPOConfig,
    SACConfig,
    TrainerName,
    TrainingJob,
)

from ._options import MaybeFolder

if TYPE_CHECKING:
    from rich.console import Console

    from envreward.sandbox import Sandbox

_POLL_S = 0.1
_PROGRAM = "rewards/reward.py"


@dataclass(frozen=True, kw_only=True)
class Command:
    """Train policies with one reward: the published expert reward, the sparse one, or your own program.

    Several seeds train together, as one batch. At the end the policies are scored by the task's own success test.
    A training that was stopped goes on when the same command is given again with the same --out.

    A reward program is a Python file with one function `compute_reward` whose parameters are field names; see
    `envreward envs ID` for the fields and `envreward check FILE --env ID` to verify it.
    """

    env: str
    """The task, e.g. Hopper; `envreward envs` lists them."""
    reward: str = "expert"
    """expert, sparse, another of the task's rewards by name (see `envreward envs ID`), or a reward program's file."""
    steps: int = 1_000_000
    """Environment steps per policy."""
    seeds: int = 1
    """Policies to train, with seeds 0, 1, ... counted from --seed."""
    seed: int = 0
    """First seed."""
    trainer: TrainerName = "ppo"
    """ppo and sac train all seeds together; sb3:... uses Stable-Baselines3, one after another."""
    ppo: PPOConfig = field(default_factory=PPOConfig)
    """Settings of PPO; a task's own take the place of these defaults (`--env TASK --help` shows them)."""
    sac: SACConfig = field(default_factory=SACConfig)
    """Settings of SAC, likewise."""
    processes: int = 0
    """Training processes; 0 is one per CPU core."""
    device: str = "cpu"
    """Where worlds and networks live while training: cpu, or cuda for a GPU. Policies are scored on the CPU."""
    learning: str = ""
    """Learn the reward while training, from the components of --reward as factors: lare or heron, with settings as in
    lare:loss=rd (see `envreward designers lare`). Or add to it what is new: rnd:fields=tcp_pos+obj_pos,weight=0.5 (see
    `envreward rewards rnd`)."""
    checkpoint: CheckpointRule = "final"
    """Which policy of a training is kept: final, the last one, or peak_return, the one that earned most of its own
    reward."""
    episodes: int = 20
    """Episodes over which each trained policy is scored."""
    sandbox: str = "bubblewrap"
    """Where the training runs: bubblewrap, or process (no wall around it: for rewards you trust)."""
    track: bool = False
    """Log to Weights & Biases as well; TensorBoard files are always written."""
    out: MaybeFolder = None
    """Folder to train in (default: a new one under $ENVREWARD_RUNS, else runs)."""

    @classmethod
    def for_task(cls, env: str) -> Command:
        """Return the command's defaults for a task.

        Raises:
            UnknownNameError: No such environment.
        """
        from envreward.registry import find_task_spec
        from envreward.training.task_settings import task_settings

        return cls(env=env, **task_settings(find_task_spec(env))._asdict())

    def run(self) -> int:
        """Train, score, and print a summary; 0 when at least one policy was trained."""
        from rich.console import Console

        from envreward.registry import find, find_task_spec, make_task
        from envreward.training.runner import check_job

        if self.seeds < 1:
            raise ConfigError(f"--seeds must be at least 1, got {self.seeds}")
        spec = find_task_spec(self.env)
        named = ("expert", "sparse", *make_task(spec.id).rewards)
        program = self.reward not in named
        source = Path(self.reward)
        if program and not source.is_file():
            raise ConfigError(f"--reward {self.reward!r} is neither a file nor one of {', '.join(named)}")
        job = self._job(spec.id, _PROGRAM if program else self.reward)
        check_job(job)
        sandbox = find("sandboxes", self.sandbox)()
        if (reason := sandbox.unavailable()) is not None:
            raise ConfigError(reason)
        out = self.out or _new_folder(spec.id, source.stem if program else self.reward)
        if program:
            _place(source, out, spec.id)
        console = Console(stderr=True)
        console.print(f"training {self.seeds} x {self.steps:,} steps of {spec.id} in {out}", soft_wrap=True)
        results = _train(job, out, sandbox, console, self.track)
        return _summary(job, out, results, self.episodes, self.seed)

    def _job(self, env_id: str, reward: str) -> TrainingJob:
        seeds = range(self.seed, self.seed + self.seeds)
        return TrainingJob(
            env_id=env_id,
            members=tuple(
                Member(key=f"s{seed}", group="policy", reward=reward, seed=seed, learning=self.learning)
                for seed in seeds
            ),
            total_steps=self.steps,
            trainer=self.trainer,
            ppo=self.ppo,
            sac=self.sac,
            processes=self.processes,
            device=self.device,
            checkpoint=self.checkpoint,
        )


def _new_folder(env_id: str, reward: str) -> Path:
    stamp = time.strftime("%Y%m%d-%H%M%S")
    return runs_root() / f"train-{env_id.split('/')[-1]}-{reward}-{stamp}"


def _place(source: Path, out: Path, env_id: str) -> None:
    """Copy a reward program into the training's folder, once the static check has passed."""
    from envreward.registry import make_task
    from envreward.rewards.program import RewardProgram

    RewardProgram.from_source(source.read_text(), make_task(env_id).fields)
    target = out / _PROGRAM
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists() and target.read_text() != source.read_text():
        raise ConfigError(f"{out} holds a training with another reward program; choose another --out")
    shutil.copyfile(source, target)


def _train(job: TrainingJob, out: Path, sandbox: Sandbox, console: Console, track: bool) -> dict[str, MemberResult]:
    from envreward.training.progress import TrainingProgress
    from envreward.training.runner import start_training
    from envreward.training.track import WandbMirror

    mirror = WandbMirror(job, out.name) if track else None
    handle = start_training(job, out, sandbox)
    try:
        with TrainingProgress(handle, console) as progress:
            done = False
            while not done:
                done = handle.poll()
                rows = handle.rows()
                progress.update(rows)
                if mirror is not None:
                    mirror.log(rows)
                if not done:
                    time.sleep(_POLL_S)
    except KeyboardInterrupt:
        sys.stderr.write(f"stopped; the same command with --out {out} goes on from the last checkpoint\n")
        raise
    finally:
        handle.kill()
        if mirror is not None:
            mirror.close()
    return handle.results()


def _summary(job: TrainingJob, out: Path, results: dict[str, MemberResult], episodes: int, seed: int) -> int:
    from rich.console import Console
    from rich.table import Table

    from envreward.evaluation import evaluate
    from envreward.training.metrics import read_rows

    trained = {key: out / "members" / key for key, result in results.items() if result.status == "trained"}
    scores = evaluate(job.env_id, trained, episodes=episodes, seed=seed)
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("policy", "status", "fitness", "success", "episode length", "training"):
        table.add_column(name, justify="left" if name in ("policy", "status") else "right")
    for key, result in results.items():
        score = scores.get(key)
        numbers = ("-",) * 3
        if score is not None:
            numbers = (f"{score.fitness:,.4g}", f"{score.success:.0%}", f"{score.episode_length:,.0f}")
        table.add_row(key, result.status, *numbers, f"{result.wall_s:,.0f} s")
    console = Console()
    console.print(table)
    broken = {key: sum(row.broken for row in read_rows(out) if row.key == key) for key in results}
    for key, count in broken.items():
        if count:
            console.print(f"{key}: the physics broke in {count:,} of its episodes, which then ended", soft_wrap=True)
    for result in results.values():
        if result.reason:
            console.print(f"{result.key} {result.status}: {result.reason}", soft_wrap=True, markup=False)
    console.print(f"policies and curves: {out} (tensorboard --logdir {out / 'tensorboard'})", soft_wrap=True)
    if trained:
        best = max(scores.values(), key=lambda s: s.fitness).member
        console.print(f"film the best: envreward video {trained[best]}", soft_wrap=True)
    return 0 if trained else 3
