"""The world of a repository with a fault: files are viewed and changed, tests run, and the changes handed in.

The files are kept here, as changes of a base; tests run in fresh sandboxes (`Bench`), after every action that changes a
file, and their results are kept by the files' hash. Only a shell command needs a sandbox that lasts (`Shell`). So no
command of an agent can touch what is measured, and an episode without a shell needs no sandbox at all where all its
states were seen before.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from envreward.errors import ActionError, near_matches
from envreward.worlds import Candidates, EachWorld, World

from .grading import Verdict
from .grading_diff import diff_size, make_diff
from .grading_rules import is_test
from .grading_trees import net_changes, tree_hash
from .runner import RunnerFactory
from .worlds_actions import (
    Bash,
    ListFiles,
    MakeEdit,
    Replace,
    ReplaceLines,
    RepositoryAction,
    RunTests,
    Submit,
    Undo,
    View,
)
from .worlds_codec import CONTEXT, Situation, edits_of, offer
from .worlds_exercise import Bench, Exercise, Exercises, Spectrum
from .worlds_facts import MILESTONES, TEST_SLOTS, clip
from .worlds_shell import Shell

MAX_FILE = 1_000_000
"""Largest file that can be viewed or changed, bytes."""
_SHOWN_LINES = 400
_GOOD = ("passed", "xfailed")


class RepositoryWorld(World[RepositoryAction]):
    """One repository after another."""

    def __init__(self, exercises: Exercises, bench: Bench) -> None:
        self._exercises, self._bench = exercises, bench
        self._shell: Shell | None = None

    def reset(self, seed: int) -> None:
        """Begin an episode with the exercise of a seed; the most suspicious file is open."""
        self._close_shell()
        self._exercise: Exercise = self._exercises.make(seed)
        self._spectrum: Spectrum = self._bench.spectrum(self._exercise)
        self._changes: dict[str, bytes | None] = {}
        self._undo: list[tuple[RepositoryAction, dict[str, bytes | None]]] = []
        self._tried: set[RepositoryAction] = set()
        self._harmless = True
        self._verdict: Verdict = self._bench.measure(self._exercise, {}, harmless=True)
        self._final: Verdict | None = None
        self._submitted = False
        self._exit_code, self._acts, self._repeats = 0, 0, 0
        self._seen: set[tuple[RepositoryAction, str]] = set()
        self._reached = [False] * len(MILESTONES)
        best = {path: max(scores.values(), default=0.0) for path, scores in self._spectrum.score.items()}
        self._opened = max(sorted(self._exercise.modules), key=lambda path: best.get(path, 0.0))
        self._output = self._report("")

    @property
    def instruction(self) -> str:
        """What is wrong, and what to do."""
        return (
            f"{self._exercise.statement}\n\nFind the fault in the program and repair it, then submit. Changes of "
            "tests, of their configuration or of git's files do not count. Hidden tests judge the result."
        )

    def act(self, action: RepositoryAction) -> None:
        """Carry out an action; tests run after one that changes a file.

        Raises:
            ActionError: It cannot be taken.
            InfraError: The machinery failed.
        """
        if self._submitted:
            raise ActionError("the changes are submitted; the episode is over")
        key = action, tree_hash(self._changes)
        if isinstance(action, Replace | ReplaceLines | MakeEdit | Undo | Bash):
            self._change(action)
        elif isinstance(action, Submit):
            self._final = self._bench.grade(self._exercise, self._changes)
            self._submitted = True
            self._output = "The changes are submitted."
        elif isinstance(action, RunTests):
            self._run_tests(action.selector)
        elif isinstance(action, View):
            self._output = self._shown(action)
            self._opened = action.path if action.path in self._exercise.modules else self._opened
        else:
            self._output = self._listing(action)
        self._acts += 1
        self._repeats += key in self._seen
        self._seen.add(key)
        self._note_milestones()

    def _change(self, action: RepositoryAction) -> None:
        base, before, harmless = self._exercise.problem.base, dict(self._changes), self._harmless
        if isinstance(action, Undo):
            if not self._undo:
                raise ActionError("undo: nothing was changed")
            undone, changes = self._undo[-1]
            said = "The last change is undone."
        elif isinstance(action, Bash):
            changes, said = self._bash(action)
            harmless = harmless and net_changes(base, changes) == before
        else:
            path, text = self._edited(action)
            changes = {**before, path: text.encode()}
            said = f"{path} is changed."
            harmless = harmless and isinstance(action, MakeEdit)
        changes = net_changes(base, changes)
        if changes != before:
            verdict = self._bench.measure(self._exercise, changes, harmless=harmless)
            self._changes, self._verdict, self._harmless = changes, verdict, harmless
            if isinstance(action, Undo):
                self._undo.pop()
                self._tried.add(undone)
            else:
                self._undo.append((action, before))
            self._exit_code = self._exit_code if isinstance(action, Bash) else verdict.exit_code or 0
        self._output = clip(said) if isinstance(action, Bash) and changes == before else self._report(said)

    def _edited(self, action: RepositoryAction) -> tuple[str, str]:
        """Return the file that an action changes, and its new text."""
        if isinstance(action, Replace):
            if not action.old:
                if self._content(action.path) is not None:
                    raise ActionError(f"replace: {action.path} is there already; an empty old text makes a new file")
                return self._checked(action.path, action.new)
            text = self._text(action.path)
            if (count := text.count(action.old)) != 1:
                raise ActionError(
                    f"replace: the old text occurs {count} times in {action.path}; it must occur exactly once"
                )
            new = text.replace(action.old, action.new)
        elif isinstance(action, ReplaceLines):
            lines = self._text(action.path).split("\n")
            total = len(lines) - (lines[-1] == "")
            if action.last > total or action.first > total + 1:
                raise ActionError(
                    f"edit: {action.path} has {total} lines, so {action.first} to {action.last} is no range"
                )
            lines[action.first - 1 : action.last] = [action.text.removesuffix("\n")] if action.text else []
            new = "\n".join(lines)
        else:
            assert isinstance(action, MakeEdit)
            found = edits_of(self._text(action.path))
            if found is None or action.edit not in found:
                raise ActionError(f"{action.path} has no such edit at {action.edit.line}:{action.edit.column}")
            new = found.apply(action.edit)
        return self._checked(action.path, new)

    @staticmethod
    def _checked(path: str, text: str) -> tuple[str, str]:
        if len(text.encode()) > MAX_FILE:
            raise ActionError(f"{path} would have more than {MAX_FILE:,} bytes")
        return path, text

    def _bash(self, action: Bash) -> tuple[dict[str, bytes | None], str]:
        if self._shell is None:
            self._shell = Shell(self._exercise.problem, self._bench.factory)
        done, changes = self._shell.run(action.command, self._changes)
        self._exit_code = done.exit_code
        return changes, f"{done.output}\n[exit code {done.exit_code}]".lstrip("\n")

    def _run_tests(self, selector: str) -> None:
        chosen = sorted(test for test in self._exercise.visible if selector in test)
        if not chosen:
            raise ActionError(f"run_tests: no visible test's id contains {selector[:80]!r}")
        status, messages = self._verdict.status, self._verdict.messages
        bad = [test for test in chosen if status.get(test) not in _GOOD]
        self._exit_code = 1 if bad else 0
        parts = [f"{len(chosen) - len(bad)} of {len(chosen)} tests pass."]
        parts += [f"{status.get(test, 'missing').upper()} {test}\n{messages.get(test, '')}" for test in bad[:10]]
        parts += [message for test, message in messages.items() if "::" not in test][
            :3
        ]  # files that cannot be imported
        if len(bad) > 10:
            parts.append(f"and {len(bad) - 10} more fail")
        self._output = clip("\n".join(parts))

    def _report(self, said: str) -> str:
        """Say how the visible tests are doing."""
        status = self._verdict.status
        bad = [test for test in sorted(status) if status[test] not in _GOOD]
        shown = "".join(f"\n  {status[test]} {test}" for test in bad[:20]) + ("\n  ..." if len(bad) > 20 else "")
        return clip(
            f"{said} {len(status) - len(bad)} of {len(status)} visible tests pass{':' if bad else '.'}{shown}".strip()
        )

    def _content(self, path: str) -> bytes | None:
        return self._changes[path] if path in self._changes else self._exercise.problem.base.get(path)

    def _paths(self) -> list[str]:
        base = self._exercise.problem.base
        return sorted(path for path in base.keys() | self._changes.keys() if self._content(path) is not None)

    def _text(self, path: str) -> str:
        data = self._content(path)
        if data is None:
            near = near_matches(path, self._paths())
            hint = f"; did you mean {' or '.join(near)}?" if near else ""
            raise ActionError(f"there is no file {path[:200]!r}{hint}")
        if len(data) > MAX_FILE:
            raise ActionError(f"{path} has {len(data):,} bytes; at most {MAX_FILE:,} can be viewed or changed")
        try:
            text = data.decode()
        except UnicodeDecodeError:
            text = "\0"
        if "\0" in text:
            raise ActionError(f"{path} is not text")
        return text

    def _shown(self, action: View) -> str:
        lines = self._text(action.path).split("\n")
        if lines[-1] == "" and len(lines) > 1:
            lines.pop()
        if action.first > len(lines):
            raise ActionError(f"{action.path} has {len(lines)} lines, so there is no line {action.first}")
        last = min(len(lines), action.last or len(lines), action.first + _SHOWN_LINES - 1)
        numbered = (f"{number:5d}  {lines[number - 1]}" for number in range(action.first, last + 1))
        rest = f"\n[lines {last + 1} to {len(lines)} are not shown]" if last < len(lines) else ""
        return clip("\n".join(numbered), 40_000) + rest

    def _listing(self, action: ListFiles) -> str:
        prefix = f"{action.folder}/" if action.folder else ""
        found = [path for path in self._paths() if path.startswith(prefix)]
        if not found:
            raise ActionError(f"there is no folder {action.folder[:200]!r}")
        return clip("\n".join(found))

    def _note_milestones(self) -> None:
        fix, verdict = self._exercise.fix, self._verdict
        done = verdict.fail_to_pass == verdict.pass_to_pass == 1.0
        now = (
            self._opened == fix.path,
            any(path in self._exercise.modules for path in self._changes),
            verdict.fail_to_pass > 0.0,
            done,
            done and self._submitted,
        )
        self._reached = [old or new for old, new in zip(self._reached, now, strict=True)]

    def facts(self) -> Mapping[str, Any]:
        """Return the present value of every field."""
        exercise, verdict, changes = self._exercise, self._verdict, self._changes
        base = exercise.problem.base
        added, removed = diff_size(base, changes)
        functions, suspicion, rank = self._touched()
        status = [self._slot(tests) for tests in list(exercise.functions.values())[:TEST_SLOTS]]
        pad = [0.0] * (TEST_SLOTS - len(status))
        values = verdict.status.values()
        final = self._final
        return {
            "fail_to_pass": verdict.fail_to_pass,
            "pass_to_pass": verdict.pass_to_pass,
            "test_status": [*status, *pad],
            "test_mask": [*([1.0] * len(status)), *pad],
            "parses": all(_parses(data) for path, data in changes.items() if path.endswith(".py")),
            "imports": not any("::" not in test for test in verdict.messages),
            "collects": "missing" not in values,
            "files_touched": len(changes),
            "functions_touched": functions,
            "lines_added": added,
            "lines_removed": removed,
            "last_exit_code": self._exit_code,
            "repeated_commands": self._repeats,
            "tests_edited": any(is_test(path) for path in changes),
            "edit_suspiciousness": suspicion,
            "edit_rank": rank,
            "milestones": [float(reached) for reached in self._reached],
            "progress": verdict.fail_to_pass * verdict.pass_to_pass,
            "problem_statement": exercise.statement,
            "last_output": clip(self._output),
            "diff": clip(make_diff(base, changes)),
            "success": final is not None and final.resolved,
            "failure": self._submitted,
            "fitness": 0.0 if final is None else final.fail_to_pass * final.pass_to_pass,
        }

    def _slot(self, tests: Sequence[str]) -> float:
        found = [self._verdict.status.get(test, "missing") for test in tests]
        if all(status in ("missing", "timeout", "skipped") for status in found):
            return 0.0
        return 1.0 if all(status in _GOOD for status in found) else -1.0

    def _touched(self) -> tuple[int, float, float]:
        """Return how many functions were changed, and suspiciousness and rank of the most suspicious changed line."""
        functions, best, rank = 0, 0.0, 0.0
        base = self._exercise.problem.base
        for path in self._exercise.modules:
            if path not in self._changes:
                continue
            lines = changed_lines(base.get(path, b""), self._changes[path] or b"")
            functions += len(_functions_at(base.get(path, b""), lines))
            scores, ranks = self._spectrum.score.get(path, {}), self._spectrum.rank.get(path, {})
            best = max([best, *(scores.get(line, 0.0) for line in lines)])
            rank = max([rank, *(ranks.get(line, 0.0) for line in lines)])
        return functions, best, rank

    def state_hash(self) -> str:
        """Return a hash of the exercise, its files, which file is open, and whether they were submitted."""
        state = f"{self._exercise.problem.id} {tree_hash(self._changes)} {self._opened} {self._submitted}"
        return hashlib.sha256(state.encode()).hexdigest()[:16]

    def candidates(self) -> Candidates[RepositoryAction]:
        """Return what can be done now, at most 64 actions."""
        verdict = self._verdict
        context = np.zeros(CONTEXT, np.float32)
        context[:] = (
            1.0,
            verdict.fail_to_pass,
            verdict.pass_to_pass,
            float(verdict.fail_to_pass == verdict.pass_to_pass == 1.0),
            min(len(self._undo), 4) / 4,
            float("missing" not in verdict.status.values()),
            min(self._acts, 40) / 40,
            min(len(self._tried), 20) / 20,
            min(self._repeats, 10) / 10,
            float(self._submitted),
        )
        content = self._content(self._opened)
        source = content.decode("utf-8", "replace") if content is not None else ""
        tried = frozenset(self._tried)
        return offer(Situation(self._exercise, self._spectrum, self._opened, source, tried, context, bool(self._undo)))

    def describe(self) -> str:
        """Return the last output, and what was changed so far."""
        diff = clip(make_diff(self._exercise.problem.base, self._changes), 2_000)
        return f"{self._output}\n\n{'Changes so far:' if diff else 'Nothing is changed so far.'}\n{diff}".rstrip()

    def oracle(self) -> RepositoryAction:
        """Return the next step to repair the fault by its edit, undoing all else."""
        exercise, fix = self._exercise, self._exercise.fix
        base = exercise.problem.base
        found = edits_of(base[fix.path].decode())
        assert found is not None, fix.path
        if self._changes == {fix.path: found.apply(fix.edit).encode()}:
            return Submit()
        if self._changes:
            return Undo()
        return MakeEdit(*fix) if self._opened == fix.path else View(fix.path)

    def _close_shell(self) -> None:
        if self._shell is not None:
            self._shell.close()
            self._shell = None

    def close(self) -> None:
        """Close the shell's sandbox."""
        self._close_shell()


class RepositoryWorlds(EachWorld[RepositoryAction]):
    """N repositories that share a bench."""

    def __init__(self, num_worlds: int, exercises: Exercises, factory: RunnerFactory, threads: int) -> None:
        bench = Bench(factory)
        super().__init__([RepositoryWorld(exercises, bench) for _ in range(num_worlds)], threads)
        self._exercises, self._factory = exercises, factory

    def close(self) -> None:
        """Close all worlds and what they share."""
        super().close()
        self._exercises.close()
        self._factory.close()


def changed_lines(old: bytes, new: bytes) -> set[int]:
    """Return the lines of ``old``, from 1, that ``new`` changes; where it only inserts, the line before that."""
    import difflib

    before, after = (data.decode("utf-8", "replace").split("\n") for data in (old, new))
    lines: set[int] = set()
    for tag, start, end, _, _ in difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if tag != "equal":
            lines.update(range(start + 1, max(end, start + 1) + 1) if end > start else (max(start, 1),))
    return lines


def _functions_at(source: bytes, lines: set[int]) -> set[int]:
    """Return the first lines of the innermost functions that hold some lines."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return set()
    found = set()
    spans = [
        (node.lineno, node.end_lineno or node.lineno)
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    for line in lines:
        around = [span for span in spans if span[0] <= line <= span[1]]
        if around:
            found.add(max(around)[0])
    return found


def _parses(data: bytes | None) -> bool:
    try:
        ast.parse(data or b"")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True
