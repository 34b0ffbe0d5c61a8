"""Turn on the spot: make a full turn, either way, without walking away.

Environment: EnvReward/AntSpin-v0
Fields:
    torso_angular_velocity: float32 [N, 3], rad/s, torso frame. Angular velocity of the torso about its own axes:
        roll, pitch and yaw rates. Entries: x, y, z.
    torso_velocity: float32 [N, 3], m/s, world frame. Linear velocity of the torso. Entries: x, y, z.
    uprightness: float32 [N]. Cosine of the torso's tilt: 1 upright, 0 lying on a side, -1 upside down.
    action: float32 [N, 8]. The action just applied: torque of each joint's motor as a share of its maximum, in [-1,
        1]. Entries: front_right_hip, front_right_ankle, front_left_hip, front_left_ankle, back_left_hip,
        back_left_ankle, back_right_hip, back_right_ankle.
"""

import torch
from torch import Tensor


def compute_reward(
    torso_angular_velocity: Tensor, torso_velocity: Tensor, uprightness: Tensor, action: Tensor
) -> tuple[Tensor, dict[str, Tensor]]:
    """Pay for turning about the vertical, either way, and charge for moving off."""
    # Either way round will do, so the turning rate counts without its sign; beyond 3 rad/s faster is not better.
    rate = torch.abs(torso_angular_velocity[:, 2])
    # Turning while upright: a robot that rolls on the floor turns about other axes.
    turn = torch.clamp(uprightness, min=0.0) * torch.tanh(rate / 1.5)
    # On the spot: what the torso moves along the floor is paid for.
    drift = -0.3 * torch.tanh(torch.linalg.vector_norm(torso_velocity[:, :2], dim=-1))
    effort = -0.01 * action.square().mean(-1)
    return turn + drift + effort, {"turn": turn, "drift": drift, "effort": effort}
