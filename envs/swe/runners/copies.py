"""Copies of repositories that runners build on: one per state of a repository, shared, and never written to."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import tempfile
import threading
import time
import weakref
from dataclasses import dataclass
from pathlib import Path

from envreward.errors import InfraError

from . import tree

_PREFIX = "envreward-runners-"
_KEPT = 8
_NEW_S = 60.0  # a folder that is younger may be one whose process has yet to lock it


@dataclass
class Copy:
    """A repository as it was when it was copied."""

    key: str
    snapshot: tree.Snapshot
    folder: Path | None
    """Where it lies on the disk, where runners need that."""
    users: int = 0


class Copies:
    """Makes and keeps copies. May be used by several threads."""

    def __init__(self, *, on_disk: bool, owner: tuple[int, int] | None) -> None:
        """Keep copies in a new temporary folder.

        Args:
            on_disk: Whether a copy is wanted as files too.
            owner: User and group that the files shall belong to; ``None``: this process's.

        Raises:
            InfraError: There is no temporary folder that the owner can enter.
        """
        _remove_stale()
        self.folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
        self._on_disk, self._owner = on_disk, owner
        self._lock = threading.Lock()
        self._copies: dict[str, Copy] = {}
        self._count = 0
        self._held = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        fcntl.flock(self._held, fcntl.LOCK_EX | fcntl.LOCK_NB)  # says that its process lives; ends with it
        self.close = weakref.finalize(self, _discard, self.folder, self._held)
        self.folder.chmod(0o711)
        if owner is not None and not all(parent.stat().st_mode & 1 for parent in self.folder.parents):
            self.close()
            raise InfraError(
                f"not every user can enter {self.folder.parent}: set TMPDIR to a folder that all can enter"
            )

    def take(self, repository: Path) -> Copy:
        """Return a copy of the folder as it is now; give it back with `give_back`.

        Raises:
            InfraError: The folder cannot be read, or there is no room for a copy.
        """
        try:
            with self._lock:
                key = _state(repository)
                if key not in self._copies:
                    self._copies[key] = self._make(key, repository)
                copy = self._copies[key] = self._copies.pop(key)  # the latest used comes last
                copy.users += 1
                return copy
        except OSError as error:
            raise InfraError(f"cannot copy the repository {repository}: {error.strerror or error}") from error

    def give_back(self, copy: Copy) -> None:
        """Say that a copy is no longer used."""
        with self._lock:
            copy.users -= 1
            idle = [other for other in self._copies.values() if other.users == 0]
            for old in idle[: max(0, len(self._copies) - _KEPT)]:
                del self._copies[old.key]
                if old.folder is not None:
                    tree.remove(str(old.folder))

    def _make(self, key: str, repository: Path) -> Copy:
        snapshot = tree.take(str(repository))
        if not self._on_disk:
            return Copy(key, snapshot, None)
        self._count += 1
        folder = self.folder / f"copy-{self._count}"
        folder.mkdir()
        try:
            tree.restore(str(folder), snapshot, self._owner)
        except OSError:
            tree.remove(str(folder))
            raise
        return Copy(key, snapshot, folder)


def _state(repository: Path) -> str:
    """Return a hash of where a folder lies and of every file's size, times and permissions.

    Raises:
        OSError: It cannot be read.
    """
    digest = hashlib.sha256(os.fsencode(repository.resolve(strict=True)))
    pending = [str(repository)]
    while pending:
        with os.scandir(pending.pop()) as entries:
            for entry in sorted(entries, key=lambda entry: entry.name):
                info = entry.stat(follow_symlinks=False)
                line = (entry.path, info.st_ino, info.st_mode, info.st_size, info.st_mtime_ns, info.st_ctime_ns)
                digest.update(repr(line).encode())
                if entry.is_dir(follow_symlinks=False):
                    pending.append(entry.path)
    return digest.hexdigest()


def _discard(folder: Path, held: int) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    os.close(held)


def _remove_stale() -> None:
    """Remove what killed processes left."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):  # of another user, or just removed by another process
            if time.time() - folder.stat().st_mtime < _NEW_S:
                continue
            held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)  # fails while its process lives
                shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(held)
