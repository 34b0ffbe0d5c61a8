"""Trees of files as mappings, what changed in them, and repositories made of them with a history of one commit."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

from envreward.errors import ActionError, ConfigError, InfraError

Tree: TypeAlias = Mapping[str, bytes]
"""Contents by path, relative and with ``/``; ``.git`` is not among them."""
Changes: TypeAlias = Mapping[str, bytes | None]
"""New contents by path; ``None``: deleted."""

SKIPPED = {".git", "__pycache__", ".pytest_cache"}
"""Folders that are not part of a tree."""
_GIT_ENV = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    **{f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER") for what, value in (("NAME", "envreward"),
       ("EMAIL", "envreward@localhost"), ("DATE", "2000-01-01T00:00:00+0000"))},
}  # fmt: skip


def read_tree(folder: Path) -> dict[str, bytes]:
    """Return a folder's regular files; links and what lies in `SKIPPED` are left out."""
    tree: dict[str, bytes] = {}
    for parent, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if name not in SKIPPED)
        for name in sorted(files):
            path = Path(parent, name)
            if not path.is_symlink():
                tree[path.relative_to(folder).as_posix()] = path.read_bytes()
    return tree


def write_tree(tree: Tree, folder: Path) -> None:
    """Write a tree below a folder."""
    for path, data in tree.items():
        target = folder / check_path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)


def tree_hash(changes: Changes) -> str:
    """Return a hash of contents by path: equal for equal mappings, whatever their order."""
    digest = hashlib.sha256()
    for path in sorted(changes):
        data = changes[path]
        digest.update(f"{path}\0{-1 if data is None else len(data)}\0".encode())
        digest.update(data or b"")
    return digest.hexdigest()[:16]


def net_changes(base: Tree, changes: Changes) -> dict[str, bytes | None]:
    """Return those of the changes that make a difference to ``base``."""
    return {path: data for path, data in changes.items() if data != base.get(path)}


def check_path(path: str) -> str:
    """Return a path below a repository in its plain form.

    Raises:
        ActionError: It is empty, absolute, leads out of the repository or into ``.git``, or no file can be called so.
    """
    shown = repr(path[:100])
    if not path or path.startswith("/") or "\0" in path or len(path) > 500:
        raise ActionError(f"{shown} is not a path relative to the repository")
    plain = os.path.normpath(path)
    parts = plain.split("/")
    if plain == "." or ".." in parts:
        raise ActionError(f"{shown} leads out of the repository")
    if any(part.lower() == ".git" for part in parts):
        raise ActionError(f"{shown} is git's own; it cannot be read or changed")
    if any(ord(c) < 32 or c in '"\\' for c in plain):
        raise ActionError(f"{shown} holds characters that cannot be in a path here")
    return plain


def make_repository(tree: Tree, folder: Path) -> Path:
    """Write a tree and commit it; the history is this one commit, the same for equal trees.

    Raises:
        ConfigError: ``git`` is not installed.
        InfraError: It failed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_tree(tree, folder)
    git(folder, "init", "-q", "-b", "main", "--template=")
    git(folder, "add", "-A", "-f")
    git(folder, "-c", "commit.gpgsign=false", "commit", "-q", "--allow-empty", "-m", "Initial commit")
    return folder


def git(folder: Path, *arguments: str) -> bytes:
    """Run git in a folder, without the user's configuration or hooks; return its output.

    Raises:
        ConfigError: ``git`` is not installed.
        InfraError: It failed; the message holds its last line.
    """
    found = shutil.which("git")
    if found is None:
        raise ConfigError("git is not installed: run `apt-get install git`")
    command = [found, "-c", "core.hooksPath=/dev/null", "-c", "gc.auto=0", "-c", "safe.directory=*", *arguments]
    environment = {"PATH": os.environ.get("PATH", os.defpath), "HOME": "/nonexistent", **_GIT_ENV}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True)
    if done.returncode:
        lines = done.stderr.decode(errors="replace").strip().splitlines() or ["no message"]
        raise InfraError(f"git {arguments[0]} failed in {folder}: {lines[-1]}")
    return done.stdout
