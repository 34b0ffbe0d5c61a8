"""Press the button on the front of the box.

Environment: EnvReward/MetaWorld-button-press-v0
Fields:
    tcp_pos: float32 [N, 3], m, world frame. Tool centre point: midway between the tips of the two fingers.
    obj_pos: float32 [N, 3], m, world frame. Position of the button's face.
    obj_init_pos: float32 [N, 3], m, world frame. Where the button's face is while nobody presses it.
    goal_pos: float32 [N, 3], m, world frame. The hole in the box into which the button goes.
    gripper_opening: float32 [N]. How far the fingers are apart: 0 closed, 1 fully open (0.1 m).
    action: float32 [N, 4]. The action just applied: motion of the hand along each axis (1 is 0.01 m) and effort of
        the fingers (1 closes, -1 opens). Entries: x, y, z, effort.
"""

import torch
from torch import Tensor


def compute_reward(
    tcp_pos: Tensor, obj_pos: Tensor, obj_init_pos: Tensor, goal_pos: Tensor, gripper_opening: Tensor, action: Tensor
) -> tuple[Tensor, dict[str, Tensor]]:
    """Pay for reaching the button with closed fingers and for its way into the box."""
    # Stage 1: the fingers in front of the button; closed fingers press better than open ones.
    to_button = torch.linalg.vector_norm(tcp_pos - obj_pos, dim=-1)
    reach = torch.exp(-to_button / 0.1)
    closed = 0.2 * reach * (1.0 - torch.clamp(gripper_opening, min=0.0, max=1.0))
    # Stage 2: the button into its hole, along the line from the one to the other.
    whole = torch.linalg.vector_norm(obj_init_pos - goal_pos, dim=-1)
    left = torch.linalg.vector_norm(obj_pos - goal_pos, dim=-1)
    press = 5.0 * torch.clamp(1.0 - left / (whole + 1e-6), min=0.0, max=1.0)
    effort = -0.01 * action[:, :3].square().sum(-1)
    return reach + closed + press + effort, {"reach": reach, "closed": closed, "press": press, "effort": effort}
