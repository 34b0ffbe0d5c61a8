"""Run backward (in the negative x direction) as fast as possible.

Environment: EnvReward/HalfCheetahRunBackward-v0
Fields:
    x_velocity: float32 [N], m/s, world frame. Mean forward velocity of the torso over the last step.
    uprightness: float32 [N]. Cosine of the pitch: 1 as at the start, 0 tipped by a quarter turn, -1 upside down.
    action: float32 [N, 6]. The action just applied: torque of each joint's motor as a share of its maximum, in [-1,
        1]. Entries: back_thigh, back_shin, back_foot, front_thigh, front_shin, front_foot.
"""

import torch
from torch import Tensor


def compute_reward(x_velocity: Tensor, uprightness: Tensor, action: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    """Pay for speed towards -x as far as the robot is the right way up."""
    # Backward is -x. On its back the robot can slide fast, which is no running.
    level = torch.clamp(uprightness, min=0.0)
    run = level * torch.clamp(-x_velocity, min=-2.0, max=12.0)
    effort = -0.1 * action.square().mean(-1)
    return run + effort, {"run": run, "effort": effort}
