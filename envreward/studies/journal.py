"""Journal: rows appended durably to a study's database, in sessions, with events and the time spent in each phase."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from envreward.errors import StudyError

from . import database
from .lock import RunLock


class Event(NamedTuple):
    """Something worth telling that happened in a study."""

    time: float
    """Seconds since the epoch."""
    kind: str
    """``started``, ``resumed``, ``stopped`` (by a limit), ``interrupted``, ``finished`` or ``note``."""
    text: str


class Journal:
    """An open study database. Safe to use from several threads of the process that opened it."""

    def __init__(self, folder: Path, connection: sqlite3.Connection, lock: RunLock | None) -> None:
        """Wrap an open database; use `StudyStore.create` or `StudyStore.open`."""
        self.folder = folder
        self._db = connection
        self._db.row_factory = sqlite3.Row
        self._lock = lock
        self._mutex = threading.RLock()
        self._session = 0
        self._began = time.monotonic()

    def close(self) -> None:
        """Close the record and give the lock back."""
        self._db.close()
        if self._lock is not None:
            self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    # ---------------------------------------------------------------- sessions, events, time

    @classmethod
    def _open_locked(cls, folder: Path, versions: Mapping[str, str], *, new: bool) -> Self:
        lock = RunLock(folder)
        try:
            connection = database.create(folder) if new else database.connect(folder, write=True)
            store = cls(folder, connection, lock)
            store._insert("sessions", started=time.time(), versions=json.dumps(dict(versions)))
            store._session = int(store._rows("SELECT max(id) FROM sessions")[0][0])
        except BaseException:
            lock.release()
            raise
        return store

    def versions(self) -> dict[str, str]:
        """Return the versions of the software and the machine in the latest session."""
        rows = self._rows("SELECT versions FROM sessions ORDER BY id DESC LIMIT 1")
        return dict(json.loads(rows[0][0])) if rows else {}

    def started(self) -> float:
        """Return when the study began, in seconds since the epoch."""
        return float(self._rows("SELECT min(started) FROM sessions")[0][0])

    def add_event(self, kind: str, text: str = "") -> None:
        """Record something worth telling."""
        self._insert("events", session=self._session, time=time.time(), kind=kind, text=text)

    def events(self) -> list[Event]:
        """Return all events, oldest first."""
        return [Event(*row) for row in self._rows("SELECT time, kind, text FROM events ORDER BY id")]

    def tick(self, phase: str) -> None:
        """Record that ``phase`` has taken the time since the session's last tick."""
        self._insert("ticks", session=self._session, phase=phase, elapsed_s=time.monotonic() - self._began)

    def phases_s(self) -> dict[str, float]:
        """Return the wall-clock seconds of each phase, over all sessions."""
        total: dict[str, float] = {}
        last_session, last_s = -1, 0.0
        for session, phase, elapsed_s in self._rows("SELECT session, phase, elapsed_s FROM ticks ORDER BY rowid"):
            begin_s = last_s if session == last_session else 0.0
            total[phase] = total.get(phase, 0.0) + elapsed_s - begin_s
            last_session, last_s = session, elapsed_s
        return total

    def wall_s(self) -> float:
        """Return the wall-clock seconds of all sessions: recorded ones to their last tick, this one up to now."""
        rows = self._rows("SELECT max(elapsed_s) FROM ticks WHERE session != ? GROUP BY session", self._session)
        here_s = time.monotonic() - self._began if self._session else 0.0
        return here_s + float(sum(row[0] for row in rows))

    # ---------------------------------------------------------------- rows

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        """All inserts within, or none."""
        with self._mutex, self._in_words():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:  # SQLite itself rolls back on a full disk
                    self._db.execute("ROLLBACK")
                raise

    def _insert(self, table: str, **values: Any) -> None:
        marks = ", ".join("?" * len(values))
        with self._mutex, self._in_words():
            self._db.execute(f"INSERT INTO {table} ({', '.join(values)}) VALUES ({marks})", [*values.values()])

    def _rows(self, query: str, *values: Any) -> list[sqlite3.Row]:
        with self._mutex, self._in_words():
            return self._db.execute(query, values).fetchall()

    @contextlib.contextmanager
    def _in_words(self) -> Iterator[None]:
        with database.failures_in_words(self.folder / database.FILE_NAME):
            try:
                yield
            except sqlite3.ProgrammingError as error:
                if "closed" in str(error):
                    raise StudyError(f"the record of {self.folder} is closed") from error
                raise
