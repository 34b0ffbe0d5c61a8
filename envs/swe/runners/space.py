"""Where the files of one bubblewrap runner lie: the repository, the scratch space, and what else it may read.

As root the repository is an overlay mount over a shared copy (see `Copies`), whose upper layer, like the scratch space,
is a file system in memory of bounded size; otherwise both are plain folders. What a runner of root may read is mounted
once more below its own folder, as the user that its commands run as cannot enter root's home.
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from envreward.errors import InfraError
from envreward.sandboxes.bubblewrap import FIRST_UID

from . import mounts, tree
from .copies import Copy

UID = FIRST_UID - 1
"""Commands started by root run as this user, which no system hands out."""
_FILES = 200_000


def owner() -> tuple[int, int] | None:
    """Return the user and group that a runner's files belong to; ``None``: this process's own."""
    return (UID, UID) if os.geteuid() == 0 else None


class Space:
    """The files of one runner; all its methods are to be called by one and the same thread (see `mounts`)."""

    def __init__(self, home: Path, copy: Copy, size_bytes: int, readable: Mapping[str, Path]) -> None:
        """Nothing is made yet.

        Args:
            home: New folder for it all.
            copy: The repository; one on the disk is mounted.
            size_bytes: What may be changed and written, where it is mounted.
            readable: Folders to make readable, by where they shall lie inside.
        """
        self.home, self._copy, self._size_bytes = home, copy, size_bytes
        self.readable = dict(readable)
        self._space = home / "space"
        self.overlay = copy.folder is not None
        self._mounted: list[str] = []

    @property
    def repository(self) -> str:
        """Where the repository lies."""
        return str(self._space / "repo")

    @property
    def scratch(self) -> str:
        """Where the scratch space lies."""
        return str(self._space / "scratch")

    def prepare(self) -> None:
        """Make everything.

        Raises:
            InfraError: Something cannot be mounted.
            OSError: Something cannot be written.
        """
        for folder in (self.home, self._space):
            folder.mkdir()
            folder.chmod(0o711)
        if can_mount():
            mounts.own_namespace()
            for number, (inside, path) in enumerate(self.readable.items()):
                place = self.home / f"readable-{number}"
                place.mkdir()
                mounts.bind(str(path), str(place))
                self._mounted.append(str(place))
                self.readable[inside] = place
        if self.overlay:
            self._mount()
            return
        for name in (self.repository, self.scratch):
            self._folder(name, 0o700)
        self.clear()

    def clear(self) -> None:
        """Put everything back.

        Raises:
            InfraError: Something cannot be mounted.
            OSError: Something cannot be written.
        """
        if self.overlay:
            self._unmount()
            self._mount()
        else:
            tree.empty(self.scratch)
            tree.restore(self.repository, self._copy.snapshot, owner())

    def remove(self) -> None:
        """Leave nothing behind.

        Raises:
            InfraError: It was never mounted, or not all of it.
        """
        try:
            if self.overlay:
                self._unmount()
            while self._mounted:
                mounts.unmount(self._mounted.pop())
        finally:
            tree.remove(str(self.home))

    def _mount(self) -> None:
        assert self._copy.folder is not None
        upper, work = f"{self._space}/upper", f"{self._space}/work"
        mounts.mount_tmpfs(str(self._space), self._size_bytes, _FILES)
        self._folder(self.scratch, 0o700)
        self._folder(work, 0o700)
        self._folder(upper, self._copy.snapshot[""].mode | 0o700)
        os.mkdir(self.repository)
        mounts.mount_overlay(str(self._copy.folder), upper, work, self.repository)

    def _unmount(self) -> None:
        mounts.unmount(self.repository)
        mounts.unmount(str(self._space))

    @staticmethod
    def _folder(path: str, mode: int) -> None:
        os.mkdir(path)
        os.chmod(path, mode)
        if (whose := owner()) is not None:
            os.chown(path, *whose)


@functools.cache
def can_mount() -> bool:
    """Return whether this process can mount overlays, found out by mounting one."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return False
    with ThreadPoolExecutor(1) as pool:
        try:
            pool.submit(_try_overlay).result()
        except (InfraError, OSError):
            return False
    return True


def _try_overlay() -> None:
    mounts.own_namespace()
    mounts.mount_tmpfs("/mnt", 1 << 20, 100)
    for name in ("lower", "upper", "work", "target"):
        os.mkdir(f"/mnt/{name}")
    mounts.mount_overlay("/mnt/lower", "/mnt/upper", "/mnt/work", "/mnt/target")
