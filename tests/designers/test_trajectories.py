"""Trajectories in words: public facts at chosen steps, and which episodes failed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from envreward.agents.rollouts import Episode, Header, Rollouts
from envreward.designers.trajectories import failures, show
from envreward.fields import Field
from envreward.llm.base import NO_USAGE

FIELDS = {
    "height": Field("Height."),
    "joints": Field("Angles.", shape=(2,)),
    "image": Field("Many numbers.", shape=(20,)),
    "done": Field("Done.", dtype="bool"),
    "secret": Field("Private.", private=True),
}


def episode(steps: int, outcome: Any = "failed", reason: str = "") -> Episode:
    rows = torch.arange(steps + 1.0)
    facts = {
        "height": rows,
        "joints": torch.stack((rows, -rows / 3), 1),
        "image": rows.unsqueeze(1) * torch.linspace(0, 1, 20),
        "done": rows > 2,
        "secret": rows,
    }
    flags = torch.zeros(steps, dtype=torch.bool)
    return Episode(
        seed=0, instruction="", outcome=outcome, reason=reason, fitness=0.0, usage=NO_USAGE, facts=facts,
        terminated=flags, truncated=flags, actions=[0] * steps, state_hash=(), action_error=(), infra_error=(),
    )  # fmt: skip


def test_steps_and_facts() -> None:
    """Evenly spaced steps and the last ones, each once; private facts never."""
    shown = show(episode(10), FIELDS, spread=3, last=2)
    assert [row.partition(":")[0] for row in shown.rows] == ["step 1", "step 6", "step 9", "step 10"]
    assert shown.rows[0] == "step 1: height 1, joints [1, -0.333], image 20 entries from 0 to 1, done False"
    assert "done True" in shown.rows[-1] and "secret" not in "".join(shown.rows)
    assert (shown.length, shown.ending) == (10, "it ended by itself")
    assert show(episode(1, "truncated"), FIELDS, spread=5, last=5).rows[0].startswith("step 1: height 1,")


def test_only_failures() -> None:
    """Successes, lost episodes and those without a step are no failures."""
    kinds = [episode(3), episode(3, "success"), episode(3, "lost"), episode(0), episode(3, "truncated")]
    header = Header(env_id="x", actor="y", horizon=3, fitness_reduce="sum", fields=FIELDS, stored={})
    rollouts = Rollouts(path=Path("x"), header=header, episodes=tuple(kinds), unfinished=(), usage=NO_USAGE, torn=False)
    assert failures(rollouts) == [kinds[0], kinds[4]]
