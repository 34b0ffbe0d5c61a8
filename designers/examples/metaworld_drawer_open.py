"""Open the drawer by its handle.

Environment: EnvReward/MetaWorld-drawer-open-v0
Fields:
    tcp_pos: float32 [N, 3], m, world frame. Tool centre point: midway between the tips of the two fingers.
    obj_pos: float32 [N, 3], m, world frame. Position of the drawer's handle.
    obj_init_pos: float32 [N, 3], m, world frame. Position of the drawer's handle at the start of the episode.
    goal_pos: float32 [N, 3], m, world frame. Where the handle is when the drawer is open.
    action: float32 [N, 4]. The action just applied: motion of the hand along each axis (1 is 0.01 m) and effort of
        the fingers (1 closes, -1 opens). Entries: x, y, z, effort.
"""

import torch
from torch import Tensor


def compute_reward(
    tcp_pos: Tensor, obj_pos: Tensor, obj_init_pos: Tensor, goal_pos: Tensor, action: Tensor
) -> tuple[Tensor, dict[str, Tensor]]:
    """Pay for reaching the handle and for its way to the goal."""
    # Stage 1: the hand to the handle. Height is weighted up, so that it comes from above and hooks in.
    offset = tcp_pos - obj_pos
    to_handle = torch.sqrt(offset[:, 0].square() + offset[:, 1].square() + 2.0 * offset[:, 2].square() + 1e-12)
    reach = torch.exp(-to_handle / 0.1)
    # Stage 2: the handle to where it is when the drawer is open, as a share of its way.
    whole = torch.linalg.vector_norm(obj_init_pos - goal_pos, dim=-1)
    left = torch.linalg.vector_norm(obj_pos - goal_pos, dim=-1)
    pull = 5.0 * torch.clamp(1.0 - left / (whole + 1e-6), min=-1.0, max=1.0)
    effort = -0.01 * action[:, :3].square().sum(-1)
    return reach + pull + effort, {"reach": reach, "pull": pull, "effort": effort}
