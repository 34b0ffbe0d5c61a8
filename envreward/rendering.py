"""Pictures of MuJoCo worlds without a display.

`mujoco.Renderer` takes the OpenGL backend that the environment variable ``MUJOCO_GL`` named when mujoco was first
imported, and a window system otherwise, which a server has not. Here the backend is chosen when a picture is first
asked for: the one ``MUJOCO_GL`` names, else EGL, else OSMesa.
"""

from __future__ import annotations

import contextlib
import copy
import importlib
import os
from collections.abc import Mapping
from typing import Any

import mujoco
import numpy as np

from envreward.errors import ConfigError

_BACKENDS = ("egl", "osmesa")


class Renderer:
    """Renders one model's worlds at one size, off screen."""

    def __init__(self, model: mujoco.MjModel, width: int, height: int, camera: Mapping[str, Any] | None = None) -> None:
        """Open an OpenGL context.

        Args:
            model: The model whose worlds will be rendered.
            width: Of the pictures, pixels.
            height: Of the pictures, pixels.
            camera: `mujoco.MjvCamera` attributes of a free or tracking camera (``trackbodyid``, ``distance``,
                ``elevation``, ``azimuth``, ``lookat``), used where the model has no camera called ``track``.

        Raises:
            ConfigError: No OpenGL backend works here; the message says what to install.
        """
        self.size = (width, height)
        self._context = _open_context(width, height)
        self._context.make_current()
        self._model = copy.copy(model)
        self._model.vis.global_.offwidth, self._model.vis.global_.offheight = width, height
        self._scene = mujoco.MjvScene(self._model, maxgeom=2000)
        for flag in (mujoco.mjtRndFlag.mjRND_SHADOW, mujoco.mjtRndFlag.mjRND_REFLECTION):
            self._scene.flags[flag] = False  # without a GPU they take most of the time: 25 pictures/s instead of 161
        self._option = mujoco.MjvOption()
        self._gpu = mujoco.MjrContext(self._model, mujoco.mjtFontScale.mjFONTSCALE_100)
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, self._gpu)
        self._rect = mujoco.MjrRect(0, 0, width, height)
        self._camera = _camera(self._model, camera or {})

    def render(self, data: mujoco.MjData) -> np.ndarray:
        """Return a picture of ``data``, whose derived fields must be computed: uint8 ``[height, width, 3]``."""
        width, height = self.size
        self._context.make_current()
        mujoco.mjv_updateScene(
            self._model, data, self._option, None, self._camera, mujoco.mjtCatBit.mjCAT_ALL, self._scene
        )
        mujoco.mjr_render(self._rect, self._scene, self._gpu)
        picture = np.empty((height, width, 3), dtype=np.uint8)
        mujoco.mjr_readPixels(picture, None, self._rect, self._gpu)
        return np.ascontiguousarray(np.flipud(picture))

    def close(self) -> None:
        """Release the OpenGL context."""
        if self._context is not None:
            self._context.make_current()
            self._gpu.free()
            self._context.free()
            self._context = None


def _camera(model: mujoco.MjModel, settings: Mapping[str, Any]) -> mujoco.MjvCamera:
    camera = mujoco.MjvCamera()
    track = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_CAMERA, "track")
    if track >= 0:
        camera.type, camera.fixedcamid = mujoco.mjtCamera.mjCAMERA_FIXED, track
        return camera
    mujoco.mjv_defaultFreeCamera(model, camera)
    if "trackbodyid" in settings:
        camera.type = mujoco.mjtCamera.mjCAMERA_TRACKING
    for name, value in settings.items():
        if name == "lookat":
            camera.lookat[:] = value
        else:
            setattr(camera, name, value)
    return camera


def _open_context(width: int, height: int) -> Any:
    # Mesa's software renderer and triton (which torch imports with its first optimizer) each bring their own LLVM;
    # triton's dies with a segmentation fault when it is loaded second, and lives when it is first.
    with contextlib.suppress(ImportError):
        importlib.import_module("triton")
    chosen = os.environ.get("MUJOCO_GL", "").lower().strip()
    reasons = []
    for backend in (chosen,) if chosen in (*_BACKENDS, "glfw") else _BACKENDS:
        try:
            return importlib.import_module(f"mujoco.{backend}").GLContext(width, height)
        except Exception as error:  # the boundary to OpenGL drivers: anything from ImportError to AttributeError
            reasons.append(f"{backend}: {str(error).strip().splitlines()[0] if str(error) else type(error).__name__}")
    raise ConfigError(
        f"cannot render here ({'; '.join(reasons)}); on Debian or Ubuntu: apt-get install libegl1 libosmesa6"
    )
