"""Does Trajectory Preference Evaluation foretell what a training comes to? Meta-World's drawer-open, 200 rollouts.

    python -m benchmarks.tpe [--trainer sac] [--steps 150000] [--seeds 1] [--folder DIR]
    python -m benchmarks.tpe --part screen          # the verdicts alone, without a training

Behaviours of different quality play the same goals: the task's script as it is, disturbed, and giving up half-way;
random and zero actions. Every reward is computed over these rollouts and gets its verdict by both rules of
`envreward.designers.trajectory_preference`. Then a policy per reward and seed is trained, all in one population, and
scored in the clean room. A reward works when its policies succeed in half of the episodes. The verdict is right when
what passes works and what is refused does not. With ``--folder`` rollouts and trainings are kept there, and a run that
was killed goes on. Writes ``benchmarks/results/tpe.json`` and ``.md``; verdicts alone are only printed.
"""

from __future__ import annotations

import dataclasses
import json
import os
import platform
import shlex
import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
import tyro
from torch import Tensor

from benchmarks.tpe_rewards import PROGRAMS
from envreward.agents.correlation import spearman
from envreward.agents.policy_rollouts import NULL, RANDOM, behaviour_policy
from envreward.agents.recording import Act, SeededAct, record_rollouts, rollouts_header
from envreward.agents.rescoring import Score, rescore, rescore_program
from envreward.agents.rollout_file import RolloutFile
from envreward.agents.rollouts import Rollouts, read_rollouts
from envreward.designers.rewarded_trajectories import order, trajectories_of
from envreward.designers.trajectory_preference import DISCOUNT, THRESHOLD, Ordering, Rule
from envreward.errors import EnvRewardError
from envreward.evaluation import episode_seeds, evaluate
from envreward.registry import find, find_task_spec, make_task
from envreward.rewards.choice import choose_reward
from envreward.rewards.program import RewardProgram
from envreward.sandbox import Sandbox
from envreward.training.config import Member, TrainerName, TrainingJob
from envreward.training.runner import run_training
from envreward.training.task_settings import task_settings
from envreward.vector_env import make_vector_env

ENV = "MetaWorld-drawer-open"
RESULTS = Path(__file__).parent / "results"
RULES: Mapping[Rule, str] = {"released": "mean per step", "paper": "discounted return"}
OWN = ("expert", "sparse")
WORKS = 0.5
"""Success rate from which a reward is said to work."""


@dataclass(frozen=True, kw_only=True)
class Actor:
    """A behaviour of the task, disturbed."""

    behaviour: str
    noise: float = 0.0
    """Standard deviation of what is added to its actions, which lie in [-1, 1]."""
    steps: int | None = None
    """Steps after which it stops acting; ``None``: never."""


ACTORS: Mapping[str, Actor] = {
    "script": Actor(behaviour="scripted"),
    "script, noise 2": Actor(behaviour="scripted", noise=2.0),
    "script, noise 4": Actor(behaviour="scripted", noise=4.0),
    "script, noise 8": Actor(behaviour="scripted", noise=8.0),
    "script, 80 steps": Actor(behaviour="scripted", steps=80),
    "script, 50 steps": Actor(behaviour="scripted", steps=50),
    "random": Actor(behaviour=RANDOM),
    "null": Actor(behaviour=NULL),
}


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Compare verdicts on rewards with what trainings on them come to."""

    trainer: TrainerName = "sac"
    steps: int = 150_000
    """Environment steps per policy."""
    seeds: int = 1
    """Policies per reward."""
    rewards: tuple[str, ...] = (*OWN, *PROGRAMS)
    """Which of the rewards."""
    rollouts: int = 25
    """Episodes of each of the eight behaviours."""
    episodes: int = 50
    """Episodes in which each policy is scored."""
    sandbox: str = "bubblewrap"
    folder: Path | None = None
    """Where rollouts and trainings are kept; none: nowhere."""
    part: Literal["all", "screen"] = "all"
    """``screen``: the verdicts alone, which are printed and not written."""
    output: Path = RESULTS


class Disturbed:
    """A behaviour whose actions are disturbed, or stop; a seed gives the same actions whoever acts beside it."""

    def __init__(self, inner: Act, actor: Actor) -> None:
        self._inner, self._actor = inner, actor
        self._step = 0
        self._generators: list[torch.Generator] = []

    def begin(self, seeds: Sequence[int]) -> None:
        """Begin episodes of these seeds, one per world."""
        self._step = 0
        self._generators = [torch.Generator().manual_seed(seed % 2**63) for seed in seeds]
        if isinstance(self._inner, SeededAct):
            self._inner.begin(seeds)

    def __call__(self, obs: Tensor) -> Tensor:
        """Return an action per world."""
        action = self._inner(obs)
        self._step += 1
        if self._actor.steps is not None and self._step > self._actor.steps:
            return torch.zeros_like(action)
        if not self._actor.noise:
            return action
        noise = [torch.randn(action.shape[1:], generator=generator) for generator in self._generators]
        return (action + self._actor.noise * torch.stack(noise).to(action)).clamp(-1.0, 1.0)


def record(folder: Path, episodes: int) -> dict[str, Rollouts]:
    """Let every behaviour play the same goals; what is in ``folder`` already is not played again."""
    folder.mkdir(parents=True, exist_ok=True)
    env = make_vector_env(ENV, episodes, reward="none", num_threads=1)
    found = {}
    try:
        for name, actor in ACTORS.items():
            path = folder / f"{name.replace(', ', '-').replace(' ', '-')}-{episodes}.jsonl"
            if not path.exists():
                draft = path.with_suffix(".draft")
                draft.unlink(missing_ok=True)
                with torch.inference_mode(), RolloutFile(draft, rollouts_header(env, name)) as file:
                    act = Disturbed(behaviour_policy(env, actor.behaviour), actor)
                    record_rollouts(env, act, file, episode_seeds(0, episodes))
                draft.replace(path)
            found[name] = read_rollouts(path)
    finally:
        env.close()
    return found


def scores_of(reward: str, rollouts: Rollouts, sandbox: Sandbox) -> list[Score]:
    """Return a reward over rollouts; a program is run in the sandbox."""
    if reward in OWN:
        chosen = choose_reward(make_task(ENV), reward)
        assert chosen is not None
        return rescore(rollouts, chosen)
    program = RewardProgram.from_source(PROGRAMS[reward], rollouts.header.fields)
    with tempfile.TemporaryDirectory(prefix="tpe-") as scratch:
        return rescore_program(rollouts, program, sandbox, Path(scratch))


def screen(rewards: Sequence[str], pool: Rollouts, sandbox: Sandbox) -> dict[str, dict[str, Any]]:
    """Return the verdicts on rewards by each rule."""
    found: dict[str, dict[str, Any]] = {}
    for reward in rewards:
        seen = trajectories_of(scores_of(reward, pool, sandbox), until_success=True)
        found[reward] = {rule: _verdict(order(seen, rule, discount=DISCOUNT)) for rule in RULES}
    return found


def _verdict(ordering: Ordering) -> dict[str, Any]:
    right_pairs = 1 - ordering.wrong_pairs / ordering.pairs if ordering.pairs else None
    return {"verdict": ordering.verdict(), "accuracy": ordering.accuracy, "right_pairs": right_pairs}


def train(settings: Settings, folder: Path, sandbox: Sandbox) -> dict[str, list[float]]:
    """Return the success rates of the policies of each reward, a policy per seed; all are trained together."""
    (folder / "rewards").mkdir(parents=True, exist_ok=True)
    files = {reward: f"rewards/{reward.replace(' ', '-')}.py" for reward in settings.rewards if reward not in OWN}
    for reward, file in files.items():
        (folder / file).write_text(PROGRAMS[reward])
    members = {
        reward: tuple(
            Member(key=f"{reward.replace(' ', '-')}-s{seed}", group=reward, reward=files.get(reward, reward), seed=seed)
            for seed in range(settings.seeds)
        )
        for reward in settings.rewards
    }
    job = TrainingJob(
        env_id=ENV, members=tuple(m for own in members.values() for m in own), total_steps=settings.steps,
        trainer=settings.trainer, tensorboard=False, **task_settings(find_task_spec(ENV))._asdict(),
    )  # fmt: skip
    failed = {k: r.reason for k, r in run_training(job, folder, sandbox).items() if r.status != "trained"}
    if failed:
        raise EnvRewardError(f"policies that were not trained: {failed}")
    policies = {member.key: folder / "members" / member.key for member in job.members}
    scores = evaluate(ENV, policies, episodes=settings.episodes, seed=12345)
    return {reward: [scores[member.key].success for member in own] for reward, own in members.items()}


def agreement(rewards: Mapping[str, dict[str, Any]], rule: Rule) -> dict[str, Any]:
    """Return how the verdicts by a rule agree with what the trainings came to.

    Args:
        rewards: Verdicts and success rates by reward; what was not trained is left out.
        rule: Of the verdicts.
    """
    trained = [r for r in rewards.values() if r["success"] is not None]
    told = [r for r in trained if r[rule]["verdict"] != "cannot_tell"]
    passed = [r[rule]["verdict"] == "passed" for r in told]
    works = [statistics.fmean(r["success"]) >= WORKS for r in told]
    rates = [statistics.fmean(r["success"]) for r in told]
    return {
        "rewards": len(told),
        "right": sum(p == w for p, w in zip(passed, works, strict=True)),
        "passed_in_vain": sum(p and not w for p, w in zip(passed, works, strict=True)),
        "refused_in_vain": sum(w and not p for p, w in zip(passed, works, strict=True)),
        "spearman_accuracy": spearman([r[rule]["accuracy"] for r in told], rates) if len(told) > 1 else None,
        "spearman_pairs": spearman([r[rule]["right_pairs"] for r in told], rates) if len(told) > 1 else None,
    }


def table(report: Mapping[str, Any]) -> str:
    """Return the report as Markdown."""
    settings, rewards = report["settings"], report["rewards"]
    head = ["reward", "success after training", *(f"{words}: above all failures (pairs)" for words in RULES.values())]
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for name, found in rewards.items():
        cells = [_success(found["success"])]
        for rule in RULES:
            verdict, accuracy, pairs = (found[rule][key] for key in ("verdict", "accuracy", "right_pairs"))
            cells.append("cannot tell" if accuracy is None else f"{accuracy:.0%}, {verdict} ({pairs:.0%})")
        lines.append(f"| {name} | {' | '.join(cells)} |")
    actors = ", ".join(f"{name} {share:.0%}" for name, share in report["actors"].items())
    lines += ["", f"Success of the behaviours whose rollouts rewards were screened on: {actors}.", ""]
    for rule, words in RULES.items():
        found = agreement(rewards, rule)
        if not found["rewards"]:
            continue
        lines.append(
            f"- **{words}**: right on {found['right']} of {found['rewards']} rewards; {found['passed_in_vain']} passed "
            f"and did not work, {found['refused_in_vain']} worked and were refused. Rank correlation with success: "
            f"{_number(found['spearman_accuracy'])} of the share above all failures, "
            f"{_number(found['spearman_pairs'])} of the share of pairs in the right order."
        )
    note = (
        f"{ENV}, {report['rollouts']} rollouts, {report['successful']} of them successful and cut at their success. A "
        f"reward passes when at least {THRESHOLD:.0%} of the successful ones are worth more than the best failing one "
        f"(discount {DISCOUNT}), and works when its policies ({settings['seeds']} each, {settings['trainer']}, "
        f"{settings['steps']:,} steps each) succeed in {WORKS:.0%} of {settings['episodes']} fresh episodes: mean "
        "(each)."
    )
    return "\n".join(
        ["# Trajectory preferences and what trainings come to", "", report["machine"], "", note, "", *lines, "",
         f"Command: `{report['command']}`", ""]
    )  # fmt: skip


def _success(rates: Sequence[float] | None) -> str:
    if rates is None:
        return "not trained"
    return f"{statistics.fmean(rates):.2f} ({', '.join(f'{rate:.2f}' for rate in rates)})"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def main(settings: Settings) -> int:
    """Record, screen, train, compare and write."""
    torch.set_num_threads(1)
    load = os.getloadavg()[0]
    sandbox: Sandbox = find("sandboxes", settings.sandbox)()
    with ExitStack() as stack:
        folder = settings.folder or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tpe-")))
        played = record(folder / "rollouts", settings.rollouts)
        pool = dataclasses.replace(
            next(iter(played.values())), episodes=tuple(e for rollouts in played.values() for e in rollouts.episodes)
        )
        rewards = screen(settings.rewards, pool, sandbox)
        trained = train(settings, folder / "training", sandbox) if settings.part == "all" else {}
    report = {
        "settings": {k: v for k, v in dataclasses.asdict(settings).items() if k not in ("output", "folder")},
        "machine": f"{platform.platform()}, {os.cpu_count()} CPUs, torch {torch.__version__}, load {load:.1f} at start",
        "command": shlex.join(["python", "-m", "benchmarks.tpe", *sys.argv[1:]]),
        "rollouts": len(pool.episodes),
        "successful": sum(bool(e.success) for e in pool.episodes),
        "actors": {n: statistics.fmean(bool(e.success) for e in r.episodes) for n, r in played.items()},
        "rewards": {name: {**verdicts, "success": trained.get(name)} for name, verdicts in rewards.items()},
    }
    report["agreement"] = {rule: agreement(report["rewards"], rule) for rule in RULES}  # type: ignore[arg-type]
    text = table(report)
    if settings.part == "all":
        settings.output.mkdir(parents=True, exist_ok=True)
        (settings.output / "tpe.json").write_text(json.dumps(report, indent=1) + "\n")
        (settings.output / "tpe.md").write_text(text)
    sys.stdout.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Settings, description=__doc__)))
