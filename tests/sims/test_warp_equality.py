"""MuJoCo Warp against MuJoCo, task by task.

Before each step the states are made equal, so that what is compared is one control step and not how chaos makes the
most of rounding errors: MuJoCo itself, started 6e-8 beside itself, is off by 0.1 rad after 30 steps of HalfCheetah.
"""

from __future__ import annotations

import copy

import mujoco
import pytest
import torch

from envreward.sims import MujocoBatch, MujocoWarp
from envreward.vector_env import make_vector_env

pytestmark = pytest.mark.usefixtures("quick_kernels")

_STATE = ("time", "qpos", "qvel", "qacc_warmstart", "mocap_pos", "mocap_quat")

# Largest difference that one control step may make in an observation, relative to 1 + |value|; about twice what was
# measured over 60 steps of 8 worlds: 2e-6, 5e-4 (stiff legs on the floor), 7e-5, 2e-4, 5e-2 (the solver), 2e-7.
ROBOTS = {
    "Hopper": 5e-6,
    "HalfCheetah": 1e-3,
    "Walker2d": 2e-4,
    "Ant": 5e-4,
    "Humanoid": 1e-1,
    "InvertedPendulum": 1e-6,
}
# Measured over 80 steps of 8 worlds: 2e-4 (the arm 2e-7, the rest an object that rocks by micrometres), 4e-3 while the
# hand closes on the puck and 2e-3 while it is on the handle: contacts between meshes are found in another way.
MANIPULATION = {"MetaWorld-reach": 5e-4, "MetaWorld-push": 1e-2, "MetaWorld-door-open": 5e-3}


def differences(name, steps, act=None, num_worlds=3):
    """Run a task in both simulators; return how far observations and rewards are apart after one step, ``[T, N]``."""
    cpu = make_vector_env(name, num_worlds, max_episode_steps=steps - 5)
    warp = make_vector_env(name, num_worlds, max_episode_steps=steps - 5, simulator="mujoco_warp")
    first, second = cpu.reset(seed=3)[0], warp.reset(seed=3)[0]
    assert relative(second, first) < 1e-5
    low, high = (torch.as_tensor(bound) for bound in (cpu.single_action_space.low, cpu.single_action_space.high))
    generator = torch.Generator().manual_seed(0)
    rows, ends = [], 0
    for step in range(steps):
        for field in _STATE:
            getattr(warp.sim, field).copy_(getattr(cpu.sim, field))
        noise = torch.rand((num_worlds, *low.shape), generator=generator)
        action = low + (high - low) * noise if act is None else act(cpu.task, step).float()
        expected, got = cpu.step(action), warp.step(action)
        assert torch.equal(expected[2], got[2]) and torch.equal(expected[3], got[3])
        assert torch.equal(expected[4]["success"], got[4]["success"])
        rows.append((distance(got[0], expected[0]).amax(1), distance(got[1], expected[1])))
        ends += int((expected[2] | expected[3]).sum())
    assert ends >= num_worlds  # new episodes began alike, too
    cpu.close()
    warp.close()
    obs, reward = (torch.stack(values) for values in zip(*rows, strict=True))
    return obs, reward


def distance(got, expected):
    expected = expected.double()
    return (got.double() - expected).abs() / (1.0 + expected.abs())


def rarely(flags):
    """Whether few steps are flagged: a contact may begin, or a reward jump, a rounding error sooner."""
    return float(flags.double().mean()) < 0.03


def relative(got, expected):
    return float(distance(got, expected).max())


@pytest.mark.parametrize("robot", ROBOTS)
def test_robots_step_as_in_mujoco(robot):
    """Observation, contact forces included, reward and ends of one step are MuJoCo's up to rounding."""
    obs, reward = differences(robot, 24)
    assert float(obs.median()) < 1e-5
    assert rarely(obs > ROBOTS[robot]) and rarely(reward > ROBOTS[robot])


def test_humanoid_differs_by_its_solver_alone():
    """Humanoid asks for PGS, which stops early; where MuJoCo uses Newton's method, too, only rounding is left."""
    model = copy.copy(make_vector_env("Humanoid", 1).sim.model)
    model.opt.solver = mujoco.mjtSolver.mjSOL_NEWTON
    cpu, warp = MujocoBatch(model, 2), MujocoWarp(model, 2)
    generator = torch.Generator().manual_seed(0)
    forces, expected = warp.external_forces(), cpu.external_forces()
    largest = 0.0
    for _ in range(16):
        for field in _STATE[:4]:
            getattr(warp, field).copy_(getattr(cpu, field))
        action = 0.8 * torch.rand((2, model.nu), generator=generator) - 0.4
        for sim in (cpu, warp):
            sim.ctrl.copy_(action)
            sim.step(5)
        assert relative(warp.qpos, cpu.qpos) < 3e-6 and relative(warp.qvel, cpu.qvel) < 1e-3
        assert relative(forces, expected) < 3e-3
        largest = max(largest, float(expected.abs().max()))
    assert largest > 1000.0


@pytest.mark.parametrize("task", MANIPULATION)
def test_manipulation_steps_as_in_mujoco(task):
    """One step of Meta-World with its scripted policy, grasp and push included, is nearly MuJoCo's."""
    policy = next(b for b in make_vector_env(task, 1).task.behaviours if b.succeeds)
    obs, reward = differences(task, 55, policy.act)
    assert float(obs.median()) < 1e-4
    assert rarely(obs > MANIPULATION[task]) and rarely(reward > 1e-3)
