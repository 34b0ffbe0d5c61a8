"""Do a back flip: turn a full somersault backwards in the air and land upright on the foot.

Environment: EnvReward/HopperBackFlip-v0
Fields:
    pitch: float32 [N], rad, world frame. Rotation of the torso in the plane, not wrapped: a full turn adds 2 pi. 0
        is upright; positive leans forward (towards +x).
    uprightness: float32 [N]. Cosine of the pitch: 1 as at the start, 0 tipped by a quarter turn, -1 upside down.
    torso_height: float32 [N], m, world frame. Height of the torso's centre above the floor.
    foot_contact: bool [N, 1]. Whether each foot touches the floor. Entries: foot.
    action: float32 [N, 3]. The action just applied: torque of each joint's motor as a share of its maximum, in [-1,
        1]. Entries: thigh, leg, foot.
"""

import math

import torch
from torch import Tensor


def compute_reward(
    pitch: Tensor, prev_pitch: Tensor, uprightness: Tensor, torso_height: Tensor, foot_contact: Tensor, action: Tensor
) -> tuple[Tensor, dict[str, Tensor]]:
    """Pay for turning backwards, for height until the turn is done, then for standing."""
    full_turn = 2.0 * math.pi
    # Stage 1: turn backwards (the pitch falls), up to one full turn; turning back costs what it had earned.
    turned = torch.clamp(-pitch, min=-1.0, max=full_turn)
    turned_before = torch.clamp(-prev_pitch, min=-1.0, max=full_turn)
    turn = 10.0 * (turned - turned_before)
    # Height leaves time to turn, until the turn is done.
    done = (turned > full_turn - 0.4).float()
    height = 0.5 * (1.0 - done) * torch.clamp(torso_height - 1.25, min=0.0, max=1.0)
    # Stage 2: stand. Worth more per step than anything before it.
    standing = torch.clamp(uprightness, min=0.0) * (torso_height > 0.7).float()
    land = done * standing * (1.0 + foot_contact.float().amax(-1))
    effort = -0.001 * action.square().sum(-1)
    return turn + height + land + effort, {"turn": turn, "height": height, "land": land, "effort": effort}
