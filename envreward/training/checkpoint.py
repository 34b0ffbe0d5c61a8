"""Checkpoints: the states of the members of one process at one update, in one file that appears whole or not at all.

They are safetensors files, never pickles: what a sandboxed process wrote can be read outside without running it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from .member_state import MemberState

FOLDER = "checkpoint"
_SEPARATOR = "|"


def checkpoint_path(folder: Path, stage: int, shard: int) -> Path:
    """Return where the process ``shard`` of a training's ``stage`` keeps its checkpoint."""
    return folder / FOLDER / f"stage-{stage}-shard-{shard}.safetensors"


def save_checkpoint(path: Path, states: Mapping[str, MemberState], updates: int, wall_s: float) -> None:
    """Write member states, replacing what was there in one step.

    Args:
        path: Where.
        states: By member.
        updates: Updates the members have done.
        wall_s: Wall-clock time that the job has taken.
    """
    tensors = {f"{key}{_SEPARATOR}{name}": t.contiguous() for key, state in states.items() for name, t in state.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".draft")
    save_file(tensors, draft, {"updates": str(updates), "wall_s": repr(wall_s), "members": json.dumps([*states])})
    with draft.open("rb") as file:
        os.fsync(file.fileno())
    draft.replace(path)


class Checkpoint:
    """A checkpoint file opened for reading."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with safe_open(path, "pt") as file:
            metadata: dict[str, str] = file.metadata()
        self.updates = int(metadata["updates"])
        self.wall_s = float(metadata["wall_s"])
        self.members: tuple[str, ...] = tuple(json.loads(metadata["members"]))

    def states(self) -> dict[str, MemberState]:
        """Return the members' states by key."""
        states: dict[str, MemberState] = {key: {} for key in self.members}
        with safe_open(self._path, "pt") as file:
            for joined in file.keys():  # noqa: SIM118 - not a mapping
                key, name = joined.rsplit(_SEPARATOR, 1)
                tensor: Tensor = file.get_tensor(joined)
                states[key][name] = tensor
        return states


def open_checkpoint(folder: Path, stage: int, shard: int) -> Checkpoint | None:
    """Return a process's checkpoint, or ``None`` while it has none."""
    path = checkpoint_path(folder, stage, shard)
    return Checkpoint(path) if path.exists() else None
