"""What a sandboxed Python needs of the machine around it: which paths it reads and which variables it gets."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import sys
from collections.abc import Mapping
from pathlib import Path

import envreward

_PASSED_ON = ("LANG", "LC_ALL", "LD_LIBRARY_PATH", "MUJOCO_GL", "PYOPENGL_PLATFORM", "TZ")
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def environment(extra: Mapping[str, str] | None) -> dict[str, str]:
    """Return a command's whole environment: a small fixed set, a few harmless variables of ours, and ``extra``.

    Nothing else is passed on, so that no key can leak.
    """
    fixed = {
        "HOME": "/tmp",
        "LANG": "C.UTF-8",
        "LOGNAME": "sandbox",
        "PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin",
        "PYTHONDONTWRITEBYTECODE": "1",  # the installation is read-only inside
        "PYTHONSAFEPATH": "1",  # modules are not taken from the writable folder
        "PYTHONUNBUFFERED": "1",
        "TMPDIR": "/tmp",
        "USER": "sandbox",
    }
    ours = {name: os.environ[name] for name in (*_PASSED_ON, *_THREADS) if name in os.environ}
    return {**fixed, **ours, **(extra or {})}


def python_paths() -> list[Path]:
    """Return the folders that this interpreter and this installation are read from, none inside another.

    They are: the environment's and the base interpreter's prefix, every folder that the interpreter's links lead
    through, the folders of ``sys.path``, EnvReward's own packages, and the packages of installed plug-ins. Of a
    checkout only the packages are taken, not what lies beside them (runs, notes, ``.env``).
    """
    found = [Path(p) for p in (sys.prefix, sys.exec_prefix, sys.base_prefix, sys.base_exec_prefix)]
    found += _interpreter_links()
    found += [Path(p) for p in sys.path if p and ("site-packages" in p or "dist-packages" in p)]
    for folder in envreward.__path__:
        found.append(Path(folder))
        found += [child.resolve() for child in Path(folder).iterdir() if child.is_symlink() and child.is_dir()]
    found += _plugin_folders()
    existing = sorted({p.absolute() for p in found if p.exists() and p != Path("/")})
    return [p for p in existing if not any(other in p.parents for other in existing)]


def readable_by_all(paths: list[Path]) -> bool:
    """Return whether another user could read these paths (their parents do not matter inside a sandbox)."""
    needed = {p: 0o005 if p.is_dir() else 0o004 for p in paths}
    return all(p.stat().st_mode & bits == bits for p, bits in needed.items())


def _interpreter_links() -> list[Path]:
    """Return the prefix of each interpreter on the chain of links that ``sys.executable`` starts."""
    prefixes, current = [], Path(sys.executable)
    for _ in range(16):
        prefixes.append(current.parent.parent)
        if not current.is_symlink():
            break
        current = Path(os.path.normpath(current.parent / os.readlink(current)))
    return [*prefixes, current.resolve().parent.parent]


def _plugin_folders() -> list[Path]:
    """Return the folders of packages that offer environments, which a training must import."""
    folders = []
    for entry in importlib.metadata.entry_points(group="envreward.envs"):
        package = entry.module.partition(".")[0]
        spec = importlib.util.find_spec(package)
        if package != "envreward" and spec is not None:
            folders += [Path(folder) for folder in spec.submodule_search_locations or ()]
    return folders
