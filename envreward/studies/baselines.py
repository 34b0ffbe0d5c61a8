"""Baselines kept between studies: the expert and the sparse reward, trained once per task, budget, seed and code.

A policy does not depend on who shares its training, so each is kept on its own: a study that wants five seeds finds the
three that an earlier one trained. The name of an entry is a hash of all that decides the result, this installation's
training code included, so that an entry can never be out of date. An entry appears whole or not at all, by a rename.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import importlib
import importlib.metadata
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from envreward.registry import task_files
from envreward.task import Task
from envreward.training.config import Member, MemberResult, MetricRow, TrainingJob

CACHE_VARIABLE = "ENVREWARD_CACHE"
_SHARED_CODE = (
    "envreward.training",
    "envreward.sims",
    "envreward.vector_env",
    "envreward.task_vector_env",
    "envreward.sim_vector_env",
    "envreward.episodes",
    "envreward.task",
)
_SHARED_LIBRARIES = ("mujoco", "torch", "gymnasium", "numpy", "stable-baselines3")


def cache_root() -> Path:
    """Return where baselines are kept: ``$ENVREWARD_CACHE``, else ``envreward`` in the user's cache folder."""
    if own := os.environ.get(CACHE_VARIABLE):
        return Path(own) / "baselines"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "envreward" / "baselines"


class BaselineCache:
    """The kept baselines of one task under one set of training settings."""

    def __init__(self, task: Task, job: TrainingJob) -> None:
        """Prepare to look up members of ``job``, whose members themselves do not matter here."""
        settings = {
            "env_id": job.env_id,
            "total_steps": job.total_steps,
            "trainer": job.trainer,
            "device": job.device,
            "checkpoint": job.checkpoint,
            "algorithm": dataclasses.asdict(job.algorithm),
            "code": code_digest(task),
            "files": [hashlib.sha256(path.read_bytes()).hexdigest() for path in task_files(job.env_id)],
            "libraries": {name: _version(name) for name in _SHARED_LIBRARIES},
            "python": sys.version_info[:2],
        }
        self._settings = settings
        self._root = cache_root()

    def holds(self, member: Member) -> bool:
        """Return whether the policy is kept."""
        return (self._entry(member) / "result.json").is_file()

    def copy_to(self, member: Member, training: Path) -> MemberResult | None:
        """Copy a kept policy to the folder ``training`` as if it had been trained there, alone.

        Returns:
            Its result, or ``None`` when it is not kept (or the entry is unreadable).
        """
        entry = self._entry(member)
        try:
            rows = [json.loads(line) for line in (entry / "metrics.jsonl").read_text().splitlines()]
            result = MemberResult(**json.loads((entry / "result.json").read_text()) | {"key": member.key})
            own = shutil.ignore_patterns("metrics.jsonl", "settings.json", "result.json")
            shutil.copytree(entry, training / "members" / member.key, dirs_exist_ok=True, ignore=own)
        except (FileNotFoundError, ValueError, TypeError):
            return None
        lines = (json.dumps(row | {"key": member.key}) + "\n" for row in rows)
        (training / "metrics.jsonl").write_text("".join(lines))
        result.save(training)
        return result

    def keep(self, member: Member, training: Path, rows: Iterable[MetricRow]) -> None:
        """Keep a policy that was trained to the end in the folder ``training``.

        Raises:
            OSError: The cache cannot be written.
        """
        entry = self._entry(member)
        if entry.exists():
            return
        entry.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=".draft-", dir=entry.parent))
        try:
            shutil.copytree(training / "members" / member.key, draft, dirs_exist_ok=True)
            own = (json.dumps(dataclasses.asdict(row)) + "\n" for row in rows if row.key == member.key)
            (draft / "metrics.jsonl").write_text("".join(own))
            (draft / "settings.json").write_text(json.dumps(self._identity(member), indent=1))
            draft.chmod(0o755)
            try:
                draft.rename(entry)
            except OSError:
                if not entry.exists():  # else another study was faster, with the same policy
                    raise
        finally:
            shutil.rmtree(draft, ignore_errors=True)

    def _identity(self, member: Member) -> dict[str, object]:
        return {**self._settings, "reward": member.reward, "seed": member.seed}

    def _entry(self, member: Member) -> Path:
        digest = hashlib.sha256(json.dumps(self._identity(member), sort_keys=True).encode()).hexdigest()[:24]
        task = str(self._settings["env_id"]).rpartition("/")[2]
        return self._root / f"{task}-{member.reward}-{digest}"


def code_digest(task: Task) -> str:
    """Return a hash of the source that decides what training on ``task`` gives: trainer, simulator and the task."""
    classes = [cls.__module__ for cls in type(task).__mro__ if cls.__module__ not in ("builtins", "abc")]
    return _digest(tuple(dict.fromkeys([*_SHARED_CODE, *classes])))


@functools.cache
def _digest(modules: tuple[str, ...]) -> str:
    digest = hashlib.sha256()
    for name in modules:
        file = importlib.import_module(name).__file__
        if file is None:
            continue
        path = Path(file)
        sources = sorted(path.parent.rglob("*.py")) if path.name == "__init__.py" else [path]
        for source in sources:
            digest.update(source.name.encode() + b"\0" + source.read_bytes() + b"\0")
    return digest.hexdigest()


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
