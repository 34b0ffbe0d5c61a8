"""ManiSkill's tasks: the numbers of its own environments, in batches, and safe against numbers that are not finite."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
import weakref
from pathlib import Path
from typing import Any

import gymnasium as gym
import pytest
import torch

from envreward import noise
from envreward.contract import CHECKS
from envreward.envs.manipulation.maniskill import official, physics_only
from envreward.envs.manipulation.maniskill.behaviours import NULL
from envreward.envs.manipulation.maniskill.catalog import TASKS, UNAVAILABLE
from envreward.envs.manipulation.maniskill.kinematics import forward, matrix
from envreward.envs.manipulation.maniskill.vector_env import episode_seed
from envreward.envs.manipulation.maniskill.worlds import ManiSkillWorlds
from envreward.errors import ConfigError, MissingExtraError
from envreward.registry import make_task
from envreward.vector_env import make_vector_env

IDS = [spec.id for spec in TASKS]
RECORDED = json.loads((Path(__file__).parent / "official.json").read_text())
"""Official numbers after 20 steps from seed 1234567 with actions sin(1..8 * step), by mani_skill 3.0.1 and sapien 3.0.3
with its default rendering on a Vulkan device (Mesa 25's lavapipe), by nothing of this project."""


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def official_name(env_id: str) -> str:
    task: Any = make_task(env_id)
    return str(task.official)


@pytest.mark.parametrize("env_id", IDS)
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_contract(check: Any, env_id: str) -> None:
    """Each promise of a task (the check's own docstring states it) is kept by each ManiSkill task."""
    check(env_id)


@pytest.mark.parametrize("env_id", IDS)
def test_made_by_gymnasium(env_id: str) -> None:
    """Stable-Baselines3's checker accepts the single world, and `gymnasium.make_vec` gives the native batch."""
    checker = importlib.import_module("stable_baselines3.common.env_checker")
    single = gym.make(env_id)
    checker.check_env(single, warn=True, skip_render_check=True)
    single.close()
    batch: Any = gym.make_vec(env_id, num_envs=2)
    obs, _ = batch.reset(seed=0)
    assert tuple(obs.shape) == batch.observation_space.shape
    obs, reward, _, _, _ = batch.step(batch.action_space.sample())
    assert tuple(obs.shape) == batch.observation_space.shape and tuple(reward.shape) == (2,)
    batch.close()


@pytest.mark.filterwarnings("ignore:__array_wrap__ must accept:DeprecationWarning")  # ManiSkill's, under NumPy 2
@pytest.mark.parametrize("env_id", IDS)
def test_same_numbers_as_the_official_environment(env_id: str) -> None:
    """For 100 steps, observation, dense reward and success of a world in a batch are the official environment's."""
    own = make_vector_env(env_id, 2, reward="expert", max_episode_steps=101)
    obs, _ = own.reset(seed=[3, 4])
    key = noise.keys(own._seeds, own._episode)[1]
    world = official.make_world(official_name(env_id))
    with official.building():
        expected, _ = world.reset(seed=episode_seed(key))
    torch.testing.assert_close(obs[1:], expected, rtol=0.0, atol=1e-6)
    draws = torch.Generator().manual_seed(0)
    for _ in range(100):
        action = 2.4 * torch.rand(2, 8, generator=draws) - 1.2  # beyond the bounds, too
        obs, reward, terminated, _, info = own.step(action)
        expected, expected_reward, _, _, expected_info = world.step(action[1:])
        torch.testing.assert_close(obs[1:], expected, rtol=0.0, atol=1e-6)
        torch.testing.assert_close(reward[1:], expected_reward, rtol=0.0, atol=1e-6)
        assert bool(info["success"][1]) == bool(expected_info["success"])
        assert not terminated.any()
    own.close()


@pytest.mark.parametrize("env_id", IDS)
def test_same_numbers_as_recorded_with_rendering(env_id: str) -> None:
    """Leaving visual shapes out changes nothing: the numbers are those recorded from ManiSkill as it comes."""
    task: Any = make_task(env_id)
    worlds = ManiSkillWorlds(task.official, 1, task.per_world)
    worlds.reset([0], [1234567])
    for step in range(20):
        worlds.step(torch.sin(torch.arange(1.0, 9.0) * (step + 1))[None])
    recorded = RECORDED[env_id.split("-")[1]]
    torch.testing.assert_close(worlds.observation[0], torch.tensor(recorded["observation"]), rtol=0.0, atol=1e-5)
    assert float(worlds.reward[0]) == pytest.approx(recorded["reward"], abs=1e-5)
    worlds.close()


@pytest.mark.parametrize("env_id", IDS)
def test_declared_as_registered(env_id: str) -> None:
    """Horizon, spaces and highest reward are those that ManiSkill itself registers and computes."""
    task: Any = make_task(env_id)
    world = official.make_world(task.official)
    assert task.spec.horizon == gym.spec(task.official).max_episode_steps
    assert task.observation_space.shape == world.single_observation_space.shape
    space = world.single_action_space
    assert task.action_space.shape == space.shape
    assert (task.action_space.low == space.low).all() and (task.action_space.high == space.high).all()
    info = world.evaluate()
    dense = world.compute_dense_reward(None, torch.zeros(1, 8), info)
    normalised = world.compute_normalized_dense_reward(obs=None, action=torch.zeros(1, 8), info=info)
    torch.testing.assert_close(dense / task.max_reward, normalised)


@pytest.mark.parametrize("name", ["PickCube", "PullCube", "PushCube"])
def test_scripts_succeed_from_many_states(name: str) -> None:
    """The scripted policies succeed in every one of six episodes, for 1 fitness, and doing nothing gets no success."""
    env: Any = make_vector_env(f"EnvReward/ManiSkill-{name}-v0", 6, reward="sparse", autoreset=False)
    act = env.task.behaviours[0].act
    for policy, expected in ((act, 6), (NULL.act, 0)):
        env.reset(seed=10)
        success, best = torch.zeros(6, dtype=torch.bool), torch.zeros(6)
        for step in range(env.horizon):
            transition = env.advance(torch.zeros(6, 8) if policy is None else policy(env.worlds, step))
            success |= transition.success
            best = torch.maximum(best, transition.fitness)
        assert int(success.sum()) == expected
        assert torch.equal(best > 0.9, success) and (policy is None or torch.allclose(best, torch.ones(6)))
    env.close()


def test_a_grasp_is_a_field() -> None:
    """While the script carries the cube, ``grasped`` holds, the cube leaves the table and the gripper is not closed."""
    env: Any = make_vector_env("EnvReward/ManiSkill-PickCube-v0", 1, reward="none", autoreset=False)
    env.request(("grasped", "cube_pos", "gripper_opening", "prev_grasped"))
    env.reset(seed=0)
    carried = []
    for step in range(30):
        state = env.advance(env.task.behaviours[0].act(env.worlds, step)).state
        if state["grasped"] & state["prev_grasped"]:
            carried.append(state)
    assert len(carried) > 5 and float(carried[-1]["cube_pos"][0, 2]) > 0.03
    assert all(0.03 < float(state["gripper_opening"][0]) < 0.05 for state in carried)
    env.reset(seed=1)  # right after a grasp: a new episode begins with nothing in the hand
    assert not env._read("grasped").any()
    env.close()


def spoil_joint(env: Any, world: int) -> None:
    robot = env.worlds._envs[world].agent.robot._objs[0]
    qpos = robot.qpos
    qpos[2] = float("nan")
    robot.set_qpos(qpos)


@pytest.mark.parametrize("how", ["state", "action"])
def test_a_world_that_diverges_harms_no_other(how: str) -> None:
    """Non-finite joints or actions: that world is broken, truncated, built anew; its neighbours go on bit for bit."""
    env_id = "EnvReward/ManiSkill-PushCube-v0"
    healthy, hurt = make_vector_env(env_id, 3), make_vector_env(env_id, 3)
    healthy.reset(seed=0)
    hurt.reset(seed=0)
    draws = torch.Generator().manual_seed(1)
    for step in range(8):
        action = 2.0 * torch.rand(3, 8, generator=draws) - 1.0
        expected = healthy.step(action)[0]
        if step == 3 and how == "state":
            spoil_joint(hurt, 1)
        if step == 3 and how == "action":
            action[1, 5] = float("nan")
        obs, reward, terminated, truncated, info = hurt.step(action)
        assert info["broken"].tolist() == [False, step == 3, False] == truncated.tolist() and not terminated.any()
        assert torch.isfinite(obs).all() and torch.isfinite(reward).all()
        assert torch.equal(obs[[0, 2]], expected[[0, 2]])
        if step == 3:
            assert torch.isfinite(info["final_obs"]).all() and int(hurt.elapsed[1]) == 0
    healthy.close()
    hurt.close()


def test_broken_without_autoreset() -> None:
    """A diverged world stays broken, with the state it had before, until it is reset; then it is as good as new."""
    env_id = "EnvReward/ManiSkill-PickCube-v0"
    env, fresh = make_vector_env(env_id, 1, autoreset=False), make_vector_env(env_id, 1, autoreset=False)
    env.reset(seed=0)
    before = env._observe()
    spoil_joint(env, 0)
    for _ in range(2):
        obs, _, _, truncated, info = env.step(torch.zeros(1, 8))
        assert info["broken"].all() and truncated.all() and torch.equal(obs, before)
    env.reset(seed=5)
    fresh.reset(seed=5)
    for _ in range(5):
        assert torch.equal(env.step(torch.ones(1, 8))[0], fresh.step(torch.ones(1, 8))[0])
    env.close()
    fresh.close()


def test_worlds_go_on_past_their_horizon_and_are_saved() -> None:
    """Without autoreset an episode may go on; what is saved late in it is played back to the same state."""
    env_id = "EnvReward/ManiSkill-PullCube-v0"
    env, other = (make_vector_env(env_id, 2, autoreset=False, max_episode_steps=3) for _ in range(2))
    env.reset(seed=0)
    for step in range(8):
        env.step(torch.full((2, 8), 0.1 * step))
    other.reset(seed=1)
    other.load(env.save())
    assert torch.equal(env.step(torch.ones(2, 8))[0], other.step(torch.ones(2, 8))[0])
    env.close()
    other.close()


def test_replaced_scenes_are_released() -> None:
    """A task that builds its scene anew for each episode does not keep the scenes of those that are over."""
    official.load()
    scene_class = importlib.import_module("mani_skill.envs.scene").ManiSkillScene
    task: Any = make_task("EnvReward/ManiSkill-PegInsertionSide-v0")
    worlds = ManiSkillWorlds(task.official, 1, task.per_world)
    born = []
    for seed in range(2 * official._COLLECT_EVERY):
        worlds.reset([0], [seed])
        born.append(weakref.ref(worlds._envs[0].scene))
    assert all(isinstance(scene(), scene_class | None) for scene in born)
    assert sum(scene() is not None for scene in born) <= official._COLLECT_EVERY + 1
    worlds.close()


def test_kinematics_are_the_simulators() -> None:
    """The arm's forward kinematics give the simulator's gripper pose, and the Jacobian its change."""
    worlds = ManiSkillWorlds("PickCube-v1", 4)
    worlds.reset(range(4), [1, 2, 3, 4])
    worlds.step(torch.rand(4, 8, generator=torch.Generator().manual_seed(0)) * 2.0 - 1.0)
    robot, tcp = worlds.view.agent.robot, worlds.view.agent.tcp.pose
    qpos = robot.get_qpos()[:, :7].to(torch.float64)
    position, rotation, jacobian = forward(qpos)
    torch.testing.assert_close(robot.pose.p + position.to(torch.float32), tcp.p, rtol=0.0, atol=2e-6)
    torch.testing.assert_close(rotation, matrix(tcp.q.to(torch.float64)), rtol=0.0, atol=2e-6)
    nudge = 1e-6 * torch.eye(7, dtype=torch.float64)[3]
    moved = (forward(qpos + nudge)[0] - position) / 1e-6
    torch.testing.assert_close(jacobian[:, :3, 3], moved, rtol=0.0, atol=1e-5)
    worlds.close()


def test_visual_shapes_are_left_out_only_without_a_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """SAPIEN's own material is replaced where nothing can draw, put back after an error, and else never touched."""
    official.load()
    render: Any = importlib.import_module("sapien.render")
    own = render.RenderMaterial
    monkeypatch.setattr(physics_only, "vulkan_problem", lambda: "no device")
    with pytest.raises(ZeroDivisionError), physics_only.physics_only():
        assert render.RenderMaterial is not own
        assert render.RenderMaterial(base_color=[1, 0, 0, 1]).base_color == [1, 0, 0, 1]
        raise ZeroDivisionError
    assert render.RenderMaterial is own
    monkeypatch.setattr(physics_only, "vulkan_problem", lambda: None)
    with physics_only.physics_only():
        assert render.RenderMaterial is own


def test_pictures_or_a_clear_error() -> None:
    """With a Vulkan device a picture of the world is drawn, else the error names what to install."""
    env: Any = make_vector_env("EnvReward/ManiSkill-PickCube-v0", 1, render_mode="rgb_array")
    env.reset(seed=0)
    if physics_only.vulkan_problem() is None:
        first = env.frame(width=64, height=48)
        assert first.shape == (48, 64, 3) and first.std() > 10.0
        for _ in range(5):
            env.step(torch.ones(1, 8))
        assert (env.frame(width=64, height=48) != first).any()
    else:
        with pytest.raises(ConfigError, match="mesa-vulkan-drivers"):
            env.render()
    env.close()


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without ManiSkill the task can be described, and making worlds names the pip line."""
    monkeypatch.setitem(sys.modules, "mani_skill", None)
    monkeypatch.setitem(sys.modules, "mani_skill.envs", None)
    official.load.cache_clear()
    assert make_task(IDS[0]).spec.horizon > 0
    with pytest.raises(MissingExtraError, match=r'pip install "envreward\[maniskill\]"'):
        make_vector_env(IDS[0], 1)
    official.load.cache_clear()


def test_the_catalog_is_light() -> None:
    """Listing the tasks imports neither torch nor ManiSkill; what is not offered is not listed and has a reason."""
    code = (
        "import sys, envreward.envs.manipulation.maniskill.catalog\n"
        "sys.exit(str([name for name in ('torch', 'mani_skill', 'sapien') if name in sys.modules] or ''))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert run.stderr.strip() == ""
    assert not set(IDS) & set(UNAVAILABLE) and all(UNAVAILABLE.values())


def test_what_is_unavailable_is_not_in_the_package() -> None:
    """The faucets and cabinets of the tasks that are not offered do not come with ManiSkill."""
    official.load()
    folder = importlib.import_module("mani_skill").PACKAGE_ASSET_DIR / "partnet_mobility"
    assert not list(folder.rglob("*.urdf"))
