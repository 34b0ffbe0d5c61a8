"""Reference behaviours: for each task something that fulfils it and something that does not.

Two kinds. *Policies* act in the real physics: feedback controllers and gaits written by hand, and small networks that
PPO found, in ``assets`` (each file's metadata holds the reward that trained it). *Playbacks* put the robot through a
sequence of poses instead of stepping the physics; they show that a task's own logic says yes to the right motion and no
to a wrong one, not that the robot can do it.
"""

from __future__ import annotations

import functools
import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from envreward.task import Behaviour

NULL = Behaviour("do nothing", succeeds=False, doc="policy: the zero action")


def _rest(task: Any, steps: int) -> Tensor:
    """Return the model's default pose, repeated, float64 ``[steps, nq]``."""
    return torch.as_tensor(task.model.qpos0).repeat(steps, 1)


def _smooth(share: Tensor) -> Tensor:
    """Ease from 0 to 1 with no speed at either end."""
    share = share.clamp(0.0, 1.0)
    return share * share * (3.0 - 2.0 * share)


def slide(speed_m_s: float) -> Behaviour:
    """Return the playback that glides along x in the default pose for a whole episode."""

    def poses(task: Any) -> Tensor:
        steps = task.spec.horizon
        frames = _rest(task, steps)
        frames[:, 0] += speed_m_s * task.dt_s * torch.arange(1, steps + 1, dtype=torch.float64)
        return frames

    way = "forward" if speed_m_s > 0 else "backward"
    return Behaviour(
        f"glide {way}", succeeds=True, doc=f"playback: {way} at {abs(speed_m_s):g} m/s in the default pose", poses=poses
    )


def _somersault(task: Any, turn: float, *, stand_m: float, rise_m: float, steps: int, hold: int) -> Tensor:
    """Return poses of a turn (rad) in pitch in an arc of ``rise_m``, then ``hold`` steps at the height ``stand_m``."""
    frames = _rest(task, steps + hold)
    share = (torch.arange(1, steps + hold + 1, dtype=torch.float64) / steps).clamp(max=1.0)
    frames[:, 1] += stand_m + 4.0 * rise_m * share * (1.0 - share)
    frames[:, 2] = turn * _smooth(share)
    return frames


def hopper_flip(direction: int) -> Behaviour:
    """Return the playback of a somersault, 1: forwards, -1: backwards, and a landing."""
    return Behaviour(
        "front flip" if direction > 0 else "back flip",
        succeeds=True,
        doc="playback: a straight-legged somersault in an arc 1.5 m high, then standing",
        # 4 cm below the default pose, in which the foot hangs in the air
        poses=lambda task: _somersault(task, direction * 2.0 * math.pi, stand_m=-0.04, rise_m=1.5, steps=120, hold=40),
    )


def half_turn_and_back() -> Behaviour:
    """Return the playback that turns HalfCheetah on its back and back on its feet: no net turn."""

    def poses(task: Any) -> Tensor:
        up = _somersault(task, math.pi, stand_m=-0.145, rise_m=1.5, steps=20, hold=10)
        return torch.cat((up, up.flip(0), up[:1].repeat(20, 1) * torch.tensor([1.0, 1, 0, 1, 1, 1, 1, 1, 1])))

    return Behaviour(
        "half a turn and back", succeeds=False, doc="playback: onto the back and onto the feet", poses=poses
    )


def half_cheetah_flip(direction: int) -> Behaviour:
    """Return the playback of a somersault of HalfCheetah, 1: forwards, -1: backwards."""
    return Behaviour(
        "front flip" if direction > 0 else "back flip",
        succeeds=True,
        doc="playback: a somersault in an arc 1.5 m high, then standing",
        poses=lambda task: _somersault(task, direction * 2.0 * math.pi, stand_m=-0.145, rise_m=1.5, steps=30, hold=20),
    )


@functools.cache
def _weights(asset: str) -> dict[str, Tensor]:
    from safetensors.torch import load_file

    return load_file(Path(__file__).parent / "assets" / f"{asset}.safetensors")


def _network(task: Any, step: int, asset: str) -> Tensor:
    """Return the action of a tanh network on normalised observations, as `envreward.training` trains them."""
    obs = task.observe()
    weights = {name: value.to(obs.device) for name, value in _weights(asset).items()}
    x: Tensor = ((obs - weights["obs_mean"]) * weights["obs_scale"]).clamp(-10.0, 10.0).to(torch.float32)
    layers = sum(name.startswith("actor.") for name in weights) // 2
    for layer in range(layers):
        x = torch.addmm(weights[f"actor.{layer}.bias"], x, weights[f"actor.{layer}.weight"])
        x = torch.tanh(x) if layer < layers - 1 else x
    return x.clamp(-1.0, 1.0)


def trained(name: str, asset: str) -> Behaviour:
    """Return the policy of the file ``assets/<asset>.safetensors``."""
    return Behaviour(
        name, succeeds=True, doc="policy: a network trained by PPO", act=functools.partial(_network, asset=asset)
    )


def _balance(task: Any, step: int) -> Tensor:
    obs = task.observe()
    force: Tensor = obs @ obs.new_tensor([0.3, 5.0, 0.5, 1.0])  # cart, pole, and their velocities
    return force.clamp(-3.0, 3.0)[:, None]


BALANCE = Behaviour("balance", succeeds=True, doc="policy: linear feedback", act=_balance)


# Ant. Legs in the order of its joints: front left, back left, back right, front right.

_BEND = torch.tensor([1.0, -1.0, -1.0, 1.0], dtype=torch.float64)
"""Sign of each ankle's angle when its foot points down."""


def _ant_towards(task: Any, hips: Tensor, ankles: Tensor, gain: float = 0.4, damping: float = 0.1) -> Tensor:
    """Return the action that drives Ant's joints to ``hips`` and ``ankles`` (``[4]``, rad; positive ankles: down)."""
    angles, velocities = task.sim.qpos[:, 7:], task.sim.qvel[:, 6:]
    target = torch.stack((hips, ankles * _BEND), dim=1).flatten().to(angles)
    torque: Tensor = (gain * (target - angles) - damping * velocities).clamp(-1.0, 1.0)
    return torque.roll(2, dims=1)  # the motors begin with the last leg


def _ant_lie_down(task: Any, step: int) -> Tensor:
    return _ant_towards(task, torch.zeros(4, dtype=torch.float64), torch.full((4,), 0.4, dtype=torch.float64))


def _ant_wave(task: Any, step: int) -> Tensor:
    seconds = step * task.dt_s
    # the side legs turn towards the raised one, so that the centre of mass stays over the three feet
    hips = torch.tensor([0.0, -0.4, 0.0, 0.4], dtype=torch.float64)
    ankles = torch.ones(4, dtype=torch.float64)
    if seconds > 1.0:
        ankles[0] = 0.4
        hips[0] = 0.5 * math.sin(2.0 * math.pi * 0.7 * max(0.0, seconds - 1.3))
    return _ant_towards(task, hips, ankles)


def _ant_spin(task: Any, step: int, direction: int = 1) -> Tensor:
    """Trot on the spot: diagonal legs in turn sweep the floor one way, and return lifted."""
    phase = 2.0 * math.pi * step * task.dt_s / 1.2 + torch.tensor([0.0, math.pi, 0.0, math.pi], dtype=torch.float64)
    hips = direction * 0.5 * torch.cos(phase)
    ankles = torch.where(torch.sin(phase) > 0.0, 1.1, 0.6).to(torch.float64)
    return _ant_towards(task, hips, ankles, gain=4.0, damping=0.25)


ANT_LIE_DOWN = Behaviour("lie down", succeeds=True, doc="policy: spreads the legs flat", act=_ant_lie_down)
ANT_WAVE = Behaviour(
    "wave",
    succeeds=True,
    doc="policy: lifts the front left leg and swings it while the others stand stiff",
    act=_ant_wave,
)
ANT_SPIN_LEFT = Behaviour("spin left", succeeds=True, doc="policy: trots on the spot, sweeping the legs", act=_ant_spin)
ANT_SPIN_RIGHT = Behaviour(
    "spin right", succeeds=True, doc="policy: trots on the spot", act=functools.partial(_ant_spin, direction=-1)
)


# Humanoid. Columns of qpos after the free joint's seven: abdomen z, y, x; right hip x, z, y, knee; left too; arms.

_ABDOMEN_Y, _RIGHT_HIP_Y, _RIGHT_KNEE, _LEFT_HIP_Y, _LEFT_KNEE = 8, 12, 13, 16, 17


def _humanoid_move(
    task: Any, *, height_m: float, tilt_rad: float = 0.0, hips: float = 0.0, knees: float = 0.0, move: int = 100
) -> Tensor:
    """Return poses from the default one to another in ``move`` steps, and as many in it.

    Args:
        task: Whose robot it is.
        height_m: Height of the torso's centre at the end.
        tilt_rad: Rotation of the torso about y from the default orientation.
        hips: Angle of both hips' y joints, rad.
        knees: Angle of both knees, rad.
        move: Steps that the movement takes.
    """
    frames = _rest(task, 2 * move)
    share = _smooth(torch.arange(1, 2 * move + 1, dtype=torch.float64) / move)
    frames[:, 2] += share * (height_m - frames[:, 2])
    frames[:, 3] = torch.cos(0.5 * tilt_rad * share)
    frames[:, 5] = torch.sin(0.5 * tilt_rad * share)
    for columns, angle in (((_RIGHT_HIP_Y, _LEFT_HIP_Y), hips), ((_RIGHT_KNEE, _LEFT_KNEE), knees)):
        for column in columns:
            frames[:, column] = share * angle
    return frames


HUMANOID_STAND_UP = Behaviour(
    "stand up",
    succeeds=True,
    doc="playback: from lying to standing straight, swinging up on the heels",
    # lying, x runs from head to feet; a quarter turn about y puts the head on top
    poses=lambda task: _humanoid_move(task, height_m=1.2, tilt_rad=math.pi / 2),
)
HUMANOID_SIT_UP = Behaviour(
    "sit up",
    succeeds=False,
    doc="playback: from lying to sitting with straight legs",
    poses=lambda task: _humanoid_move(task, height_m=0.5, tilt_rad=math.pi / 2, hips=-math.pi / 2),
)
HUMANOID_KNEEL = Behaviour(
    "kneel",
    succeeds=True,
    doc="playback: from standing down on both knees, shins backwards",
    poses=lambda task: _humanoid_move(task, height_m=0.93, knees=-math.pi / 2),
)
HUMANOID_SIT = Behaviour(
    "sit down",
    succeeds=False,
    doc="playback: from standing to sitting with straight legs: the knees are low, but so is the pelvis",
    poses=lambda task: _humanoid_move(task, height_m=0.52, hips=-math.pi / 2),
)
