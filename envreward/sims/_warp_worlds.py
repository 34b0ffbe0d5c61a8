"""N worlds of one model in MuJoCo Warp: its model and data on the device, captured graphs, room for contacts.

What MuJoCo Warp 4.0.0 computes differently from MuJoCo, and what is done about it here:

* Poses of geoms that are fixed to the world are computed once, when the data are made. Where the body that holds them
  stands elsewhere in each world (``body_pos`` and the like), they stay behind: in Meta-World's door-open the moving
  door then collides with a frame that is not there. Here they are computed anew before each step.
* The bias of weld and connect constraints (the time derivative of their Jacobian times the velocity) is computed before
  the velocities it needs, that is with those of the call before: Meta-World's arm, which a weld drags along, is off by
  2e-3 rad after 10 substeps. Here velocities are brought up to date before each substep; the same arm then agrees to
  3e-7 rad. (Inside a Runge-Kutta step nothing can be done between the stages.)
* The frame of a contact between a plane and a capsule follows the capsule only while that is tilted by less than 60
  degrees; MuJoCo's always does. Friction pyramids, and with them Ant's steps, depend on it. Here the frames are turned
  after collisions have been found.
* Contacts and constraints have a fixed room; what does not fit is left out, which is flagged at the end of a step only:
  not by a forward pass, nor in the first three stages of Runge-Kutta. Here every pass is watched, and one that lacked
  room is made again with more: see `WarpWorlds.grow`.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Hashable
from typing import Any, NamedTuple

import mujoco
import numpy as np
import torch
from torch import Tensor

from envreward.errors import ConfigError

from ._warp import load_warp, warp_device
from .base import Stage

_PLANE, _CAPSULE = int(mujoco.mjtGeom.mjGEOM_PLANE), int(mujoco.mjtGeom.mjGEOM_CAPSULE)

_STATIC = frozenset({"body_pos", "body_quat", "geom_pos", "geom_quat"})
"""Model fields that decide where geoms stand that are fixed to the world."""
_OTHER_LAYOUT = frozenset({"qLD", "qLDiagInv", "qH", "qHDiagInv", "qLU"})
"""Work space that MuJoCo Warp lays out in its own way."""


class Room(NamedTuple):
    """How much is reserved for what touches."""

    contacts: int
    """Contacts per world, on average: all worlds share them."""
    rows: int
    """Constraint rows of each world: equalities, limits, friction, several for each contact."""


def first_room(model: mujoco.MjModel) -> Room:
    """Return the room to begin with: every equality, friction and limit at once, and twelve contacts.

    Uniformly random actions took up to 11 contacts and 38 rows in Gymnasium's robots (Humanoid), 8 contacts and 33 rows
    in Meta-World's door-open. Too little costs a second of growing, once.
    """
    types = {mujoco.mjtEq.mjEQ_CONNECT: 3, mujoco.mjtEq.mjEQ_WELD: 6}
    rows = sum(types.get(mujoco.mjtEq(kind), 1) for kind in model.eq_type)
    rows += int((model.dof_frictionloss > 0).sum() + (model.tendon_frictionloss > 0).sum())
    rows += int(model.jnt_limited.sum() + model.tendon_limited.sum())
    dim = int(max((1, *model.geom_condim, *model.pair_dim)))
    per_contact = dim if model.opt.cone == mujoco.mjtCone.mjCONE_ELLIPTIC else max(1, 2 * (dim - 1))
    return Room(16, 8 * math.ceil((rows + 12 * per_contact) / 8))


class WarpWorlds:
    """N worlds; what `MujocoWarp` steps, and what it computes derived fields of single worlds in."""

    def __init__(self, model: mujoco.MjModel, num_worlds: int, device: torch.device, room: Room | None = None) -> None:
        """Put the model on the device and make the worlds, at its defaults.

        Raises:
            ConfigError: MuJoCo Warp cannot simulate the model.
        """
        self.num_worlds = num_worlds
        self.room = room or first_room(model)
        self._host = model
        self._shapes = mujoco.MjData(model)
        self._device = device
        self._wp, self._mjw = load_warp()
        with warp_device(device):
            try:
                self.model = self._mjw.put_model(model)
            except (NotImplementedError, ValueError) as error:
                raise ConfigError(f"MuJoCo Warp cannot simulate this model: {error}") from error
            if device.type == "cuda" and not self._wp.is_conditional_graph_supported():
                self.model.opt.graph_conditional = False  # the solver then always takes all its iterations
            self.model.opt.warn_overflow = 0  # it would print; `short` reports it
            # the first callback after constraints are made; actuation may be off, passive forces seldom are
            off = model.opt.disableflags & int(mujoco.mjtDisableBit.mjDSBL_ACTUATION)
            setattr(self.model.callback, "passive" if off else "control", self._watch)
            if {_PLANE, _CAPSULE} <= {*model.geom_type}:
                self.model.callback.contactfilter = self._align
            self.data = self._make_data()
            self._cfrc_ext = self._wp.zeros_like(self.data.cfrc_ext)
        self.cfrc_ext: Tensor = self._wp.to_torch(self._cfrc_ext)
        """float32 ``[N, nbody, 6]``, from the last `step` that was asked for it."""
        self._views: dict[str, Tensor] = {}
        self._overflow = self._wp.to_torch(self.data.overflow)
        types = self._mjw.OverflowType
        self._short_of_rows = int(types.NEFC | types.NJMAX_NNZ)
        self._short_of_contacts = int(types.BROADPHASE | types.NARROWPHASE | types.CCD)
        self._grows = self._short_of_rows | self._short_of_contacts
        self._harmless = int(types.ITERATIONS | types.LS_ITERATIONS)  # MuJoCo stops there without a word, too
        self._graphs: dict[Hashable, Any] = {}
        self._expanded: dict[str, Tensor] = {}
        self._moving_statics: Any = None
        self._follows_velocity = bool(np.isin(model.eq_type, (mujoco.mjtEq.mjEQ_CONNECT, mujoco.mjtEq.mjEQ_WELD)).any())

    def _make_data(self) -> Any:
        try:
            return self._mjw.make_data(
                self._host, nworld=self.num_worlds, nconmax=self.room.contacts, njmax=self.room.rows
            )
        except RuntimeError as error:  # what Warp raises when an allocation fails
            raise ConfigError(
                f"{self._device} has no memory for {self.num_worlds} worlds with room for {self.room.contacts} "
                f"contacts and {self.room.rows} constraint rows each: use fewer worlds ({error})"
            ) from error

    # Fields.

    def size(self, name: str) -> int:
        """Return how many numbers a field of MjData holds for one world."""
        return int(np.size(getattr(self._shapes, name)))

    def view(self, name: str) -> Tensor:
        """Return a field of MjData as a live view ``[N, ...]``, in MuJoCo's shape.

        Raises:
            AttributeError: MuJoCo Warp has no such field for each world.
        """
        if name in self._views:
            return self._views[name]
        array = getattr(self.data, name, None)
        shape: tuple[int, ...] = np.shape(getattr(self._shapes, name, 0))
        if hasattr(self._shapes, name) and math.prod(shape) == 0:
            return torch.zeros((self.num_worlds, *shape), device=self._device)  # Warp has no memory for it to view
        known = isinstance(array, self._wp.array) and array.shape[:1] == (self.num_worlds,)
        if known and name not in _OTHER_LAYOUT:
            flat: Tensor = self._wp.to_torch(array).view(self.num_worlds, -1)
            if flat.shape[1] == math.prod(shape):
                self._views[name] = flat.view(self.num_worlds, *shape)
                return self._views[name]
        raise AttributeError(f"MuJoCo Warp has no field {name!r} of single worlds")

    def expand(self, name: str) -> Tensor:
        """Give a field of the model its own value in each world; return them, ``[N, ...]``, live.

        Raises:
            ValueError: No such field, or one that MuJoCo Warp shares between worlds.
        """
        if name not in self._expanded:
            owner, _, field = name.rpartition(".")
            holder, host = (self.model.opt, self._host.opt) if owner == "opt" else (self.model, self._host)
            specs = {spec.name: spec.type for spec in dataclasses.fields(holder)}
            shared: Any = getattr(holder, field, None)
            if getattr(specs.get(field), "shape", ())[:1] != ("*",) or not hasattr(host, field):
                raise ValueError(f"MuJoCo Warp has no model field {name!r} that worlds can have values of their own in")
            with warp_device(self._device):
                own = self._wp.empty((self.num_worlds, *shared.shape[1:]), dtype=shared.dtype)
                self._wp.to_torch(own).copy_(self._wp.to_torch(shared)[:1])
            setattr(holder, field, own)
            self._expanded[name] = self._wp.to_torch(own).view(self.num_worlds, *np.shape(getattr(host, field)))
            self._graphs.clear()  # they hold the shared array
            if _STATIC & self._expanded.keys():
                free = self._wp.full(self._host.nbody, 1, dtype=int, device=str(self._device))
                self._moving_statics = dataclasses.replace(self.model, body_weldid=free)
        return self._expanded[name]

    # Running.

    def step(self, nstep: int, *, stage: Stage, forces: bool) -> None:
        """Take ``nstep`` substeps; then compute `cfrc_ext` if ``forces``, then derived fields up to ``stage``."""
        self._run(("step", nstep, stage, forces), lambda: self._step(nstep, stage, forces))

    def _step(self, nstep: int, stage: Stage, forces: bool) -> None:
        mjw, model, data = self._mjw, self.model, self.data
        data.overflow.zero_()
        if self._moving_statics is not None:
            mjw.kinematics(self._moving_statics, data)
        for _ in range(nstep):
            self._update_velocities()
            mjw.step(model, data)
        if forces:
            mjw.rne_postconstraint(model, data)
            self._wp.copy(self._cfrc_ext, data.cfrc_ext)
        if stage == "position":
            mjw.fwd_position(model, data)
        elif stage == "acceleration":
            self._update_velocities()
            mjw.forward(model, data)

    def _update_velocities(self) -> None:
        if self._follows_velocity:
            self._mjw.kinematics(self.model, self.data)
            self._mjw.com_pos(self.model, self.data)
            self._mjw.com_vel(self.model, self.data)

    def _align(self, model: Any, data: Any) -> None:
        """Turn contact frames; called by MuJoCo Warp after it has found the contacts."""
        from ._warp_kernels import align_with_capsules

        contact = data.contact
        inputs = [model.geom_type, data.geom_xmat, data.nacon, contact.geom, contact.worldid]
        self._wp.launch(align_with_capsules, data.naconmax, inputs=inputs, outputs=[contact.frame])

    def _watch(self, model: Any, data: Any) -> None:
        """Flag what does not fit; called by MuJoCo Warp in each pass, after it has made the constraints."""
        from ._warp_kernels import note_shortage

        bits = [self._short_of_rows, self._short_of_contacts]
        inputs = [data.nefc, data.njmax, data.nacon, data.ncollision, data.naconmax, *bits]
        self._wp.launch(note_shortage, self.num_worlds, inputs=inputs, outputs=[data.overflow])

    def _run(self, key: Hashable, body: Callable[[], None]) -> None:
        """Run ``body``, the first time directly, which compiles what it needs, and then as a graph."""
        with warp_device(self._device):
            if key not in self._graphs:
                body()
                self._graphs[key] = None
                return
            if self._graphs[key] is None:
                with self._wp.ScopedCapture(str(self._device)) as capture:
                    body()
                self._graphs[key] = capture.graph
            self._wp.capture_launch(self._graphs[key])

    # Room.

    def short(self) -> Tensor:
        """Return the worlds that lacked room in the last run, bool ``[N]``: something that touched was left out."""
        return torch.ne(self._overflow & self._grows, 0)

    def other_trouble(self) -> Tensor:
        """Return whatever else MuJoCo Warp flagged in the last run, its bits, int32 ``[N]``."""
        return torch.bitwise_and(self._overflow, ~(self._grows | self._harmless))

    def trouble_names(self, bits: int) -> str:
        """Return MuJoCo Warp's names of overflows."""
        return ", ".join(kind.name for kind in self._mjw.OverflowType if kind.value & bits and kind.name != "ALL")

    def grow(self) -> None:
        """Double the room that was short in the last run; all fields stay where they are.

        Raises:
            ConfigError: The device has no memory for it.
        """
        lacking = self._overflow.unique().tolist()
        rows, contacts = self.room.rows, self.room.contacts
        if any(bits & self._short_of_rows for bits in lacking):
            rows *= 2
        if any(bits & self._short_of_contacts for bits in lacking):
            contacts *= 2
        self.room = Room(contacts, rows)
        self._graphs.clear()
        with warp_device(self._device):
            grown = self._make_data()
        for field in dataclasses.fields(grown):
            old, new = getattr(self.data, field.name), getattr(grown, field.name)
            if isinstance(old, self._wp.array) and old.shape == new.shape:
                setattr(grown, field.name, old)
        self.data = grown

    def close(self) -> None:
        """Drop the graphs; arrays live as long as views of them."""
        self._graphs.clear()
