"""N official worlds seen as one: ManiSkill's own task code, run once for all of them.

A ManiSkill environment on the CPU holds one world, and most of the time of a step goes to Python and to torch
operations on one row, not to PhysX. Its task code (controller, observation, success test, reward) is written for any
number of worlds, as its GPU simulation has many. So that code runs here, unchanged, on a *view*: a shallow copy of one
official environment in which every body, the robot and its controllers are replaced by those of this module, which hold
the numbers of all N worlds. They come from PhysX by two calls per world, `PhysxCpuSystem.pack` and `Scene.pack_poses`.
Observations, rewards and success are those of N separate official environments, bit for bit; each world keeps a PhysX
scene of its own, so that it depends on no other.
"""

from __future__ import annotations

import copy
import importlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

_POSE = 7
"""Numbers of a packed pose: quaternion (w, x, y, z), position."""
_BODY = _POSE + 6
"""Numbers of a packed rigid body: pose, linear and angular velocity."""


class World:
    """The PhysX side of one official environment: its scene, and where in the packed numbers things are."""

    def __init__(self, env: Any) -> None:
        """Look up the parts of ``env``, an official environment with one world."""
        self.env = env
        scene = env.scene.sub_scenes[0]
        self.px = env.scene.px
        self.pack_poses = scene.pack_poses
        self.entities = list(scene.entities)
        self.dynamic = [component.entity for component in self.px.rigid_dynamic_components]
        articulation = env.agent.robot._objs[0]
        self.joints = list(articulation.active_joints)
        self.set_target = [joint.set_drive_target for joint in self.joints]
        self.dof = len(self.joints)

    def packed(self) -> bytes:
        """Return its state and the poses of its entities, float32."""
        state: bytes = self.px.pack()
        poses: bytes = self.pack_poses()
        return state + poses


class Body:
    """A rigid body or link in all worlds, as ManiSkill's task code reads it."""

    def __init__(self, batch: Batch, original: Any) -> None:
        """Stand in for ``original``, an actor or link of the first world."""
        entity = original._objs[0]
        entity = getattr(entity, "entity", entity)
        world = batch.worlds[0]
        self.name: str = original.name
        self.entity_index = world.entities.index(entity)
        self._body = world.dynamic.index(entity) if entity in world.dynamic else None
        self._batch = batch

    @property
    def pose(self) -> Any:
        """ManiSkill's ``Pose`` of raw poses ``[N, 7]``: position (m, world frame) and quaternion (w, x, y, z)."""
        return self._batch.pose_class(self._batch.poses[:, self.entity_index])

    @property
    def linear_velocity(self) -> Tensor:
        """Of the centre of mass, ``[N, 3]``, m/s, world frame."""
        return self._velocity(0)

    @property
    def angular_velocity(self) -> Tensor:
        """``[N, 3]``, rad/s, world frame."""
        return self._velocity(3)

    def is_static(self, lin_thresh: float = 1e-2, ang_thresh: float = 1e-1) -> Tensor:
        """Return whether neither velocity exceeds its threshold, bool ``[N]``."""
        moves = torch.linalg.norm(self.linear_velocity, dim=1) > lin_thresh
        turns = torch.linalg.norm(self.angular_velocity, dim=1) > ang_thresh
        return torch.logical_not(moves | turns)

    def set_velocities(self, linear: Tensor, angular: Tensor) -> None:
        """Give the body velocities ``[N, 3]`` (m/s and rad/s, world frame) in all worlds."""
        assert self._body is not None, f"{self.name} has no velocity of its own"
        for world, moving, turning in zip(self._batch.worlds, linear.numpy(), angular.numpy(), strict=True):
            component = world.px.rigid_dynamic_components[self._body]
            component.linear_velocity, component.angular_velocity = moving, turning
        self._batch.refresh()

    def _velocity(self, start: int) -> Tensor:
        assert self._body is not None, f"{self.name} has no velocity of its own"
        first = self._body * _BODY + _POSE + start
        return self._batch.state[:, first : first + 3]


class Robot:
    """The articulation in all worlds, as ManiSkill's task code and controllers use it."""

    device = torch.device("cpu")

    def __init__(self, batch: Batch, original: Any) -> None:
        """Stand in for ``original``, the articulation of the first world."""
        self._batch = batch
        self._dof = batch.worlds[0].dof
        self._first = len(batch.worlds[0].dynamic) * _BODY + _BODY
        self._limits = original.get_qlimits()
        self.targets = torch.zeros((len(batch.worlds), self._dof))
        """Where the joints are driven to, float32 ``[N, dof]``."""

    @property
    def pose(self) -> Any:
        """ManiSkill's ``Pose`` of the base, raw poses ``[N, 7]``: position (m, world frame), then quaternion."""
        packed = self._batch.state[:, self._first - _BODY :]
        return self._batch.pose_class(torch.cat((packed[:, 4:_POSE], packed[:, :4]), dim=-1))

    def get_qpos(self) -> Tensor:
        """Return joint positions ``[N, dof]``, rad and m."""
        return self._batch.state[:, self._first : self._first + self._dof]

    def get_qvel(self) -> Tensor:
        """Return joint velocities ``[N, dof]``, rad/s and m/s."""
        return self._batch.state[:, self._first + self._dof : self._first + 2 * self._dof]

    def get_qlimits(self) -> Tensor:
        """Return the joints' limits ``[1, dof, 2]``, the same in all worlds."""
        limits: Tensor = self._limits
        return limits

    def set_joint_drive_targets(self, targets: Tensor, joints: Sequence[Any], joint_indices: Tensor) -> None:
        """Note the targets ``[N, len(joints)]``; they reach PhysX with the next step."""
        self.targets[:, joint_indices] = targets


class Scene:
    """What task code asks the scene: how many worlds, and how hard two bodies press on each other."""

    device = torch.device("cpu")
    gpu_sim_enabled = False

    def __init__(self, batch: Batch, timestep: float) -> None:
        self._batch = batch
        self._timestep = timestep
        self.num_envs = len(batch.worlds)

    def get_pairwise_contact_forces(self, first: Body, second: Body) -> Tensor:
        """Return the force that contact with ``second`` puts on ``first``, float32 ``[N, 3]``, N, world frame."""
        return self._batch.contact_impulses(first, second) / self._timestep


class Batch:
    """The numbers of N worlds, and the view in which ManiSkill's task code runs on them."""

    def __init__(self, envs: Sequence[Any], per_world: Iterable[str] = ()) -> None:
        """Build the view.

        Args:
            envs: Official environments of one task with one world each.
            per_world: Attributes of the environments that differ between worlds or remember something: tensors or
                poses with a leading dimension of 1.
        """
        structs = importlib.import_module("mani_skill.utils.structs")
        self.pose_class = structs.Pose
        self.worlds = [World(env) for env in envs]
        self._per_world = tuple(per_world)
        self._touched = torch.zeros(len(envs), dtype=torch.bool)
        self._reach: dict[tuple[int, int], Tensor] = {}
        self._contacts: dict[int, list[tuple[int, int, np.ndarray]]] = {}
        self.state = torch.zeros(0)
        """Packed states, float32 ``[N, S]``; a new tensor after each step."""
        self.poses = torch.zeros(0)
        """Poses of the entities ``[N, E, 7]``, position first; a new tensor after each step."""
        self._width = len(self.worlds[0].px.pack()) // 4
        self.refresh()
        self.view = self._view(envs[0], structs)
        for name in self._per_world:
            self._attach(name, [getattr(env, name) for env in envs])

    def _view(self, env: Any, structs: Any) -> Any:
        view = copy.copy(env)
        view.num_envs = len(self.worlds)
        view.scene = Scene(self, env.scene.px.timestep)
        for name, value in vars(env).items():
            if isinstance(value, structs.Actor):
                setattr(view, name, Body(self, value))
        agent = view.agent = copy.copy(env.agent)
        agent.scene = view.scene
        self.robot = agent.robot = Robot(self, env.agent.robot)
        for name, value in vars(env.agent).items():
            if isinstance(value, structs.Link):
                setattr(agent, name, Body(self, value))
        mode = env.agent.control_mode
        agent.controllers = {mode: self._controller(env.agent.controllers[mode], view.scene)}
        return view

    def _controller(self, original: Any, scene: Scene) -> Any:
        """Return a copy of a controller, and of those it is put together from, that drives all worlds."""
        controller = copy.copy(original)
        controller.articulation, controller.scene = self.robot, scene
        if scene.num_envs > 1:
            spaces = importlib.import_module("gymnasium.vector.utils")
            controller.action_space = spaces.batch_space(original.single_action_space, scene.num_envs)
        parts: Mapping[str, Any] = getattr(original, "controllers", {})
        if parts:
            controller.controllers = {name: self._controller(part, scene) for name, part in parts.items()}
        else:
            assert not original.config.interpolate, "targets that move within a step are not passed on"
            controller._target_qpos = original._target_qpos.repeat(scene.num_envs, 1)
        return controller

    def _attach(self, name: str, values: Sequence[Any]) -> None:
        first = values[0]
        if isinstance(first, Tensor):
            setattr(self.view, name, torch.cat(list(values)))
        else:
            setattr(self.view, name, self.pose_class(torch.cat([value.raw_pose for value in values])))

    def step(self, action: Tensor, substeps: int, rows: Sequence[int]) -> None:
        """Apply ``action`` ``[N, A]`` (all of it finite) for ``substeps`` of PhysX in the worlds ``rows``."""
        self.view.agent.controller.set_action(action)
        targets = self.robot.targets.tolist()
        for row in rows:
            world = self.worlds[row]
            for set_target, target in zip(world.set_target, targets[row], strict=True):
                set_target(target)
            step = world.px.step
            for _ in range(substeps):
                step()
        self._touched[list(rows)] = True
        self.refresh(rows)

    def refresh(self, rows: Sequence[int] | None = None) -> None:
        """Read the numbers of the worlds ``rows``, of all by default."""
        self._contacts.clear()
        rows = range(len(self.worlds)) if rows is None else rows
        if not rows:
            return
        worlds = [self.worlds[row] for row in rows]
        blob = bytearray(b"".join([world.packed() for world in worlds]))
        numbers = torch.frombuffer(blob, dtype=torch.float32).view(len(worlds), -1)
        state, packed = numbers[:, : self._width], numbers[:, self._width :].reshape(len(worlds), -1, _POSE)
        poses = torch.cat((packed[..., 4:], packed[..., :4]), dim=-1)
        if len(rows) == len(self.worlds):
            self.state, self.poses = state, poses
        else:
            self.state, self.poses = self.state.clone(), self.poses.clone()
            self.state[list(rows)], self.poses[list(rows)] = state, poses

    def restart(self, rows: Sequence[int]) -> None:
        """Take over the worlds ``rows``, whose official environments were just reset.

        What was in contact before says nothing of the new episode: until their first step nothing touches in them.
        """
        for row in rows:
            world = self.worlds[row]
            if world.px is not world.env.scene.px:  # the scene was built anew, maybe with bodies of other sizes
                self.worlds[row] = world = World(world.env)
                self._reach.clear()
            for name in self._per_world:
                kept, new = getattr(self.view, name), getattr(world.env, name)
                (kept if isinstance(kept, Tensor) else kept.raw_pose)[row] = (
                    new if isinstance(new, Tensor) else new.raw_pose
                )[0]
        self._touched[list(rows)] = False
        self.refresh(rows)

    def memory(self) -> dict[str, Tensor]:
        """Return copies of the view's per-world tensors, by name."""
        kept = {name: getattr(self.view, name) for name in self._per_world}
        return {name: value.clone() for name, value in kept.items() if isinstance(value, Tensor)}

    def remember(self, memory: Mapping[str, Tensor]) -> None:
        """Put back what `memory` returned."""
        for name, value in memory.items():
            setattr(self.view, name, value.clone())

    def contact_impulses(self, first: Body, second: Body) -> Tensor:
        """Return the sum of the impulses on ``first`` from contact with ``second``, float32 ``[N, 3]``, N s.

        PhysX is asked only in worlds where the bodies are near enough to touch.
        """
        impulses = torch.zeros((len(self.worlds), 3))
        apart = self.poses[:, first.entity_index, :3] - self.poses[:, second.entity_index, :3]
        near = (torch.linalg.norm(apart, dim=1) < self._reach_of(first, second)) & self._touched
        for row in near.nonzero().squeeze(1).tolist():
            total = np.zeros(3)
            for one, other, impulse in self._contacts_of(row):
                if (one, other) == (first.entity_index, second.entity_index):
                    total += impulse
                elif (other, one) == (first.entity_index, second.entity_index):
                    total -= impulse
            impulses[row] = torch.from_numpy(total)
        return impulses

    def _contacts_of(self, row: int) -> list[tuple[int, int, np.ndarray]]:
        """Return each contact of a world's last substep: indices of its entities, and the impulse on the first."""
        if row not in self._contacts:
            world = self.worlds[row]
            found = []
            for contact in world.px.get_contacts():
                impulse = np.sum([point.impulse for point in contact.points], axis=0)
                one, other = (world.entities.index(body.entity) for body in contact.bodies)
                found.append((one, other, impulse))
            self._contacts[row] = found
        return self._contacts[row]

    def _reach_of(self, first: Body, second: Body) -> Tensor:
        """Return the distance of the bodies' origins beyond which they cannot touch, ``[N]``, m."""
        key = (first.entity_index, second.entity_index)
        if key not in self._reach:
            self._reach[key] = torch.tensor(
                [_radius(world.entities[key[0]]) + _radius(world.entities[key[1]]) for world in self.worlds]
            )
        return self._reach[key]


_MARGIN_M = 0.02
"""Added to a body's radius: PhysX reports contacts from a distance of 0.02 m (``contact_offset``) on."""


def _radius(entity: Any) -> float:
    """Return a distance from an entity's origin beyond which none of its collision shapes reaches, m."""
    origin, farthest = entity.pose.p, 0.0
    for component in entity.components:
        if getattr(component, "collision_shapes", None):
            low, high = component.compute_global_aabb_tight()
            farthest = max(farthest, float(np.linalg.norm(np.maximum(np.abs(low - origin), np.abs(high - origin)))))
    return farthest + _MARGIN_M
