"""ManiSkill's scenes on a machine where SAPIEN cannot draw.

ManiSkill offers to leave rendering out (``render_backend="none"``): bodies then get collision shapes and no visual
ones. What stands in the way is `sapien.render.RenderMaterial`, the colour of a visual shape, which is created to
describe every shape and which SAPIEN refuses where no Vulkan device satisfies it, though the description is never used.
Within `physics_only` a plain object takes its place. Physics is untouched by it. Where a Vulkan device works,
`physics_only` does nothing.

SAPIEN 3.0.3 asks of a device the extension ``VK_EXT_extended_dynamic_state`` and the features ``independentBlend``,
``descriptorBindingPartiallyBound`` and ``timelineSemaphore`` (sapien-vulkan-2, src/core/instance.cpp). A GPU's driver
has them; of Mesa's processor driver, lavapipe, version 22.3 (Debian 12) is refused and version 25.0 (Debian 13, and
Debian 12's backports) accepted.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
from collections.abc import Iterator
from typing import Any

VULKAN_FIX = "apt-get install libvulkan1 mesa-vulkan-drivers (Mesa 25 or newer; on Debian 12: -t bookworm-backports)"
"""What to run for pictures without a GPU; a GPU brings what it takes with its own driver."""


@functools.cache
def vulkan_problem() -> str | None:
    """Return why SAPIEN cannot draw on this machine, found out by trying; ``None`` if it can."""
    render = importlib.import_module("sapien.render")
    try:
        render.RenderMaterial()
    except RuntimeError as error:
        return str(error)
    return None


class _NoMaterial:
    """Keeps what a shape's colour is described by; nothing reads it."""

    def __init__(self, **described: Any) -> None:
        self.__dict__.update(described)


@contextlib.contextmanager
def physics_only() -> Iterator[None]:
    """Let scenes be described without a Vulkan device; does nothing where there is one."""
    if vulkan_problem() is None:
        yield
        return
    holders = [importlib.import_module(name) for name in ("sapien.pysapien.render", "sapien.render")]
    holders.append(importlib.import_module("sapien.wrapper.urdf_loader"))
    own = [holder.RenderMaterial for holder in holders]
    try:
        for holder in holders:
            holder.RenderMaterial = _NoMaterial  # type: ignore[attr-defined]
        yield
    finally:
        for holder, material in zip(holders, own, strict=True):
            holder.RenderMaterial = material  # type: ignore[attr-defined]
