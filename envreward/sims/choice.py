"""Which simulator runs the worlds: C threads on the CPU, or MuJoCo Warp, which is what runs on a GPU."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

import torch

from envreward.errors import ConfigError, UnknownNameError

from ._warp import find_device
from .base import Sim

if TYPE_CHECKING:
    import mujoco

Simulator: TypeAlias = Literal["mujoco", "mujoco_warp"]
"""``mujoco``: MuJoCo itself, float64, on CPU threads; ``mujoco_warp``: MuJoCo Warp, float32, on a CUDA device, or,
slowly and for tests, on the CPU."""


def choose_simulator(device: torch.device | str, simulator: str | None) -> tuple[torch.device, Simulator]:
    """Return the device and the simulator that the two settings together mean; the device alone decides by default.

    Raises:
        ConfigError: This machine has no such device, or the simulator does not run on it.
        UnknownNameError: No such simulator.
    """
    found = find_device(device)
    if simulator is None:
        return found, "mujoco_warp" if found.type == "cuda" else "mujoco"
    for known in get_args(Simulator):
        if simulator == known:
            if found.type == "cuda" and known == "mujoco":
                raise ConfigError(f"simulator 'mujoco' runs on the CPU only; for device {str(device)!r} leave it out")
            return found, known
    raise UnknownNameError("simulator", simulator, get_args(Simulator))


def make_sim(
    model: mujoco.MjModel,
    num_worlds: int,
    *,
    device: torch.device | str = "cpu",
    simulator: str | None = None,
    num_threads: int = 1,
) -> Sim:
    """Create ``num_worlds`` worlds of ``model``.

    Args:
        model: Compiled model.
        num_worlds: N.
        device: ``"cpu"``, ``"cuda"`` or ``"cuda:1"``.
        simulator: See `Simulator`; ``None``: ``mujoco`` on the CPU, ``mujoco_warp`` on a CUDA device.
        num_threads: Threads of the simulator ``mujoco``, the caller's included; 0: one per CPU.

    Raises:
        ConfigError: This machine has no such device, or the simulator cannot run there or cannot run the model.
        UnknownNameError: No such simulator.
        MissingExtraError: The simulator is not installed.
    """
    found, chosen = choose_simulator(device, simulator)
    if chosen == "mujoco":
        from .mujoco_batch import MujocoBatch

        return MujocoBatch(model, num_worlds, num_threads)
    from .mujoco_warp import MujocoWarp

    return MujocoWarp(model, num_worlds, found)
