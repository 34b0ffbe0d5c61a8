"""The study's SQLite file: its schema, how it is opened, and what its failures mean in plain words.

The record is append-only, and SQLite itself sees to it: triggers refuse every UPDATE and DELETE. One process
writes (it holds the run folder's lock); any number may read meanwhile, which is what WAL mode is for.
"""

from __future__ import annotations

import contextlib
import errno
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from envreward.errors import StudyError

FILE_NAME = "study.db"
APPLICATION_ID = 0x456E7652
"""``EnvR`` in ASCII, in the file's header: tells a study from any other SQLite database (also to ``file``)."""
SCHEMA_VERSION = 1

_TABLES = {
    "sessions": "id INTEGER PRIMARY KEY, started REAL NOT NULL, versions TEXT NOT NULL",
    "ticks": "session INTEGER NOT NULL REFERENCES sessions, phase TEXT NOT NULL, elapsed_s REAL NOT NULL",
    "configs": "id INTEGER PRIMARY KEY, session INTEGER NOT NULL REFERENCES sessions, config TEXT NOT NULL",
    "events": "id INTEGER PRIMARY KEY, session INTEGER NOT NULL REFERENCES sessions, time REAL NOT NULL,"
    " kind TEXT NOT NULL, text TEXT NOT NULL",
    "exchanges": "key TEXT PRIMARY KEY, time REAL NOT NULL, exchange TEXT NOT NULL, calls INTEGER NOT NULL,"
    " prompt_tokens INTEGER NOT NULL, completion_tokens INTEGER NOT NULL, usd REAL",
    "iterations": "iteration INTEGER PRIMARY KEY, time REAL NOT NULL",
    "candidates": "id TEXT PRIMARY KEY, iteration INTEGER NOT NULL REFERENCES iterations, place INTEGER NOT NULL,"
    " answer TEXT NOT NULL, source TEXT, parents TEXT NOT NULL, origin TEXT NOT NULL,"
    " learning TEXT NOT NULL DEFAULT '', UNIQUE (iteration, place)",
    "verdicts": "candidate TEXT PRIMARY KEY REFERENCES candidates, source TEXT, time_per_call_s REAL,"
    " components TEXT NOT NULL",
    "trainings": "key TEXT PRIMARY KEY, time REAL NOT NULL, job TEXT NOT NULL",
    "members": "key TEXT PRIMARY KEY, training TEXT NOT NULL, role TEXT NOT NULL, candidate TEXT REFERENCES candidates,"
    " seed INTEGER NOT NULL, status TEXT NOT NULL, reason TEXT NOT NULL, steps INTEGER NOT NULL, wall_s REAL NOT NULL,"
    " reused INTEGER NOT NULL",
    "evaluations": "member TEXT PRIMARY KEY REFERENCES members, evaluation TEXT NOT NULL",
    "outcomes": "candidate TEXT PRIMARY KEY REFERENCES candidates, status TEXT NOT NULL, reason TEXT NOT NULL,"
    " traces TEXT, wall_s REAL",
}
_LATER = {"candidates": {"learning": "TEXT NOT NULL DEFAULT ''"}}
"""Columns that records of this version from before they were thought of do not have; their default says what held."""


def create(folder: Path) -> sqlite3.Connection:
    """Make a new study database in ``folder``.

    Raises:
        StudyError: The folder already holds one.
        OSError: It cannot be written.
    """
    path = folder / FILE_NAME
    if path.exists():
        raise StudyError(f"{folder} already holds a study: `envreward resume {folder}` goes on with it")
    with failures_in_words(path):
        connection = _connect(path, "rwc")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("BEGIN IMMEDIATE")
        for table, columns in _TABLES.items():
            connection.execute(f"CREATE TABLE {table} ({columns}) STRICT")
            for verb in ("UPDATE", "DELETE"):
                connection.execute(
                    f"CREATE TRIGGER {table}_{verb.lower()} BEFORE {verb} ON {table} "
                    f"BEGIN SELECT RAISE(ABORT, '{table}: the record is append-only'); END"
                )
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        connection.execute("COMMIT")
        return connection


def connect(folder: Path, *, write: bool) -> sqlite3.Connection:
    """Open the study database in ``folder``.

    Raises:
        StudyError: There is none, or it is another program's, another version's, or damaged.
        OSError: It cannot be read or written.
    """
    path = folder / FILE_NAME
    require(folder)
    with failures_in_words(path):
        connection = _connect(path, "rw" if write else "ro")
        try:
            _check(connection, path)
            if write:
                _complete(connection)
        except BaseException:
            connection.close()
            raise
        return connection


def require(folder: Path) -> None:
    """Check that ``folder`` holds a study at all.

    Raises:
        StudyError: It holds none.
    """
    if not (folder / FILE_NAME).is_file():
        raise StudyError(f"no study in {folder}: it has no {FILE_NAME} (list studies with `envreward runs`)")


@contextlib.contextmanager
def failures_in_words(path: Path) -> Iterator[None]:
    """Turn SQLite's errors about the file at ``path`` into `StudyError` or `OSError` that say what to do.

    Raises:
        StudyError: The file is damaged or locked by another program.
        OSError: Disk full, not writable, not readable, input/output error.
    """
    try:
        yield
    except sqlite3.IntegrityError:
        raise  # a broken invariant of ours: a bug, with its traceback
    except sqlite3.DatabaseError as error:
        code = error.sqlite_errorcode & 0xFF if hasattr(error, "sqlite_errorcode") else None
        if code == sqlite3.SQLITE_FULL:
            raise OSError(errno.ENOSPC, "no space left: free some and resume, nothing is lost", str(path)) from error
        if code == sqlite3.SQLITE_IOERR:
            raise OSError(
                errno.EIO, "the disk refused to read or write (full, or over a size limit?)", str(path)
            ) from error
        if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM):
            raise OSError(
                errno.EACCES, f"cannot open or write it ({error}): check the permissions", str(path)
            ) from error
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise StudyError(f"{path} is locked by another program: close it and try again") from error
        if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            raise StudyError(f"{path} is damaged or no SQLite database ({error}): restore it from a copy") from error
        raise


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    # isolation_level None: transactions are begun and ended in plain sight. The store serialises its threads.
    uri = f"{path.absolute().as_uri()}?mode={mode}"
    connection = sqlite3.connect(uri, uri=True, timeout=10, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA synchronous = FULL")  # an answer that was paid for survives a power cut
    return connection


def _complete(connection: sqlite3.Connection) -> None:
    """Add to a record the columns that it is too old to have."""
    for table, columns in _LATER.items():
        present = {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}
        for column in columns.keys() - present:
            connection.execute(f"ALTER TABLE {table} ADD COLUMN {column} {columns[column]}")


def _check(connection: sqlite3.Connection, path: Path) -> None:
    found: int = connection.execute("PRAGMA application_id").fetchone()[0]
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    if found != APPLICATION_ID:
        raise StudyError(f"{path} is not an EnvReward study (SQLite application id {found:#x})")
    if version != SCHEMA_VERSION:
        raise StudyError(
            f"{path} has record version {version}, this EnvReward reads version {SCHEMA_VERSION}: "
            "use the EnvReward it was made with"
        )
    problem = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if problem != "ok":
        raise StudyError(f"{path} is damaged ({problem}): restore it from a copy")
