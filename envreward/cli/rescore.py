"""``envreward rescore``: compute any reward over recorded rollouts."""

from __future__ import annotations

import dataclasses
import json
import math
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from ._files import read_text
from ._format import number

if TYPE_CHECKING:
    from torch import Tensor

    from envreward.agents.rescoring import Agreement, Score
    from envreward.agents.rollouts import Rollouts

_MAX_ROWS = 50
_MAX_COMPONENTS = 6


@dataclass(frozen=True)
class Command:
    """Compute a reward over recorded rollouts, as if it had been paid while they were played.

    Prints the return of each episode beside its success and fitness, and how well the one tells the others: the
    correlation of return and fitness, and the probability that a success has a higher return than a failure (AUC).
    A reward that agents can cheat shows here: high returns without success.

    A reward program runs inside the sandbox and sees the recorded public fields alone.
    """

    rollouts: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="ROLLOUTS")]
    """The rollouts, as `envreward agent` writes them."""
    reward: str
    """A reward program's file; or expert, sparse or another of the task's rewards by name (see `envreward envs ID`)."""
    sandbox: str = "bubblewrap"
    """Where a program runs: bubblewrap, or process (no wall around it: for programs you trust)."""
    json: bool = False
    """Print JSON instead of text, with the reward of every step."""

    def run(self) -> int:
        """Compute the rewards and print them."""
        from envreward.agents.rescoring import agreement
        from envreward.agents.rollouts import read_rollouts
        from envreward.errors import ConfigError

        rollouts = read_rollouts(self.rollouts)
        if not rollouts.episodes:
            raise ConfigError(f"{self.rollouts} holds no episode that has ended")
        scores = self._score(rollouts)
        overall = agreement(scores)
        if self.json:
            sys.stdout.write(json.dumps(_as_json(rollouts, self.reward, scores, overall), indent=1) + "\n")
        else:
            _print(rollouts, self.reward, scores, overall)
        return 0

    def _score(self, rollouts: Rollouts) -> list[Score]:
        from envreward.agents.rescoring import rescore, rescore_program
        from envreward.errors import ConfigError
        from envreward.registry import make_task
        from envreward.rewards.choice import choose_reward
        from envreward.rewards.program import RewardProgram
        from envreward.studies.crew import usable_sandbox

        file = Path(self.reward)
        if self.reward in ("expert", "sparse") or not file.is_file():
            reward = choose_reward(make_task(rollouts.header.env_id), self.reward)
            if reward is None:
                raise ConfigError("--reward none pays nothing; name a reward")
            return rescore(rollouts, reward)
        program = RewardProgram.from_answer(read_text(file), rollouts.header.fields)
        sandbox = usable_sandbox(self.sandbox)
        with tempfile.TemporaryDirectory(prefix="envreward-rescore-") as folder:
            return rescore_program(rollouts, program, sandbox, Path(folder))


def _as_json(rollouts: Rollouts, reward: str, scores: list[Score], overall: Agreement) -> dict[str, Any]:
    return {
        "rollouts": str(rollouts.path),
        "env_id": rollouts.header.env_id,
        "actor": rollouts.header.actor,
        "reward": reward,
        "episodes": [_episode(score) for score in scores],
        "overall": dataclasses.asdict(overall),
    }


def _episode(score: Score) -> dict[str, Any]:
    episode = score.episode
    return {
        "seed": episode.seed,
        "outcome": episode.outcome,
        "steps": episode.steps,
        "return": score.episode_return,
        "success": episode.success,
        "fitness": episode.fitness,
        "nonzero_steps": score.nonzero_steps,
        "components": {name: _sum(values) for name, values in score.components.items()},
        "rewards": [None if math.isnan(reward) else reward for reward in score.rewards.tolist()],
    }


def _print(rollouts: Rollouts, reward: str, scores: list[Score], overall: Agreement) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    header = rollouts.header
    console.print(Text(f"{reward} over {len(scores)} episodes of {header.actor} in {header.env_id}"), soft_wrap=True)
    components = [*scores[0].components][:_MAX_COMPONENTS] if scores else []
    table = Table(box=None, header_style="dim", pad_edge=False)
    for name in ("seed", "outcome", "steps", "return", "fitness", *components):
        table.add_column(name, justify="left" if name == "outcome" else "right")
    for score in scores[:_MAX_ROWS]:
        episode = score.episode
        sums = (number(_sum(score.components[name])) for name in components)
        cells = (str(episode.seed), episode.outcome, str(episode.steps), number(score.episode_return))
        table.add_row(*map(Text, (*cells, number(episode.fitness), *sums)))
    console.print(table)
    if len(scores) > _MAX_ROWS:
        console.print(f"... and {len(scores) - _MAX_ROWS} more (all with --json)")
    share = f"{overall.nonzero_steps:,} of {overall.steps:,}" if overall.steps else "none"
    for name, text in (
        ("return and fitness", f"Pearson {_or_undefined(overall.pearson)}, Spearman {_or_undefined(overall.spearman)}"),
        ("return tells success", f"AUC {_or_undefined(overall.auc)}"),
        ("reward is not zero", f"in {share} steps"),
    ):
        console.print(Text(f"{name:<22}{text}"), soft_wrap=True)


def _sum(values: Tensor) -> float | None:
    total = float(values.double().sum())
    return None if math.isnan(total) else total


def _or_undefined(value: float | None) -> str:
    return "undefined (no spread)" if value is None else f"{value:.3f}"
