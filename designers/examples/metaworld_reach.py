"""Move the fingers of the gripper to the goal position.

Environment: EnvReward/MetaWorld-reach-v0
Fields:
    tcp_pos: float32 [N, 3], m, world frame. Tool centre point: midway between the tips of the two fingers.
    goal_pos: float32 [N, 3], m, world frame. The point to reach.
    action: float32 [N, 4]. The action just applied: motion of the hand along each axis (1 is 0.01 m) and effort of
        the fingers (1 closes, -1 opens). Entries: x, y, z, effort.
"""

import torch
from torch import Tensor


def compute_reward(tcp_pos: Tensor, goal_pos: Tensor, action: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    """Pay for closeness to the goal, coarsely and finely."""
    distance = torch.linalg.vector_norm(tcp_pos - goal_pos, dim=-1)
    # A wide slope that is felt from anywhere on the table, and a narrow one for the last centimetres.
    approach = 1.0 - torch.tanh(distance / 0.3)
    precision = torch.exp(-distance / 0.03)
    effort = -0.01 * action[:, :3].square().sum(-1)
    return approach + precision + effort, {"approach": approach, "precision": precision, "effort": effort}
