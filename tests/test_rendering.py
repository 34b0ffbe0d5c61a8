import subprocess
import sys

import numpy as np
import pytest

from envreward import rendering
from envreward.errors import ConfigError
from envreward.vector_env import make_vector_env


def test_without_any_backend_the_error_says_what_to_install(monkeypatch):
    """No OpenGL: one line with each backend's reason and the packages to install."""
    monkeypatch.delenv("MUJOCO_GL", raising=False)
    monkeypatch.setattr(rendering, "_BACKENDS", ("no_such_backend",))
    env = make_vector_env("Hopper", 1)
    env.reset(seed=0)
    with pytest.raises(ConfigError, match=r"no_such_backend: .*apt-get install libegl1") as error:
        env.frame(0)
    assert "\n" not in str(error.value)


def test_a_robot_without_a_camera_of_its_own_is_filmed_by_the_tasks_camera():
    """InvertedPendulum's model has no camera; the task's tracking camera follows the cart and shows the pole."""
    env = make_vector_env("InvertedPendulum", 2)
    env.reset(seed=0)
    env.sim.qpos[1, 0] = 0.9
    env.sim.qpos[1, 1] = 0.6
    upright, leaning = env.frame(0, width=160, height=120), env.frame(1, width=160, height=120)
    assert len(np.unique(upright.reshape(-1, 3), axis=0)) > 20
    assert np.abs(upright.astype(int) - leaning).max() > 50
    env.close()


def test_an_optimizer_can_follow_a_picture() -> None:
    """Drawing does not break what torch loads later: both bring an LLVM of their own."""
    code = (
        "import gymnasium as gym, envreward\n"
        "env = gym.make('EnvReward/Hopper-v0', render_mode='rgb_array')\n"
        "env.reset(seed=0)\n"
        "assert env.render().any()\n"
        "env.close()\n"
        "import torch\n"
        "torch.optim.Adam([torch.zeros(2, requires_grad=True)])\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr
