"""Reference behaviours: Meta-World's own scripted policies, and doing nothing."""

from __future__ import annotations

import functools
import importlib
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from envreward.task import Behaviour

NULL = Behaviour("null", False, "Holds the hand where it is.")


def scripted(name: str) -> Behaviour:
    """Return the package's scripted policy for the task called ``name`` there, e.g. ``drawer_open``."""
    return Behaviour(
        "scripted",
        True,
        f"Meta-World's scripted policy in the real physics: metaworld/policies/sawyer_{name}_v3_policy.py.",
        act=functools.partial(_act, name),
    )


def _act(name: str, task: Any, step: int) -> Tensor:
    policy = policy_of(name)
    rows = task.observe().cpu().numpy()
    return torch.from_numpy(np.stack([policy(row) for row in rows]).astype(np.float32)).clamp(-1.0, 1.0)


@functools.cache
def policy_of(name: str) -> Callable[[np.ndarray], np.ndarray]:
    """Return the scripted policy: maps one observation ``[39]`` to an action ``[4]``, not clipped."""
    module = importlib.import_module(f"metaworld.policies.sawyer_{name}_v3_policy")
    found = [cls for cls in vars(module).values() if getattr(cls, "__module__", "") == module.__name__]
    get_action = found[0]().get_action

    def act(obs: np.ndarray) -> np.ndarray:
        with warnings.catch_warnings():  # it warns that its action goes beyond what is then clipped
            warnings.filterwarnings("ignore", message=r"Constant\(s\) may be too high")
            action: np.ndarray = get_action(obs)
        return action

    return act
