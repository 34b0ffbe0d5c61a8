"""MuJoCo's warnings as text, instead of lines on standard error and a file MUJOCO_LOG.TXT in the current folder."""

from __future__ import annotations

from types import TracebackType

import mujoco


class collect_messages:  # noqa: N801 - used like a function; a class because it is entered in every step
    """Collect what MuJoCo warns of inside the ``with`` block; the handler that was set before is put back."""

    def __enter__(self) -> list[str]:
        self._before = mujoco.get_mju_user_warning()
        texts: list[str] = []
        mujoco.set_mju_user_warning(texts.append)
        return texts

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        mujoco.set_mju_user_warning(self._before)
