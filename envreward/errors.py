"""Every error EnvReward raises on purpose.

    EnvRewardError
    ├── ConfigError            a setting or argument that cannot work
    ├── UnknownNameError       no such env, field, designer, model, ...; carries near matches
    ├── MissingExtraError      an optional dependency is not installed; carries the pip line
    ├── RewardError            a reward program that cannot be used; carries line, reason and fix
    │   ├── RewardParseError       no program could be read from the text   (status ``unparsed``)
    │   ├── RewardRejectedError    a rule of reward programs is broken      (status ``rejected``)
    │   └── RewardRuntimeError     it ran and failed                        (status ``failed``)
    │       ├── RewardTimeoutError     ... it took too long                 (status ``timed_out``)
    │       └── RewardCrashError       ... its process died                 (status ``crashed``)
    ├── ActionError            an agent's action that cannot be taken; its world stays as it is
    ├── InfraError             the machinery under an episode failed (browser, container, daemon), not the agent
    ├── SandboxError           a sandbox cannot be used or broke
    ├── LLMError               a language model could not be asked
    │   └── LLMUnavailableError    ... and asking again cannot help (no key, wrong key, unknown model)
    ├── BudgetExceededError    the next action would pass a hard limit of the study
    └── StudyError             the study's record cannot be opened, is foreign, corrupt, or in use

The command line prints the message of any of these as one line and exits with ``exit_code``.
Any other exception is a bug and keeps its traceback.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class EnvRewardError(Exception):
    """Base of all deliberate errors; its message is one line that says what to do."""

    exit_code = 1


class ConfigError(EnvRewardError):
    """A setting or argument that cannot work."""

    exit_code = 2


class UnknownNameError(EnvRewardError, LookupError):
    """A name that is not known, with the closest known ones."""

    exit_code = 2

    def __init__(self, kind: str, name: str, known: Iterable[str], hint: str = "") -> None:
        """Build the message ``unknown <kind> '<name>'; did you mean ...?``.

        Args:
            kind: What the name should have named, e.g. ``"environment"``.
            name: The name as given.
            known: All names that would have been accepted.
            hint: Appended to the message, e.g. the command that lists all names.
        """
        self.kind, self.name, self.known = kind, name, sorted(known)
        self.matches = near_matches(name, self.known)
        text = f"unknown {kind} {name!r}"
        if self.matches:
            text += f"; did you mean {' or '.join(repr(m) for m in self.matches)}?"
        elif self.known and len(self.known) <= 12:
            text += f"; known: {', '.join(self.known)}"
        super().__init__(f"{text} {hint}".rstrip())

    def __str__(self) -> str:
        return str(self.args[0])


class MissingExtraError(EnvRewardError, ImportError):
    """An optional dependency is missing; the message holds the exact pip line."""

    exit_code = 2

    def __init__(self, what: str, extra: str) -> None:
        self.extra = extra
        super().__init__(f'{what} needs an optional dependency: pip install "envreward[{extra}]"')


class RewardError(EnvRewardError):
    """A reward program that cannot be used.

    Attributes:
        reason: What is wrong, one sentence.
        line: 1-based line of the program, or ``None`` when no single line is to blame.
        fix: What to change, in words that help a person or a language model to repair it.
    """

    exit_code = 3

    def __init__(self, reason: str, *, line: int | None = None, fix: str = "") -> None:
        self.reason, self.line, self.fix = reason, line, fix
        where = f"line {line}: " if line is not None else ""
        super().__init__(f"{where}{reason}" + (f" Fix: {fix}" if fix else ""))


class RewardParseError(RewardError):
    """No reward program could be read from the text."""


class RewardRejectedError(RewardError):
    """A reward program breaks a rule: a name, an import, an operation or an output that is not allowed."""


class RewardRuntimeError(RewardError):
    """A reward program raised, or returned something unusable."""


class RewardTimeoutError(RewardRuntimeError):
    """A reward program did not answer within its time limit."""


class RewardCrashError(RewardRuntimeError):
    """A reward program's process died: out of memory, killed, or it answered what a program cannot answer."""


class ActionError(EnvRewardError):
    """An agent's action cannot be taken: it is malformed or names what is not there. The world stays as it is."""


class InfraError(EnvRewardError):
    """The machinery under an episode failed: a browser gone, a container lost, a daemon that does not answer."""

    exit_code = 4


class SandboxError(EnvRewardError):
    """A sandbox cannot be used on this machine, or broke while running."""

    exit_code = 4


class LLMError(EnvRewardError):
    """A language model could not be asked, or its answer could not be read."""

    exit_code = 5


class LLMUnavailableError(LLMError):
    """Asking again cannot help: no key, wrong key, unknown model, no more recorded answers."""


class BudgetExceededError(EnvRewardError):
    """The next action would pass one of the study's hard limits."""

    exit_code = 6


class StudyError(EnvRewardError):
    """The study's record cannot be opened, is foreign or corrupt, or is in use by another process."""

    exit_code = 7


def near_matches(name: str, known: Iterable[str], n: int = 3) -> list[str]:
    """Return up to ``n`` of ``known`` that resemble ``name``, best first, ignoring case."""
    by_lower = {k.lower(): k for k in known}
    close = difflib.get_close_matches(name.lower(), by_lower, n=n, cutoff=0.6)
    if not close:
        close = [k for k in by_lower if name.lower() in k][:n]
    return [by_lower[k] for k in close]
