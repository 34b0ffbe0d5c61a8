"""Writing rollouts: one line as each thing happens, so that a kill loses one line at most."""

from __future__ import annotations

import dataclasses
import fcntl
import json
import logging
import math
import os
import threading
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from envreward import __version__
from envreward.errors import ConfigError
from envreward.llm import Usage
from envreward.llm.base import NO_USAGE

from .rollouts import Header, Outcome, Rollouts, read_rollouts

logger = logging.getLogger("envreward.agents")


class RolloutFile:
    """A rollouts file being written, by any number of threads and one process; one that exists is continued."""

    def __init__(self, path: Path, header: Header) -> None:
        """Open or create ``path``.

        Raises:
            ConfigError: It exists and is not a rollouts file, is of another task, actor or settings, or is being
                written by another process.
            OSError: It cannot be written.
        """
        self.path, self.header = path, dataclasses.replace(header, package=__version__)
        self._lock = threading.Lock()
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = open(path, "ab", buffering=0)  # noqa: SIM115 - closed by `close`
        try:
            self.before = self._open()
        except BaseException:
            self._file.close()
            raise

    before: Rollouts | None
    """What the file held when it was opened; ``None`` for a new one."""

    def _open(self) -> Rollouts | None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigError(f"{self.path} is being written by another process") from None
        if not os.fstat(self._file.fileno()).st_size:
            self.append(self.header.to_json())
            return None
        before = read_rollouts(self.path)
        _check_same(self.path, before.header, self.header)
        if before.torn:
            data = self.path.read_bytes()
            os.ftruncate(self._file.fileno(), data.rfind(b"\n") + 1)
        return before

    def begin(
        self, seed: int, *, instruction: str, facts: Mapping[str, Any] | None, state_hash: str = "", **more: Any
    ) -> EpisodeLog:
        """Record the start of an episode.

        Args:
            seed: Of the episode, which is known by it.
            instruction: What is to be done in it.
            facts: All fields after the reset, as plain values; ``None`` where the world could not be seen.
            state_hash: Of the state after the reset.
            **more: Further entries of the line.
        """
        line = {"kind": "begin", "seed": seed, "instruction": instruction, "facts": facts, "state_hash": state_hash}
        self.append(_dumps({**line, **more}))
        return EpisodeLog(self, seed)

    def append(self, line: str, *, sync: bool = False) -> None:
        """Write a line; it survives the end of this process, and with ``sync`` that of the machine.

        Raises:
            OSError: It cannot be written, e.g. as the disk is full; the file is as it was before.
        """
        data = line.encode() + b"\n"
        with self._lock:
            size = os.fstat(self._file.fileno()).st_size
            try:
                written = self._file.write(data)
                if written != len(data):
                    self._file.write(data[written:])  # says why it could not be written whole
                if sync:
                    os.fsync(self._file.fileno())
            except OSError as error:
                os.ftruncate(self._file.fileno(), size)
                raise OSError(error.errno, error.strerror, str(self.path)) from None

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> RolloutFile:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()


class EpisodeLog:
    """One running episode in a `RolloutFile`; keeps its totals."""

    def __init__(self, file: RolloutFile, seed: int) -> None:
        self._file, self.seed = file, seed
        self.steps = 0
        self.usage: Usage = NO_USAGE
        self._success, self._terminated = False, False
        self._fitness: list[float] = []

    def step(
        self,
        *,
        facts: Mapping[str, Any],
        action: Any,
        terminated: bool,
        truncated: bool,
        state_hash: str = "",
        action_error: str = "",
        infra_error: str = "",
        usage: Usage | None = None,
        **more: Any,
    ) -> None:
        """Record one step.

        Args:
            facts: All fields after the action, as plain values.
            action: The action, as plain JSON values.
            terminated: Whether the episode ended by itself.
            truncated: Whether it was cut off.
            state_hash: Of the state after the action.
            action_error: Why the action could not be taken.
            infra_error: What of the machinery failed.
            usage: What a language model has cost in this step.
            **more: Further entries of the line.
        """
        line: dict[str, Any] = {
            "kind": "step",
            "seed": self.seed,
            "step": self.steps,
            "facts": facts,
            "action": action,
            "state_hash": state_hash,
            "action_error": action_error,
            "infra_error": infra_error,
            "terminated": terminated,
            "truncated": truncated,
        }
        if usage is not None:
            line["usage"] = dataclasses.asdict(usage)
            self.usage += usage
        self._file.append(_dumps({**line, **more}))
        self.steps += 1
        self._success |= bool(facts["success"])
        self._terminated = terminated
        self._fitness.append(float(facts["fitness"]))

    def end(self, *, lost: str = "", reason: str = "") -> Outcome:
        """Record the end of the episode and return its outcome.

        Args:
            lost: What failed under it, where it was lost.
            reason: Why it was cut off, where there is something to say.
        """
        outcome: Outcome = "truncated"
        if lost:
            outcome = "lost"
        elif self._success:
            outcome = "success"
        elif self._terminated:
            outcome = "failed"
        line = {
            "kind": "end",
            "seed": self.seed,
            "outcome": outcome,
            "reason": lost or reason,
            "fitness": None if lost or not self._fitness else self._reduced(),
            "steps": self.steps,
            "usage": dataclasses.asdict(self.usage),
        }
        self._file.append(_dumps(line), sync=True)
        return outcome

    def _reduced(self) -> float:
        how, values = self._file.header.fitness_reduce, self._fitness
        if how in ("sum", "mean"):
            return math.fsum(values) / (len(values) if how == "mean" else 1)
        return max(values) if how == "max" else values[-1]


def _check_same(path: Path, old: Header, new: Header) -> None:
    for name in ("env_id", "actor", "horizon", "settings"):
        was, now = getattr(old, name), getattr(new, name)
        if was != now:
            raise ConfigError(f"{path} holds rollouts with {name} {was!r}, not {now!r}; choose another file")
    if {**old.fields} != {n: dataclasses.replace(f, read=None) for n, f in new.fields.items()}:
        raise ConfigError(f"{path} holds rollouts of {old.env_id} with other fields; choose another file")
    if old.package != new.package:
        logger.warning("%s was begun with version %s, this is %s", path, old.package, new.package)


def _dumps(line: dict[str, Any]) -> str:
    try:
        return json.dumps(line, allow_nan=False)
    except ValueError:  # a number that is not finite, which strict JSON has no way to write
        return json.dumps(_spelled(line), allow_nan=False)


def _spelled(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _spelled(entry) for name, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_spelled(entry) for entry in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
