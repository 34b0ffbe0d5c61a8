"""``envreward check``."""

from __future__ import annotations

import dataclasses
import json
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from ._files import read_text

if TYPE_CHECKING:
    from envreward.rewards.verify import Verdict


@dataclass(frozen=True)
class Command:
    """Verify a reward program and say what is wrong with it.

    First its text is checked against the rules of reward programs and the environment's fields; then it is tried on
    real states of the environment inside the sandbox. Exit code 0: it can be trained on. 3: it cannot.
    """

    file: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="FILE")]
    """The reward program: Python, or a language model's answer that contains it."""
    env: Annotated[str, tyro.conf.arg(metavar="ID")]
    """The environment it is for, e.g. Hopper (see `envreward envs`)."""
    sandbox: str = "bubblewrap"
    """Where it is tried: bubblewrap, or process (which does not isolate it)."""
    json: bool = False
    """Print JSON instead of text."""

    def run(self) -> int:
        """Verify the program and print the verdict."""
        from envreward.errors import RewardError

        verdict = self._verify(read_text(self.file))
        lines = [_as_json(verdict)] if self.json else describe(verdict, str(self.file), self.env)
        sys.stdout.write("\n".join(lines) + "\n")
        return 0 if verdict.status == "ok" else RewardError.exit_code

    def _verify(self, answer: str) -> Verdict:
        from envreward.registry import make_task
        from envreward.rewards.verify import check_statically, verify
        from envreward.studies.crew import usable_sandbox

        verdict = check_statically(answer, make_task(self.env).fields)
        if verdict.status != "ok":  # said at once, and without needing a sandbox
            return verdict
        sandbox = usable_sandbox(self.sandbox)
        with tempfile.TemporaryDirectory(prefix="envreward-check-") as folder:
            return verify({"program": answer}, self.env, sandbox, Path(folder))["program"]


def describe(verdict: Verdict, file: str, env_id: str) -> list[str]:
    """Return a verdict as lines of text, each fault with the line of the program it is in."""
    if verdict.status == "ok":
        lines = [f"ok: {file} can be trained on in {env_id}", f"  reads       {', '.join(verdict.parameters)}"]
        lines.append(f"  components  {', '.join(verdict.components) or 'none'}")
        if verdict.remembers:
            lines.append("  memory      run step by step, in time order, with 16 numbers per world")
        if verdict.time_per_call_s is not None:
            lines.append(f"  time        {verdict.time_per_call_s * 1e3:.2f} ms per call on {verdict.rows} states")
        return lines + [f"  note        {warning}" for warning in verdict.warnings]
    lines = [f"{verdict.status.replace('_', ' ')}: {file} cannot be trained on in {env_id}"]
    faults = [(v.line, v.reason, v.fix) for v in verdict.violations]
    if not faults:
        head = "" if verdict.line is None else f"line {verdict.line}: "
        reason, _, fix = verdict.reason.removeprefix(head).partition(" Fix: ")
        faults = [(verdict.line, reason, fix)]
    source = (verdict.source or "").splitlines()
    for line, reason, fix in faults:
        lines.append("  " + (f"line {line}: " if line is not None else "") + reason)
        if line is not None and 0 < line <= len(source):
            lines.append(f"    {line:>4} | {source[line - 1]}")
        if fix:
            lines.append(f"    fix: {fix}")
    return lines


def _as_json(verdict: Verdict) -> str:
    plain = dataclasses.asdict(verdict)
    plain["violations"] = [violation._asdict() for violation in verdict.violations]
    return json.dumps(plain, indent=1)
