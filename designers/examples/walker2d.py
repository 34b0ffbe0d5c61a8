"""Walk forward as fast as possible without falling.

Environment: EnvReward/Walker2d-v0
Fields:
    x_velocity: float32 [N], m/s, world frame. Mean forward velocity of the torso over the last step.
    uprightness: float32 [N]. Cosine of the pitch: 1 as at the start, 0 tipped by a quarter turn, -1 upside down.
    healthy: bool [N]. Whether the robot is still upright and sound; the episode ends when it is not.
    action: float32 [N, 6]. The action just applied: torque of each joint's motor as a share of its maximum, in [-1,
        1]. Entries: right_thigh, right_leg, right_foot, left_thigh, left_leg, left_foot.
"""

import torch
from torch import Tensor


def compute_reward(
    x_velocity: Tensor, uprightness: Tensor, healthy: Tensor, action: Tensor
) -> tuple[Tensor, dict[str, Tensor]]:
    """Pay for forward speed as far as the torso is upright."""
    # Speed counts only as far as the torso is upright, so that falling forward is no way to be fast.
    balance = torch.clamp(uprightness, min=0.0)
    run = balance * torch.clamp(x_velocity, min=-1.0, max=8.0)
    # Less than what a slow walk earns: standing still must not be the best thing to do.
    stand = 0.3 * healthy.float()
    effort = -0.001 * action.square().sum(-1)
    return run + stand + effort, {"run": run, "stand": stand, "effort": effort}
