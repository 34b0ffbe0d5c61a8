"""Runs tests on a program that an agent wrote, in a forked process that can only compute and can be killed.

The process is limited in memory, processor time and wall time, holds no file but the pipe that it answers on, and may
make no system call that opens a file for writing, a socket or a process (see `envreward.rewards.jail`). Each outcome
is written as soon as it is known, so that a test that hangs inside one call, as a catastrophic regular expression does,
costs itself and those after it, not those before. What comes back is JSON, checked entry by entry.
"""

from __future__ import annotations

import ast
import contextlib
import json
import os
import resource
import select
import signal
import time
import warnings
from collections.abc import Iterator
from typing import Any, Final, get_args

from envreward.errors import InfraError
from envreward.rewards.jail import lock_up

from ..inproc import MAX_MESSAGE, Outcome, Status, compile_program
from .problem import Problem

FUEL: Final = 50_000
"""Units of work that each test may do: an agent's own way may be longer than what edits can make."""
CPU_S: Final = 1
"""Processor time of all tests together, in seconds, for work that the fuel does not see."""
WALL_S: Final = 20.0
"""Wall time after which the process is killed, for machines so busy that it gets no processor time."""
MEMORY_BYTES: Final = 256 * 1024**2
"""Memory that the process may add to what it is forked with."""
_MAX_REPLY: Final = 256 * 1024


def run_in_child(problem: Problem, source: str) -> dict[str, Outcome]:
    """Run all tests of a problem on a program whose text is not to be trusted, but has passed `rules.violation`.

    Returns:
        An outcome for each test; the coverage of tests that were killed is empty.

    Raises:
        InfraError: No process could be started.
    """
    suite = problem.suite  # compiled before the fork, for all forks
    read, write = os.pipe()
    parent = os.getpid()
    try:
        with warnings.catch_warnings():
            # Python 3.12 warns of forks beside threads; the child takes no lock that a thread could hold.
            warnings.simplefilter("ignore", DeprecationWarning)
            pid = os.fork()
    except OSError as error:
        os.close(read)
        os.close(write)
        raise InfraError(f"no process for the tests could be started: {error.strerror}") from None
    if pid == 0:
        os.close(read)
        _serve(problem, source, write, parent)
    os.close(write)
    try:
        replies = list(_replies(read))
    finally:
        os.close(read)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    lines = source.count("\n") + 2
    outcomes = dict(filter(None, (_decode(line, lines) for line in replies)))
    killed = Outcome("budget", "OutOfFuel", "it did not end within its time or memory", bytes(lines))
    return {name: outcomes.get(name, killed) for name in suite.tests}


def _serve(problem: Problem, source: str, write: int, parent: int) -> None:
    """Be the child. Never returns."""
    code = 1
    try:
        resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
        lock_up(parent, (write,), MEMORY_BYTES)
        warnings.simplefilter("ignore")  # of the program's text
        program = compile_program(ast.parse(source), source)
        for name, outcome in problem.suite.each(program, FUEL):
            message = [name, outcome.status, outcome.exception, outcome.message, outcome.hits.hex()]
            os.write(write, json.dumps(message).encode() + b"\n")
        code = 0
    finally:
        os._exit(code)  # whatever happened: never the parent's clean-up in the child


def _replies(read: int) -> Iterator[bytes]:
    """Yield the child's lines until it ends, or has had its time."""
    deadline, data, total = time.monotonic() + WALL_S, b"", 0
    poll = select.poll()
    poll.register(read, select.POLLIN)
    while total < _MAX_REPLY and poll.poll(max(deadline - time.monotonic(), 0.0) * 1000):
        chunk = os.read(read, 65536)
        if not chunk:
            return
        total += len(chunk)
        *lines, data = (data + chunk).split(b"\n")
        yield from lines


def _decode(line: bytes, lines: int) -> tuple[str, Outcome] | None:
    """Return what a line tells, or ``None`` if it is not one that the child writes."""
    try:
        entries: Any = json.loads(line)
        name, status, exception, message, hits = entries
        covered = bytes.fromhex(hits)
    except (ValueError, TypeError):
        return None
    if status not in get_args(Status) or not all(isinstance(text, str) for text in (name, exception, message)):
        return None
    return name, Outcome(status, exception[:100], message[:MAX_MESSAGE], covered[:lines].ljust(lines, b"\0"))
