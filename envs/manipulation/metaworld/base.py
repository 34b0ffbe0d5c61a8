"""What all Meta-World tasks share: the Sawyer arm, its controls, the settled start, the observation, the goal.

The models are the ``metaworld`` package's own files, found without importing it; none of its classes runs here. What
they compute for one world, this module and the tasks beside it compute for all worlds at once, to the same numbers
(`metaworld/sawyer_xyz_env.py` of metaworld 3.0.0 is what "officially" means below).

The official reset lets the arm settle for 250 physics steps, twice. Nothing random happens there, so the settled
state is computed once per model and every world starts from a copy of it: bit for bit the same arm, and the same
objects, as long as nothing touches what stands elsewhere in each episode. Where arm or objects may do so meanwhile
(`settles_each`), every episode settles by itself.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import gymnasium as gym
import mujoco
import numpy as np
import torch
from torch import Tensor

from envreward.sims import Sim, Stage
from envreward.task import SPARSE_SUCCESS, SimTask
from envreward.task_spec import TaskSpec

from .geometry import scipy_quat
from .models import Vector, asset_folder, compile_model
from .rewards import norm

ACTION_SCALE_M = 0.01
"""How far the full action moves the mocap body along each axis in one step."""
_HAND_BOUNDS = np.array([[-0.525, 0.348, -0.0525, -1.0], [0.525, 1.025, 0.7, 1.0]])
"""Bounds of hand position (m) and gripper opening in the observation."""
_MOCAP_QUAT = (1.0, 0.0, 1.0, 0.0)
_STATE = ("time", "qpos", "qvel", "act", "qacc_warmstart", "ctrl", "mocap_pos", "mocap_quat")
_TRIES = 32
"""Draws of which the first acceptable one is taken; more than this many in a row are refused less than once in 1e8."""


class MetaWorldTask(SimTask):
    """One Meta-World v3 task.

    A subclass names its model, declares its fields, reward and success, and writes an episode's start in `place` and
    `begin`. Actions: motion of the gripper along x, y, z (1 is `ACTION_SCALE_M` a step), and the fingers' effort
    (1 closes, -1 opens). Observation (39): now and one step before, each hand position (3), gripper opening (1), pose
    of the object (7), of a second one (7) or zeros; then the goal's position (3).
    """

    frame_skip = 5
    asset: ClassVar[str]
    """File name of the model below the package's ``assets/sawyer_xyz``."""
    hand_low: ClassVar[Vector] = (-0.5, 0.40, 0.05)
    hand_high: ClassVar[Vector] = (0.5, 1.0, 0.5)
    """Box that the mocap body, which pulls the hand, cannot leave, m."""
    hand_init_pos: ClassVar[Vector] = (0.0, 0.6, 0.2)
    """Where the mocap body waits while the arm settles, m."""
    goal_low: ClassVar[Vector]
    goal_high: ClassVar[Vector]
    """Bounds of the goal in the observation, m."""
    random_low: ClassVar[Vector]
    random_high: ClassVar[Vector]
    """Bounds of what is drawn for an episode: the official ``_random_reset_space``."""
    radius_m: ClassVar[float]
    """Distance of the object to the goal at which the task is done."""
    moved_bodies: ClassVar[tuple[str, ...]] = ()
    """Bodies without joints of their own that stand elsewhere in each episode; see `put`."""
    forward_at_reset: ClassVar[bool] = True
    """Whether the official reset ends with ``mj_forward``; if not, its first observation is one physics step old, and
    so is the solver's warm start. Then `place` writes no joints; `begin` may."""
    settled_at: ClassVar[Mapping[str, Vector]] = {}
    """Where `moved_bodies` stand while the arm settles, if not where the model has them."""
    settle_rounds: ClassVar[int] = 50
    """Control steps for which the arm settles."""
    settles_each: ClassVar[bool] = False
    """Whether arm or objects may touch `moved_bodies` while the arm settles, so that every episode has to settle by
    itself."""
    grasped_geom: ClassVar[str | None] = None
    """Geom whose contact with both finger pads is the field ``grasped``."""
    sparse = SPARSE_SUCCESS
    fitness_reduce: Literal["sum", "mean", "max", "last"] = "max"
    fitness_doc = "1 if the success test held at some step of the episode, else 0: Meta-World's success rate."
    camera: ClassVar[Mapping[str, Any]] = {
        "lookat": (0.0, 0.65, 0.15), "distance": 1.5, "azimuth": 140.0, "elevation": -30.0
    }  # fmt: skip

    memory: ClassVar[tuple[str, ...]] = ("current", "previous", "goal_pos", "obj_init_pos", "action", "init_tcp_pos")

    def __init__(self, spec: TaskSpec) -> None:
        self.spec = spec
        asset_folder(spec.id)  # a missing package is reported here; the model is compiled when it is needed
        self.action_space = gym.spaces.Box(-1.0, 1.0, (4,), np.float32)
        objects = np.full((2, 14), np.inf) * [[-1.0], [1.0]]
        frame = np.hstack((_HAND_BOUNDS, objects))
        low, high = np.hstack((frame, frame, [self.goal_low, self.goal_high]))
        self.observation_space = gym.spaces.Box(low, high, dtype=np.float64)

    @functools.cached_property
    def model(self) -> mujoco.MjModel:
        """The compiled model."""
        return compile_model(self.spec.id, self.asset, self.grasped_geom)

    @functools.cached_property
    def settled(self) -> mujoco.MjData:
        """The world after the arm has settled at `hand_init_pos` with open fingers; derived fields a substep behind."""
        return self._settled_after(self.settle_rounds * self.frame_skip)

    def _settled_after(self, substeps: int) -> mujoco.MjData:
        model = copy.copy(self.model)
        for name, pos in self.settled_at.items():
            model.body(name).pos = pos
        data = mujoco.MjData(model)
        data.mocap_pos[0], data.mocap_quat[0] = self.hand_init_pos, _MOCAP_QUAT
        data.ctrl[:] = (-1.0, 1.0)
        mujoco.mj_step(model, data, nstep=substeps)
        return data

    @functools.cached_property
    def init_tcp(self) -> np.ndarray:
        """Where the tool centre point is at every start, float64 ``[3]``, m."""
        sites = (self.settled.site(name).xpos for name in ("rightEndEffector", "leftEndEffector"))
        tcp: np.ndarray = np.mean([*sites], axis=0)
        return tcp

    def build_model(self) -> mujoco.MjModel:
        """Return the compiled model."""
        return self.model

    # An episode's start.

    @property
    def reset_noise_size(self) -> int:
        """Random numbers of each kind that one reset takes."""
        return len(self.random_low) * (_TRIES if self.can_refuse else 1)

    can_refuse: ClassVar[bool] = False
    """Whether `refused` may refuse a draw."""
    apart_m: ClassVar[float] = 0.15
    """Closest that object and goal may be to each other in a draw, seen from above; see `refused`."""

    def refused(self, drawn: Tensor) -> Tensor:
        """Return which draws ``[..., R]`` the official reset would draw again, bool ``[...]``.

        By default those that begin with two positions closer than `apart_m` to each other, seen from above.
        """
        apart: Tensor = torch.linalg.vector_norm(drawn[..., :2] - drawn[..., 3:5], dim=-1)
        return apart < self.apart_m

    def draw(self, uniform: Tensor) -> Tensor:
        """Return what each starting episode has drawn, float64 ``[k, R]``, from ``uniform [k, reset_noise_size]``."""
        low, high = (torch.tensor(v, dtype=uniform.dtype, device=uniform.device) for v in self._random_bounds)
        drawn = low + (high - low) * uniform.view(len(uniform), -1, len(low))
        if not self.can_refuse:
            return drawn[:, 0]
        chosen = (~self.refused(drawn)).to(torch.uint8).argmax(1)
        return drawn[torch.arange(len(drawn), device=drawn.device), chosen]

    @property
    def _random_bounds(self) -> tuple[Vector, Vector]:
        return self.random_low, self.random_high

    def bind(self, sim: Sim) -> None:
        """Attach to a simulator and allocate per-world memory."""
        super().bind(sim)
        assert isinstance(self.observation_space, gym.spaces.Box)
        count, device = sim.num_worlds, sim.device
        kind = sim.qpos.dtype
        self._settled = _state(self.settled, sim)
        self._before_settled = self._settled
        if not (self.forward_at_reset or self.settles_each):
            self._before_settled = _state(self._settled_after(self.settle_rounds * self.frame_skip - 1), sim)
        self._low, self._high = (
            torch.as_tensor(bound, dtype=kind, device=device)
            for bound in (self.observation_space.low, self.observation_space.high)
        )
        self._mocap_low = torch.tensor(self.hand_low, dtype=kind, device=device)
        self._mocap_high = torch.tensor(self.hand_high, dtype=kind, device=device)
        self.init_tcp_pos = torch.as_tensor(self.init_tcp, dtype=kind, device=device).repeat(count, 1)
        """Tool centre point at the start of the episode, ``[N, 3]``, m."""
        self._hand, self._claws, self._fingers, self._pads = (
            [self.id_of(what, name) for name in names]
            for what, names in (
                ("body", ("hand",)),
                ("body", ("rightclaw", "leftclaw")),
                ("site", ("rightEndEffector", "leftEndEffector")),
                ("body", ("leftpad", "rightpad")),
            )
        )
        self._body_pos = sim.expand("body_pos") if self.moved_bodies else None
        self.action = torch.zeros((count, 4), dtype=kind, device=device)
        """The action just applied, ``[N, 4]``."""
        self.current = torch.zeros((count, 18), dtype=kind, device=device)
        """Hand, gripper and objects now, as in the observation before clipping, ``[N, 18]``."""
        self.previous = self.current.clone()
        """The same one step before."""
        self.goal_pos = torch.zeros((count, 3), dtype=kind, device=device)
        """Where the object should go, ``[N, 3]``, m."""
        self.obj_init_pos = self.goal_pos.clone()
        """Where the object was at the start of the episode, ``[N, 3]``, m."""
        if self.settles_each:  # derived fields are kept from their first use on, and `start` needs those of settling
            self.frame()
            self.tcp_pos()

    def reset(self, ids: Tensor, uniform: Tensor, normal: Tensor) -> None:
        """Start the worlds ``ids`` from the settled arm and what the episode draws."""
        self.start(ids, self.draw(uniform))

    def start(self, ids: Tensor, drawn: Tensor) -> None:
        """Start an episode in the worlds ``ids`` (sorted, int64 ``[k]``) with the given draw, ``[k, R]``."""
        drawn = drawn.to(self.current)
        if self.settles_each:
            self._settle(ids, drawn)
        else:
            self.sim.reset(ids)
            self._write(ids, self._before_settled)
        self.place(ids, drawn)
        if self.forward_at_reset or not self.settles_each:
            self.sim.forward(ids)
        if not (self.forward_at_reset or self.settles_each):
            self._write(ids, self._settled)  # derived fields stay behind
        self.begin(ids, drawn)
        self.action[ids] = 0.0
        self.current[ids] = self.frame()[ids]
        self.previous[ids] = self.current[ids]

    def _write(self, ids: Tensor, state: Mapping[str, Tensor]) -> None:
        for name, values in state.items():
            getattr(self.sim, name)[ids] = values

    def _settle(self, ids: Tensor, drawn: Tensor) -> None:
        """Let the arms of the worlds ``ids`` settle with `moved_bodies` where the draw says."""
        sim = self.sim
        self.place(ids, drawn)
        sim.reset(ids)  # leaves bodies where they are, but joints settle from the model's default
        for name in ("mocap_pos", "mocap_quat", "ctrl"):
            getattr(sim, name)[ids] = self._settled[name]
        sim.settle(ids, self.settle_rounds * self.frame_skip)
        self.init_tcp_pos[ids] = self.tcp_pos()[ids]

    def place(self, ids: Tensor, drawn: Tensor) -> None:
        """Put the objects of the worlds ``ids`` where the draw says; derived fields are computed afterwards.

        Here: one free object, which is drawn first.
        """
        self.put_free(ids, drawn[:, :3])

    def begin(self, ids: Tensor, drawn: Tensor) -> None:
        """Set `goal_pos`, `obj_init_pos` and further memory of the worlds ``ids``; derived fields are up to date.

        Here: the places of object and goal as they are drawn.
        """
        self.obj_init_pos[ids] = drawn[:, :3]
        self.goal_pos[ids] = drawn[:, 3:]

    def put(self, ids: Tensor, body: str, pos: Tensor) -> None:
        """Let a body of `moved_bodies` stand at ``pos [k, 3]`` (in its parent's frame, m) in the worlds ``ids``."""
        assert self._body_pos is not None and body in self.moved_bodies, body
        self._body_pos[ids, self.id_of("body", body)] = pos

    def settled_height(self, xy: Tensor, body: str = "obj") -> Tensor:
        """Return ``xy [k, 2]`` at the height at which a body has settled, ``[k, 3]``, m."""
        height = float(self.settled.body(body).xpos[2])
        return torch.cat((xy, xy.new_full((len(xy), 1), height)), 1)

    def put_free(self, ids: Tensor, pos: Tensor, qpos_start: int = 9, qvel: slice = slice(9, 15)) -> None:
        """Move a free object to ``pos [k, 3]`` and stop it: the official ``_set_obj_xyz``."""
        self.sim.qpos[ids, qpos_start : qpos_start + 3] = pos
        self.sim.qvel[ids, qvel] = 0.0

    def set_joint(self, ids: Tensor, name: str | int, value: float) -> None:
        """Set the position of a hinge (rad) or slide (m) joint in the worlds ``ids`` and stop it."""
        joint = self.model.joint(name)
        self.sim.qpos[ids, int(joint.qposadr[0])] = value
        self.sim.qvel[ids, int(joint.dofadr[0])] = 0.0

    # A step.

    def apply(self, action: Tensor) -> None:
        """Move the mocap body and set the fingers' effort."""
        sim = self.sim
        action = action.to(torch.float32)  # the official arithmetic begins in the action's type
        self.action = action.to(self.current.dtype)
        delta = action[:, :3].clamp(-1.0, 1.0) * ACTION_SCALE_M
        sim.mocap_pos[:, 0] = (sim.mocap_pos[:, 0] + delta).clamp(self._mocap_low, self._mocap_high)
        sim.mocap_quat[:, 0] = self._settled["mocap_quat"]
        sim.ctrl[:, 0] = self.action[:, 3]
        sim.ctrl[:, 1] = -self.action[:, 3]

    @property
    def stage(self) -> Stage:
        """Officially ``mj_forward`` follows a step; of the forces that it computes only those of a grasp are read."""
        return "position" if self.grasped_geom is None else "acceleration"

    def update(self) -> None:
        """Remember what was observed before the step."""
        self.previous = self.current
        self.current = self.frame()

    def frame(self) -> Tensor:
        """Return hand position, gripper opening and object poses, zeros up to 18 numbers, fresh ``[N, 18]``."""
        parts = [self.body("hand"), self.gripper_opening().unsqueeze(1), *self.objects()]
        missing = 18 - sum(part.shape[1] for part in parts)
        if missing:
            parts.append(self.current.new_zeros((len(self.current), missing)))
        return torch.cat(parts, 1)

    def observe(self) -> Tensor:
        """Return the official observation: now, one step before, the goal; clipped to its bounds."""
        now = torch.cat((self.current, self.previous, self.goal_pos), 1)
        return now.clamp_(self._low, self._high)

    def observed(self, start: int, stop: int) -> Tensor:
        """Return entries of the present observation, which the official reward reads, ``[N, stop - start]``."""
        return self.current[:, start:stop].clamp(self._low[start:stop], self._high[start:stop])

    def objects(self) -> tuple[Tensor, ...]:
        """Return the observed object poses: position ``[N, 3]`` and quaternion ``[N, 4]``, for one object or two."""
        return self.body("obj"), self.geom_quat("objGeom")

    def achieved(self) -> Tensor:
        """Return whether the official success test holds at this step, bool ``[N]``; here: object at goal."""
        return norm(self.current[:, 4:7] - self.goal_pos) <= self.radius_m

    # Where things are.

    def id_of(self, what: str, name: str) -> int:
        """Return the number of a body, geom, site or joint."""
        return int(getattr(self.model, what)(name).id)

    def body(self, name: str) -> Tensor:
        """Return a body's position in the world ``[N, 3]``, m, a view."""
        return self.sim.xpos[:, self.id_of("body", name)]

    def site(self, name: str) -> Tensor:
        """Return a site's position in the world ``[N, 3]``, m, a view."""
        return self.sim.site_xpos[:, self.id_of("site", name)]

    def geom(self, name: str) -> Tensor:
        """Return a geom's position in the world ``[N, 3]``, m, a view."""
        return self.sim.geom_xpos[:, self.id_of("geom", name)]

    def body_quat(self, name: str) -> Tensor:
        """Return a body's orientation as a quaternion (w, x, y, z) ``[N, 4]``, a view."""
        return self.sim.xquat[:, self.id_of("body", name)]

    def geom_quat(self, name: str) -> Tensor:
        """Return a geom's orientation as SciPy gives it, (x, y, z, w), ``[N, 4]``."""
        return scipy_quat(self.sim.geom_xmat[:, self.id_of("geom", name)].reshape(-1, 3, 3))

    def joint(self, name: str | int) -> Tensor:
        """Return the position of a hinge (rad) or slide (m) joint, by its name or number, ``[N]``, a view."""
        return self.sim.qpos[:, int(self.model.joint(name).qposadr[0])]

    def gripper_opening(self) -> Tensor:
        """Return the distance between the claws over 0.1 m, clipped to [0, 1], ``[N]``."""
        right, left = self._claws
        xpos = self.sim.xpos
        apart: Tensor = torch.linalg.vector_norm(xpos[:, right] - xpos[:, left], dim=1)
        return apart.div_(0.1).clamp_(0.0, 1.0)

    def tcp_pos(self) -> Tensor:
        """Return the tool centre point, midway between the fingers' ends, ``[N, 3]``, m."""
        right, left = self._fingers
        return (self.sim.site_xpos[:, right] + self.sim.site_xpos[:, left]) / 2.0

    def pad_pos(self, side: Literal[0, 1]) -> Tensor:
        """Return the position of the left (0) or right (1) finger's pad ``[N, 3]``, m, a view."""
        return self.sim.xpos[:, self._pads[side]]

    def grasped(self) -> Tensor:
        """Return whether both pads press on `grasped_geom`, bool ``[N]``."""
        return (self.sim.sensordata[:, [0, 3]] > 0.0).all(1)

    def never(self) -> Tensor:
        """Return false for every world, bool ``[N]``."""
        return torch.zeros(self.sim.num_worlds, dtype=torch.bool, device=self.sim.device)

    def constant(self, value: Tensor) -> Tensor:
        """Return a constant ``[n]`` for every world, ``[N, n]``."""
        return value.expand(self.sim.num_worlds, -1)


def _state(data: mujoco.MjData, sim: Sim) -> dict[str, Tensor]:
    """Return copies of what decides how a world goes on, for ``sim``."""
    kind, device = sim.qpos.dtype, sim.device
    values = {name: np.array(getattr(data, name)) for name in _STATE}
    return {name: torch.as_tensor(v, dtype=kind, device=device) for name, v in values.items() if v.size}
