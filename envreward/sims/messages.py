"""MuJoCo's warnings as text, instead of lines on standard error and a file MUJOCO_LOG.TXT in the current folder."""

from __future__ import annotations

from types import TracebackType

import mujoco


class collect_messages:
    """Collect what MuJoCo warns of inside the ``with`` block; the handler that was set before is put back.

    A class and not a generator, because it is entered in every step.
    """

    def __enter__(self) -> list[str]:
        self._before = mujoco.get_mju_user_warning()
        texts: list[str] = []
        mujoco.set_mju_user_warning(texts.append)
        return texts

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        mujoco.set_mju_user_warning(self._before)
