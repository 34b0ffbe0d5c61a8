"""Sim: N worlds stepped together, MuJoCo's own field names as torch views."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

import torch
from torch import Tensor

if TYPE_CHECKING:
    import mujoco

Stage: TypeAlias = Literal["none", "position", "acceleration"]
"""Up to where a step computes derived fields at the state that it leaves.

``none``: all are one substep behind, as after ``mj_step``. ``position``: what follows from positions (places,
orientations, contacts) is of the new state and the rest is not. ``acceleration``: all are, as after ``mj_forward``;
the constraint forces that this takes are a good part of a substep's work. How the worlds go on is the same."""


class Sim(Protocol):
    """N worlds of one MuJoCo model.

    Any MjData field is an attribute: ``sim.qpos`` is a torch view ``[N, nq]``, ``sim.xpos`` ``[N, nbody, 3]``. Views
    are live. Writing to a state field (``qpos qvel ctrl mocap_pos mocap_quat``) sets the worlds' state at the next
    call; other fields are outputs. After a plain `step`, derived fields are one substep behind the state, as with
    ``mj_step``.
    """

    model: mujoco.MjModel
    num_worlds: int
    device: torch.device
    dtype: torch.dtype
    """Of all floating-point fields: float64 on the CPU's simulator, float32 on the GPU's."""
    failed: Tensor
    """bool ``[N]``; worlds whose last `step` broke (non-finite or huge numbers) and that were put back to before it."""

    def __getattr__(self, name: str) -> Tensor: ...

    def expand(self, name: str) -> Tensor:
        """Give a field of the model its own value in each world; return them, ``[N, ...]``, live and writable.

        Derived fields follow at the next `step` or `forward`. `reset` leaves them as they are.
        """
        ...

    def step(self, nstep: int = 1, *, stage: Stage = "none") -> None:
        """Advance all worlds by ``nstep`` substeps; then compute derived fields at the new state, up to ``stage``."""
        ...

    def settle(self, ids: Tensor, nstep: int) -> None:
        """Advance the worlds ``ids`` (sorted int64 ``[k]``) alone by ``nstep`` substeps; the others stand still.

        For starts of episodes that physics has to find. Derived fields end one substep behind, as after a plain `step`.
        """
        ...

    def reset(self, ids: Tensor) -> None:
        """Set the worlds ``ids`` (int64 ``[k]``) to the model's defaults without computing derived fields."""
        ...

    def forward(self, ids: Tensor) -> None:
        """Compute the derived fields of the worlds ``ids`` at their present state."""
        ...

    def external_forces(self) -> Tensor:
        """Return ``cfrc_ext`` ``[N, nbody, 6]`` (N m, N), live, as ``mj_rnePostConstraint`` gives it after `step`."""
        ...

    def data(self, world: int, out: mujoco.MjData | None = None) -> mujoco.MjData:
        """Return one world as an ``MjData`` with its derived fields computed, for rendering or inspection."""
        ...

    def save(self) -> dict[str, Tensor]:
        """Return copies of all that decides how the worlds go on, one row per world ``[N, ...]``."""
        ...

    def load(self, saved: Mapping[str, Tensor]) -> None:
        """Go on from what `save` returned, bit for bit; the rows may come from several simulators of the same model."""
        ...

    def close(self) -> None:
        """Release threads and memory."""
        ...
