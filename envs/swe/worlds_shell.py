"""The shell of a repository's world: commands in a sandbox of their own, and what they changed."""

from __future__ import annotations

import hashlib
import json
import secrets
import shlex

from envreward.errors import ActionError, InfraError

from .grading import Problem
from .grading_runs import place
from .grading_trees import SKIPPED, Changes, check_path
from .runner import ExecResult, Runner, RunnerFactory

COMMAND_TIMEOUT_S = 60.0
MAX_CHANGED = 200
"""Files that one command may change."""
MAX_CHANGED_BYTES = 4 * 1024**2
_LIST = f"""
import hashlib, json, os, sys
found = {{}}
for parent, folders, files in os.walk("."):
    folders[:] = [name for name in folders if name not in {sorted(SKIPPED)!r}]
    for name in files:
        path = os.path.join(parent, name)
        if not os.path.islink(path) and os.path.isfile(path):
            with open(path, "rb") as file:
                data = file.read({MAX_CHANGED_BYTES} + 1)
            found[os.path.normpath(path)] = [len(data), hashlib.sha256(data).hexdigest()]
with open(sys.argv[1], "x") as out:
    json.dump(found, out)
"""


class Shell:
    """Runs an agent's commands. The sandbox is opened at the first one and follows the world's changes."""

    def __init__(self, problem: Problem, factory: RunnerFactory) -> None:
        self._problem, self._factory = problem, factory
        self._runner: Runner | None = None
        self._placed: dict[str, bytes | None] = {}

    def run(self, command: str, changes: Changes) -> tuple[ExecResult, dict[str, bytes | None]]:
        """Run a command on the repository with ``changes``; return how it ended, and the changes there are then.

        Raises:
            ActionError: It ran out of time, or changed too much; what it changed is undone.
            InfraError: The machinery failed.
        """
        runner = self._synchronised(changes)
        done = runner.exec(command, timeout_s=COMMAND_TIMEOUT_S)
        try:
            if done.timed_out:
                raise ActionError(f"the command was stopped after {COMMAND_TIMEOUT_S:.0f} s; what it changed is undone")
            now = self._changes(runner)
        except ActionError:
            runner.reset()
            self._placed = {}
            raise
        self._placed = dict(now)
        return done, now

    def _synchronised(self, changes: Changes) -> Runner:
        base = self._problem.base
        if self._runner is None:
            path = self._problem.suite.python_path
            self._runner, self._placed = self._factory.open(self._problem.repository, python_path=path), {}
        missing: dict[str, bytes | None] = {}
        for file in {*changes, *self._placed}:
            wanted = changes[file] if file in changes else base.get(file)
            if wanted != (self._placed[file] if file in self._placed else base.get(file)):
                missing[file] = wanted
        try:
            place(self._runner, missing)
        except ActionError as error:  # e.g. a command put a folder in a file's place
            self._runner.reset()
            self._placed = {}
            try:
                place(self._runner, changes)
            except ActionError:
                raise InfraError(f"the sandbox refuses the repository's files: {error}") from error
        return self._runner

    def _changes(self, runner: Runner) -> dict[str, bytes | None]:
        """Return how the sandbox's files differ from the base."""
        name = f".{secrets.token_hex(8)}"
        listed = runner.exec(f"exec python3 -I -S -c {shlex.quote(_LIST)} {name}", timeout_s=30.0)
        if listed.exit_code != 0:
            raise ActionError(
                f"the repository cannot be read after this command ({listed.output[-200:].strip()}); it is undone"
            )
        found: dict[str, list[object]] = json.loads(runner.read(name))
        runner.exec(f"rm -f {name}", timeout_s=10.0)
        found.pop(name, None)
        base = self._problem.base
        changed = [path for path, (_, digest) in found.items() if _digest(base.get(path)) != digest]
        size = sum(int(str(found[path][0])) for path in changed)
        gone = base.keys() - found.keys()
        if len(changed) + len(gone) > MAX_CHANGED or size > MAX_CHANGED_BYTES:
            raise ActionError(
                f"the repository now differs in {len(changed) + len(gone)} files and {size:,} bytes; at most "
                f"{MAX_CHANGED} and {MAX_CHANGED_BYTES:,} are kept: the command is undone"
            )
        return {**{check_path(path): runner.read(path) for path in changed}, **dict.fromkeys(gone)}

    def close(self) -> None:
        """Close the sandbox."""
        if self._runner is not None:
            self._runner.close()
            self._runner = None


def _digest(data: bytes | None) -> str:
    return "" if data is None else hashlib.sha256(data).hexdigest()
