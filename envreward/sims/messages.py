"""MuJoCo's warnings as text, instead of lines on standard error and a file MUJOCO_LOG.TXT in the current folder."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import mujoco


@contextlib.contextmanager
def collect_messages() -> Iterator[list[str]]:
    """Collect what MuJoCo warns of inside the ``with`` block; the handler that was set before is put back."""
    before = mujoco.get_mju_user_warning()
    texts: list[str] = []
    mujoco.set_mju_user_warning(texts.append)
    try:
        yield texts
    finally:
        mujoco.set_mju_user_warning(before)
