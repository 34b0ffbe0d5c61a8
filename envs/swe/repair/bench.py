"""The workbench: what the tests say of a source, and which edits it offers; computed once per source."""

from __future__ import annotations

import ast
import functools
import warnings
from typing import Final

import numpy as np

from ..ast_edits import Edits
from ..inproc import Outcome, Program, compile_program
from ..ochiai import ochiai, ranks
from .actions import MakeEdit
from .child import run_in_child
from .examined import Examined
from .features import STATIC, static_features
from .problem import Problem
from .rules import violation

CACHED: Final = 4096
"""Sources that are remembered per process, at about 30 kB each."""

OFFERED: Final = 62
"""Edits that a policy may choose from at most: K without submitting and undoing."""

_STATUS: Final = {"passed": 1.0, "failed": 0.0}


@functools.lru_cache(maxsize=CACHED)
def examine(problem: Problem, source: str) -> Examined:
    """Run the tests on a source that edits alone have made of the problem's own, in this process.

    Raises:
        SyntaxError: It does not parse, which edits cannot bring about.
    """
    tree = ast.parse(source)
    edits = Edits(source, tree=tree)  # before the tree is used up
    program = compile_program(tree, source)
    return _examined(problem, source, problem.suite.run(program), edits, program)


@functools.lru_cache(maxsize=CACHED // 8)
def examine_untrusted(problem: Problem, source: str) -> Examined:
    """Run the tests on a source that holds text of an agent's, in a process of its own.

    Raises:
        InfraError: That process could not be started.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the agent's text, e.g. for an escape that Python does not know
        try:
            edits = Edits(source)
            program = compile_program(ast.parse(source), source)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            return _unreadable(problem, source, f"SyntaxError: {error}")
    return _examined(problem, source, run_in_child(problem, source), edits, program)


def refusal(source: str) -> str | None:
    """Return why a source with an agent's text must not be run, or ``None``; one that does not parse never runs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            tree = ast.parse(source)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None
    return violation(tree, source)


def _examined(problem: Problem, source: str, outcomes: dict[str, Outcome], edits: Edits, program: Program) -> Examined:
    count, lines = len(problem.visible), program.lines + 1
    seen = list(outcomes.items())[:count]
    hits = b"".join(outcome.hits[:lines].ljust(lines, b"\0") for _, outcome in seen)
    covered = np.frombuffer(hits, dtype=np.bool_).reshape(count, lines)
    failed = np.array([not outcome.passed for _, outcome in seen])
    scores = ochiai(covered, failed)
    by_line = np.zeros((4, lines))
    statements = list(program.statements)
    by_line[0, statements] = scores[statements]
    by_line[1, statements] = ranks(scores[statements])
    by_line[2] = failed @ covered / max(1, np.count_nonzero(failed))
    by_line[3] = ~failed @ covered / max(1, count - np.count_nonzero(failed))
    owners = np.zeros(lines, dtype=np.int64)
    owners[statements] = statements
    by_line = by_line[:, np.maximum.accumulate(owners)]  # a line within a statement is as its first
    suspicion = by_line[0].tolist()
    order = sorted(edits, key=lambda edit: -suspicion[edit.line])  # which keeps the order of equals: that of the text
    places = np.array([edit.line for edit in order], dtype=np.int64)
    return Examined(
        source=source,
        parses=True,
        imports=all(outcome.status != "import" for _, outcome in seen),
        outcomes=outcomes,
        passed=sum(outcome.passed << place for place, outcome in enumerate(outcomes.values())),
        tests=len(outcomes),
        visible=count,
        status=np.array([_STATUS.get(outcome.status, -1.0) for _, outcome in seen], dtype=np.float32),
        suspicion=by_line[0],
        rank=by_line[1].astype(np.int64),
        edits=edits,
        offers=tuple(map(MakeEdit, order)),
        index={edit: place for place, edit in enumerate(order)},
        lines=places,
        features=static_features(order, by_line[:, places]),
        failure=next(((name, outcome) for name, outcome in seen if not outcome.passed), None),
    )


def _unreadable(problem: Problem, source: str, message: str) -> Examined:
    """Return what is known of a source that Python does not read: every test fails."""
    lines = source.count("\n") + 2
    outcome = Outcome("import", "SyntaxError", message[:300], bytes(lines))
    return Examined(
        source=source,
        parses=False,
        imports=False,
        outcomes=dict.fromkeys(problem.tests, outcome),
        passed=0,
        tests=len(problem.tests),
        visible=len(problem.visible),
        status=np.full(len(problem.visible), -1, dtype=np.float32),
        suspicion=np.zeros(lines),
        rank=np.zeros(lines, dtype=np.int64),
        edits=None,
        offers=(),
        index={},
        lines=np.zeros(0, dtype=np.int64),
        features=np.zeros((0, STATIC), dtype=np.float32),
        failure=(next(iter(problem.visible)), outcome),
    )
