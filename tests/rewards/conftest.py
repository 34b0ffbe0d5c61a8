"""Fields of an imaginary task, and workers that are closed whatever happens."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import pytest
import torch

from envreward.fields import Field
from envreward.rewards.program import RewardProgram
from envreward.rewards.worker import RewardWorker


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Forked workers and two-core machines want one thread."""
    torch.set_num_threads(1)


@pytest.fixture
def fields() -> Mapping[str, Field]:
    """Public fields of several shapes and dtypes, and two that no program may know of."""
    return {
        "torso_pos": Field("Position of the torso.", shape=(3,), unit="m"),
        "torso_height": Field("Height of the torso.", unit="m"),
        "foot_contact": Field("Whether each foot touches the ground.", shape=(2,), dtype="bool"),
        "steps_in_air": Field("Steps since the last contact.", dtype="int64"),
        "note": Field("What a person wrote.", dtype="str"),
        "action": Field("The action.", shape=(2,), role="action"),
        "success": Field("Whether the task is done.", dtype="bool", private=True),
        "oracle_distance": Field("Distance that only the oracle knows.", private=True),
    }


@pytest.fixture
def make_worker(fields: Mapping[str, Field]) -> Iterator[Callable[..., RewardWorker]]:
    """Start a worker for a program's source; all are killed at the end."""
    workers: list[RewardWorker] = []

    def make(source: str, capacity: int = 64, memory_bytes: int | None = 2**30) -> RewardWorker:
        program = RewardProgram.from_source(source, fields)
        workers.append(RewardWorker(program, fields, capacity, memory_bytes=memory_bytes))
        return workers[-1]

    yield make
    for worker in workers:
        worker.close()
