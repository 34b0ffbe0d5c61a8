"""Pictures of ManiSkill worlds: one more world, with everything to be seen in it, is put into the state to be drawn."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from envreward.errors import ConfigError

from .official import building, load, make_world
from .physics_only import VULKAN_FIX, vulkan_problem


class Pictures:
    """Draws worlds of one task at one size."""

    def __init__(self, name: str, width: int, height: int) -> None:
        """Build the world that is drawn.

        Args:
            name: Id of the official environment.
            width: Of the pictures, pixels.
            height: Of the pictures, pixels.

        Raises:
            ConfigError: SAPIEN finds no Vulkan device; the message says what to install.
            MissingExtraError: ManiSkill is not installed.
        """
        load()
        problem = vulkan_problem()
        if problem is not None:
            raise ConfigError(f"cannot render ManiSkill here (SAPIEN: {problem}); {VULKAN_FIX}")
        self.size = (width, height)
        camera = {"width": width, "height": height}
        self._env = make_world(name, render_mode="rgb_array", render_backend="gpu", human_render_camera_configs=camera)
        self._seed: int | None = None

    def draw(self, seed: int, packed: bytes) -> NDArray[np.uint8]:
        """Return a picture, uint8 ``[height, width, 3]``.

        Args:
            seed: Of the world's episode: bodies' sizes depend on it in some tasks.
            packed: Its PhysX state.
        """
        if seed != self._seed:
            with building():
                self._env.reset(seed=seed)
            self._seed = seed
        self._env.scene.px.unpack(packed)
        picture: NDArray[np.uint8] = self._env.render()[0].cpu().numpy()
        return picture

    def close(self) -> None:
        """Release the world and SAPIEN's renderer."""
        self._env.close()
