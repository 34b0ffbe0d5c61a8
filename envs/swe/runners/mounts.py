"""Mounts that nobody else sees and that cannot be left behind.

A thread may have a mount namespace of its own. Mounts made by that thread are seen by it and by the processes it
starts, and the kernel undoes them when the thread ends, even by the whole process being killed. So a runner's mounts
belong to a thread that it starts, and all that touches them is done by that thread.
"""

from __future__ import annotations

import ctypes
import os

from envreward.errors import InfraError

_CLONE_NEWNS = 0x00020000
_MS_RDONLY, _MS_NOSUID, _MS_NODEV, _MS_REMOUNT, _MS_BIND = 1, 2, 4, 32, 4096
_MS_REC, _MS_PRIVATE = 16384, 1 << 18
_MNT_DETACH = 2


def own_namespace() -> None:
    """Give the calling thread its own view of the mounts.

    Raises:
        InfraError: The system does not allow it.
    """
    _call("unshare", ctypes.c_int(_CLONE_NEWNS))
    _mount("none", "/", None, _MS_REC | _MS_PRIVATE, None)


def mount_tmpfs(target: str, size_bytes: int, files: int) -> None:
    """Mount a file system in memory that holds up to ``size_bytes`` and ``files`` files.

    Raises:
        InfraError: The system does not allow it.
    """
    _mount("tmpfs", target, "tmpfs", _MS_NOSUID | _MS_NODEV, f"size={size_bytes},nr_inodes={files},mode=0711")


def mount_overlay(lower: str, upper: str, work: str, target: str) -> None:
    """Mount ``lower`` below ``upper``, which takes every change.

    Raises:
        InfraError: The system or the file system does not allow it.
    """
    options = ",".join(
        f"{name}={_escaped(p)}" for name, p in (("lowerdir", lower), ("upperdir", upper), ("workdir", work))
    )
    _mount("overlay", target, "overlay", _MS_NOSUID | _MS_NODEV, options)


def bind(source: str, target: str) -> None:
    """Make ``source`` appear at ``target``, read-only.

    Raises:
        InfraError: The system does not allow it.
    """
    _mount(source, target, None, _MS_BIND, None)
    _mount("none", target, None, _MS_BIND | _MS_REMOUNT | _MS_RDONLY | _MS_NOSUID | _MS_NODEV, None)


def unmount(target: str) -> None:
    """Undo a mount; what is still open in it stays until it is closed.

    Raises:
        InfraError: Nothing is mounted there.
    """
    _call("umount2", os.fsencode(target), ctypes.c_int(_MNT_DETACH))


def _mount(source: str, target: str, kind: str | None, flags: int, options: str | None) -> None:
    encoded = [None if text is None else os.fsencode(text) for text in (source, target, kind, options)]
    _call("mount", *encoded[:3], ctypes.c_ulong(flags), encoded[3])


def _escaped(path: str) -> str:
    """Return a path as overlay's options want it."""
    for character in "\\:,":
        path = path.replace(character, "\\" + character)
    return path


def _call(name: str, *arguments: object) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, name)(*arguments) != 0:
        error = ctypes.get_errno()
        raise InfraError(f"{name} {arguments[1] if len(arguments) > 1 else ''!r} failed: {os.strerror(error)}")
