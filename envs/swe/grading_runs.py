"""Running tests behind a `Runner`, with findings that the tested code cannot write; see `grading_child`."""

from __future__ import annotations

import functools
import hmac
import json
import secrets
import shlex
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from envreward.errors import ActionError, InfraError

from . import grading_child
from .grading_trees import Changes
from .runner import Runner


@dataclass(frozen=True, kw_only=True)
class Suite:
    """How the tests of a repository are run."""

    framework: Literal["pytest", "plain"] = "pytest"
    """``plain``: modules of functions ``test_...`` with assertions and nothing else; ten times quicker to start."""
    roots: tuple[str, ...] = ("",)
    """Folders of the repository from which modules are imported."""
    paths: tuple[str, ...]
    """Test files."""
    python_path: tuple[Path, ...] = ()
    """Folders with pytest and what else the tests need; see `RunnerFactory.open`."""
    timeout_s: float = 60.0
    """For one run of all tests."""


@dataclass(frozen=True)
class Job:
    """Some tests to run, with some files replaced."""

    tests: Collection[str] | None = None
    """Their ids; ``None``: all in the suite's files."""
    files: Mapping[str, str | None] = field(default_factory=dict)
    """Texts to write before; put back afterwards."""
    paths: tuple[str, ...] | None = None
    """Test files to look in; ``None``: those of the suite."""
    timeout_s: float | None = None


@dataclass(frozen=True, kw_only=True)
class Run:
    """What a supervisor found."""

    collected: tuple[str, ...] = ()
    outcomes: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """Status and message by test: passed, failed, error, skipped, xfailed or xpassed."""
    lines: Mapping[str, Mapping[str, frozenset[int]]] = field(default_factory=dict)
    """Lines executed, by test and traced file."""
    notes: tuple[tuple[str, str], ...] = ()
    done: int | None = None
    """The exit code that the worker announced after its last test; ``None`` where it never came to that."""
    exit_code: int | None = None
    """The exit code it had; a signal as its negative number; ``None`` where nothing is known of it."""
    timed_out: bool = False
    left: int = 0
    """Processes that it left running, which were killed."""
    output: str = ""
    wall_s: float = 0.0

    @property
    def complete(self) -> bool:
        """Whether it ran to its end, and its exit code agrees with its tests' outcomes."""
        bad = any(status in ("failed", "error") for status, _ in self.outcomes.values())
        return self.done is not None and self.done == self.exit_code and self.done in ((1,) if bad else (0, 5))


def run_jobs(
    runner: Runner,
    suite: Suite,
    jobs: Sequence[Job],
    *,
    watched: Collection[str] = (),
    traced: Sequence[str] = (),
    explain: bool = False,
) -> list[Run] | None:
    """Run jobs one after another, each in a process of its own.

    Several jobs at once are for code that is trusted not to meddle with the next one.

    Returns:
        What was found, or ``None`` where no signed findings came back: the supervisor was killed.

    Raises:
        InfraError: The runner broke, or cannot protect the supervisor.
    """
    plan = {
        "framework": suite.framework,
        "roots": suite.roots,
        "explain": explain,
        "watched": sorted(watched),
        "traced": list(traced),
        "jobs": [
            {
                "files": dict(job.files),
                "paths": job.paths or suite.paths,
                "tests": None if job.tests is None else sorted(job.tests),
                "timeout_s": job.timeout_s or suite.timeout_s,
            }
            for job in jobs
        ],
    }
    key, name = secrets.token_bytes(32), f".{secrets.token_hex(8)}"
    runner.write(f"{name}.plan", json.dumps(plan).encode())
    runner.write(f"{name}.key", key)
    command = f"exec python3 -I -S -c {_program()} {name}.plan {name}.key {name}.result"
    limit_s = sum(job.timeout_s or suite.timeout_s for job in jobs) + 20.0
    done = runner.exec(command, timeout_s=limit_s)
    try:
        signature, text = runner.read(f"{name}.result").split(b"\n", 1)
    except (ActionError, ValueError):
        if done.exit_code in (126, 127):
            raise InfraError(f"the runner cannot start python3: {done.output[-200:].strip()}") from None
        if "Traceback" in done.output and "ModuleNotFoundError" in done.output:
            raise InfraError(f"the test supervisor failed: {done.output.strip().splitlines()[-1]}") from None
        return None
    if not hmac.compare_digest(signature, hmac.new(key, text, "sha256").hexdigest().encode()):
        return None
    found = json.loads(text)
    if not found["hardened"]:
        raise InfraError("this runner cannot protect the test supervisor (prctl is refused): tests are not graded here")
    return [_run(values, traced) for values in found["jobs"]]


@functools.cache
def _program() -> str:
    return shlex.quote(Path(grading_child.__file__).read_text(encoding="utf-8"))


def _run(values: Mapping[str, Any], traced: Sequence[str]) -> Run:
    lines = {}
    for test, pairs in values["lines"].items():
        by_file: dict[str, set[int]] = {}
        for index, line in pairs:
            by_file.setdefault(traced[index], set()).add(line)
        lines[test] = {path: frozenset(numbers) for path, numbers in by_file.items()}
    return Run(
        collected=tuple(values["collected"]),
        outcomes={test: (status, message) for test, (status, message) in values["outcomes"].items()},
        lines=lines,
        notes=tuple((name, evidence) for name, evidence in values["notes"]),
        done=values["done"],
        exit_code=values["exit_code"],
        timed_out=values["timed_out"],
        left=values["left"],
        output=values["output"],
        wall_s=values["wall_s"],
    )


def place(runner: Runner, changes: Changes) -> None:
    """Write and delete files in a runner's repository.

    Raises:
        ActionError: A file cannot be written.
        InfraError: The runner broke.
    """
    gone = [path for path, data in changes.items() if data is None]
    if gone:  # first, as a file may take the place of a folder that is empty then
        folders = {path.rpartition("/")[0] for path in gone} - {""}
        command = f"rm -f -- {_quoted(gone)}"
        if folders:
            command += f"; rmdir -p --ignore-fail-on-non-empty -- {_quoted(folders)}"
        runner.exec(command, timeout_s=20.0)
    for path, data in changes.items():
        if data is not None:
            runner.write(path, data)


def _quoted(paths: Collection[str]) -> str:
    return " ".join(map(shlex.quote, sorted(paths)))
