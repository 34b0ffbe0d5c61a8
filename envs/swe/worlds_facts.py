"""The facts of a repository's world: what is measured after every action, whatever the reward is."""

from __future__ import annotations

from envreward.fields import Field
from envreward.world_task import declare

TEST_SLOTS = 32
"""Visible test functions whose results are facts one by one."""
MILESTONES = (
    "opened the faulty file",
    "changed the program",
    "repaired a test",
    "repaired all tests",
    "submitted that",
)
MAX_SHOWN = 8_000
"""Characters of the last output and of the diff that are kept, half from either end."""


def clip(text: str, size: int = MAX_SHOWN) -> str:
    """Return a text, its middle left out where it is long."""
    if len(text) <= size:
        return text
    return f"{text[: size // 2]}\n[... {len(text) - size:,} characters left out ...]\n{text[-size // 2 :]}"


def _flag(doc: str, *, private: bool = False) -> Field:
    return Field(doc, dtype="bool", role="flag", private=private)


FIELDS = declare(
    {
        "fail_to_pass": Field("Share of the visible tests that failed at the beginning and pass now, in [0, 1]."),
        "pass_to_pass": Field("Share of the visible tests that passed at the beginning and still do, in [0, 1]."),
        "test_status": Field(
            f"Whether each of the first {TEST_SLOTS} visible test functions passes (1), fails (-1) or was not run (0); "
            "those that failed at the beginning come first.",
            shape=(TEST_SLOTS,),
        ),
        "test_mask": Field(
            "1 for each entry of test_status that stands for a test function, else 0.", shape=(TEST_SLOTS,)
        ),
        "parses": _flag("Whether every changed Python file can be parsed."),
        "imports": _flag("Whether every file of visible tests can be imported."),
        "collects": _flag("Whether every visible test is found when the tests are collected."),
        "files_touched": Field("Files that differ from the beginning.", unit="files"),
        "functions_touched": Field(
            "Functions of the program with lines that differ from the beginning.", unit="functions"
        ),
        "lines_added": Field("Lines that the diff adds.", unit="lines"),
        "lines_removed": Field("Lines that the diff takes away.", unit="lines"),
        "last_exit_code": Field("Exit code of the last command or test run; 0 before any.", dtype="int64"),
        "repeated_commands": Field(
            "Actions of this episode that repeated an earlier one on the same files.", unit="actions"
        ),
        "tests_edited": _flag("Whether the diff changes, adds or deletes tests, which counts for nothing."),
        "edit_suspiciousness": Field(
            "Largest Ochiai suspiciousness of the lines that were changed, in [0, 1]; 0 for none."
        ),
        "edit_rank": Field(
            "Share of all executed lines that are less suspicious than the most suspicious changed one."
        ),
        "milestones": Field(
            "Whether each was reached in this episode; none is ever lost again.",
            shape=(len(MILESTONES),),
            names=MILESTONES,
        ),
        "progress": Field("Share of the visible failing tests repaired times share of the others kept, in [0, 1]."),
        "problem_statement": Field("What is wrong, in words.", dtype="str"),
        "last_output": Field("What the last action returned, its middle left out where it is long.", dtype="str"),
        "diff": Field("The changes so far as a diff, its middle left out where it is long.", dtype="str"),
        "success": _flag("Whether the changes were submitted and all tests pass, hidden ones too.", private=True),
        "failure": _flag("Whether the episode ends: at submission.", private=True),
        "fitness": Field(
            "After submission, share of the failing tests repaired times share of the others kept; 0 before.",
            private=True,
        ),
    }
)
