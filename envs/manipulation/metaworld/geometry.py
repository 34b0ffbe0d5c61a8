"""Orientations as the official observation has them."""

from __future__ import annotations

import torch
from torch import Tensor


def scipy_quat(matrix: Tensor) -> Tensor:
    """Return rotation matrices ``[N, 3, 3]`` as quaternions (x, y, z, w) ``[N, 4]``, of the sign that SciPy gives.

    The largest of the trace and the three diagonal entries decides by which of four formulas (Markley 2008,
    "Unit quaternion from rotation matrix", Journal of Guidance, Control, and Dynamics 31(2)).
    """
    (xx, xy, xz), (yx, yy, yz), (zx, zy, zz) = (row.unbind(-1) for row in matrix.unbind(-2))
    trace = xx + yy + zz
    forms = torch.stack(
        (
            torch.stack((1 - trace + 2 * xx, yx + xy, zx + xz, zy - yz), -1),
            torch.stack((xy + yx, 1 - trace + 2 * yy, zy + yz, xz - zx), -1),
            torch.stack((xz + zx, yz + zy, 1 - trace + 2 * zz, yx - xy), -1),
            torch.stack((zy - yz, xz - zx, yx - xy, 1 + trace), -1),
        ),
        -2,
    )
    largest = torch.stack((xx, yy, zz, trace), -1).argmax(-1)
    quat = forms.gather(-2, largest[..., None, None].expand(*largest.shape, 1, 4)).squeeze(-2)
    unit: Tensor = quat / torch.linalg.vector_norm(quat, dim=-1, keepdim=True)
    return unit
