"""MuJoCo on CPU threads: N worlds of one model, bit-identical to N separate ``MjData``.

A thin layer over `mujoco.batch.Batch`. What it adds: torch views under MuJoCo's own names, worlds whose physics
broke put back and reported instead of silently reset, and ``cfrc_ext`` as Gymnasium's environments read it.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping

import mujoco
import numpy as np
import torch
from mujoco.batch import DATA_FIELDS, Batch, SimulationError
from torch import Tensor

from ._external_forces import ExternalForces
from .base import Stage
from .messages import collect_messages
from .timers import Untimed

STAGES: Mapping[Stage, int] = {
    "none": int(mujoco.mjtStage.mjSTAGE_NONE),
    "position": int(mujoco.mjtStage.mjSTAGE_POS),
    "acceleration": int(mujoco.mjtStage.mjSTAGE_ACC),
}
"""MuJoCo's numbers of them."""
_BROKEN = [int(getattr(mujoco.mjtWarning, f"mjWARN_BAD{what}")) for what in ("QPOS", "QVEL", "QACC", "CTRL")]
_BROKEN_TEXT = "Nan, Inf or huge value"  # how MuJoCo's warnings of those kinds begin
_COUNT = 1  # column of a warning's counter in `Batch.warning`


class MujocoBatch:
    """A `Sim` on `mujoco.batch.Batch`; see `Sim` for the meaning of its attributes.

    A world's results never depend on the other worlds of the batch nor on the number of threads.

    Attributes:
        failed: bool ``[N]``; worlds whose last `step` gave non-finite or huge numbers, got a NaN control, or made
            MuJoCo raise. They are back in the state they had before that step, with all inputs (controls, applied
            forces, mocap poses) at the model's defaults.
    """

    def __init__(self, model: mujoco.MjModel, num_worlds: int, num_threads: int = 1) -> None:
        """Create ``num_worlds`` worlds at the model's default state.

        Args:
            model: Compiled model, shared by all worlds.
            num_worlds: N.
            num_threads: Threads that step the worlds, the caller's included; 0: one per CPU.
        """
        self.model = model
        self.num_worlds = num_worlds
        self.device = torch.device("cpu")
        self.dtype = torch.float64
        self.failed = torch.zeros(num_worlds, dtype=torch.bool)
        self._batch = Batch(model, num_worlds, num_threads)
        self._num_threads = num_threads
        self._default = self._batch.state[0].copy()
        self._counts = self._batch.warning[:, :, _COUNT]
        self._moving = self._batch.state[:, : _size_of_moving_state(model)]
        self._before = self._moving.copy()
        self._none_failed = self.failed
        self._forces: ExternalForces | None = None
        self._model_fields: dict[str, Tensor] = {}

    def __getattr__(self, name: str) -> Tensor:
        if name.startswith("_") or name not in DATA_FIELDS:
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r}: it is not an MjData field")
        if name == "cfrc_ext":  # MuJoCo's own step leaves it at the first Runge-Kutta stage, or does not compute it
            raise AttributeError("use external_forces() for cfrc_ext")
        array = self._batch.bind(name)
        writable = array.flags.writeable
        array.flags.writeable = True  # torch warns of read-only memory; outputs are documented as not to be written
        if not writable:
            self._fill(name, array)
        view = torch.from_numpy(array)
        array.flags.writeable = writable
        self.__dict__[name] = view  # the next access is a plain attribute
        return view

    def _fill(self, name: str, array: np.ndarray) -> None:
        """Give a newly bound output its value at the present state; MuJoCo would leave it zero until the next call."""
        probe = Batch(self.model, self.num_worlds, self._num_threads)
        probe.state[:] = self._batch.state
        for field, rows in self._model_fields.items():
            probe.expand(field)[...] = rows.numpy()
        values = probe.bind(name)
        probe.forward()
        array[...] = values

    def expand(self, name: str) -> Tensor:
        """Give a field of the model its own value in each world; return them, ``[N, ...]``, live and writable.

        Derived fields follow at the next `step` or `forward`. `reset` leaves them as they are.

        Raises:
            ValueError: No such field, or one that MuJoCo shares between worlds, or `external_forces` is in use.
        """
        if name not in self._model_fields:
            if self._forces is not None:
                raise ValueError("external_forces() knows one model for all worlds; it cannot go with expand()")
            self._model_fields[name] = torch.from_numpy(self._batch.expand(name))
        return self._model_fields[name]

    def step(self, nstep: int = 1, *, stage: Stage = "none") -> None:
        """Advance all worlds by ``nstep`` substeps; worlds that break are put back and flagged in `failed`.

        Args:
            nstep: Physics substeps.
            stage: Which derived fields are those of the new state afterwards; see `Stage`.

        Raises:
            ValueError: A ``stage`` together with `external_forces`, which needs the fields that a plain step leaves.
        """
        if stage != "none" and self._forces is not None:
            raise ValueError("a stage after the step cannot go with external_forces()")
        last_stage = STAGES[stage]
        np.copyto(self._before, self._moving)
        broken = np.zeros(self.num_worlds, dtype=bool)
        with collect_messages() as messages, Untimed():
            if self._forces is None:
                self._guard(lambda: self._batch.step(nstep=nstep, stage=last_stage), broken)
            else:
                if nstep > 1:
                    self._guard(lambda: self._batch.step(nstep=nstep - 1), broken)
                self._forces.before_last_substep(self._batch)
                self._guard(lambda: self._batch.step(nstep=1), broken)
        _warn(messages)
        self._find_broken(broken)
        if self._forces is not None:
            self._forces.after_last_substep(broken)
        self.failed = self._none_failed
        if broken.any():
            self.failed = torch.from_numpy(broken)
            ids = np.flatnonzero(broken)
            self._batch.state[ids] = self._default
            self._moving[ids] = self._before[ids]
            self._batch.forward(ids)

    def settle(self, ids: Tensor, nstep: int) -> None:
        """Advance the worlds ``ids`` (sorted int64 ``[k]``) alone by ``nstep`` substeps; the others stand still.

        Derived fields end one substep behind. A world that breaks is flagged in `failed` by the next `step`.

        Raises:
            ValueError: `external_forces` is in use, which follows all worlds at once.
        """
        if self._forces is not None:
            raise ValueError("settle() cannot go with external_forces()")
        with collect_messages() as messages, Untimed():
            self._batch.step(ids=ids.numpy(), nstep=nstep)
        _warn(messages)

    @staticmethod
    def _guard(call: Callable[[], None], broken: np.ndarray) -> None:
        try:
            call()
        except SimulationError as error:  # MuJoCo raised in some worlds; the others ran to completion
            broken[error.ids] = True

    def _find_broken(self, broken: np.ndarray) -> None:
        if self._counts.any():
            broken |= self._counts[:, _BROKEN].any(axis=1)
            self._counts[...] = 0
        if not np.isfinite(self._moving.sum()):  # one pass over all worlds; the rows are looked at only if it hits
            broken |= ~np.isfinite(self._moving).all(axis=1)

    def reset(self, ids: Tensor) -> None:
        """Set the worlds ``ids`` (sorted int64 ``[k]``) to the model's defaults without computing derived fields."""
        self._batch.state[ids.numpy()] = self._default  # as mj_resetData, without a round through the thread pool
        if self._forces is not None:
            self._forces.clear(ids)

    def forward(self, ids: Tensor) -> None:
        """Compute the derived fields of the worlds ``ids`` (sorted int64 ``[k]``) at their present state."""
        self._batch.forward(ids.numpy())

    def external_forces(self) -> Tensor:
        """Return ``cfrc_ext`` ``[N, nbody, 6]`` (N m, N), live, as ``mj_rnePostConstraint`` gives it after `step`.

        The first call switches the computation on, at the price of one more forward pass per `step`; until the
        next step, and for worlds that were reset since the last one, it is zero, as in a fresh ``MjData``.

        Raises:
            ValueError: The model has no force sensor, which is what makes MuJoCo compute these forces, or it is
                integrated by Runge-Kutta and has joints that the computation cannot follow.
        """
        if self._forces is None:
            if self._model_fields:
                raise ValueError("external_forces() knows one model for all worlds; it cannot go with expand()")
            self._forces = ExternalForces(self.model, self._batch, self._num_threads)
        return self._forces.cfrc_ext

    def data(self, world: int, out: mujoco.MjData | None = None) -> mujoco.MjData:
        """Return one world as an ``MjData`` with its derived fields computed, for rendering or inspection."""
        data = self._batch.get_data(world, out)
        mujoco.mj_forward(self._batch.get_model(world) if self._model_fields else self.model, data)
        return data

    def save(self) -> dict[str, Tensor]:
        """Return copies of the worlds' states and of all derived fields that are in use, one row per world.

        Derived fields belong to it: after a step they are one substep behind the state and cannot be recomputed.
        """
        views = {name: view for name, view in vars(self).items() if name in DATA_FIELDS}
        if self._forces is not None:
            views["cfrc_ext"] = self._forces.cfrc_ext
        views |= {f"model.{name}": rows for name, rows in self._model_fields.items()}
        return {"state": torch.from_numpy(self._batch.state.copy())} | {n: view.clone() for n, view in views.items()}

    def load(self, saved: Mapping[str, Tensor]) -> None:
        """Go on from what `save` returned, bit for bit; the rows may come from several simulators of the same model."""
        self._batch.state[...] = saved["state"].numpy()
        for name, rows in saved.items():
            if name.startswith("model."):
                self.expand(name.removeprefix("model.")).copy_(rows)
            elif name != "state":
                target = self.external_forces() if name == "cfrc_ext" else getattr(self, name)
                target.copy_(rows)

    def close(self) -> None:
        """Release the worlds; the views that were handed out keep their memory."""
        self._forces = None


def _warn(messages: list[str]) -> None:
    for message in messages:
        if not message.startswith(_BROKEN_TEXT):  # those are reported by `failed`
            warnings.warn(f"MuJoCo: {message}", RuntimeWarning, stacklevel=3)


def _size_of_moving_state(model: mujoco.MjModel) -> int:
    """Return how many leading numbers of a state row a step changes: all before the controls and other inputs."""
    moving = ("TIME", "QPOS", "QVEL", "ACT", "HISTORY", "WARMSTART")
    return int(mujoco.mj_stateSize(model, sum(int(getattr(mujoco.mjtState, f"mjSTATE_{part}")) for part in moving)))
