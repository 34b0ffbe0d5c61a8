"""JudgementCache: judgements by content, in a file, so that no question is paid for twice."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from envreward.errors import ConfigError

from .judge_prompt import Judgement

_APPLICATION_ID = 0x4A554447
_VERSION = 1


class Kept(NamedTuple):
    """A judgement in the cache."""

    judgement: Judgement
    trusted: bool
    """Whether the batch it came in had its control item failed, as it should be."""


class JudgementCache:
    """A table of judgements in SQLite; several processes may share a file, one thread at a time uses an object."""

    def __init__(self, path: Path | None) -> None:
        """Open or create the file ``path``; ``None`` keeps judgements in memory.

        Raises:
            ConfigError: The file cannot be opened or is not such a table.
        """
        name = ":memory:" if path is None else str(path)
        try:
            self._connection = sqlite3.connect(name, timeout=60.0, isolation_level=None, check_same_thread=False)
        except sqlite3.Error as error:
            raise ConfigError(f"cannot keep judgements in {name}: {error}; give another file") from error
        try:
            self._create()
        except (sqlite3.Error, ConfigError) as error:
            self._connection.close()
            raise ConfigError(f"cannot keep judgements in {name}: {error}; give another file") from error

    def get(self, key: str) -> Kept | None:
        """Return what is kept under ``key``, or ``None``."""
        row = self._connection.execute("SELECT judgement, trusted FROM judgements WHERE key = ?", (key,)).fetchone()
        return None if row is None else Kept(Judgement.from_json(row[0]), bool(row[1]))

    def put(self, key: str, judgement: Judgement, model: str, cost_usd: float | None) -> None:
        """Keep a judgement that is not yet trusted; it is on disk when this returns."""
        self._connection.execute(
            "INSERT OR REPLACE INTO judgements VALUES (?, ?, ?, ?, 0)", (key, judgement.to_json(), model, cost_usd)
        )

    def trust(self, keys: Iterable[str]) -> None:
        """Mark judgements as trusted."""
        self._change("UPDATE judgements SET trusted = 1 WHERE key = ?", keys)

    def drop(self, keys: Iterable[str]) -> None:
        """Forget judgements."""
        self._change("DELETE FROM judgements WHERE key = ?", keys)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def _change(self, statement: str, keys: Iterable[str]) -> None:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            self._connection.executemany(statement, [(key,) for key in keys])
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    def _create(self) -> None:
        connection = self._connection
        found = connection.execute("PRAGMA application_id").fetchone()[0]
        tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if tables and (found, version) != (_APPLICATION_ID, _VERSION):
            raise ConfigError("it is something else, or of another version")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {_VERSION}")
        connection.execute(
            "CREATE TABLE IF NOT EXISTS judgements "
            "(key TEXT PRIMARY KEY, judgement TEXT NOT NULL, model TEXT NOT NULL, cost_usd REAL, "
            "trusted INTEGER NOT NULL)"
        )
