"""Clean-room evaluation: the scores of trained policies, from a process that never loads a reward.

Every policy plays the same episodes (same seeds), one in each of N worlds, so that short episodes do not count more
often than long ones. Success and fitness come from the task alone.
"""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from envreward import child
from envreward.errors import ConfigError, EnvRewardError, InfraError

if TYPE_CHECKING:
    from envreward.task_vector_env import TaskVectorEnv
    from envreward.training.policy_io import Policy

_MAX_FAULTS = 3
"""Episodes of one world that may be lost to the machinery before the evaluation is given up."""
_STREAM = 0xE7A1
"""Keeps the seeds of evaluation episodes apart from those of training."""


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Clean-room scores of one trained policy."""

    member: str
    seed: int
    episodes: int
    success: float
    """Share of episodes with success at some step."""
    fitness: float
    """Mean over episodes."""
    episode_length: float
    episode_fitness: tuple[float, ...] = ()
    episode_success: tuple[bool, ...] = ()


def evaluate(
    env_id: str, policies: Mapping[str, Path], *, episodes: int, seed: int, device: str = "cpu"
) -> dict[str, Evaluation]:
    """Score policies without exploration, in a process that loads nothing of them but their weights.

    Args:
        env_id: The task.
        policies: Folders with ``policy.safetensors`` and ``policy.json``, by the name of the member they belong to.
        episodes: Episodes per policy.
        seed: Seeds the episodes, the same for all policies.
        device: Where the worlds are. The CPU's simulator is the reference, for policies trained on a GPU too.

    Returns:
        The scores, by name.

    Raises:
        ConfigError: A policy cannot be read or does not fit the task, or this machine has no such device.
        UnknownNameError: No such environment.
        EnvRewardError: The process died.
    """
    if episodes < 1:
        raise ConfigError(f"episodes must be at least 1, got {episodes}")
    if not policies:
        return {}
    with tempfile.TemporaryDirectory(prefix="envreward-evaluation-") as scratch:
        answer = Path(scratch) / "scores.json"
        request = {
            "env_id": env_id,
            "policies": {name: str(Path(folder).resolve()) for name, folder in policies.items()},
            "episodes": episodes,
            "seed": seed,
            "device": device,
            "answer": str(answer),
        }
        environment = os.environ | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
        process = subprocess.run(
            child.command(__name__),
            input=json.dumps(request),
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if not answer.exists():
            tail = process.stderr.strip().splitlines()[-1:] or ["no output"]
            raise EnvRewardError(f"the evaluation process ended with exit code {process.returncode}: {tail[0]}")
        reply = json.loads(answer.read_text())
    if "error" in reply:
        raise ConfigError(reply["error"])
    for raw in reply["scores"].values():
        raw["episode_fitness"], raw["episode_success"] = tuple(raw["episode_fitness"]), tuple(raw["episode_success"])
    return {name: Evaluation(**raw) for name, raw in reply["scores"].items()}


def play(policy: Policy, env: TaskVectorEnv, member: str, seed: int) -> Evaluation:
    """Let a policy play one episode in each world of ``env`` and return its scores.

    Args:
        policy: The policy, on the worlds' device.
        env: As many worlds as episodes are wanted.
        member: Whose policy it is.
        seed: Seeds the worlds.
    """
    import torch

    from envreward.episodes import EpisodeTracker

    obs, _ = env.reset(seed=episode_seeds(seed, env.num_envs))
    count, device = env.num_envs, env.device
    tracker = EpisodeTracker(count, env.task.fitness_reduce, device)
    playing = torch.ones(count, dtype=torch.bool, device=device)
    faults = torch.zeros(count, dtype=torch.int64, device=device)
    success = torch.zeros(count, dtype=torch.bool, device=device)
    fitness = torch.zeros(count, dtype=torch.float64, device=device)
    length = torch.zeros(count, dtype=torch.int64, device=device)
    while playing.any():
        transition = env.advance(policy.act(obs))
        obs = transition.obs
        ended = tracker.update(transition)
        if ended is not None:
            faults[ended.ids] += ended.faulted
            if faults.max() > _MAX_FAULTS:
                raise InfraError(f"the machinery under one world failed {int(faults.max())} times in a row")
            first = playing[ended.ids] & ~ended.faulted  # a lost episode is played again, as another one
            ids = ended.ids[first]
            success[ids], fitness[ids], length[ids] = ended.success[first], ended.fitness[first], ended.length[first]
            playing[ids] = False
    return Evaluation(
        member=member,
        seed=seed,
        episodes=env.num_envs,
        success=float(success.to(torch.float64).mean()),
        fitness=float(fitness.mean()),
        episode_length=float(length.to(torch.float64).mean()),
        episode_fitness=tuple(fitness.tolist()),
        episode_success=tuple(success.tolist()),
    )


def episode_seeds(seed: int, episodes: int) -> list[int]:
    """Return the seeds of the episodes that an evaluation with ``seed`` plays, in order."""
    import numpy as np

    return [int(s) for s in np.random.SeedSequence([seed, _STREAM]).generate_state(episodes, np.uint64)]


def _answer(env_id: str, policies: Mapping[str, str], episodes: int, seed: int, device: str) -> dict[str, object]:
    from envreward.training.policy_io import load_policy
    from envreward.vector_env import make_vector_env

    scores: dict[str, object] = {}
    env = make_vector_env(env_id, episodes, reward="none", num_threads=0, device=device)
    env.request(())
    try:
        for name, folder in policies.items():
            policy = load_policy(Path(folder), env.device)
            form = policy.form
            fits = tuple(env.single_observation_space.shape or ()) == form.obs_shape
            if not fits or tuple(env.single_action_space.shape or ()) != form.action_shape:
                raise ConfigError(f"the policy in {folder} was trained on {form.env_id} and does not fit {env_id}")
            scores[name] = dataclasses.asdict(play(policy, env, name, seed))
    finally:
        env.close()
    return {"scores": scores}


def main() -> None:
    """Read a request from standard input and write its answer to the file that it names."""
    import torch

    torch.set_num_threads(1)
    request = json.loads(sys.stdin.read())
    answer = Path(request.pop("answer"))
    try:
        reply = _answer(**request)
    except EnvRewardError as error:
        reply = {"error": str(error)}
    draft = answer.with_suffix(".draft")
    draft.write_text(json.dumps(reply))
    draft.replace(answer)
