"""MuJoCo Warp: N worlds of one model on a GPU, or, slowly, on the CPU, which is how it is tested without one.

A layer over `mujoco_warp <https://github.com/google-deepmind/mujoco_warp>`_. What it adds: torch views under MuJoCo's
own names and in its shapes; a control step captured as one graph; single worlds reset and computed anew without
touching their neighbours; room for contacts that grows; worlds whose physics broke put back and reported. Where MuJoCo
Warp strays from MuJoCo, `envreward.sims._warp_worlds` says how and what is done about it.

It computes in float32, and so agrees with the CPU's simulator to rounding errors, which contacts and chaos amplify:
``tests/sims/test_warp_equality.py`` holds what was measured for each robot. It has no PGS solver; a model that asks for
it (Humanoid) gets Newton's method, which solves the same problem to convergence where PGS stops after its iterations.
On a CUDA device, sums over contacts are taken in no fixed order: two runs with the same seed agree to rounding errors
only. On the CPU they agree bit for bit, and a world does not depend on its neighbours.

Kernels are compiled when a model is first stepped, which takes up to a minute, and kept in a folder for all later
processes: ``WARP_CACHE_PATH``, or Warp's own below the user's cache.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Mapping

import mujoco
import torch
from mujoco.batch import DATA_FIELDS
from torch import Tensor

from envreward.errors import ConfigError

from ._warp import find_device
from ._warp_worlds import Room, WarpWorlds
from .base import Stage

_MOVING = ("time", "qpos", "qvel", "act", "history", "plastic", "qacc_warmstart")
"""What a step changes and the next one begins with."""
_INPUTS = ("ctrl", "qfrc_applied", "xfrc_applied", "eq_active", "mocap_pos", "mocap_quat", "userdata")
_CHECKED = ("qpos", "qvel", "act", "qacc_warmstart", "ctrl")
_HUGE = 1e10  # mjMAXVAL, from which on MuJoCo counts a state as broken
_SIDE_SHARE = 8  # worlds that are computed singly are so in batches of an eighth of all


class MujocoWarp:
    """A `Sim` on MuJoCo Warp; see `Sim` for the meaning of its attributes.

    Attributes:
        failed: bool ``[N]``; worlds whose last `step` gave non-finite or huge numbers or got such a control. They are
            back in the state they had before that step, with all inputs (controls, applied forces, mocap poses) at
            the model's defaults.
    """

    def __init__(self, model: mujoco.MjModel, num_worlds: int, device: torch.device | str = "cpu") -> None:
        """Create ``num_worlds`` worlds at the model's default state.

        Args:
            model: Compiled model, shared by all worlds.
            num_worlds: N.
            device: ``"cuda"``, ``"cuda:1"``, or ``"cpu"``.

        Raises:
            MissingExtraError: MuJoCo Warp is not installed.
            ConfigError: No such device here, or MuJoCo Warp cannot simulate the model.
        """
        self.model = model
        self.num_worlds = num_worlds
        self.device = find_device(device)
        self.dtype = torch.float32
        self._solvable = _solvable(model)
        self._worlds = WarpWorlds(self._solvable, num_worlds, self.device)
        self._side: WarpWorlds | None = None
        self._expanded: dict[str, Tensor] = {}
        self._forces: Tensor | None = None
        self._unsettled: Tensor | None = None
        moving, inputs = ([name for name in names if self._worlds.size(name)] for names in (_MOVING, _INPUTS))
        self._state = {name: self._worlds.view(name) for name in (*moving, *inputs)}
        self.__dict__.update(self._state)  # plain attributes from the start
        self._default = {name: view[0].clone() for name, view in self._state.items()}
        self._before = {name: self._state[name].clone() for name in moving}
        self._checked = [view for name, view in self._state.items() if name in _CHECKED]
        self._none_failed = torch.zeros(num_worlds, dtype=torch.bool, device=self.device)
        self.failed = self._none_failed

    @property
    def room(self) -> Room:
        """What is reserved for contacts and constraints now; it grows when it is short."""
        return self._worlds.room

    def __getattr__(self, name: str) -> Tensor:
        if name.startswith("_") or name not in DATA_FIELDS:
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r}: it is not an MjData field")
        if name == "cfrc_ext":  # a step computes it where a sensor wants it, and not as mj_rnePostConstraint would
            raise AttributeError("use external_forces() for cfrc_ext")
        view = self._worlds.view(name)
        self.__dict__[name] = view  # the next access is a plain attribute
        if name not in (*_MOVING, *_INPUTS):
            self._aside(torch.arange(self.num_worlds, device=self.device), [name])
        return view

    def expand(self, name: str) -> Tensor:
        """Give a field of the model its own value in each world; return them, ``[N, ...]``, live and writable.

        Derived fields follow at the next `step` or `forward`. `reset` leaves them as they are.

        Raises:
            ValueError: No such field, or one that MuJoCo Warp shares between worlds.
        """
        if name not in self._expanded:
            self._expanded[name] = self._worlds.expand(name)
            if self._side is not None:
                self._side.expand(name)
        return self._expanded[name]

    def step(self, nstep: int = 1, *, stage: Stage = "none") -> None:
        """Advance all worlds by ``nstep`` substeps; worlds that break are put back and flagged in `failed`.

        Args:
            nstep: Physics substeps.
            stage: Which derived fields are those of the new state afterwards; see `Stage`.

        Raises:
            ValueError: A ``stage`` together with `external_forces`, which the CPU's simulator cannot do.
            ConfigError: The device has no memory for all contacts.
        """
        if stage != "none" and self._forces is not None:
            raise ValueError("a stage after the step cannot go with external_forces()")
        for name, rows in self._before.items():
            rows.copy_(self._state[name])
        while True:
            self._worlds.step(nstep, stage=stage, forces=self._forces is not None)
            broken = self._broken()
            short = self._worlds.short() & ~broken
            other = self._worlds.other_trouble().amax()
            # the only place where the host waits for the device
            any_broken, any_short, trouble = torch.stack((broken.any(), short.any(), other)).tolist()
            if not any_short:
                break
            for name, rows in self._before.items():
                self._state[name].copy_(rows)
            self._worlds.grow()
        if trouble:
            text = self._worlds.trouble_names(trouble)
            warnings.warn(
                f"MuJoCo Warp lacked room that cannot grow, in some world: {text}", RuntimeWarning, stacklevel=2
            )
        self.failed = self._none_failed
        self._unsettled = None
        if any_broken:
            self.failed = broken
            self._put_back(broken.nonzero().squeeze(1))

    def _broken(self) -> Tensor:
        """Return which worlds are not as a world can be, or were not after `settle`, bool ``[N]``."""
        broken = ~(torch.cat(self._checked, 1).abs_() <= _HUGE).all(1)  # of NaN, too
        return broken if self._unsettled is None else broken | self._unsettled

    def _put_back(self, ids: Tensor) -> None:
        for name, view in self._state.items():
            view[ids] = self._before[name][ids] if name in self._before else self._default[name]
        if self._forces is not None:
            self._forces[ids] = 0.0
        self.forward(ids)

    def reset(self, ids: Tensor) -> None:
        """Set the worlds ``ids`` (int64 ``[k]``) to the model's defaults without computing derived fields."""
        for name, view in self._state.items():
            view[ids] = self._default[name]
        if self._forces is not None:
            self._forces[ids] = 0.0

    def forward(self, ids: Tensor) -> None:
        """Compute the derived fields of the worlds ``ids`` (int64 ``[k]``) at their present state."""
        if len(ids) < self.num_worlds:
            self._aside(ids, self._outputs())
            return
        self._worlds.step(0, stage="acceleration", forces=False)
        while bool(self._worlds.short().any()):
            self._worlds.grow()
            self._worlds.step(0, stage="acceleration", forces=False)

    def settle(self, ids: Tensor, nstep: int) -> None:
        """Advance the worlds ``ids`` (int64 ``[k]``) alone by ``nstep`` substeps; the others stand still.

        Derived fields end one substep behind. A world that breaks stays where it was, and is flagged in `failed` by the
        next `step`.

        Raises:
            ValueError: `external_forces` is in use, which the CPU's simulator cannot do.
        """
        if self._forces is not None:
            raise ValueError("settle() cannot go with external_forces()")
        before = {name: self._state[name][ids] for name in self._before}
        self._aside(ids, [*self._before, *self._outputs()], nstep)
        broken = self._broken()
        lost = broken[ids]
        if bool(lost.any()):
            self._unsettled = broken
            for name, rows in before.items():
                self._state[name][ids[lost]] = rows[lost]
            self._aside(ids[lost], self._outputs())

    def _aside(self, ids: Tensor, names: list[str], nstep: int = 0) -> None:
        """Advance some worlds, or compute their derived fields if ``nstep`` is 0; write their fields ``names`` alone.

        MuJoCo Warp runs all worlds or none; those wanted are copied to worlds beside them, run, and copied back.
        """
        if not names:
            return
        if self._side is None:
            size = max(min(self.num_worlds, 64), self.num_worlds // _SIDE_SHARE)
            self._side = WarpWorlds(self._solvable, size, self.device, self._worlds.room)
            for name in self._expanded:
                self._side.expand(name)
        side = self._side
        for some in torch.split(ids, side.num_worlds):
            count = len(some)
            while True:
                for name, view in self._state.items():
                    side.view(name)[:count] = view[some]
                for name, rows in self._expanded.items():
                    side.expand(name)[:count] = rows[some]
                side.step(nstep, stage="none" if nstep else "acceleration", forces=False)
                if not bool(side.short()[:count].any()):
                    break
                side.grow()
            for name in names:
                getattr(self, name)[some] = side.view(name)[:count]

    def external_forces(self) -> Tensor:
        """Return ``cfrc_ext`` ``[N, nbody, 6]`` (N m, N), live, as ``mj_rnePostConstraint`` gives it after `step`.

        The first call switches the computation on; until the next step, and for worlds that were reset since the last
        one, it is zero, as in a fresh ``MjData``.
        """
        if self._forces is None:
            self._forces = self._worlds.cfrc_ext
        return self._forces

    def data(self, world: int, out: mujoco.MjData | None = None) -> mujoco.MjData:
        """Return one world as an ``MjData`` with its derived fields computed by MuJoCo, for rendering or inspection."""
        model = self.model
        if self._expanded:
            model = copy.copy(model)
            for name, rows in self._expanded.items():
                owner, _, field = name.rpartition(".")
                values = rows[world].cpu().numpy()
                setattr(model.opt if owner else model, field, values if values.ndim else float(values))
        data = out or mujoco.MjData(model)
        data.time = float(self.time[world])
        for name, view in self._state.items():
            if name != "time":
                getattr(data, name)[...] = view[world].cpu().numpy()
        mujoco.mj_forward(model, data)
        return data

    def _outputs(self) -> list[str]:
        """Return the names of the derived fields that have been handed out."""
        return [name for name in vars(self) if name in DATA_FIELDS and name not in self._state]

    def save(self) -> dict[str, Tensor]:
        """Return copies of the worlds' states and of all derived fields that are in use, one row per world.

        Derived fields belong to it: after a step they are one substep behind the state and cannot be recomputed.
        """
        saved = {name: getattr(self, name).clone() for name in (*self._state, *self._outputs())}
        if self._forces is not None:
            saved["cfrc_ext"] = self._forces.clone()
        return saved | {f"model.{name}": rows.clone() for name, rows in self._expanded.items()}

    def load(self, saved: Mapping[str, Tensor]) -> None:
        """Go on from what `save` returned, bit for bit; the rows may come from several simulators of the same model."""
        for name, rows in saved.items():
            if name.startswith("model."):
                self.expand(name.removeprefix("model.")).copy_(rows)
            else:
                target = self.external_forces() if name == "cfrc_ext" else getattr(self, name)
                target.copy_(rows)

    def close(self) -> None:
        """Release the captured graphs; the views that were handed out keep their memory."""
        for worlds in (self._worlds, self._side):
            if worlds is not None:
                worlds.close()


def _solvable(model: mujoco.MjModel) -> mujoco.MjModel:
    """Return the model with a solver that MuJoCo Warp has.

    Raises:
        ConfigError: The model lets bodies sleep, which the worlds' states do not hold.
    """
    if model.opt.enableflags & int(mujoco.mjtEnableBit.mjENBL_SLEEP):
        raise ConfigError("MuJoCo Warp cannot simulate this model here: it lets bodies sleep; switch the flag off")
    if model.opt.solver != mujoco.mjtSolver.mjSOL_PGS:
        return model
    model = copy.copy(model)
    model.opt.solver = mujoco.mjtSolver.mjSOL_NEWTON
    return model
