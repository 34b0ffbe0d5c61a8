"""Push the puck to the goal position on the table.

Environment: EnvReward/MetaWorld-push-v0
Fields:
    tcp_pos: float32 [N, 3], m, world frame. Tool centre point: midway between the tips of the two fingers.
    obj_pos: float32 [N, 3], m, world frame. Position of the puck.
    obj_init_pos: float32 [N, 3], m, world frame. Position of the puck at the start of the episode.
    goal_pos: float32 [N, 3], m, world frame. Where the puck should go.
    action: float32 [N, 4]. The action just applied: motion of the hand along each axis (1 is 0.01 m) and effort of
        the fingers (1 closes, -1 opens). Entries: x, y, z, effort.
"""

import torch
from torch import Tensor


def compute_reward(
    tcp_pos: Tensor, obj_pos: Tensor, obj_init_pos: Tensor, goal_pos: Tensor, action: Tensor
) -> tuple[Tensor, dict[str, Tensor]]:
    """Pay for reaching the puck, for its way to the goal, and for its lying there."""
    # Stage 1: the fingers to the puck.
    to_puck = torch.linalg.vector_norm(tcp_pos - obj_pos, dim=-1)
    reach = 0.5 * torch.exp(-to_puck / 0.1)
    # Stage 2: the puck to the goal, as a share of the way it had to go; pushing it away costs.
    whole = torch.linalg.vector_norm(obj_init_pos - goal_pos, dim=-1)
    left = torch.linalg.vector_norm(obj_pos - goal_pos, dim=-1)
    push = 3.0 * torch.clamp(1.0 - left / (whole + 1e-6), min=-1.0, max=1.0)
    # Stage 3: it lies there.
    placed = 5.0 * torch.exp(-left / 0.03)
    effort = -0.01 * action[:, :3].square().sum(-1)
    return reach + push + placed + effort, {"reach": reach, "push": push, "placed": placed, "effort": effort}
