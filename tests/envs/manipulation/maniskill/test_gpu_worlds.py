"""ManiSkill's own batch, as a GPU runs it, on the CPU's simulator with one world: the CPU worlds' numbers."""

from __future__ import annotations

import importlib
from typing import Any

import pytest
import torch

from envreward.envs.manipulation.maniskill import gpu_worlds, official, vector_env
from envreward.envs.manipulation.maniskill.catalog import TASKS
from envreward.envs.manipulation.maniskill.gpu_worlds import ManiSkillGpuWorlds, backend
from envreward.envs.manipulation.maniskill.worlds import ManiSkillWorlds
from envreward.errors import ConfigError, MissingExtraError
from envreward.registry import make_task
from envreward.vector_env import make_vector_env

IDS = [spec.id for spec in TASKS]
pytestmark = pytest.mark.filterwarnings("ignore:__array_wrap__ must accept:DeprecationWarning")  # ManiSkill's, NumPy 2


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def as_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let environments use the worlds of a GPU, on the CPU."""

    def make(task: Any, num_worlds: int, device: torch.device) -> ManiSkillGpuWorlds:
        return ManiSkillGpuWorlds(task.official, num_worlds, task.per_world, device)

    monkeypatch.setattr(vector_env, "make_worlds", make)


@pytest.mark.parametrize("env_id", IDS)
def test_same_numbers_as_worlds_on_the_cpu(env_id: str) -> None:
    """Observation, reward, success and every field agree through two episodes, the reward's memory included."""
    task: Any = make_task(env_id)
    ours = ManiSkillGpuWorlds(task.official, 1, task.per_world, "cpu")
    theirs = ManiSkillWorlds(task.official, 1, task.per_world)
    draws = torch.Generator().manual_seed(3)
    for seed in (11, 12):
        for worlds in (ours, theirs):
            worlds.reset([0], [seed])
        for step in range(15):
            if step:
                action = 2.4 * torch.rand(1, 8, generator=draws) - 1.2  # beyond the bounds, too
                assert not ours.step(action).any() and not theirs.step(action).any()
            torch.testing.assert_close(ours.observation, theirs.observation, rtol=0.0, atol=1e-6)
            torch.testing.assert_close(ours.reward, theirs.reward, rtol=0.0, atol=1e-6)
            for name, field in task.fields.items():
                assert field.read is not None
                found, expected = field.read(ours), field.read(theirs)
                assert found.dtype == expected.dtype and found.shape == expected.shape, name
                torch.testing.assert_close(found, expected, rtol=0.0, atol=1e-5, msg=name)
    assert ours.dt_s == theirs.dt_s and ours.seeds == theirs.seeds
    ours.close()
    theirs.close()


@pytest.mark.parametrize("env_id", [i for i in IDS if "Peg" not in i])
def test_the_reference_policies_succeed(env_id: str, as_on_a_gpu: None) -> None:
    """The environment over such worlds runs the same task: its script succeeds, and a new episode follows by itself."""
    env: Any = make_vector_env(env_id, 1, reward="none")
    env.reset(seed=10)
    behaviour = env.task.behaviours[0]
    success, ends = False, 0
    for step in range(env.horizon):
        transition = env.advance(behaviour.act(env.worlds, step))
        success |= bool(transition.success)
        ends += int(transition.truncated)
    assert success and ends == 1 and int(env.elapsed) == 0
    assert not torch.equal(transition.obs, transition.final_obs)
    env.close()


def test_what_such_worlds_cannot_do(as_on_a_gpu: None) -> None:
    """They are not saved, and are not drawn: the message says from which worlds pictures come."""
    env: Any = make_vector_env("ManiSkill-PushCube", 1, render_mode="rgb_array")
    env.reset(seed=0)
    assert not env.can_save and env._history.numel() == 0
    with pytest.raises(ConfigError, match="drawn from worlds on the CPU"):
        env.render()
    env.close()


def test_actions_that_are_no_numbers(as_on_a_gpu: None) -> None:
    """Such a world is broken and shows the state before until it is reset; then it goes on as one that is new."""
    hurt: Any = make_vector_env("ManiSkill-PushCube", 1, autoreset=False)
    fresh: Any = make_vector_env("ManiSkill-PushCube", 1, autoreset=False)
    hurt.reset(seed=0)
    before = hurt.step(torch.full((1, 8), 0.3))[0]
    for action in (torch.full((1, 8), float("nan")), torch.ones(1, 8)):
        obs, reward, terminated, truncated, info = hurt.step(action)
        assert info["broken"].all() and truncated.all() and not terminated.any()
        assert torch.isfinite(obs).all() and torch.isfinite(reward).all()
        torch.testing.assert_close(obs, before, rtol=0.0, atol=1e-6)
    hurt.reset(seed=4)
    fresh.reset(seed=4)
    for _ in range(4):
        obs, _, _, _, info = hurt.step(torch.ones(1, 8))
        assert not info["broken"].any()
        torch.testing.assert_close(obs, fresh.step(torch.ones(1, 8))[0], rtol=0.0, atol=1e-5)
    hurt.close()
    fresh.close()


@pytest.mark.parametrize(
    ("device", "expected"), [("cpu", "physx_cpu"), ("cuda", "physx_cuda"), ("cuda:1", "physx_cuda:1")]
)
def test_the_backend_of_a_device(device: str, expected: str) -> None:
    """Each device has the backend that ManiSkill itself understands as that device."""
    found = backend(torch.device(device))
    assert found == expected
    official.load()
    named = importlib.import_module("mani_skill.envs.utils.system.backend")
    name, index = named.parse_backend_device_id(found)
    assert named.sim_backend_name_mapping[name] == found.partition(":")[0]
    assert index == (device.partition(":")[2] or None)


def test_one_environment_holds_all_worlds_of_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a GPU, ManiSkill is asked for one environment of N worlds on its CUDA backend, after PhysX was switched on."""
    asked: list[Any] = []

    class Made(Exception):
        pass

    def make_world(name: str, **options: Any) -> Any:
        asked.append((name, options))
        raise Made

    official.load()
    physx = importlib.import_module("sapien.physx")
    monkeypatch.setattr(physx, "enable_gpu", lambda: asked.append("enabled"))
    monkeypatch.setattr(gpu_worlds, "make_world", make_world)
    with pytest.raises(Made):
        ManiSkillGpuWorlds("PickCube-v1", 512, (), "cuda:1")
    assert asked == ["enabled", ("PickCube-v1", {"num_envs": 512, "sim_backend": "physx_cuda:1"})]


def test_a_gpu_that_physx_cannot_use(monkeypatch: pytest.MonkeyPatch) -> None:
    """What fails when PhysX loads its library for GPUs is told in one line, with what to do."""

    def enable_gpu() -> None:
        raise OSError("libcuda.so.1: cannot open shared object file")

    official.load()
    monkeypatch.setattr(importlib.import_module("sapien.physx"), "enable_gpu", enable_gpu)
    with pytest.raises(ConfigError, match=r"libcuda\.so\.1.*~/\.sapien/physx.*use device 'cpu'") as refused:
        ManiSkillGpuWorlds("PickCube-v1", 4, (), "cuda")
    assert "\n" not in str(refused.value)


def test_without_a_gpu_or_without_maniskill(monkeypatch: pytest.MonkeyPatch) -> None:
    """Device cuda where there is none is refused before anything is built; a missing package names its pip line."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ConfigError, match=r"device 'cuda': .*; use device 'cpu'"):
        make_vector_env("ManiSkill-PickCube", 4, device="cuda")
    monkeypatch.setitem(importlib.import_module("sys").modules, "mani_skill.envs", None)
    official.load.cache_clear()
    with pytest.raises(MissingExtraError, match=r'pip install "envreward\[maniskill\]"'):
        ManiSkillGpuWorlds("PickCube-v1", 4, (), "cuda")
    official.load.cache_clear()
