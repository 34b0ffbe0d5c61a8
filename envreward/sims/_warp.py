"""NVIDIA Warp and MuJoCo Warp: loaded when they are first needed, and quietly."""

from __future__ import annotations

import functools
import importlib
import importlib.metadata
import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch

from envreward.errors import ConfigError, MissingExtraError

EXTRA = "warp"


class Warp(NamedTuple):
    """The two modules, which carry no types."""

    wp: Any
    """``warp``: arrays, graphs, streams."""
    mjw: Any
    """``mujoco_warp``: the physics."""


@functools.cache
def load_warp() -> Warp:
    """Import and initialise both modules, without a greeting and without a word for each kernel that is compiled.

    Where there is no CUDA driver, Warp's native code says so on standard error, once; that cannot be switched off.

    Raises:
        MissingExtraError: One of them is not installed.
        ConfigError: Warp cannot write the folder in which it keeps compiled kernels.
    """
    try:
        wp = importlib.import_module("warp")
        if wp.config.log_level == wp.LOG_INFO:  # its default
            wp.config.log_level = wp.LOG_WARNING
        wp.init()
        return Warp(wp, importlib.import_module("mujoco_warp"))
    except ModuleNotFoundError as error:
        raise MissingExtraError("the simulator mujoco_warp", EXTRA) from error
    except OSError as error:
        raise ConfigError(
            f"Warp cannot keep its compiled kernels ({error}); name a folder that can be written in WARP_CACHE_PATH"
        ) from error


@contextmanager
def warp_device(device: torch.device) -> Iterator[None]:
    """Run the block's Warp operations on ``device``, after what torch has begun there and before what torch begins."""
    wp = load_warp().wp
    with wp.ScopedDevice(str(device)):
        if device.type != "cuda":
            yield
            return
        torch_stream = torch.cuda.current_stream(device)
        warp_stream = wp.stream_to_torch(wp.get_device(str(device)))
        warp_stream.wait_stream(torch_stream)
        yield
        torch_stream.wait_stream(warp_stream)


def find_device(device: torch.device | str) -> torch.device:
    """Return a device that worlds can live on; ``"cuda"`` alone means the current CUDA device.

    Raises:
        ConfigError: It is neither a CPU nor a CUDA device, or this machine has none such.
    """
    try:
        found = torch.device(device)
    except RuntimeError as error:
        raise ConfigError(f"no such device: {device!r}; give 'cpu', 'cuda' or 'cuda:0'") from error
    if found.type == "cpu":
        return torch.device("cpu")
    if found.type != "cuda":
        raise ConfigError(f"worlds cannot live on device {str(device)!r}; give 'cpu', 'cuda' or 'cuda:0'")
    if not torch.cuda.is_available():
        reason = "torch finds no CUDA device here" if torch.version.cuda else "this torch is built without CUDA"
        raise ConfigError(f"device {str(device)!r}: {reason}; use device 'cpu'")
    count = torch.cuda.device_count()
    index = torch.cuda.current_device() if found.index is None else found.index
    if index >= count:
        raise ConfigError(
            f"device {str(device)!r}: there are {count} CUDA devices here, the last is 'cuda:{count - 1}'"
        )
    return torch.device("cuda", index)


class WarpStatus(NamedTuple):
    """What there is here to simulate on a GPU."""

    versions: str | None
    """Of the two packages, for people to read; ``None`` where one is not installed."""
    cuda: str | None
    """Name of the CUDA device; ``None`` where torch finds none."""


def warp_status() -> WarpStatus:
    """Return what there is here to simulate on a GPU; loads neither package."""
    packages = {"warp": "warp-lang", "mujoco_warp": "mujoco-warp"}
    versions = None
    if all(importlib.util.find_spec(module) for module in packages):
        versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in packages.values())
    return WarpStatus(versions, torch.cuda.get_device_name(0) if torch.cuda.is_available() else None)
