"""Episodes that begin while other worlds are in the middle of theirs."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from .official import Official, batch
from .test_exactness import TOLERANCE, script_of


@pytest.mark.parametrize("name", ["drawer-close", "window-close", "door-lock", "handle-press"])
def test_a_restarted_world_is_as_new_and_the_others_go_on(name):
    """After steps that moved the object, the start of some worlds is the official reset, whether it is restored, one
    substep old or settled anew; the other worlds' observations do not change."""
    env, _ = batch(name, 4, seed=3)
    task, policy = env.task, script_of(name)
    for _ in range(60):
        action = np.stack([np.clip(policy(row), -1, 1) for row in env._observe().numpy()])
        env.step(torch.from_numpy(action.astype(np.float32)))
    before = env._observe()
    ids, others = torch.tensor([1, 3]), torch.tensor([0, 2])
    drawn = task.draw(torch.from_numpy(np.random.default_rng(5).random((2, task.reset_noise_size))))
    task.start(ids, drawn)
    officials = [Official(name) for _ in ids]
    obs = np.stack([official.reset(row.numpy()) for official, row in zip(officials, drawn, strict=True)])
    assert torch.equal(env._observe()[others], before[others])
    np.testing.assert_allclose(env._observe()[ids].numpy(), obs, atol=TOLERANCE, rtol=0)
    for _ in range(30):
        action = np.zeros((4, 4), dtype=np.float32)
        action[ids] = [np.clip(policy(row), -1, 1) for row in obs]
        ours, reward, _, _, _ = env.step(torch.from_numpy(action))
        theirs = [official.step(action[i]) for official, i in zip(officials, ids, strict=True)]
        obs = np.stack([row for row, _, _ in theirs])
        np.testing.assert_allclose(ours[ids].numpy(), obs, atol=TOLERANCE, rtol=0)
        np.testing.assert_allclose(reward[ids].numpy(), [r for _, r, _ in theirs], atol=TOLERANCE, rtol=0)
    env.close()
