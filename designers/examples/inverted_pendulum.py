"""Keep the pole upright by moving the cart.

Environment: EnvReward/InvertedPendulum-v0
Fields:
    pole_angle: float32 [N], rad, world frame. Angle of the pole from the vertical; positive leans towards +x.
    pole_velocity: float32 [N], rad/s, world frame. Angular velocity of the pole.
    cart_position: float32 [N], m, world frame. Position of the cart on its rail, which ends at -1 and 1.
    action: float32 [N, 1]. The action just applied: force of the cart's motor as a share of its gear, in [-3, 3].
        Entries: cart.
"""

import torch
from torch import Tensor


def compute_reward(
    pole_angle: Tensor, pole_velocity: Tensor, cart_position: Tensor, action: Tensor
) -> tuple[Tensor, dict[str, Tensor]]:
    """Pay for an upright pole, a little for one at rest and for room on the rail."""
    # Upright is the task: the largest term, near 0 beyond about 0.3 rad.
    upright = torch.exp(-((pole_angle / 0.15) ** 2))
    # A pole at rest stays upright by itself; room on the rail is what balancing is paid with.
    steady = 0.2 * torch.exp(-torch.abs(pole_velocity))
    centred = 0.2 * torch.exp(-torch.abs(cart_position) / 0.3)
    effort = -0.005 * action.square().sum(-1)
    return upright + steady + centred + effort, {
        "upright": upright,
        "steady": steady,
        "centred": centred,
        "effort": effort,
    }
