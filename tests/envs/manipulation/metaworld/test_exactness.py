"""Every Meta-World task gives the numbers of the official environment."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from envreward.envs.manipulation.metaworld.behaviours import policy_of
from envreward.envs.manipulation.metaworld.catalog import TASKS
from envreward.registry import make_task

from .official import Official, batch

STEPS = 200
RANDOM, SCRIPTED = slice(0, 2), slice(2, 4)
TOLERANCE = 1e-6

NAMES = [spec.id.removeprefix("EnvReward/MetaWorld-").removesuffix("-v0") for spec in TASKS]


def script_of(name):
    """The policy file's name, which the task's behaviour knows."""
    [behaviour] = [b for b in make_task(f"MetaWorld-{name}").behaviours if b.name == "scripted"]
    return policy_of(behaviour.act.args[0])


@pytest.mark.parametrize("name", NAMES)
def test_a_task_equals_the_official_environment(name):
    """Same start and actions, random and scripted: state and observation at the reset, then observation, reward,
    success and grasp of 200 steps, equal those of the official environment to 1e-6."""
    env, drawn = batch(name, 4)
    officials = [Official(name) for _ in range(4)]
    obs = np.stack([official.reset(row.numpy()) for official, row in zip(officials, drawn, strict=True)])
    for world, official in enumerate(officials):
        np.testing.assert_allclose(env.sim.qpos[world].numpy(), official.env.data.qpos, atol=1e-9, rtol=0)
        np.testing.assert_allclose(env.sim.qvel[world].numpy(), official.env.data.qvel, atol=1e-9, rtol=0)
    np.testing.assert_allclose(env._observe().numpy(), obs, atol=TOLERANCE, rtol=0)
    rng, policy, geom = np.random.default_rng(0), script_of(name), env.task.grasped_geom
    for step in range(STEPS):
        action = np.empty((4, 4), dtype=np.float32)
        action[RANDOM] = rng.uniform(-1, 1, (2, 4))
        action[SCRIPTED] = [np.clip(policy(row), -1, 1) for row in obs[SCRIPTED]]
        ours, reward, _, _, info = env.step(torch.from_numpy(action))
        theirs = [official.step(row) for official, row in zip(officials, action, strict=True)]
        obs = np.stack([row for row, _, _ in theirs])
        where = f"step {step}"
        np.testing.assert_allclose(ours.numpy(), obs, atol=TOLERANCE, rtol=0, err_msg=where)
        reward_of_theirs = [r for _, r, _ in theirs]  # dial-turn's is a float32
        np.testing.assert_allclose(reward.numpy(), reward_of_theirs, atol=TOLERANCE, rtol=2e-7, err_msg=where)
        assert info["success"].tolist() == [s for _, _, s in theirs], where
        if geom is not None:
            assert env.task.read("grasped").tolist() == [official.touching(geom) for official in officials], where
    env.close()


def test_a_grasp_is_felt_at_the_new_state():
    """The pads' forces are those of the state after the step, as after ``mj_forward``, not of one substep before."""
    env, _ = batch("pick-place", 1)
    policy, pressed = script_of("pick-place"), 0
    env.sim.sensordata  # noqa: B018  (read once, it is kept up to date)
    for _ in range(80):
        action = np.clip(policy(env._observe().numpy()[0]), -1, 1).astype(np.float32)
        env.step(torch.from_numpy(action[None]))
        np.testing.assert_allclose(env.sim.sensordata[0].numpy(), env.sim.data(0).sensordata, rtol=1e-9, atol=1e-9)
        pressed += bool(env.task.grasped())
    assert pressed > 10
    env.close()
