import importlib

import gymnasium as gym
import pytest
import torch

from envreward.errors import ConfigError, MissingExtraError, UnknownNameError
from envreward.sims import MujocoBatch, MujocoWarp, choose_simulator, find_device, make_sim, warp_status
from envreward.sims._warp import load_warp
from envreward.vector_env import make_vector_env


@pytest.fixture
def no_cuda(monkeypatch):
    """A machine without a CUDA device."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


@pytest.fixture
def two_cuda(monkeypatch):
    """A machine with two CUDA devices, the second of which is current."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 1)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda index: f"GPU {index}")


def test_device_alone_decides(two_cuda):
    """MuJoCo's own threads on the CPU, MuJoCo Warp on a CUDA device, the current one unless its number is given."""
    assert choose_simulator("cpu", None) == (torch.device("cpu"), "mujoco")
    assert choose_simulator("cuda", None) == (torch.device("cuda", 1), "mujoco_warp")
    assert choose_simulator("cuda:0", None) == (torch.device("cuda", 0), "mujoco_warp")
    assert choose_simulator(torch.device("cuda"), "mujoco_warp") == (torch.device("cuda", 1), "mujoco_warp")
    assert choose_simulator("cpu", "mujoco_warp") == (torch.device("cpu"), "mujoco_warp")


@pytest.mark.parametrize("device", ["cuda", "cuda:0"])
def test_missing_cuda_device_is_one_line(no_cuda, device):
    """Asking for a CUDA device where there is none says so at once, in one line that says what to do."""
    for make in (
        lambda: make_vector_env("Hopper", 2, device=device),
        lambda: gym.make("EnvReward/Ant-v0", device=device),
    ):
        with pytest.raises(ConfigError, match="use device 'cpu'") as caught:
            make()
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("device", "reason"),
    [
        ("gpu", "no such device"),
        ("mps", "cannot live on"),
        ("cuda:2", "there are 2 CUDA devices"),
        ("", "no such device"),
    ],
)
def test_devices_that_do_not_exist(two_cuda, device, reason):
    """A device that torch does not know, that worlds cannot live on, or that is one too many."""
    with pytest.raises(ConfigError, match=reason):
        find_device(device)


def test_cpu_simulator_does_not_go_with_a_gpu(two_cuda):
    """Settings that contradict each other are refused, a misspelt one with the right spelling."""
    with pytest.raises(ConfigError, match="runs on the CPU only"):
        choose_simulator("cuda", "mujoco")
    with pytest.raises(UnknownNameError, match="did you mean 'mujoco_warp'"):
        choose_simulator("cpu", "mujoco-warp")


def test_worlds_of_other_kinds_stay_on_the_cpu(two_cuda):
    """Tasks without a MuJoCo simulator say so when a simulator or a GPU is asked for."""
    with pytest.raises(ConfigError, match="brings its own worlds"):
        make_vector_env("WebForms", 1, simulator="mujoco_warp")
    with pytest.raises(ConfigError, match="run on the CPU only"):
        make_vector_env("WebForms", 1, device="cuda")


@pytest.mark.parametrize("missing", ["warp", "mujoco_warp"])
def test_missing_extra_names_its_pip_line(monkeypatch, missing):
    """Without MuJoCo Warp the message is the line that installs it."""
    real = importlib.import_module

    def refuse(name, *args):
        if name == missing:
            raise ModuleNotFoundError(name=name)
        return real(name, *args)

    monkeypatch.setattr(importlib, "import_module", refuse)
    with pytest.raises(MissingExtraError, match=r'pip install "envreward\[warp\]"'):
        load_warp.__wrapped__()


def test_unwritable_cache_says_what_to_set(monkeypatch):
    """Where compiled kernels cannot be kept, the message names the variable that says where to keep them."""

    class NoPlace:
        config = type("config", (), {"log_level": 20})
        LOG_INFO, LOG_WARNING = 20, 30

        @staticmethod
        def init():
            raise PermissionError(13, "Permission denied", "/nowhere")

    monkeypatch.setattr(importlib, "import_module", lambda name: NoPlace)
    with pytest.raises(ConfigError, match="WARP_CACHE_PATH") as caught:
        load_warp.__wrapped__()
    assert "/nowhere" in str(caught.value) and "\n" not in str(caught.value)


def test_status_tells_what_there_is(two_cuda, monkeypatch):
    """Versions of the packages if both are installed, and the CUDA device if there is one."""
    status = warp_status()
    assert status.versions is not None and "warp-lang 1" in status.versions and "mujoco-warp 4" in status.versions
    assert status.cuda == "GPU 0"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert warp_status() == (None, None)


def test_make_sim_makes_what_was_chosen(quick_kernels):
    """The two simulators by their settings; both tell their float type."""
    model = make_vector_env("InvertedPendulum", 1).sim.model
    batch, warp = make_sim(model, 3, num_threads=2), make_sim(model, 3, simulator="mujoco_warp")
    assert isinstance(batch, MujocoBatch) and batch.dtype == batch.qpos.dtype == torch.float64
    assert isinstance(warp, MujocoWarp) and warp.dtype == warp.qpos.dtype == torch.float32
    assert warp.num_worlds == batch.num_worlds == 3
