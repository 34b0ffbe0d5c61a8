"""Verification: which of several reward programs can be trained on, and what is wrong with the others.

First the static check, here, which runs nothing. Then the dry run of all that passed, inside one sandbox: on real
states of the task, each program in a process of its own, so that one that hangs or dies costs the others nothing.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from envreward import child
from envreward.errors import RewardParseError, SandboxError
from envreward.registry import find_task_spec, make_task, task_files
from envreward.sandbox import Limits, Sandbox

from .dryrun import RESULTS, SETTINGS
from .parse import extract_source
from .program import check_source, rejection
from .rules import Violation
from .trial import WHOLE_TRIAL

VerdictStatus = Literal["ok", "unparsed", "rejected", "failed", "timed_out", "crashed"]

ROWS = 1024
START_S = 120.0
"""Allowed for starting Python, torch and the task on a busy machine."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What verification found of one program."""

    status: VerdictStatus
    reason: str = ""
    """What is wrong: line, reason and fix, in words for a person or a language model."""
    source: str | None = None
    """The program as it was read from the answer, if one could be read."""
    line: int | None = None
    """The line of ``source`` to blame, where there is one."""
    violations: tuple[Violation, ...] = ()
    """Every rule that a rejected program breaks."""
    parameters: tuple[str, ...] = ()
    """Fields that it reads."""
    remembers: bool = False
    """Whether it has a memory."""
    components: tuple[str, ...] = ()
    time_per_call_s: float | None = None
    """Median time of one call on ``rows`` states, inside the sandbox."""
    rows: int | None = None
    warnings: tuple[str, ...] = ()
    """Doubts that are no reason to refuse it, e.g. a component that never changes."""


@dataclass(frozen=True, kw_only=True)
class DryRun:
    """Settings of a dry run."""

    rows: int = ROWS
    """Real states to try programs on."""
    timeout_s: float = 10.0
    """Longest that one call may take."""
    memory_bytes: int = 1024**3
    """Memory that one program may add."""
    wall_s: float | None = None
    """Limit on the whole dry run; ``None``: what the programs may need at most, plus two minutes."""
    env: Mapping[str, str] = field(default_factory=dict)
    """Environment variables for the sandbox."""


def verify(
    answers: Mapping[str, str], env_id: str, sandbox: Sandbox, folder: Path, dry_run: DryRun | None = None
) -> dict[str, Verdict]:
    """Check reward programs, and try those that pass the static check on real states inside the sandbox.

    Args:
        answers: Language models' answers, or programs' sources, by a key of your choice.
        env_id: The task.
        sandbox: Where to run them.
        folder: Scratch folder for the dry run; made if need be.
        dry_run: Settings.

    Returns:
        A verdict per key, in the order given.

    Raises:
        SandboxError: The sandbox cannot be used, or the dry run broke for a reason that is no program's fault.
    """
    fields = make_task(env_id).fields
    verdicts: dict[str, Verdict] = {}
    for key, answer in answers.items():
        verdicts[key] = check_statically(answer, fields)
    passed = {key: v.source for key, v in verdicts.items() if v.status == "ok" and v.source is not None}
    if passed:
        trials = _try_all(passed, env_id, sandbox, folder, dry_run or DryRun())
        for key, trial in trials.items():
            verdicts[key] = _merge(verdicts[key], trial)
    return verdicts


def check_statically(answer: str, fields: Mapping[str, Any]) -> Verdict:
    """Parse an answer and check its program against rules and fields, running none of it.

    Returns:
        Status ``ok``, ``unparsed`` or ``rejected``.
    """
    source: str | None = None
    try:
        source = extract_source(answer)
        program, violations = check_source(source, fields)
    except RewardParseError as error:
        return Verdict(status="unparsed", reason=str(error), source=source, line=error.line)
    if violations:
        refusal = rejection(violations)
        return Verdict(
            status="rejected", reason=str(refusal), source=source, line=refusal.line, violations=tuple(violations)
        )
    return Verdict(status="ok", source=source, parameters=program.parameters, remembers=program.remembers)


def _try_all(
    programs: Mapping[str, str], env_id: str, sandbox: Sandbox, folder: Path, dry_run: DryRun
) -> dict[str, dict[str, Any]]:
    """Try all programs in one sandbox; if it dies under one of them, blame that one and start again with the rest."""
    folder = folder.resolve()
    trials: dict[str, dict[str, Any]] = {}
    attempt = 0
    while rest := {key: source for key, source in programs.items() if key not in trials}:
        scratch = folder / f"dryrun-{time.time_ns()}-{attempt}"
        scratch.mkdir(parents=True)
        attempt += 1
        ended = _run(rest, env_id, sandbox, scratch, dry_run)
        found = _read(scratch, rest)
        trials |= found
        missing = [key for key in rest if key not in found]
        if missing and ended is None:
            raise SandboxError(f"the dry run left out {missing[0]}; see {scratch}")
        if missing and not found:
            raise SandboxError(f"the dry run of reward programs broke: {ended}")
        if missing:  # the one that was running when the sandbox died
            trials[missing[0]] = {"status": "crashed", "reason": f"the dry run died with it: {ended}", "line": None}
    return trials


def _run(programs: Mapping[str, str], env_id: str, sandbox: Sandbox, scratch: Path, dry_run: DryRun) -> str | None:
    """Run one sandboxed dry run; return how it broke, or ``None`` when it did not."""
    settings = {
        "env_id": find_task_spec(env_id).id,  # names the task from any folder
        "programs": dict(programs),
        "rows": dry_run.rows,
        "timeout_s": dry_run.timeout_s,
        "memory_bytes": dry_run.memory_bytes,
    }
    (scratch / SETTINGS).write_text(json.dumps(settings))
    wall_s = dry_run.wall_s if dry_run.wall_s is not None else START_S + WHOLE_TRIAL * dry_run.timeout_s * len(programs)
    process = sandbox.start(
        child.command("envreward.rewards.dryrun", str(scratch)),
        workdir=scratch,
        readonly=task_files(env_id),
        limits=Limits(wall_s=wall_s, processes=64, file_bytes=64 * 1024**2),
        env={"OMP_NUM_THREADS": "1", **dry_run.env},
    )
    try:
        code = process.wait()
    finally:
        process.kill()  # also when we are interrupted
    if code == 0:
        return None
    if process.timed_out:
        return f"no end after {wall_s:g} s"
    lines = process.log_tail().strip().splitlines()
    return f"exit code {code}" + (f", {lines[-1]}" if lines else "")


def _read(scratch: Path, programs: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Read the trials of a dry run; a last line that was cut off counts as not written."""
    path = scratch / RESULTS
    trials: dict[str, dict[str, Any]] = {}
    for line in path.read_text().split("\n")[:-1] if path.exists() else []:
        trial = json.loads(line)
        if trial.get("key") in programs:
            trials.setdefault(trial.pop("key"), trial)
    return trials


def _merge(verdict: Verdict, trial: Mapping[str, Any]) -> Verdict:
    passed = trial["status"] == "ok"
    return Verdict(
        status=trial["status"],
        reason=trial["reason"],
        source=verdict.source,
        line=trial["line"],
        parameters=verdict.parameters,
        remembers=verdict.remembers,
        components=tuple(trial["components"]) if passed else (),
        time_per_call_s=trial["time_per_call_s"] if passed else None,
        rows=trial["rows"] if passed else None,
        warnings=tuple(trial["warnings"]) if passed else (),
    )
