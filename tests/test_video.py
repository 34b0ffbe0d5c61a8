"""Films of policies: real frames in real time, whole files, and plain words where a machine cannot draw."""

from __future__ import annotations

import itertools
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest
import torch
from PIL import Image

from envreward.errors import ConfigError
from envreward.registry import make_task
from envreward.training.policy_io import PolicyForm, save_policy
from envreward.video import VideoConfig, record_video, timing

SMALL = VideoConfig(seconds=0.5, width=64, height=48)


@pytest.fixture
def policy(tmp_path: Path) -> Callable[[str], Path]:
    """Write a policy of random weights for an environment and return its folder."""

    def write(env_id: str) -> Path:
        task = make_task(env_id)
        obs, action = task.observation_space.shape, task.action_space
        assert obs is not None and action.shape is not None
        discrete = not action.shape
        size = int(action.n) if discrete else action.shape[0]  # type: ignore[attr-defined]
        form = PolicyForm(
            env_id=env_id,
            obs_shape=obs,
            action_shape=action.shape,
            action_size=size,
            layers=(),
            activation="tanh",
            head="categorical" if discrete else "gaussian",
            obs_clip=10.0,
        )
        weight = torch.randn(obs[0], size, generator=torch.Generator().manual_seed(0))
        tensors = {"actor.0.weight": weight, "actor.0.bias": torch.zeros(size)}
        if not discrete:
            tensors |= {"action_low": torch.tensor(action.low), "action_high": torch.tensor(action.high)}  # type: ignore[attr-defined]
        save_policy(tmp_path / "policy", form, tensors)
        return tmp_path / "policy"

    return write


def frames(path: Path, width: int, height: int) -> np.ndarray:
    """Decode a film: uint8 ``[frames, height, width, 3]``."""
    command = [
        imageio_ffmpeg.get_ffmpeg_exe(),
        "-v",
        "error",
        "-i",
        str(path),
        "-f",
        "rawvideo",
        "-pix_fmt",
        "rgb24",
        "-",
    ]
    raw = subprocess.run(command, capture_output=True, check=True).stdout
    return np.frombuffer(raw, np.uint8).reshape(-1, height, width, 3)


def test_a_film_shows_the_world_in_real_time(policy: Callable[[str], Path], tmp_path: Path) -> None:
    """Half a second of HalfCheetah (20 control steps a second) is ten H.264 pictures of something that moves."""
    path = record_video(policy("EnvReward/HalfCheetah-v0"), tmp_path / "new" / "film.mp4", SMALL)
    pictures = frames(path, 64, 48).astype(int)
    assert len(pictures) == 10
    assert pictures.std() > 10  # not one colour
    assert all(np.abs(b - a).max() > 20 for a, b in itertools.pairwise(pictures))
    said = subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), "-i", str(path)], capture_output=True, text=True).stderr
    assert re.search(r"Video: h264 .*yuv420p.*64x48.* 20 fps", said)
    assert "00:00:00.50" in said
    assert [p.name for p in path.parent.iterdir()] == ["film.mp4"]


def test_the_same_seed_gives_the_same_film(policy: Callable[[str], Path], tmp_path: Path) -> None:
    """A film can be made again; another seed films another episode. GIF works too."""
    folder = policy("EnvReward/Hopper-v0")
    config = VideoConfig(seconds=0.2, width=32, height=32)
    first = record_video(folder, tmp_path / "a.gif", config)
    second = record_video(folder, tmp_path / "b.gif", config)
    other = record_video(folder, tmp_path / "c.gif", VideoConfig(seconds=0.2, width=32, height=32, seed=7))
    assert first.read_bytes() == second.read_bytes() != other.read_bytes()
    with Image.open(first) as gif:
        assert gif.format == "GIF" and gif.size == (32, 32) and gif.n_frames >= 5  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("control_hz", "fps", "expected"),
    [(125, 30, (4, 31.25)), (20, 30, (1, 20)), (67, 30, (2, 33.5)), (30, 30, (1, 30)), (50, 25, (2, 25))],
)
def test_pictures_are_taken_so_that_time_is_real(control_hz: float, fps: int, expected: tuple[int, float]) -> None:
    """Control steps between pictures times the film's rate is the control rate."""
    stride, rate = timing(control_hz, fps)
    assert (stride, rate) == expected and stride * rate == control_hz


def test_a_machine_that_cannot_draw_is_told_what_to_install(
    policy: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where no OpenGL works (here EGL finds no driver), the error names the Debian packages; no half a film stays."""
    monkeypatch.setenv("MUJOCO_GL", "egl")
    monkeypatch.setenv("__EGL_VENDOR_LIBRARY_FILENAMES", "/nonexistent.json")
    with pytest.raises(ConfigError, match="apt-get install libegl1 libosmesa6") as error:
        record_video(policy("EnvReward/HalfCheetah-v0"), tmp_path / "film.mp4", SMALL)
    assert "egl:" in str(error.value) and len(str(error.value).splitlines()) == 1
    assert [p.name for p in tmp_path.iterdir()] == ["policy"]


def test_bad_requests_are_one_line(tmp_path: Path, policy: Callable[[str], Path]) -> None:
    """No policy, a damaged one, no such device, another ending, an odd size: what is wrong, before filming."""
    with pytest.raises(ConfigError, match=r"no policy in .*empty"):
        record_video(tmp_path / "empty", tmp_path / "film.mp4")
    with pytest.raises(ConfigError, match=r"\.mp4 or \.gif, not 'film\.avi'"):
        record_video(tmp_path, tmp_path / "film.avi")
    with pytest.raises(ConfigError, match="even"):
        VideoConfig(width=63)
    with pytest.raises(ConfigError, match="positive"):
        VideoConfig(seconds=0)
    folder = policy("EnvReward/HalfCheetah-v0")
    with pytest.raises(ConfigError, match="no such device: 'tpu'"):
        record_video(folder, tmp_path / "film.mp4", VideoConfig(device="tpu"))
    (folder / "policy.safetensors").write_bytes(b"no weights")
    with pytest.raises(ConfigError, match="no readable policy"):
        record_video(folder, tmp_path / "film.mp4", SMALL)
