"""A person with any chat window as the language model: prompts go out as text, answers come back pasted or as files."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

from envreward.errors import ConfigError, LLMError, LLMUnavailableError

from .base import Answer, Completion, Message, Tools, Usage, sample_keys
from .fanout import complete_each
from .meter import Meter

END = "END"
_CALL = Usage(calls=1)
_ROLES = {"system": "Instructions", "user": "Question", "assistant": "Your earlier answer", "tool": "Result"}


class ManualLLM:
    """Asks on a terminal: prints the prompt, reads the pasted answer up to a line ``END``.

    An empty answer means that there are no more to this prompt; fewer samples are then used. Tokens are not counted
    and nothing is charged.
    """

    model = "manual"
    concurrency = 1
    parameters: Mapping[str, Any] = {}

    def __init__(self, meter: Meter, *, source: TextIO | None = None, sink: TextIO | None = None) -> None:
        """Ask through ``sink`` (standard error unless given) and read from ``source`` (standard input unless given)."""
        self._meter, self._source, self._sink = meter, source or sys.stdin, sink or sys.stderr
        self._shown: set[str] = set()
        self._finished: set[str] = set()

    def complete(
        self, messages: Sequence[Message], *, n: int = 1, temperature: float = 1.0, key: str, tools: Tools = ()
    ) -> Completion:
        """Ask for up to ``n`` answers; see `LLM.complete`.

        Raises:
            ConfigError: Tools are offered: a chat window has no way to call them.
            LLMUnavailableError: The input has ended.
            BudgetExceededError: The limit on calls is reached.
        """
        if tools:
            raise ConfigError("a chat window cannot call tools: let the calls be written as text")
        return complete_each(lambda sample: self._ask(sample, messages), sample_keys(key, n), self.concurrency)

    def _ask(self, key: str, messages: Sequence[Message]) -> Completion:
        request, _, index = key.partition("#")
        if request in self._finished:
            return Completion(answers=(), model=self.model)
        self._meter.reserve(_CALL)
        charged = Usage()
        try:
            text = self._read(request, int(index or 0), messages)
            charged = _CALL if text else charged
        finally:
            self._meter.settle(_CALL, charged)
        if not text:
            self._finished.add(request)
            return Completion(answers=(), model=self.model)
        return Completion(answers=(Answer(text=text),), usage=charged, model=self.model)

    def _read(self, request: str, index: int, messages: Sequence[Message]) -> str:
        """Return the answer number ``index`` to ``request``, or an empty string when there is none."""
        rule = "-" * 72
        if request not in self._shown:
            self._shown.add(request)
            self._sink.write(
                f"{rule}\n{as_text(messages)}\n{rule}\nCopy the text between the lines into a chat window.\n"
            )
        self._sink.write(
            f"Paste answer {index + 1} to {request}, then a line {END} (an empty one: there are no more):\n"
        )
        self._sink.flush()
        lines: list[str] = []
        while True:
            line = self._source.readline()
            if not line and not lines:
                raise LLMUnavailableError(
                    f"no answer to {request}: standard input has ended; run it in a terminal or use `manual:FOLDER`"
                )
            if not line or line.strip() == END:
                return "".join(lines).strip()
            lines.append(line)


class ManualFilesLLM(ManualLLM):
    """Asks through a folder: writes ``<request>.prompt.md``, waits for ``<request>.answer-1.md`` and so on.

    An empty answer file means that there are no more. Answers that are there already are taken at once.
    """

    def __init__(self, folder: Path, meter: Meter, *, poll_s: float = 0.5, timeout_s: float | None = None) -> None:
        """Use ``folder``, made when needed; look for answers every ``poll_s``, wait at most ``timeout_s`` for each.

        Raises:
            OSError: The folder cannot be written.
        """
        super().__init__(meter)
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._poll_s, self._timeout_s = folder, poll_s, timeout_s

    def _read(self, request: str, index: int, messages: Sequence[Message]) -> str:
        name = request.replace("/", "-")
        prompt, answer = self._folder / f"{name}.prompt.md", self._folder / f"{name}.answer-{index + 1}.md"
        prompt.write_text(as_text(messages) + "\n", encoding="utf-8")
        if not answer.exists():
            self._sink.write(
                f"Waiting: give {prompt} to a chat window and save its answer as {answer} (empty: no more).\n"
            )
            self._sink.flush()
        started, last_size = time.monotonic(), -1
        while True:
            # Editors create a file before they fill it: it counts once its size has stood still for one look.
            size = answer.stat().st_size if answer.exists() else -1
            if size >= 0 and size == last_size:
                return answer.read_text(encoding="utf-8").strip()
            last_size = size
            if self._timeout_s is not None and time.monotonic() - started > self._timeout_s:
                raise LLMError(f"no answer within {self._timeout_s:g} s: {answer} is missing")
            time.sleep(self._poll_s)


def as_text(messages: Sequence[Message]) -> str:
    """Return a conversation as one text that can be pasted into a chat window."""
    if len(messages) == 1:
        return messages[0]["content"].strip()
    return "\n\n".join(f"# {_ROLES[m['role']]}\n\n{m['content'].strip()}" for m in messages)
