"""Films of trained policies, rendered off screen in real time and encoded as H.264 or GIF.

Filming runs in a process of its own: MuJoCo fixes its OpenGL backend when it is imported, a driver that crashes must
not take a study with it, and the policy meets nothing but its weights and its environment. EGL is tried first, then
OSMesa, unless ``MUJOCO_GL`` names one.
"""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from envreward import child
from envreward.errors import ConfigError, EnvRewardError

if TYPE_CHECKING:
    import numpy as np

BACKENDS = ("egl", "osmesa")
FORMATS = (".mp4", ".gif")
_NO_BACKEND = 90
_TIMEOUT_S = 900.0


@dataclass(frozen=True, kw_only=True)
class VideoConfig:
    """What is filmed, and how."""

    seconds: float = 8.0
    """Longest film; simulated seconds are film seconds."""
    episodes: int = 3
    """Episodes after which the film ends, where they are over before."""
    width: int = 480
    """Pixels, even."""
    height: int = 360
    """Pixels, even."""
    fps: int = 30
    """Pictures per second, at most; the nearest rate that divides the control rate is taken."""
    seed: int = 0
    """Seeds the episodes' starts."""
    device: str = "cpu"
    """Where the world is simulated: cpu, cuda or cuda:1."""

    def __post_init__(self) -> None:
        if self.seconds <= 0 or self.episodes < 1 or self.fps < 1:
            raise ConfigError("a film needs a positive number of seconds, episodes and pictures per second")
        if min(self.width, self.height) < 16 or self.width % 2 or self.height % 2:
            raise ConfigError(f"the film's size must be even and at least 16 pixels, got {self.width} x {self.height}")


def record_video(policy_dir: Path, path: Path, config: VideoConfig | None = None) -> Path:
    """Film a policy.

    Args:
        policy_dir: Folder with ``policy.safetensors`` and ``policy.json``.
        path: The file to write, ``.mp4`` (H.264, plays in every browser) or ``.gif``; it appears whole or not at all.
        config: What is filmed; the defaults where ``None``.

    Returns:
        ``path``.

    Raises:
        ConfigError: This machine cannot render (the message names the Debian packages), there is no policy in the
            folder, or the file's ending is another one.
        OSError: The file cannot be written.
    """
    if path.suffix.lower() not in FORMATS:
        raise ConfigError(f"a film is {' or '.join(FORMATS)}, not {path.name!r}")
    if not (policy_dir / "policy.json").is_file():
        raise ConfigError(f"no policy in {policy_dir}: it has no policy.json")
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.stem}.partial{path.suffix}")
    order = json.dumps({"policy": str(policy_dir), "path": str(partial), **dataclasses.asdict(config or VideoConfig())})
    failures = []
    try:
        for backend in (named,) if (named := os.environ.get("MUJOCO_GL")) else BACKENDS:
            failure = _film_in_own_process(order, backend)
            if failure is None:
                os.replace(partial, path)
                return path
            failures.append(f"{backend}: {failure}")
    finally:
        partial.unlink(missing_ok=True)
    raise ConfigError(
        f"cannot render here ({'; '.join(failures)}); on Debian or Ubuntu: "
        "apt-get install libegl1 libosmesa6 libgl1-mesa-dri"
    )


def _film_in_own_process(order: str, backend: str) -> str | None:
    """Run the filming process; return why ``backend`` does not work, or ``None`` when the film is made."""
    environment = {**os.environ, "MUJOCO_GL": backend, "OMP_NUM_THREADS": "1"}
    command = child.command(__name__, order)
    try:
        run = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired:
        return f"took longer than {_TIMEOUT_S:.0f} s"
    if run.returncode == 0:
        return None
    said = run.stderr.strip()
    if run.returncode == _NO_BACKEND:
        return said.splitlines()[-1] if said else "no context"
    if run.returncode < 0:
        return f"the driver crashed with signal {-run.returncode}"
    if run.returncode == ConfigError.exit_code:
        raise ConfigError(said.splitlines()[-1])
    raise RuntimeError(f"filming failed:\n{said}")


def _film(order: dict[str, Any]) -> None:
    """Roll the policy out and encode what is seen; runs in the filming process."""
    import gymnasium
    import torch

    from envreward.sim_vector_env import SimVectorEnv
    from envreward.training.policy_io import load_policy
    from envreward.vector_env import make_vector_env

    torch.set_num_threads(1)
    policy_dir, path = Path(order.pop("policy")), Path(order.pop("path"))
    config = VideoConfig(**order)
    env_id, device = load_policy(policy_dir).form.env_id, config.device
    env = make_vector_env(env_id, 1, reward="none", autoreset=False, render_mode="rgb_array", device=device)
    policy = load_policy(policy_dir, env.device)
    try:
        stride, rate = timing(float(env.metadata.get("render_fps") or config.fps), config.fps)
        frames = _frames(env, policy, config, stride, max(1, round(config.seconds * rate)))
        try:
            first = next(frames)
        except ConfigError as error:
            if not isinstance(env, SimVectorEnv):
                raise
            sys.stderr.write(f"{error}\n")  # no OpenGL context: the caller may have another backend to try
            sys.exit(_NO_BACKEND)
        except gymnasium.error.Error as error:
            raise ConfigError(f"{env_id} cannot be drawn: {error}") from error
        _encode(path, rate, first, frames)
    finally:
        env.close()


def timing(control_hz: float, fps: int) -> tuple[int, float]:
    """Return after how many control steps a picture is taken, and the film's rate, so that it runs in real time."""
    stride = max(1, round(control_hz / fps))
    return stride, control_hz / stride


def _frames(env: Any, policy: Any, config: VideoConfig, stride: int, count: int) -> Iterator[np.ndarray]:
    """Yield pictures, uint8 ``[height, width, 3]``, of episodes one after another."""
    import torch

    taken = 0
    for episode in range(config.episodes):
        obs, _ = env.reset(seed=config.seed + episode)
        step, over = 0, False
        while not over:
            if step % stride == 0:
                yield _picture(env, config)
                taken += 1
                if taken == count:
                    return
            with torch.inference_mode():
                action = policy.act(obs)
            transition = env.advance(action)
            obs, step = transition.obs, step + 1
            over = bool(transition.terminated[0] | transition.truncated[0])
        yield _picture(env, config)
        taken += 1
        if taken == count:
            return


def _picture(env: Any, config: VideoConfig) -> np.ndarray:
    picture: np.ndarray = env.frame(0, width=config.width, height=config.height)
    height, width, _ = picture.shape  # foreign environments have a size of their own; H.264 wants it even
    return picture[: height // 2 * 2, : width // 2 * 2]


def _encode(path: Path, rate: float, first: np.ndarray, rest: Iterator[np.ndarray]) -> None:
    """Write pictures of one size as a film."""
    import imageio_ffmpeg  # type: ignore[import-untyped]

    height, width, _ = first.shape
    source = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", f"{rate:g}", "-i", "-"]
    if path.suffix.lower() == ".gif":
        target = ["-vf", "split[a][b];[a]palettegen[p];[b][p]paletteuse", "-loop", "0"]
    else:
        # yuv420p and the index in front are what browsers need to play from a data URI.
        quality = ["-c:v", "libx264", "-preset", "medium", "-crf", "26", "-pix_fmt", "yuv420p"]
        target = [*quality, "-movflags", "+faststart"]
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-y", "-v", "error", *source, *target, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as encoder:
        assert encoder.stdin is not None
        encoder.stdin.write(first.tobytes())
        for picture in rest:
            encoder.stdin.write(picture.tobytes())
        encoder.stdin.close()
        if encoder.wait():
            raise OSError(f"ffmpeg could not write {path}")


def main(order: str) -> None:
    """Film what ``order``, JSON, says; an error is one line on standard error."""
    try:
        _film(json.loads(order))
    except EnvRewardError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(ConfigError.exit_code)
