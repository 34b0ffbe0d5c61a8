"""EnvReward: say what an agent should do; get a reward that teaches it, a policy that does it, a report you can trust.

Importing this package registers its environments with Gymnasium (``gym.make("EnvReward/Hopper-v0")``); it
loads neither torch nor physics.
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

_EXPORTS = {
    "Field": "envreward.fields",
    "RewardOutput": "envreward.rewards.function",
    "RewardProgram": "envreward.rewards.program",
    "make_task": "envreward.registry",
    "wrap": "envreward.wrapping",
}

__all__ = ["Field", "RewardOutput", "RewardProgram", "__version__", "make_task", "wrap"]


def __getattr__(name: str) -> Any:
    if name not in _EXPORTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_EXPORTS[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)


def _register() -> None:
    from envreward.registry import register_gymnasium

    register_gymnasium()


_register()
