"""Pick up the puck and bring it to the goal position.

Environment: EnvReward/MetaWorld-pick-place-v0
Fields:
    tcp_pos: float32 [N, 3], m, world frame. Tool centre point: midway between the tips of the two fingers.
    obj_pos: float32 [N, 3], m, world frame. Position of the puck.
    obj_init_pos: float32 [N, 3], m, world frame. Position of the puck at the start of the episode.
    goal_pos: float32 [N, 3], m, world frame. Where the puck should go.
    grasped: bool [N]. Whether both fingers press on the object.
    action: float32 [N, 4]. The action just applied: motion of the hand along each axis (1 is 0.01 m) and effort of
        the fingers (1 closes, -1 opens). Entries: x, y, z, effort.
"""

import torch
from torch import Tensor


def compute_reward(
    tcp_pos: Tensor, obj_pos: Tensor, obj_init_pos: Tensor, goal_pos: Tensor, grasped: Tensor, action: Tensor
) -> tuple[Tensor, dict[str, Tensor]]:
    """Pay for reaching, holding, lifting, carrying and placing, each on top of the one before."""
    # Stage 1: the fingers around the puck.
    to_puck = torch.linalg.vector_norm(tcp_pos - obj_pos, dim=-1)
    reach = torch.exp(-to_puck / 0.1)
    # Stage 2: closed on it. A grip without a puck between the fingers earns nothing.
    hold = grasped.float()
    # Stage 3: off the table, and only while it is held, so that knocking it up does not pay.
    lifted = torch.clamp((obj_pos[:, 2] - obj_init_pos[:, 2]) / 0.04, min=0.0, max=1.0)
    lift = 2.0 * hold * lifted
    # Stage 4: to the goal.
    left = torch.linalg.vector_norm(obj_pos - goal_pos, dim=-1)
    carry = 4.0 * hold * lifted * (1.0 - torch.tanh(left / 0.2))
    placed = 5.0 * torch.exp(-left / 0.03)
    effort = -0.01 * action[:, :3].square().sum(-1)
    return reach + hold + lift + carry + placed + effort, {
        "reach": reach,
        "hold": hold,
        "lift": lift,
        "carry": carry,
        "placed": placed,
        "effort": effort,
    }
