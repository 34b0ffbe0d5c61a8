"""The tasks of the repair tier: a small function with one or two injected bugs."""

from __future__ import annotations

from typing import Any

from envreward.fields import Field
from envreward.task_spec import TaskSpec
from envreward.world_task import FIRST, ORACLE, WorldTask, declare
from envreward.worlds import CandidateShape, EachWorld, WorldBatch

from .actions import TOOLS
from .bench import OFFERED
from .features import CONTEXT, FEATURES, HEADS
from .problem import MAX_VISIBLE
from .world import MILESTONES, RepairWorld

_PER_TEST = (MAX_VISIBLE,)


class Repair(WorldTask):
    """Mend a small program by single-site edits.

    An episode's seed draws a problem and its bugs; each bug breaks some but not all visible tests and a hidden one, and
    one of the edits on offer repairs it. Tests run after every change. The candidate codec offers K = 64 actions: to
    submit, to undo, and the 62 edits on the most suspicious lines (Ochiai). Bugs whose repair is not among these are
    not drawn, so that the oracle is always offered and nothing about the bug shows in what is offered.
    """

    fields = declare(
        {
            "visible_passed": Field("Share of the visible tests that pass."),
            "visible_f2p": Field("Share of the visible tests that failed at first and pass now (fail to pass)."),
            "visible_p2p": Field("Share of the visible tests that passed at first and pass now (pass to pass)."),
            "progress": Field("visible_f2p times visible_p2p, in [0, 1]: 0 at first, 1 when all visible tests pass."),
            "milestones": Field(
                "1 for each milestone that the episode has reached at some time, else 0.",
                shape=(len(MILESTONES),),
                names=MILESTONES,
            ),
            "test_status": Field(
                "Of each visible test: 1 passes, 0 fails an assertion, -1 ends in an exception or does not end; 0 "
                "where test_mask is 0.",
                shape=_PER_TEST,
            ),
            "test_mask": Field("1 where there is a visible test, else 0.", shape=_PER_TEST),
            "test_failed_at_start": Field("1 where a visible test failed at first, else 0.", shape=_PER_TEST),
            "newly_passing": Field("Visible tests that the last action made pass.", unit="tests"),
            "newly_failing": Field("Visible tests that the last action broke.", unit="tests"),
            "parses": Field("Whether the program is valid Python.", dtype="bool", role="flag"),
            "imports": Field("Whether the program could be loaded.", dtype="bool", role="flag"),
            "edits_made": Field("Changes made in the episode, those that were undone included.", unit="edits"),
            "changes_standing": Field("Changes that have not been undone.", unit="edits"),
            "repeated_edits": Field("Changes that led to a program that had been there before.", unit="edits"),
            "lines_touched": Field("Different lines that were changed at some time.", unit="lines"),
            "diff_lines": Field("Lines in which the program differs from that at first.", unit="lines"),
            "edited_line_suspiciousness": Field(
                "Ochiai suspiciousness, in [0, 1], that the last changed line had before the change; 0 at first."
            ),
            "edited_line_rank": Field(
                "Rank of that suspiciousness among all statements, 1 for the highest, ties sharing it; 0 at first."
            ),
            "source": Field("The program.", dtype="str"),
            "statement": Field("What the program should do.", dtype="str"),
            "last_exit": Field(
                "Exception that ends the first visible test that does not pass; ok if there is none.", dtype="str"
            ),
            "last_failure": Field("Name and message of that test; empty if there is none.", dtype="str"),
            "distance": Field(
                "Edits and undos by which a known way leads to the right program.", unit="edits", private=True
            ),
            "success": Field("Whether all tests pass, hidden ones too.", dtype="bool", role="flag", private=True),
            "failure": Field("Whether the episode ends: solved or submitted.", dtype="bool", role="flag", private=True),
            "fitness": Field(
                "Share of all tests, hidden ones too, that failed at first and pass now, times the share of those "
                "that passed at first and still pass.",
                private=True,
            ),
        }
    )
    candidate_shape = CandidateShape(choices=OFFERED + len(HEADS), features=FEATURES, context=len(CONTEXT))
    tools = TOOLS
    success_doc = "All tests of the function pass, visible and hidden ones."
    fitness_doc = (
        "Share of the tests that failed at first and pass at the end, times the share of those that passed at first "
        "and still pass, hidden tests included; 0 to 1."
    )
    behaviours = (ORACLE, FIRST)
    replayable = True

    def __init__(self, spec: TaskSpec, *, bugs: int) -> None:
        """Make the task of programs with ``bugs`` bugs, 1 or 2."""
        super().__init__(spec)
        self.bugs = bugs

    def open(self, num_worlds: int) -> WorldBatch[Any]:
        """Return ``num_worlds`` worlds."""
        return EachWorld([RepairWorld(self.bugs, self.spec.horizon) for _ in range(num_worlds)])
