"""Episodes of the counter family, made by hand: what its fields would say of given values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from envreward import registry
from envreward.agents.rollouts import Episode, Header, Outcome, Rollouts
from envreward.judging import Player
from envreward.judging.findings import Kind
from envreward.llm.base import NO_USAGE

ENV = f"{Path(__file__).parents[1] / 'counter_worlds.py'}:shaped"
Play = Callable[..., Player]


def stored(dtype: str) -> Any:
    """In which type a field is recorded."""
    return dtype


def episode(seed: int, values: Sequence[int], target: int, outcome: Outcome | None = None) -> Episode:
    """The counter at these values, one after another."""
    value = torch.tensor(values, dtype=torch.float32)
    done = value == target
    steps = len(values) - 1
    ended = torch.arange(1, steps + 1) == (steps if bool(done[-1]) else -1)
    facts: dict[str, Any] = {
        "value": value,
        "target": torch.full_like(value, target),
        "shown": [f"{v} of {target}" for v in values],
        "success": done,
        "failure": done,
        "fitness": done.float(),
        "progress": 1 - ((target - value).abs() / 10).clamp(max=1),
    }
    return Episode(
        seed=seed,
        instruction=f"Bring the counter to {target}.",
        outcome=outcome or ("success" if bool(done[1:].any()) else "truncated"),
        reason="",
        fitness=None if outcome == "lost" else float(done[-1]),
        usage=NO_USAGE,
        facts=facts,
        terminated=ended,
        truncated=~ended & (torch.arange(1, steps + 1) == steps),
        actions=[None] * steps,
        state_hash=[],
        action_error=[""] * steps,
        infra_error=[""] * steps,
    )


@pytest.fixture
def recorded() -> Callable[..., Episode]:
    """Make an episode from the values of the counter, one after another."""
    return episode


@pytest.fixture
def play() -> Play:
    """Make a player from lists of values, one list per episode."""
    task = registry.make_task(ENV)
    fields = {name: f for name, f in task.fields.items() if name not in ("action", "state_hash")}
    known = [n for n in fields if n in ("value", "target", "shown", "success", "failure", "fitness", "progress")]

    def make(
        name: str, *episodes: Sequence[int], kind: Kind = "recorded", target: int = 3, outcome: Outcome | None = None
    ) -> Player:
        header = Header(
            env_id=task.spec.id,
            actor=name,
            horizon=12,
            fitness_reduce="last",
            fields={n: fields[n] for n in known},
            stored={n: stored(fields[n].dtype) for n in known},
        )
        rollouts = Rollouts(
            path=Path(f"{name}.jsonl"),
            header=header,
            episodes=tuple(episode(i, values, target, outcome) for i, values in enumerate(episodes)),
            unfinished=(),
            usage=NO_USAGE,
            torn=False,
        )
        return Player(name=name, kind=kind, rollouts=rollouts)

    return make


@pytest.fixture
def players(play: Play) -> list[Player]:
    """Five policies, from one that always arrives to one that walks away."""
    return [
        play("best", [0, 1, 2, 3], [0, 1, 2, 3], kind="reference"),
        play("good", [0, 1, 2, 3], [0, 1, 0, 1, 2, 3]),
        play("half", [0, 1, 2, 3], [0, 1, 0, 1, 0, 1], [0, -1, 0, 1, 2, 3, 2]),
        play("poor", [0, -1, 0, 1, 0, 1], [0, 1, 2, 1, 0, 1]),
        play("worst", [0, -1, -2, -3, -4, -5], [0, -1, -2, -1, -2, -3], kind="null"),
    ]
