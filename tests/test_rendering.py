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
