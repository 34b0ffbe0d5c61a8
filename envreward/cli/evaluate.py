"""``envreward evaluate``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from ._options import MaybeText


@dataclass(frozen=True, kw_only=True)
class Command:
    """Score a trained policy on fresh episodes, in a process that knows no reward."""

    policy: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="POLICY_DIR")]
    """Folder that holds policy.safetensors and policy.json."""
    env: MaybeText = None
    """The task to score it on (default: the one it was trained on)."""
    episodes: int = 100
    """Episodes to play."""
    seed: int = 0
    """Seeds the episodes."""
    device: str = "cpu"
    """Where the worlds are: cpu, cuda or cuda:1."""

    def run(self) -> int:
        """Play, and print mean and spread over the episodes."""
        from rich.console import Console

        from envreward.evaluation import evaluate
        from envreward.registry import find_task_spec
        from envreward.training.policy_io import load_policy

        spec = find_task_spec(self.env or load_policy(self.policy).form.env_id)
        scores = evaluate(spec.id, {"policy": self.policy}, episodes=self.episodes, seed=self.seed, device=self.device)
        score = scores["policy"]
        values = sorted(score.episode_fitness)
        console = Console()
        console.print(f"{spec.id}, {self.episodes} episodes, seed {self.seed}", soft_wrap=True)
        console.print(f"success         {score.success:.1%}")
        console.print(f"fitness         {score.fitness:,.4g} (from {values[0]:,.4g} to {values[-1]:,.4g})")
        console.print(f"episode length  {score.episode_length:,.1f}")
        return 0
