"""The ``metaworld`` package's own models, compiled as its classes compile them."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import mujoco
import numpy as np

from envreward.errors import MissingExtraError
from envreward.sims.messages import collect_messages

Vector = tuple[float, ...]
"""Coordinates, m."""
_WELD = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, 5.0)
"""Anchor, relative pose (a negative quaternion: that of the model's start) and torque scale of the mocap welds."""


def compile_model(task_id: str, asset: str, grasped_geom: str | None) -> mujoco.MjModel:
    """Return a model with the official weld settings and, for ``grasped_geom``, two contact sensors more.

    Args:
        task_id: Who asks, for the message where the package is missing.
        asset: File name below the package's ``assets/sawyer_xyz``.
        grasped_geom: Geom whose contacts with the left and the right finger's pad are sensed: the normal force of the
            strongest one is the first of each sensor's three numbers, N.

    Raises:
        MissingExtraError: The package is not installed.
    """
    with collect_messages():
        spec = mujoco.MjSpec.from_file(str(asset_folder(task_id) / asset))
        for pad in ("leftpad_geom", "rightpad_geom") if grasped_geom else ():
            sensor = spec.add_sensor(
                type=mujoco.mjtSensor.mjSENS_CONTACT,
                objtype=mujoco.mjtObj.mjOBJ_GEOM, objname=pad,
                reftype=mujoco.mjtObj.mjOBJ_GEOM, refname=grasped_geom,
            )  # fmt: skip
            sensor.intprm = [1 << int(mujoco.mjtConDataField.mjCONDATA_FORCE), 2, 1]  # the strongest contact's
        model = spec.compile()
    for i in np.flatnonzero(model.eq_type == mujoco.mjtEq.mjEQ_WELD):
        model.eq_data[i, : len(_WELD)] = _WELD
    return model


def asset_folder(task_id: str) -> Path:
    """Return the folder of the models, found without importing the package.

    Raises:
        MissingExtraError: The package is not installed.
    """
    found = importlib.util.find_spec("metaworld")
    if found is None or not found.submodule_search_locations:
        raise MissingExtraError(task_id, "metaworld")
    return Path(found.submodule_search_locations[0]) / "assets" / "sawyer_xyz"


def single(*numbers: float) -> Vector:
    """Return numbers rounded to float32, as some official constants are."""
    return tuple(float(np.float32(number)) for number in numbers)
