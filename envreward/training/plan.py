"""Plan: which stage a training is in and which process trains which members, kept on disk across kills."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

from .checkpoint import FOLDER, Checkpoint, open_checkpoint
from .config import Member, TrainingJob


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One stage of a training: without racing there is one, with racing one per rung and the last."""

    stage: int
    until: int
    """Updates after which the stage ends."""
    shards: tuple[tuple[str, ...], ...]
    """Keys of the members of each process."""
    previous_shards: int = 0
    """Number of processes of the stage before."""

    def members(self, job: TrainingJob, shard: int) -> list[Member]:
        """Return the members of one process, in the job's order."""
        return [m for m in job.members if m.key in self.shards[shard]]

    def earlier_checkpoints(self, folder: Path) -> list[Checkpoint]:
        """Return the checkpoints with which the stage before ended."""
        found = [open_checkpoint(folder, self.stage - 1, shard) for shard in range(self.previous_shards)]
        return [checkpoint for checkpoint in found if checkpoint is not None]

    def save(self, folder: Path) -> None:
        """Write the plan, replacing the one before in one step."""
        path = folder / FOLDER / "plan.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_suffix(".draft")
        draft.write_text(json.dumps(dataclasses.asdict(self)))
        draft.replace(path)

    @classmethod
    def load(cls, folder: Path) -> Plan | None:
        """Return the plan of a training that has begun, or ``None``."""
        path = folder / FOLDER / "plan.json"
        if not path.exists():
            return None
        raw = json.loads(path.read_text())
        raw["shards"] = tuple(tuple(keys) for keys in raw["shards"])
        return cls(**raw)
