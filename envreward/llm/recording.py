"""Recordings: the exchanges of a session in a file, and the model that plays them back.

A recording is JSON lines. The first says what the file is; each further line is one `Exchange`:

    {"format": "envreward-llm-recording", "version": 1}
    {"key": "iteration-0/samples#0", "model": "openai/gpt-4o", "messages": [{"role": "system", "content": "..."}, ...],
     "answer": {"text": "...", "finish_reason": "stop"}, "usage": {"calls": 1, "prompt_tokens": 900, ...}, ...}

The first line of a whole study that was shared also describes it (see `envreward.studies.replay`).
A line without ``messages`` fits whatever was asked under its key: that is how recordings are written by hand.
"""

from __future__ import annotations

import difflib
import json
import os
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from envreward.errors import ConfigError, LLMError, LLMUnavailableError

from .base import Completion, Message, Tools, sample_keys
from .fanout import complete_each
from .meter import Meter
from .record import Exchange

FORMAT, VERSION = "envreward-llm-recording", 1


class RecordingFile:
    """A recording being written; an `ExchangeStore`.

    A file that exists is continued: what it holds is answered from it. A last line that was cut by a crash is
    dropped.
    """

    def __init__(self, path: Path) -> None:
        """Open or create ``path``.

        Raises:
            ConfigError: It exists and is not a recording.
            OSError: It cannot be written.
        """
        self._exchanges: dict[str, Exchange] = {}
        self._writing = threading.Lock()
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and path.stat().st_size:
            self._exchanges = {e.key: e for e in read_recording(path)}
            _drop_torn_line(path)
        self._path = path
        with path.open("a"):  # an unwritable file is found before anything is paid for
            pass
        if not path.stat().st_size:
            self._append(json.dumps({"format": FORMAT, "version": VERSION}))

    def get(self, key: str) -> Exchange | None:
        """Return the exchange recorded under ``key``, or ``None``."""
        return self._exchanges.get(key)

    def put(self, key: str, exchange: Exchange) -> None:
        """Append ``exchange``; it is on disk when this returns."""
        self._exchanges[key] = exchange
        self._append(exchange.to_json())

    def __len__(self) -> int:
        return len(self._exchanges)

    def _append(self, line: str) -> None:
        with self._writing, self._path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")
            file.flush()
            os.fsync(file.fileno())


def read_recording(path: Path) -> list[Exchange]:
    """Read a recording.

    Raises:
        ConfigError: There is no such file, it is not a recording, or of a version that cannot be read here.
    """
    exchanges = []
    for number, line in enumerate(_read(path)[1][1:], start=2):
        if line.strip():
            try:
                exchanges.append(Exchange.from_json(line))
            except LLMError as error:
                raise ConfigError(f"{path}, line {number}: {error}") from error
    return exchanges


def read_header(path: Path) -> dict[str, Any]:
    """Read a recording's first line.

    Raises:
        ConfigError: There is no such file, it is not a recording, or of a version that cannot be read here.
    """
    return _read(path)[0]


def _read(path: Path) -> tuple[dict[str, Any], list[str]]:
    """Return a recording's header, and all its lines."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    except (FileNotFoundError, IsADirectoryError, UnicodeDecodeError) as error:
        reason = "no such file" if isinstance(error, FileNotFoundError) else "not a text file"
        raise ConfigError(f"cannot read the recording {path}: {reason}") from error
    if lines and not lines[-1].endswith("\n"):
        lines.pop()  # cut by a crash while it was being written
    try:
        header = json.loads(lines[0]) if lines else {}
    except ValueError:
        header = {}
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise ConfigError(f"{path} is not a recording of language-model answers: its first line must name {FORMAT!r}")
    if header.get("version") != VERSION:
        raise ConfigError(
            f"{path} is a recording of version {header.get('version')}; version {VERSION} can be read here"
        )
    return header, lines


class ReplayLLM:
    """Plays a recording back: the same answers to the same questions, with no network, no key and no cost to you.

    Samples are found by name and must have been asked with the same messages. ``usage`` is the recorded one, so that a
    replayed study meets its limits where the recorded one did.
    """

    concurrency = 1

    def __init__(self, path: Path, meter: Meter, *, match_messages: bool = True) -> None:
        """Read the recording ``path``.

        Args:
            path: The file.
            meter: Counts the recorded usage against the caps.
            match_messages: Refuse an answer that was given to other messages.

        Raises:
            ConfigError: It is not a recording.
        """
        exchanges = read_recording(path)
        self._path, self._meter, self._match = path, meter, match_messages
        self._by_key: dict[str, list[Exchange]] = {}
        for exchange in exchanges:
            self._by_key.setdefault(exchange.key, []).append(exchange)
        self.model = exchanges[0].model if exchanges else "replay"
        self.parameters: Mapping[str, Any] = {"replay": path.name}

    def complete(
        self, messages: Sequence[Message], *, n: int = 1, temperature: float = 1.0, key: str, tools: Tools = ()
    ) -> Completion:
        """Return the recorded samples of ``key``, fewer than ``n`` when fewer were recorded; see `LLM.complete`.

        Raises:
            LLMUnavailableError: Nothing is recorded under ``key``, or only answers to other messages.
            BudgetExceededError: The recorded usage would pass a cap.
        """
        return complete_each(lambda sample: self._play(sample, messages), sample_keys(key, n), self.concurrency)

    def _play(self, key: str, messages: Sequence[Message]) -> Completion:
        recorded = self._by_key.get(key, [])
        if not recorded:
            request = key.partition("#")[0]
            if any(k.partition("#")[0] == request for k in self._by_key):
                return Completion(answers=(), model=self.model)
            raise LLMUnavailableError(self._nothing_recorded(request))
        exchange = next((e for e in recorded if not self._match or e.fits(messages)), None)
        if exchange is None:
            raise LLMUnavailableError(
                f"{self._path}: the answer to {key} was given to another prompt: {difference(recorded[0], messages)}; "
                f"replay-any:{self._path} takes it all the same"
            )
        usage = exchange.usage
        self._meter.reserve(usage)
        self._meter.settle(usage, usage)
        return Completion(answers=(exchange.answer,), usage=usage, model=exchange.model)

    def _nothing_recorded(self, request: str) -> str:
        requests = list(dict.fromkeys(key.partition("#")[0] for key in self._by_key))
        hint = f"it ends with {requests[-1]}" if requests else "it is empty"
        return f"{self._path} holds no more answers: none for {request} ({hint})"


def difference(exchange: Exchange, messages: Sequence[Message]) -> str:
    """Return in one line where ``messages`` first differ from those of ``exchange``."""
    before = exchange.messages or ()
    for index, (old, new) in enumerate(zip(before, messages, strict=False)):
        if old["role"] != new["role"]:
            return f"message {index + 1} was from {old['role']}, now from {new['role']}"
        if old["content"] != new["content"]:
            changed = [line for line in difflib.ndiff(old["content"].splitlines(), new["content"].splitlines())]
            was = next((line[2:].strip() for line in changed if line.startswith("- ")), "")
            now = next((line[2:].strip() for line in changed if line.startswith("+ ")), "")
            return f"message {index + 1} ({new['role']}) said {was[:100]!r}, now says {now[:100]!r}"
        if old.get("tool_calls") != new.get("tool_calls"):
            return f"message {index + 1} ({new['role']}) called other tools, or with other arguments"
    return f"it had {len(before)} messages, now there are {len(messages)}"


def _drop_torn_line(path: Path) -> None:
    data = path.read_bytes()
    if not data.endswith(b"\n"):
        os.truncate(path, data.rfind(b"\n") + 1)
