"""Re-scoring: any reward, computed over recorded rollouts as if it had been paid while they were played.

The task's own rewards are trusted and run here. A reward program runs inside the sandbox, in a locked-up process of its
own, and sees nothing but the public fields that it names: not the file, not the private fields, not how episodes ended.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from envreward import child
from envreward.errors import SandboxError
from envreward.fields import Field, resolve, torch_dtype
from envreward.rewards.function import FunctionReward, RewardOutput
from envreward.rewards.output import MAX_COMPONENTS, check_finite
from envreward.rewards.program import RewardProgram
from envreward.rewards.sequence import AnyReward, SequenceReward, new_memory
from envreward.rewards.trial import WHOLE_TRIAL
from envreward.sandbox import Limits, Sandbox

from .correlation import area_under_curve, pearson, spearman
from .rescoring_job import ANSWER, JOB, REWARDS, STATES, RescoringJob, batches, read_answer
from .rollouts import Episode, Joined, Rollouts, join

START_S = 120.0
"""Allowed for starting Python and torch on a busy machine."""


@dataclass(frozen=True, kw_only=True)
class Score:
    """A reward over one episode."""

    episode: Episode
    rewards: Tensor
    """Of each step, float ``[T]``."""
    components: Mapping[str, Tensor]
    """Its named parts, float ``[T]`` each."""

    @property
    def episode_return(self) -> float | None:
        """Undiscounted sum of the rewards; ``None`` where that of some step could not be measured."""
        total = float(self.rewards.sum(dtype=torch.float64))
        return None if math.isnan(total) else total

    @property
    def nonzero_steps(self) -> int:
        """Steps in which the reward is not zero, of those in which it was measured."""
        return int(((self.rewards != 0) & ~self.rewards.isnan()).sum())


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """How well a reward's return tells how episodes went.

    Lost episodes are left out, and those in which the reward of some step could not be measured.
    """

    episodes: int
    pearson: float | None
    """Correlation of return and fitness; ``None`` where one of them never differs."""
    spearman: float | None
    """Rank correlation of return and fitness."""
    auc: float | None
    """How probable it is that a successful episode has a higher return than another; ``None`` without both kinds."""
    steps: int
    nonzero_steps: int
    """Steps in which the reward is not zero."""


def rescore(rollouts: Rollouts, reward: AnyReward) -> list[Score]:
    """Compute a trusted reward over every recorded episode, in time order.

    Args:
        rollouts: The record.
        reward: A function of fields, private and text fields included, or of sequences.

    Raises:
        UnknownNameError: It reads a field that was not recorded; the message lists near matches.
        RewardRuntimeError: A reward is not finite, and its component ``missing`` does not say that it could not be
            measured.
    """
    played = _played(rollouts)
    if not played:
        return []
    joined = join(played, reward.parameters, rollouts.header.fields)
    native = isinstance(reward, (FunctionReward, SequenceReward))  # which read physics in its own precision
    state = joined.state if native else _as_declared(joined.state, rollouts.header.fields)
    output = _evaluate(reward, joined, state)
    _check_measured(output)
    return _split(played, output, joined.lengths)


def rescore_program(
    rollouts: Rollouts, program: RewardProgram, sandbox: Sandbox, folder: Path, job: RescoringJob | None = None
) -> list[Score]:
    """Compute a reward program over every recorded episode, inside the sandbox.

    Args:
        rollouts: The record.
        program: A program that was checked against the recorded fields.
        sandbox: Where it runs.
        folder: Existing scratch folder.
        job: Limits.

    Raises:
        RewardRuntimeError: It raised, gave something unusable or not finite, or answers differently for the same
            states. Time-outs and crashes are subclasses.
        SandboxError: The sandbox cannot be used, or broke for a reason that is not the program's fault.
    """
    played = _played(rollouts)
    if not played:
        return []
    job = job or RescoringJob()
    joined = join(played, program.parameters, rollouts.header.fields)
    state = _as_declared(joined.state, rollouts.header.fields)
    folder = folder.resolve()
    save_file({name: value.contiguous() for name, value in state.items()}, folder / STATES)
    (folder / JOB).write_text(job.to_json(program, rollouts.header.fields, joined.lengths))
    rows = sum(joined.lengths)
    calls = len(batches(joined.lengths, job.rows)) if program.remembers else -(-rows // job.rows)
    _run(sandbox, folder, job, rows, calls)
    return _split(played, _read_output(folder, rows), joined.lengths)


def agreement(scores: Sequence[Score]) -> Agreement:
    """Return how well returns tell how episodes went."""
    scored = [s for s in scores if s.episode.outcome != "lost" and s.episode_return is not None]
    returns = [value for score in scored if (value := score.episode_return) is not None]
    fitness = [fitness for score in scored if (fitness := score.episode.fitness) is not None]
    return Agreement(
        episodes=len(scored),
        pearson=pearson(returns, fitness),
        spearman=spearman(returns, fitness),
        auc=area_under_curve(returns, [score.episode.outcome == "success" for score in scored]),
        steps=sum(score.episode.steps for score in scored),
        nonzero_steps=sum(score.nonzero_steps for score in scored),
    )


def _played(rollouts: Rollouts) -> list[Episode]:
    return [episode for episode in rollouts.episodes if episode.steps]


def _as_declared(state: Mapping[str, Any], fields: Mapping[str, Field]) -> dict[str, Any]:
    """Cast values to the types that their fields declare, which is what reward programs are given."""
    return {
        name: value.to(torch_dtype(resolve(name, fields).dtype)) if isinstance(value, Tensor) else value
        for name, value in state.items()
    }


def _evaluate(reward: AnyReward, joined: Joined, state: Mapping[str, Any]) -> RewardOutput:
    if not isinstance(reward, SequenceReward):
        return reward(**state)
    column: dict[str, Any] = {
        name: value.unsqueeze(1) if isinstance(value, Tensor) else [[text] for text in value]
        for name, value in state.items()
    }
    total, components = reward.over(joined.flow, new_memory(reward, 1), **column)
    return RewardOutput(total.squeeze(1), {name: values.squeeze(1) for name, values in components.items()})


def _check_measured(output: RewardOutput) -> None:
    """Check that rewards are finite, but for those that are said to be missing."""
    missing = output.components.get("missing")
    if missing is None:
        check_finite(output)
        return
    measured = missing == 0
    components = {name: values[measured] for name, values in output.components.items()}
    check_finite(RewardOutput(output.total[measured], components))


def _split(episodes: Sequence[Episode], output: RewardOutput, lengths: list[int]) -> list[Score]:
    totals = torch.split(output.total, lengths)
    parts = {name: torch.split(values, lengths) for name, values in output.components.items()}
    return [
        Score(episode=episode, rewards=totals[i], components={name: values[i] for name, values in parts.items()})
        for i, episode in enumerate(episodes)
    ]


def _run(sandbox: Sandbox, folder: Path, job: RescoringJob, rows: int, calls: int) -> None:
    process = sandbox.start(
        child.command("envreward.agents.rescoring_job", str(folder)),
        workdir=folder,
        limits=Limits(
            wall_s=START_S + (WHOLE_TRIAL + calls) * job.timeout_s,
            processes=64,
            file_bytes=1024**2 + rows * (1 + MAX_COMPONENTS) * 4,
        ),
        env={"OMP_NUM_THREADS": "1"},
    )
    try:
        code = process.wait()
    finally:
        process.kill()  # also when we are interrupted
    if code or not (folder / ANSWER).is_file():
        tail = process.log_tail().strip().splitlines()
        how = "it took too long" if process.timed_out else f"exit code {code}" + (f", {tail[-1]}" if tail else "")
        raise SandboxError(f"re-scoring in the sandbox broke: {how}")


def _read_output(folder: Path, rows: int) -> RewardOutput:
    names = read_answer((folder / ANSWER).read_text())
    columns = load_file(folder / REWARDS)
    total, *parts = (columns[str(index)] for index in range(1 + len(names)))
    if any(tuple(column.shape) != (rows,) for column in columns.values()):
        raise SandboxError(f"re-scoring in the sandbox gave other than {rows} rewards")
    return RewardOutput(total, dict(zip(names, parts, strict=True)))
