"""Fixtures for the tests of studies: small configs and records."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from envreward.studies import Proposal, StudyConfig
from envreward.studies.store import StudyStore


@pytest.fixture
def make_config() -> Callable[..., StudyConfig]:
    """Return a maker of small configs whose settings can be given."""

    def make(**settings: Any) -> StudyConfig:
        base: dict[str, Any] = {
            "env_id": "EnvReward/Hopper-v0",
            "instruction": "Hop forward.",
            "samples": 2,
            "iterations": 2,
            "steps": 1000,
            "final_seeds": 3,
            "eval_episodes": 4,
        }
        return StudyConfig(**base | settings)

    return make


@pytest.fixture
def store(tmp_path: Path, make_config: Callable[..., StudyConfig]) -> Any:
    """A new record, open for writing."""
    with StudyStore.create(tmp_path / "run", make_config(), {"python": "3"}) as opened:
        yield opened


@pytest.fixture
def proposals() -> list[Proposal]:
    """Two proposals: one as an answer, one as a program."""
    return [
        Proposal(answer="an answer", origin="sample 0"),
        Proposal(answer="b", source="def compute_reward(): ...", parents=("c000",), origin="mutation"),
    ]
