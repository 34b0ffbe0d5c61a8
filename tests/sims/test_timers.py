"""MuJoCo's timers: stopped where our simulator steps, running for everyone else."""

from __future__ import annotations

import mujoco
import pytest

from envreward.sims import MujocoBatch
from envreward.sims.timers import Untimed

FALLING = "<mujoco><worldbody><body><freejoint/><geom size='.1'/></body></worldbody></mujoco>"
STEP = mujoco.mjtTimer.mjTIMER_STEP


@pytest.fixture
def model() -> mujoco.MjModel:
    return mujoco.MjModel.from_xml_string(FALLING)


def spent(model: mujoco.MjModel) -> float:
    data = mujoco.MjData(model)
    mujoco.mj_step(model, data, nstep=100)
    return float(data.timer[STEP].duration)


def test_timers_stand_still_and_go_on(model: mujoco.MjModel) -> None:
    """Nothing is timed inside; afterwards, an error or not, everything is as before."""
    assert spent(model) > 0.0
    with Untimed():
        assert spent(model) == 0.0
    assert spent(model) > 0.0
    with pytest.raises(ZeroDivisionError), Untimed():
        _ = 1 / 0
    assert spent(model) > 0.0


def test_the_last_one_who_leaves_starts_them_again(model: mujoco.MjModel) -> None:
    """As where two threads step at once: neither the first to leave nor the order of leaving matters."""
    first, second = Untimed(), Untimed()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert spent(model) == 0.0
    second.__exit__(None, None, None)
    assert spent(model) > 0.0


def test_our_simulator_steps_without_them(model: mujoco.MjModel, monkeypatch: pytest.MonkeyPatch) -> None:
    """While it steps, and only then, nothing is timed."""
    seen: list[float] = []
    monkeypatch.setattr(MujocoBatch, "_guard", staticmethod(lambda call, broken: seen.append(spent(model))))
    MujocoBatch(model, 2).step(3)
    assert seen == [0.0] and spent(model) > 0.0


def test_our_simulator_leaves_them_as_they_were(model: mujoco.MjModel) -> None:
    """Who times MuJoCo in the same process can go on doing so after our steps."""
    sim = MujocoBatch(model, 2)
    sim.step(3)
    assert spent(model) > 0.0
    with Untimed():
        sim.step(3)
        assert spent(model) == 0.0
