"""The world of the repair tier: one broken program, mended step by step."""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from envreward.errors import ActionError, near_matches
from envreward.worlds import Candidates, World

from ..ast_edits import Edit
from .actions import SUBMIT, UNDO, Action, MakeEdit, NamedEdit, ReplaceLine, RunTests, Submit, Undo, View
from .bench import OFFERED, examine, examine_untrusted, refusal
from .bugs import Bug, draw
from .examined import Examined
from .features import CONTEXT, FEATURES, HEADS, STATIC, Memory, exit_features
from .problem import MAX_VISIBLE
from .rules import MAX_SOURCE
from .words import describe, list_edits, list_tests, show_lines

MILESTONES: Final = (
    "edited a most suspicious line",
    "mended one failing test",
    "mended half of the failing tests",
    "mended all failing tests",
    "all visible tests pass",
)
"""What an episode can reach once; each stays reached."""


class _Change(NamedTuple):
    before: Examined
    edit: Edit | None
    """``None`` for text of an agent's."""
    distance: int
    """Known distance of ``before`` from the right program."""


class RepairWorld(World[Action]):
    """A program with one or two bugs. Every change is tested at once; success and submitting end the episode."""

    def __init__(self, bugs: int, horizon: int) -> None:
        """Prepare a world whose programs have ``bugs`` bugs; ``horizon`` steps are an episode's length."""
        self._size, self._horizon = bugs, horizon
        self._bug: Bug

    def reset(self, seed: int) -> None:
        """Begin with a program that depends on ``seed`` alone."""
        self._bug = draw(seed, self._size)
        self._now = self._start = examine(self._bug.problem, self._bug.source)
        self._before = self._now
        self._changes: list[_Change] = []
        self._memory = Memory()
        self._seen = {self._now.source}
        self._touched: set[int] = set()
        self._submitted = False
        self._steps = self._edits_made = self._repeated = 0
        self._edited_line = 0
        self._edited_suspicion, self._edited_rank = 0.0, 0
        self._shown = (1 << self._now.visible) - 1
        self._best = self._passing()
        self._distance = self._bug.distance[self._now.source]
        self._milestones = np.zeros(len(MILESTONES), dtype=np.float32)
        self._output = ""

    # Acting

    def act(self, action: Action) -> None:
        """Carry out an action; one that cannot be taken costs a step and changes nothing.

        Raises:
            ActionError: The episode is over, there is no such edit, line or test, or nothing to undo; or the new text
                breaks a rule of `rules`.
            InfraError: No process could be started to run an agent's text.
        """
        if self._submitted or self._now.solved:
            raise ActionError("the episode is over")
        self._steps += 1
        self._output = ""
        self._before = self._now
        match action:
            case MakeEdit(edit):
                self._make(edit)
            case NamedEdit():
                self._make(self._named(action))
            case ReplaceLine(line, text):
                self._replace(line, text)
            case Undo():
                self._undo()
            case Submit():
                self._submitted = True
            case View(first, last):
                self._output = self._view(first, last)
            case RunTests(names):
                self._output = self._tests(names)

    def _make(self, edit: Edit) -> None:
        now = self._now
        if now.edits is None:
            raise ActionError("the program does not parse, so it has no edits; replace a line, or undo")
        if edit not in now.index:
            raise ActionError(f"the program has no edit {edit.operator!r} at line {edit.line}, column {edit.column}")
        after = self._examine(now.edits.apply(edit), trusted=self._is_trusted())
        self._memory.note(now, edit, *(count / now.visible for count in self._differences(now, after)))
        self._change(after, edit, edit.line)

    def _named(self, action: NamedEdit) -> Edit:
        here = [edit for edit in self._now.edits or () if edit.line == action.line]
        for edit in here:
            if (edit.column, edit.operator) == (action.column, action.operator):
                return edit
        offered = ", ".join(f"column {edit.column} {edit.operator!r}" for edit in here[:12]) or "no edits"
        raise ActionError(f"there is no such edit on line {action.line}; it has {offered}"[:600])

    def _replace(self, line: int, text: str) -> None:
        lines = self._now.source.split("\n")[:-1]
        if not 1 <= line <= len(lines):
            raise ActionError(f"there is no line {line}; the program has lines 1 to {len(lines)}")
        text = text.replace("\r\n", "\n").removesuffix("\n")
        if len(text) + len(self._now.source) > MAX_SOURCE:
            raise ActionError(f"the program would be longer than {MAX_SOURCE:,} characters")
        if not all(char.isprintable() or char in "\n\t" for char in text):
            raise ActionError("the text holds characters that cannot be printed")
        lines[line - 1 : line] = text.split("\n") if text else []
        source = "".join(f"{entry}\n" for entry in lines)
        if (reason := refusal(source)) is not None:
            raise ActionError(f"not run, nothing changed: {reason}")
        self._change(self._examine(source, trusted=False), None, line)

    def _undo(self) -> None:
        if not self._changes:
            raise ActionError("there is nothing to undo")
        change = self._changes.pop()
        self._now, self._distance = change.before, change.distance

    def _is_trusted(self) -> bool:
        return all(change.edit is not None for change in self._changes)

    def _examine(self, source: str, *, trusted: bool) -> Examined:
        """Run the tests: here for what edits alone have made, else in a process of its own."""
        known = trusted or source in self._bug.distance
        return (examine if known else examine_untrusted)(self._bug.problem, source)

    def _change(self, after: Examined, edit: Edit | None, line: int) -> None:
        before = self._now
        self._changes.append(_Change(before, edit, self._distance))
        self._now = after
        self._distance = self._bug.distance.get(after.source, self._distance + 1)
        self._edits_made += 1
        self._repeated += after.source in self._seen
        self._seen.add(after.source)
        self._touched.add(line)
        self._edited_line = line
        self._edited_suspicion = float(before.suspicion[line])
        self._edited_rank = int(before.rank[line])
        self._best = max(self._best, self._passing())
        mended, kept = self._shares()
        reached = (self._edited_rank == 1, mended > 0, mended >= 0.5, mended == 1, mended == kept == 1)
        np.maximum(self._milestones, np.array(reached, dtype=np.float32), out=self._milestones)

    # What is

    def _shares(self) -> tuple[float, float]:
        """Return what share of the visible tests that failed at first pass now, and of those that passed at first."""
        first, now = self._start.passed & self._shown, self._now.passed & self._shown
        return _share(now, self._shown & ~first), _share(now, first)

    def _passing(self) -> float:
        """Return the share of the visible tests that pass."""
        return _share(self._now.passed, self._shown)

    def _differences(self, before: Examined, after: Examined) -> tuple[int, int]:
        """Return how many visible tests pass after and not before, and before and not after."""
        changed = (before.passed ^ after.passed) & self._shown
        return (changed & after.passed).bit_count(), (changed & before.passed).bit_count()

    def facts(self) -> Mapping[str, Any]:
        """Return the fields that `task.Repair` declares."""
        now, count, failure = self._now, self._now.visible, self._now.failure
        mended, kept = self._shares()
        gained, lost = self._differences(self._before, now)
        padded = np.zeros((3, MAX_VISIBLE), dtype=np.float32)
        padded[0, :count], padded[1, :count], padded[2, :count] = now.status, 1.0, self._start.status < 1.0
        return {
            "visible_passed": self._passing(),
            "visible_f2p": mended,
            "visible_p2p": kept,
            "progress": mended * kept,
            "milestones": self._milestones.copy(),
            "test_status": padded[0],
            "test_mask": padded[1],
            "test_failed_at_start": padded[2],
            "newly_passing": gained,
            "newly_failing": lost,
            "parses": now.parses,
            "imports": now.imports,
            "edits_made": self._edits_made,
            "changes_standing": len(self._changes),
            "repeated_edits": self._repeated,
            "lines_touched": len(self._touched),
            "diff_lines": _lines_apart(self._start.source, now.source),
            "edited_line_suspiciousness": self._edited_suspicion,
            "edited_line_rank": self._edited_rank,
            "source": now.source,
            "statement": self._bug.problem.statement,
            "last_exit": "ok" if failure is None else failure[1].exception,
            "last_failure": "" if failure is None else f"{failure[0]}: {failure[1].message}",
            "distance": self._distance,
            **self._outcome(),
        }

    def _outcome(self) -> dict[str, Any]:
        """Return the private facts: all tests count, the hidden ones too."""
        first, now = self._start.passed, self._now.passed
        failing = ~first & ((1 << self._now.tests) - 1)
        return {
            "success": self._now.solved,
            "failure": self._now.solved or self._submitted,
            "fitness": _share(now, failing) * _share(now, first),
        }

    def state_hash(self) -> str:
        """Return a hash of the problem, the broken program and the present one, whichever way led to it."""
        state = (self._bug.problem.name, self._start.source, self._now.source, str(self._submitted))
        return hashlib.sha256("\0".join(state).encode()).hexdigest()[:16]

    def candidates(self) -> Candidates[Action]:
        """Offer to submit, to undo where there is something to undo, and the edits of the most suspicious lines."""
        now = self._now
        heads: tuple[Action, ...] = (SUBMIT, UNDO) if self._changes else (SUBMIT,)
        count = min(len(now.offers), OFFERED)
        features = np.zeros((len(heads) + count, FEATURES), dtype=np.float32)
        for row in range(len(heads)):
            features[row, row] = 1.0
        last = self._changes[-1].edit if self._changes else None
        own = features[len(heads) :, len(HEADS) :]
        own[:, :STATIC] = now.features[:count]
        own[:, STATIC:] = self._memory.features(now, count, last)
        return Candidates((*heads, *now.offers[:count]), features, self._context(count))

    def _context(self, count: int) -> NDArray[np.float32]:
        now = self._now
        context = [
            *(self._passing(), *self._shares(), self._best),
            *(tests / now.visible for tests in self._differences(self._before, now)),
            min(self._edits_made / self._horizon, 1.0),
            max(1.0 - self._steps / self._horizon, 0.0),
            float(bool(self._changes)),
            min(len(self._changes) / 4, 1.0),
            count / OFFERED,
            *exit_features(now),
        ]
        assert len(context) == len(CONTEXT)
        return np.array(context, dtype=np.float32)

    # In words

    @property
    def instruction(self) -> str:
        """What to do."""
        bugs = "a bug" if self._size == 1 else f"{self._size} bugs"
        name = self._bug.problem.name
        return (
            f"{name} has {bugs}. Change the program until it does what its statement says; hidden tests check it too."
        )

    def describe(self) -> str:
        """Return statement, program, outcome of the visible tests and what was last asked for."""
        return describe(self._bug.problem, self._now, self._output)

    def _view(self, first: int, last: int) -> str:
        lines = self._now.source.count("\n")
        if not 1 <= first <= last <= lines:
            raise ActionError(f"there are no lines {first} to {last}; the program has lines 1 to {lines}")
        return show_lines(self._now.source, first, last) + "\n" + list_edits(self._now, first, last)

    def _tests(self, names: tuple[str, ...]) -> str:
        visible = self._bug.problem.visible
        for name in names:
            if name not in visible:
                near = near_matches(name, visible) or list(visible)
                raise ActionError(f"there is no visible test {name[:80]!r}; tests: {', '.join(near)}")
        return list_tests(self._bug.problem, self._now, names or tuple(visible))

    def oracle(self) -> Action:
        """Return an edit that repairs a bug or, after a change that is none, to undo it."""
        repairs = self._bug.repairs.get(self._now.source)
        if repairs is None:
            return UNDO
        return MakeEdit(repairs[0][0]) if repairs else SUBMIT


def _share(passed: int, among: int) -> float:
    """Return the share of the tests ``among``, bits that are set, which pass."""
    return (passed & among).bit_count() / among.bit_count()


def _lines_apart(start: str, now: str) -> int:
    """Return the number of lines in which two sources differ, a replaced line counting once."""
    if start == now:
        return 0
    old, new = start.split("\n"), now.split("\n")
    if len(old) == len(new):
        return sum(a != b for a, b in zip(old, new, strict=True))
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
    return sum(max(b - a, d - c) for tag, a, b, c, d in matcher.get_opcodes() if tag != "equal")
