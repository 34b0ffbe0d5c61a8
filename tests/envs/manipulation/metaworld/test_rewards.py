"""Published rewards and success tests in poses that no policy brings about."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from envreward.envs.manipulation.metaworld.behaviours import policy_of
from envreward.envs.manipulation.metaworld.catalog import TASKS
from envreward.registry import make_task

from .official import Official, batch

NAMES = [spec.id.removeprefix("EnvReward/MetaWorld-").removesuffix("-v0") for spec in TASKS]
POSES = 30
STEPS = (20, 30, 40)
"""Scripted steps before each round of poses, so that the gripper is at the start, on its way or at the object."""
LOW, HIGH = np.array([-0.3, 0.4, 0.0]), np.array([0.3, 1.0, 0.4])


def poses(rng, near):
    """Positions anywhere above the table, and close to given points, ``[POSES, 3]``."""
    anywhere = rng.uniform(LOW, HIGH, (POSES // 3, 3))
    close = near[rng.integers(len(near), size=POSES - len(anywhere))]
    spread = rng.choice([0.005, 0.02, 0.05], size=(len(close), 1))
    return np.concatenate([anywhere, close + spread * rng.normal(size=close.shape)])


def show(official, seen):
    """Let the official rewards that ask the simulator for the objects, not the observation, get what is seen."""
    count = len(type(official.env)._get_pos_objects(official.env)) // 3
    official.env._get_pos_objects = lambda: np.concatenate([seen[4:7], seen[11:14]][:count])


def move_fingers(task, official, delta):
    """Shift tips and pads of the fingers in both simulators' derived fields, which the next step computes anew."""
    for side in ("right", "left"):
        for kind, field, name in (("site", "site_xpos", f"{side}EndEffector"), ("body", "xpos", f"{side}pad")):
            row = task.id_of(kind, name)
            getattr(official.env.data, field)[row] += delta
            getattr(task.sim, field)[0, row] += torch.from_numpy(delta)


@pytest.mark.parametrize("name", NAMES)
def test_a_reward_equals_the_official_one_wherever_the_object_is(name):
    """With observed hand, gripper and objects put anywhere, near the goal and the object's first place above all, and
    fingers close to the object, reward and success are what the official environment computes from the same."""
    env, drawn = batch(name, 1)
    task, official = env.task, Official(name)
    obs = official.reset(drawn[0].numpy())
    [scripted] = [b for b in make_task(f"MetaWorld-{name}").behaviours if b.name == "scripted"]
    policy, rng = policy_of(scripted.act.args[0]), np.random.default_rng(0)
    for steps in STEPS:
        for _ in range(steps):
            action = np.clip(policy(obs), -1, 1).astype(np.float32)
            env.step(torch.from_numpy(action[None]))
            obs, _, _ = official.step(action)
        real = task.current
        near = np.stack([official.env.tcp_center, obs[-3:], task.obj_init_pos[0].numpy()])
        hands, objects, others = (poses(rng, near) for _ in range(3))
        for hand, obj, other in zip(hands, objects, others, strict=True):
            seen = obs.copy()
            seen[:3], seen[3], seen[4:7], seen[11:14] = hand, rng.random(), obj, other
            seen[:18] = seen[:18].clip(*(bound[:18] for bound in (task._low.numpy(), task._high.numpy())))
            if rng.random() < 0.7:
                move_fingers(task, official, obj + 0.01 * rng.normal(size=3) - official.env.tcp_center)
            show(official, seen)
            effort = np.array([0, 0, 0, rng.uniform(-1, 1)], dtype=np.float32)
            expected, info = official.env.evaluate_state(seen, effort)
            task.current = torch.from_numpy(seen[None, :18])
            task.action = torch.from_numpy(effort[None]).double()
            reward = task.expert(**{field: task.read(field) for field in task.expert.parameters}).total
            where = f"hand {hand}, object {obj}"
            np.testing.assert_allclose(reward.numpy(), [expected], atol=1e-6, rtol=0, err_msg=where)
            assert task.achieved().tolist() == [bool(info["success"])], where
        task.current = real
        del official.env._get_pos_objects
    env.close()
