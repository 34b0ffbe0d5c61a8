"""Checkpoints: the states of the members of one process at one update, in one file that appears whole or not at all.

What members have experienced (``replay.*``) is too long to be written again each time: a million transitions of
Meta-World take 177 MB. It goes into parts, files that hold what came since the checkpoint before, are written once and
never changed; the checkpoint names its parts. So a checkpoint costs what is new (60,000 transitions, about half a
minute's: 11 MB and 0.05 s), a kill between the two loses nothing, and a million are read back in 0.2 s.

They are safetensors files, never pickles: what a sandboxed process wrote can be read outside without running it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from .member_state import REPLAY, MemberState

FOLDER = "checkpoint"
_SEPARATOR = "|"


def checkpoint_path(folder: Path, stage: int, shard: int) -> Path:
    """Return where the process ``shard`` of a training's ``stage`` keeps its checkpoint."""
    return folder / FOLDER / f"stage-{stage}-shard-{shard}.safetensors"


class CheckpointWriter:
    """Writes the checkpoints of one process."""

    def __init__(self, path: Path, memory: int, parts: Mapping[str, Iterable[str]], updates: int) -> None:
        """Go on from a checkpoint, or begin.

        Args:
            path: Of the checkpoint.
            memory: Updates whose experience a member keeps; parts that are older are deleted.
            parts: Names of the parts of each member's experience that are on disk.
            updates: Updates whose experience they hold.
        """
        self._path, self._memory = path, memory
        self._parts = {key: [*names] for key, names in parts.items()}
        self.saved = updates
        """Updates whose experience is on disk."""

    def save(self, states: Mapping[str, MemberState], updates: int, wall_s: float) -> None:
        """Write member states, replacing what was there in one step.

        Args:
            states: By member; of their experience, what came after `saved` updates.
            updates: Updates the members have done.
            wall_s: Wall-clock time that the job has taken.
        """
        old: list[Path] = []
        for key, state in states.items():
            new = {name: rows for name, rows in state.items() if name.startswith(REPLAY)}
            names = self._parts.setdefault(key, [])
            if new:
                names.append(f"{self.saved:09d}-{updates:09d}")
                _write(self._part(key, names[-1]), new, {})
            while names and int(names[0].partition("-")[2]) <= updates - self._memory:
                old.append(self._part(key, names.pop(0)))
        tensors = {
            f"{key}{_SEPARATOR}{name}": rows
            for key, state in states.items()
            for name, rows in state.items()
            if not name.startswith(REPLAY)
        }
        metadata = {"updates": str(updates), "wall_s": repr(wall_s), "members": json.dumps([*states])}
        metadata["parts"] = json.dumps({key: self._parts[key] for key in states})
        _write(self._path, tensors, metadata)
        self.saved = updates
        for path in old:
            path.unlink(missing_ok=True)

    def _part(self, key: str, name: str) -> Path:
        return _part_path(self._path.parent, key, name)


class Checkpoint:
    """A checkpoint file opened for reading."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with safe_open(path, "pt") as file:
            metadata: dict[str, str] = file.metadata()
        self.updates = int(metadata["updates"])
        self.wall_s = float(metadata["wall_s"])
        self.members: tuple[str, ...] = tuple(json.loads(metadata["members"]))
        self.parts: dict[str, list[str]] = json.loads(metadata.get("parts", "{}"))
        """Names of the parts of each member's experience."""

    def states(self) -> dict[str, MemberState]:
        """Return the members' states by key, without their experience: see `load_parts`."""
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


def load_parts(folder: Path, key: str, names: Iterable[str]) -> MemberState:
    """Return what a member of the training in ``folder`` has experienced, from the parts that its checkpoint names."""
    experience: MemberState = {}
    for name in names:
        experience |= load_file(_part_path(folder / FOLDER, key, name))
    return experience


def _part_path(folder: Path, key: str, name: str) -> Path:
    return folder / "replay" / key / f"{name}.safetensors"


def _write(path: Path, tensors: Mapping[str, Tensor], metadata: dict[str, str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".draft")
    save_file({name: t.contiguous() for name, t in tensors.items()}, draft, metadata)
    with draft.open("rb") as file:
        os.fsync(file.fileno())
    draft.replace(path)
