"""Forward and differential kinematics of the Franka Emika Panda, for scripted policies.

Denavit-Hartenberg parameters in Craig's convention as Franka Robotics publishes them (Franka Control Interface
documentation, "Denavit-Hartenberg parameters"), and the hand's tool centre point 0.1034 m in front of it, turned by
-45 degrees.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

_QUARTER = math.pi / 2.0
_DH = (
    (0.0, 0.333, 0.0),
    (0.0, 0.0, -_QUARTER),
    (0.0, 0.316, _QUARTER),
    (0.0825, 0.0, _QUARTER),
    (-0.0825, 0.384, -_QUARTER),
    (0.0, 0.0, _QUARTER),
    (0.088, 0.0, _QUARTER),
)
"""(a of the previous joint in m, d in m, alpha of the previous joint in rad), joint by joint."""
_FLANGE_TO_TCP_M = 0.107 + 0.1034
_HAND_TURN = -math.pi / 4.0


def forward(arm_qpos: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return where the tool centre point is and how it moves with the joints, in the frame of the robot's base.

    Args:
        arm_qpos: Joint positions ``[N, 7]``, rad.

    Returns:
        Its position ``[N, 3]`` (m), orientation ``[N, 3, 3]``, and Jacobian ``[N, 6, 7]`` (m/rad, then rad/rad).
    """
    num = len(arm_qpos)
    rotation = torch.eye(3, dtype=arm_qpos.dtype).repeat(num, 1, 1)
    origin = torch.zeros((num, 3), dtype=arm_qpos.dtype)
    axes, origins = [], []
    for joint, (a, d, alpha) in enumerate(_DH):
        tilt = _about_x(alpha, arm_qpos.dtype)
        origin = origin + rotation @ (torch.tensor([a, 0.0, 0.0], dtype=arm_qpos.dtype) + tilt[:, 2] * d)
        rotation = rotation @ tilt @ about_z(arm_qpos[:, joint])
        axes.append(rotation[:, :, 2])
        origins.append(origin)
    tcp = origin + rotation[:, :, 2] * _FLANGE_TO_TCP_M
    rotation = rotation @ about_z(torch.full((num,), _HAND_TURN, dtype=arm_qpos.dtype))
    turning = torch.stack(axes, dim=-1)
    moving = torch.linalg.cross(turning, tcp[:, :, None] - torch.stack(origins, dim=-1), dim=1)
    return tcp, rotation, torch.cat((moving, turning), dim=1)


def joint_step(jacobian: Tensor, twist: Tensor, damping: float = 0.05) -> Tensor:
    """Return the joint motion ``[N, 7]`` that comes closest to ``twist`` ``[N, 6]`` (m, rad).

    Damped least squares: J^T (J J^T + damping^2 I)^-1 twist (Wampler 1986; Nakamura and Hanafusa 1986).
    """
    transposed = jacobian.transpose(1, 2)
    inner = jacobian @ transposed + damping**2 * torch.eye(6, dtype=jacobian.dtype)
    step: Tensor = (transposed @ torch.linalg.solve(inner, twist[:, :, None])).squeeze(-1)
    return step


def rotation_between(current: Tensor, wanted: Tensor) -> Tensor:
    """Return the rotation vectors ``[N, 3]`` (rad) that turn the orientations ``current`` into ``wanted``."""
    turn = wanted @ current.transpose(1, 2)
    axis = torch.stack(
        (turn[:, 2, 1] - turn[:, 1, 2], turn[:, 0, 2] - turn[:, 2, 0], turn[:, 1, 0] - turn[:, 0, 1]), dim=1
    )
    sine = 0.5 * torch.linalg.norm(axis, dim=1)
    cosine = 0.5 * (turn.diagonal(dim1=1, dim2=2).sum(1) - 1.0)
    angle = torch.atan2(sine, cosine)
    vector: Tensor = axis * (0.5 * angle / sine.clamp(min=1e-6))[:, None]
    return vector


def about_z(angle: Tensor) -> Tensor:
    """Return the rotations about z by ``angle`` ``[N]`` (rad), ``[N, 3, 3]``."""
    sine, cosine, zero = angle.sin(), angle.cos(), torch.zeros_like(angle)
    rows = (cosine, -sine, zero, sine, cosine, zero, zero, zero, torch.ones_like(angle))
    return torch.stack(rows, dim=-1).reshape(-1, 3, 3)


def shortest_turn(axis: Tensor) -> Tensor:
    """Return the smallest rotations ``[N, 3, 3]`` that turn the unit vectors ``axis`` ``[N, 3]``, z not -1, upright."""
    x, y, z = axis.unbind(-1)
    zero, share = torch.zeros_like(x), 1.0 / (1.0 + z)
    rows = (1.0 - x * x * share, -x * y * share, -x, -x * y * share, 1.0 - y * y * share, -y, x, y, z + zero)
    return torch.stack(rows, dim=-1).reshape(-1, 3, 3)


def matrix(q: Tensor) -> Tensor:
    """Return the rotation matrices ``[N, 3, 3]`` of unit quaternions ``[N, 4]``, (w, x, y, z)."""
    w, x, y, z = q.unbind(-1)
    rows = (
        *(1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)),
        *(2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)),
        *(2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)),
    )
    return torch.stack(rows, dim=-1).reshape(-1, 3, 3)


def _about_x(angle: float, dtype: torch.dtype) -> Tensor:
    sine, cosine = math.sin(angle), math.cos(angle)
    return torch.tensor([[1.0, 0.0, 0.0], [0.0, cosine, -sine], [0.0, sine, cosine]], dtype=dtype)
