"""Files of a repository in which an agent has worked: reading, writing, remembering and restoring them.

Whatever lies there was made by code that nobody trusts: links that lead out, pipes that block a reader, folders
without permissions or deeper than a path can name, one file under two names. Nothing here follows a link out, waits, or
recurses. Callers see to it that no such code still runs, so that nothing changes between a check and its use.

Needs the standard library alone: it also runs inside containers.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import secrets
import stat
import struct
from typing import NamedTuple

_NO_SUCH = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.EINVAL)
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.ENOMEM)
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class Refused(Exception):
    """A path that cannot be read or written, in words for whoever named it."""


class Entry(NamedTuple):
    """A folder, file or link as it was."""

    kind: str
    """``d``, ``f`` or ``l``."""
    mode: int
    """Permission bits; 0 for links, which have none."""
    mtime_ns: int
    data: bytes
    """A file's content, or where a link points."""


Snapshot = dict[str, Entry]
"""What a folder holds, by path relative to it; folders come before what is in them. The folder itself is ``""``."""


def locate(root: str, path: str) -> str:
    """Return the absolute path, free of links, that ``path`` means inside ``root``.

    Raises:
        Refused: It is empty or leads out of ``root``.
    """
    if not path or "\0" in path or os.path.isabs(path):
        raise Refused(f"{path[:200]!r} is not a path relative to the repository")
    root = os.path.realpath(root)
    try:
        found = os.path.realpath(os.path.join(root, path))
    except (OSError, ValueError) as error:  # ValueError: characters that no file name holds
        raise Refused(f"no such file: {path[:200]!r}") from error
    if found != root and not found.startswith(root + "/"):
        raise Refused(f"{path[:200]!r} leads out of the repository")
    return found


def read_file(root: str, path: str, limit: int) -> bytes:
    """Return the content of the file ``path`` inside ``root``.

    Raises:
        Refused: There is no such file, it is larger than ``limit`` bytes, or cannot be read.
    """
    found = locate(root, path)
    try:
        descriptor = os.open(found, _READ)
    except OSError as error:
        raise _refusal(error, path, "read") from error
    try:
        info = os.fstat(descriptor)
        if not stat.S_ISREG(info.st_mode):
            raise Refused(f"{path[:200]!r} is {'a folder' if stat.S_ISDIR(info.st_mode) else 'no regular file'}")
        if info.st_size > limit:
            raise Refused(f"{path[:200]!r} has {info.st_size:,} bytes; at most {limit:,} can be read")
        return os.read(descriptor, info.st_size)  # of a regular file all of it at once, as nobody else uses it
    finally:
        os.close(descriptor)


def write_file(root: str, path: str, data: bytes, owner: tuple[int, int] | None = None) -> None:
    """Write a file and the folders above it: wholly or, where that fails, not at all.

    Args:
        root: The repository's folder.
        path: Relative to it.
        data: The content.
        owner: User and group whose the file and new folders shall be; ``None``: this process's.

    Raises:
        Refused: It is a folder or no regular file, there is no room left, or it cannot be written.
    """
    found = locate(root, path)
    parent = os.path.dirname(found)
    beside = os.path.join(parent, f".{secrets.token_hex(8)}")
    try:
        if found == os.path.realpath(root) or os.path.isdir(found):
            raise Refused(f"{path[:200]!r} is a folder")
        mode = 0o644
        with contextlib.suppress(FileNotFoundError):
            info = os.lstat(found)
            if not stat.S_ISREG(info.st_mode):
                raise Refused(f"{path[:200]!r} is no regular file")
            mode = stat.S_IMODE(info.st_mode)
        _make_folders(parent, owner)
        try:
            _create(beside, data, mode, owner)
            os.rename(beside, found)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(beside)
            raise
    except OSError as error:
        raise _refusal(error, path, "written") from error


def _make_folders(folder: str, owner: tuple[int, int] | None) -> None:
    missing = []
    while not os.path.lexists(folder):
        missing.append(folder)
        folder = os.path.dirname(folder)
    for new in reversed(missing):
        os.mkdir(new, 0o755)
        if owner is not None:
            os.chown(new, *owner, follow_symlinks=False)


def _create(path: str, data: bytes, mode: int, owner: tuple[int, int] | None) -> None:
    """Write a new file."""
    descriptor = os.open(path, _CREATE, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        if owner is not None:
            os.fchown(descriptor, *owner)
        os.fchmod(descriptor, mode)


def _refusal(error: OSError, path: str, done: str) -> Refused:
    if error.errno in _NO_SUCH:
        return Refused(f"no such file: {path[:200]!r}")
    if error.errno == errno.ENXIO:
        return Refused(f"{path[:200]!r} is no regular file")
    if error.errno in _NO_ROOM:
        return Refused(f"no room left to write {path[:200]!r}")
    return Refused(f"{path[:200]!r} cannot be {done}: {error.strerror}")


def take(root: str) -> Snapshot:
    """Return what the folder ``root`` holds; sockets, pipes and devices are left out.

    Raises:
        OSError: Something in it cannot be read.
    """
    found: Snapshot = {}
    pending = [""]
    while pending:
        folder = pending.pop()
        info = os.stat(os.path.join(root, folder))
        found[folder] = Entry("d", stat.S_IMODE(info.st_mode), info.st_mtime_ns, b"")
        with os.scandir(os.path.join(root, folder)) as entries:
            listed = sorted(entries, key=lambda entry: entry.name)
        for entry in listed:
            path = f"{folder}/{entry.name}" if folder else entry.name
            info = entry.stat(follow_symlinks=False)
            if stat.S_ISDIR(info.st_mode):
                pending.append(path)
            elif stat.S_ISLNK(info.st_mode):
                found[path] = Entry("l", 0, 0, os.fsencode(os.readlink(entry.path)))
            elif stat.S_ISREG(info.st_mode):
                with open(entry.path, "rb") as file:
                    found[path] = Entry("f", stat.S_IMODE(info.st_mode), info.st_mtime_ns, file.read())
    return found


def pack(snapshot: Snapshot) -> bytes:
    """Return a snapshot as bytes: the length of a JSON index, the index, and all contents one after another."""
    rows = [(path, e.kind, e.mode, e.mtime_ns, len(e.data)) for path, e in snapshot.items()]
    index = json.dumps(rows).encode("ascii")
    return b"".join([struct.pack(">Q", len(index)), index, *(entry.data for entry in snapshot.values())])


def unpack(data: bytes) -> Snapshot:
    """Return the snapshot that `pack` packed."""
    (length,) = struct.unpack_from(">Q", data)
    start, found = 8 + length, {}
    for path, kind, mode, mtime_ns, size in json.loads(data[8:start]):
        found[path] = Entry(kind, mode, mtime_ns, data[start : start + size])
        start += size
    return found


def restore(root: str, wanted: Snapshot, owner: tuple[int, int] | None = None) -> None:
    """Make the existing folder ``root`` what it was when ``wanted`` was taken.

    Every file's content is compared; only what differs is written. What should not be there is removed.

    Args:
        root: A folder that this process's user owns, or that root does.
        wanted: What it shall hold.
        owner: User and group that all of it shall belong to; ``None``: this process's.

    Raises:
        OSError: It does not fit on the disk.
    """
    children: dict[str, set[str]] = {path: set() for path, entry in wanted.items() if entry.kind == "d"}
    for path in wanted:
        if path:
            folder, _, name = path.rpartition("/")
            children[folder].add(name)
    for folder, names in children.items():
        place = os.path.join(root, folder) if folder else root
        if folder and not _is_folder(place):
            remove(place)
            os.mkdir(place)
        os.chmod(place, wanted[folder].mode | 0o700)
        with os.scandir(place) as entries:
            strangers = [entry.path for entry in entries if entry.name not in names]
        for stranger in strangers:
            remove(stranger)
    for path, entry in wanted.items():
        if entry.kind != "d" and not _is_same(f"{root}/{path}", entry):
            _rewrite(f"{root}/{path}", entry, owner)
    for folder in reversed(children):  # a folder's own permissions last, as they may forbid the above
        place = os.path.join(root, folder) if folder else root
        if owner is not None:
            os.chown(place, *owner)
        os.chmod(place, wanted[folder].mode)


def _is_folder(path: str) -> bool:
    with contextlib.suppress(FileNotFoundError):
        return stat.S_ISDIR(os.lstat(path).st_mode)
    return False


def _is_same(path: str, entry: Entry) -> bool:
    """Return whether there is what was there, its times and attributes included, and not under a second name."""
    try:
        info = os.lstat(path)
        if entry.kind == "l":
            return stat.S_ISLNK(info.st_mode) and os.fsencode(os.readlink(path)) == entry.data
        expected = (stat.S_IFREG | entry.mode, 1, len(entry.data), entry.mtime_ns)
        if (info.st_mode, info.st_nlink, info.st_size, info.st_mtime_ns) != expected:
            return False
        descriptor = os.open(path, _READ)
    except OSError:
        return False
    try:
        return os.read(descriptor, len(entry.data) + 1) == entry.data and not _attributes(descriptor)
    finally:
        os.close(descriptor)


def _attributes(descriptor: int) -> list[str]:
    """Return a file's extended attributes, where the system knows such a thing."""
    try:
        return os.listxattr(descriptor)
    except (AttributeError, OSError):
        return []


def _rewrite(path: str, entry: Entry, owner: tuple[int, int] | None) -> None:
    remove(path)
    if entry.kind == "l":
        os.symlink(os.fsdecode(entry.data), path)
        if owner is not None:
            os.chown(path, *owner, follow_symlinks=False)
        return
    _create(path, entry.data, entry.mode, owner)
    os.utime(path, ns=(entry.mtime_ns, entry.mtime_ns))


def empty(folder: str) -> None:
    """Remove all that a folder holds."""
    with os.scandir(folder) as entries:
        paths = [entry.path for entry in entries]
    for path in paths:
        remove(path)


def remove(path: str) -> None:
    """Remove a file, link or folder, if there is one, however deep and whatever its permissions.

    Folders inside are first moved up beside it, so that neither a path grows long nor the stack deep.
    """
    try:
        if not _is_folder(path):
            os.unlink(path)
            return
    except FileNotFoundError:
        return
    stem, moved = f"{os.path.dirname(path)}/.{secrets.token_hex(8)}", 0
    pending = [path]
    while pending:
        current = pending.pop()
        os.chmod(current, 0o700)
        with os.scandir(current) as entries:
            listed = list(entries)
        for entry in listed:
            if entry.is_dir(follow_symlinks=False):
                moved += 1
                os.chmod(entry.path, 0o700)  # moving a folder changes what its `..` is
                os.rename(entry.path, f"{stem}-{moved}")
                pending.append(f"{stem}-{moved}")
            else:
                os.unlink(entry.path)
        os.rmdir(current)
