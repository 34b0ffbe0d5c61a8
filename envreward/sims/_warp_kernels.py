# mypy: ignore-errors
# Kernels are written in Warp's own dialect of Python, whose types are not those of Python.
"""Device code of our own; imported only where Warp is installed."""

import mujoco
import warp as wp

_PLANE = wp.constant(int(mujoco.mjtGeom.mjGEOM_PLANE))
_CAPSULE = wp.constant(int(mujoco.mjtGeom.mjGEOM_CAPSULE))
_UPRIGHT = wp.constant(1e-6)  # sine of the tilt below which a capsule's direction on the plane means nothing


def _align_with_capsules(
    geom_type: wp.array[wp.int32],
    geom_xmat: wp.array2d[wp.mat33],
    num_contacts: wp.array[wp.int32],
    contact_geom: wp.array[wp.vec2i],
    contact_world: wp.array[wp.int32],
    contact_frame: wp.array[wp.mat33],
):
    i = wp.tid()
    if i >= num_contacts[0]:
        return
    geoms = contact_geom[i]
    if geoms[0] < 0 or geoms[1] < 0:
        return
    if geom_type[geoms[0]] != _PLANE or geom_type[geoms[1]] != _CAPSULE:
        return
    frame = contact_frame[i]
    normal = wp.vec3(frame[0, 0], frame[0, 1], frame[0, 2])
    pose = geom_xmat[contact_world[i], geoms[1]]
    axis = wp.vec3(pose[0, 2], pose[1, 2], pose[2, 2])
    along = axis - wp.dot(axis, normal) * normal
    length = wp.length(along)
    if length < _UPRIGHT:
        return
    along = along / length
    across = wp.cross(normal, along)
    contact_frame[i] = wp.mat33(
        normal[0], normal[1], normal[2], along[0], along[1], along[2], across[0], across[1], across[2]
    )


def _note_shortage(
    nefc: wp.array[wp.int32],
    njmax: int,
    num_contacts: wp.array[wp.int32],
    num_collisions: wp.array[wp.int32],
    naconmax: int,
    rows_bit: int,
    contacts_bit: int,
    overflow: wp.array[wp.int32],
):
    world = wp.tid()
    bits = wp.int32(0)
    if nefc[world] > njmax:
        bits = bits | rows_bit
    if num_contacts[0] > naconmax or num_collisions[0] > naconmax:
        bits = bits | contacts_bit
    overflow[world] = overflow[world] | bits


note_shortage = wp.kernel(_note_shortage, enable_backward=False)
"""Flag the worlds that have more constraint rows, or all of them if they have more contacts, than there is room for."""

align_with_capsules = wp.kernel(_align_with_capsules, enable_backward=False)
"""Turn the frames of contacts between planes and capsules so that their first tangent follows the capsule."""
