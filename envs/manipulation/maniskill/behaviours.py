"""Reference behaviours: scripted policies in ManiSkill's physics, and doing nothing.

For RollBall a playback takes a policy's place: it shows that the success test says yes to a ball that rolls to the
goal, not that the arm can do it. Each script looks at the present state alone and says where the tool centre point
shall go, how the gripper shall be turned, and whether it shall close; `_act` makes joint motions of that. All act on N
worlds at once.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import torch
from torch import Tensor

from envreward.task import Behaviour

from .kinematics import about_z, forward, joint_step, matrix, rotation_between, shortest_turn

_ACTION_RAD = 0.1
"""What an action of 1 turns a joint by."""
_GAIN = 2.0
"""The joints' drives cover about 0.4 of the commanded motion in one step."""
_MOVE_M, _TURN_RAD = 0.06, 0.12
"""How much of what is missing is asked for at once, so that neither a far way nor a large turn takes all there is."""
_DOWN = torch.tensor([[1.0, 0.0, 0.0], [0.0, -1.0, 0.0], [0.0, 0.0, -1.0]], dtype=torch.float64)
"""Orientation of a gripper that points down, its fingers closing along y."""
_ROLL_M_S = 0.6
"""Speed at which the ball is set rolling."""


class Aim(NamedTuple):
    """What a script wants, for N worlds."""

    position: Tensor
    """Of the tool centre point ``[N, 3]``, m, world frame."""
    rotation: Tensor
    """Of the gripper ``[N, 3, 3]``, world frame."""
    closed: Tensor
    """Whether the fingers shall close, bool ``[N]``."""
    weights: Tensor = torch.ones(6, dtype=torch.float64)
    """How much motion along and turning about x, y and z matter, ``[6]`` or ``[N, 6]``; those of 0 are left free."""


class Hand(NamedTuple):
    """Where the gripper is, for N worlds."""

    position: Tensor
    """Tool centre point ``[N, 3]``, m, world frame."""
    rotation: Tensor
    """``[N, 3, 3]``, world frame."""


Script: TypeAlias = Callable[[Any, Hand], Aim]
"""Maps ManiSkill's view and the hand to the aim."""


def _act(script: Script, worlds: Any, step: int) -> Tensor:
    """Return the actions ``[N, 8]`` that bring the hand towards the script's aim."""
    qpos = worlds.view.agent.robot.get_qpos().to(torch.float64)
    with qpos.device:  # where the tensors are made that are made of no others
        return _towards(script, worlds.view, qpos)


def _towards(script: Script, view: Any, qpos: Tensor) -> Tensor:
    base = view.agent.robot.pose
    turn = matrix(base.q.to(torch.float64))
    tcp, rotation, jacobian = forward(qpos[:, :7])
    position = base.p.to(torch.float64) + (turn @ tcp[:, :, None]).squeeze(-1)
    aim = script(view, Hand(position, turn @ rotation))
    moving = _shortened(aim.position.to(torch.float64) - position, _MOVE_M)
    turning = _shortened(rotation_between(turn @ rotation, aim.rotation.to(torch.float64)), _TURN_RAD)
    jacobian = torch.cat((turn @ jacobian[:, :3], turn @ jacobian[:, 3:]), dim=1)
    weights = aim.weights.to(qpos.device).expand(len(qpos), 6)
    twist = torch.cat((moving, turning), dim=1) * weights
    arm = _GAIN / _ACTION_RAD * joint_step(jacobian * weights[:, :, None], twist)
    arm = arm / arm.abs().amax(1, keepdim=True).clamp(min=1.0)
    fingers = torch.where(aim.closed, -1.0, 1.0)[:, None]
    return torch.cat((arm, fingers), dim=1).to(torch.float32)


def _shortened(vector: Tensor, limit: float) -> Tensor:
    """Return the vectors ``[N, 3]``, those longer than ``limit`` scaled down to it."""
    short: Tensor = vector * (limit / torch.linalg.norm(vector, dim=1, keepdim=True).clamp(min=limit))
    return short


def _policy(name: str, script: Script, doc: str) -> Behaviour:
    return Behaviour(name, True, f"policy: {doc}", act=functools.partial(_act, script))


def _numbers(pose: Any) -> tuple[Tensor, Tensor]:
    """Return a pose's position ``[N, 3]`` and rotation ``[N, 3, 3]``."""
    return pose.p.to(torch.float64), matrix(pose.q.to(torch.float64))


def _across(first: Tensor, second: Tensor) -> Tensor:
    """Return the distance seen from above, ``[N]``."""
    distance: Tensor = torch.linalg.norm(first[:, :2] - second[:, :2], dim=1)
    return distance


def _raised(point: Tensor, height: float | Tensor) -> Tensor:
    """Return the points ``[N, 3]`` at another height above the table."""
    point = point.clone()
    point[:, 2] = height
    return point


def _grip_turn(hand: Hand, rotation: Tensor, period: float) -> Tensor:
    """Return the nearest downward orientation that closes across a body turned by ``rotation``, ``[N, 3, 3]``.

    Args:
        hand: The gripper, roughly pointing down.
        rotation: The body's.
        period: Angle about the vertical after which the body looks the same to the fingers, rad.
    """
    yaw, present = (torch.atan2(turn[:, 1, 0], turn[:, 0, 0]) for turn in (rotation, hand.rotation))
    return about_z(yaw - period * torch.round((yaw - present) / period)) @ _DOWN.to(yaw.device)


def _grasp(hand: Hand, point: Tensor, rotation: Tensor, held: Tensor) -> Aim:
    """Approach ``point`` from above and close the fingers there; those that closed around something stay so."""
    over = _across(hand.position, point)
    turned = torch.linalg.norm(rotation_between(hand.rotation, rotation), dim=1) < 0.3
    low = hand.position[:, 2] < point[:, 2] + 0.03
    height = torch.where((over < 0.02) & (turned | low), point[:, 2], point[:, 2] + 0.08)
    there = (over < 0.012) & ((hand.position[:, 2] - point[:, 2]).abs() < 0.012)
    return Aim(_raised(point, height), rotation, there | held)


def _carried(hand: Hand, body: tuple[Tensor, Tensor], position: Tensor, rotation: Tensor) -> Aim:
    """Bring a grasped ``body`` (position, rotation) to a position and rotation, wherever it is held."""
    turn = rotation @ body[1].transpose(1, 2)
    arm = (turn @ (hand.position - body[0])[:, :, None]).squeeze(-1)
    return Aim(position + arm, turn @ hand.rotation, torch.ones(len(position), dtype=torch.bool))


def _choose(flags: Tensor, yes: Aim, no: Aim) -> Aim:
    """Return the aim ``yes`` in the worlds where ``flags`` hold, else ``no``."""
    return Aim(
        torch.where(flags[:, None], yes.position, no.position),
        torch.where(flags[:, None, None], yes.rotation, no.rotation),
        torch.where(flags, yes.closed, no.closed),
        torch.where(flags[:, None], yes.weights.to(flags.device), no.weights.to(flags.device)),
    )


def _shove(hand: Hand, cube: Tensor, away: float) -> Aim:
    """Go behind a cube, at x + ``away``, with closed fingers, and from there through it."""
    start = cube + torch.tensor([away, 0.0, 0.0], dtype=torch.float64)
    ahead = cube - torch.tensor([away, 0.0, 0.0], dtype=torch.float64)
    low = hand.position[:, 2] < 0.05
    behind = ((hand.position[:, 0] - cube[:, 0]) * away > 0.0) & ((hand.position[:, 1] - cube[:, 1]).abs() < 0.015)
    height = torch.where(_across(hand.position, start) < 0.03, 0.02, 0.10)
    position = torch.where((behind & low)[:, None], _raised(ahead, 0.02), _raised(start, height))
    return Aim(position, _DOWN.to(cube.device).expand(len(cube), 3, 3), torch.ones(len(cube), dtype=torch.bool))


def _push(view: Any, hand: Hand) -> Aim:
    return _shove(hand, view.obj.pose.p.to(torch.float64), -0.07)


def _pull(view: Any, hand: Hand) -> Aim:
    return _shove(hand, view.obj.pose.p.to(torch.float64), 0.07)


def _pick(view: Any, hand: Hand) -> Aim:
    cube, goal = _numbers(view.cube.pose), view.goal_site.pose.p.to(torch.float64)
    held = view.agent.is_grasping(view.cube)
    rotation = _grip_turn(hand, cube[1], torch.pi / 2.0)
    carry = Aim(hand.position + goal - cube[0], hand.rotation, torch.ones_like(held))
    return _choose(held, carry, _grasp(hand, cube[0], rotation, held))


def _stack(view: Any, hand: Hand) -> Aim:
    red, green = _numbers(view.cubeA.pose), view.cubeB.pose.p.to(torch.float64)
    held = view.agent.is_grasping(view.cubeA)
    rotation = _grip_turn(hand, red[1], torch.pi / 2.0)
    top = green + torch.tensor([0.0, 0.0, 0.042], dtype=torch.float64)
    above = _across(red[0], top) < 0.01
    lifted = red[0][:, 2] > 0.06
    height = torch.where(above, top[:, 2], torch.full_like(top[:, 2], 0.09))
    target = torch.where((above | lifted)[:, None], _raised(top, height), _raised(red[0], 0.09))
    down = above & ((red[0] - top)[:, 2].abs() < 0.004)
    carry = Aim(hand.position + target - red[0], hand.rotation, ~down)
    on_top = above & ((red[0] - top)[:, 2].abs() < 0.006)
    leave = Aim(hand.position + torch.tensor([0.0, 0.0, 0.02]), hand.rotation, torch.zeros_like(held))
    aim = _choose(held, carry, _grasp(hand, red[0], rotation, held))
    return _choose(on_top & ~held, leave, aim)


def _lift(view: Any, hand: Hand) -> Aim:
    peg = _numbers(view.peg.pose)
    held = view.agent.is_grasping(view.peg)
    axis = peg[1][:, :, 0]
    far = torch.where(axis[:, 2].abs() < 0.3, axis[:, 0], -axis[:, 2])  # the robot's end of it goes up
    turned = shortest_turn(axis * torch.where(far > 0.0, -1.0, 1.0)[:, None]) @ peg[1]
    steep = axis[:, 2].abs()
    clearance = (
        peg[0][:, 2] - view.peg_half_length * steep - view.peg_half_width * (1.0 - steep * steep).clamp(min=0).sqrt()
    )
    rotation = torch.where((clearance > 0.01)[:, None, None], turned, peg[1])
    height = torch.where(steep > 0.97, 0.12, peg[0][:, 2] - clearance + 0.03)
    swinging = (clearance > 0.01) & (clearance < 0.08) & (steep < 0.97)
    weights = torch.ones((len(held), 6), dtype=torch.float64)
    weights[:, 0] = 0.0
    weights[:, 2] = torch.where(swinging, 0.1, 1.0)
    lift = _carried(hand, peg, _raised(peg[0], height), rotation)._replace(weights=weights)
    return _choose(held, lift, _grasp(hand, peg[0], _DOWN.to(held.device).expand(len(held), 3, 3), held))


def _insert(view: Any, hand: Hand) -> Aim:
    peg, hole = _numbers(view.peg.pose), _numbers(view.box_hole_pose)
    held = view.agent.is_grasping(view.peg)
    half = view.peg_half_sizes[:, :1].to(torch.float64)
    along = hole[1][:, :, 0]
    head = (hole[1].transpose(1, 2) @ (peg[0] + peg[1][:, :, 0] * half - hole[0])[:, :, None]).squeeze(-1)
    tail = (hole[1].transpose(1, 2) @ (peg[0] - peg[1][:, :, 0] * half - hole[0])[:, :, None]).squeeze(-1)
    off = torch.maximum(head[:, 1:].abs().amax(1), 0.5 * tail[:, 1:].abs().amax(1))
    inside = head[:, 0] > -half[:, 0]
    lined_up = (1.0 - off / 0.004).clamp(min=0.0)
    outside = torch.minimum(head[:, 0], -half[:, 0] - 0.02)
    ahead = torch.where(inside | (lined_up > 0.0), head[:, 0] + 0.025 * torch.where(inside, 1.0, lined_up), outside)
    ahead = ahead.clamp(max=0.01)
    lift = (peg[0][:, 2] < hole[0][:, 2] - 0.02) & ~inside
    target = hole[0] + along * (ahead[:, None] - half)
    target = torch.where(lift[:, None], _raised(peg[0], hole[0][:, 2]), target)
    carry = _carried(hand, peg, target, torch.where(lift[:, None, None], peg[1], hole[1]))
    point = peg[0] - peg[1][:, :, 0] * 0.6 * half
    return _choose(held, carry, _grasp(hand, point, _grip_turn(hand, peg[1], torch.pi), held))


def _poke(view: Any, hand: Hand) -> Aim:
    peg, cube = _numbers(view.peg.pose), view.cube.pose.p.to(torch.float64)
    goal = view.goal_region.pose.p.to(torch.float64)
    held = view.agent.is_grasping(view.peg)
    level = torch.eye(3, dtype=torch.float64).expand(len(cube), 3, 3)
    lined_up = (peg[0][:, 1] - cube[:, 1]).abs() < 0.008
    ahead = goal[:, 0] - view.peg_half_length - view.cube_half_size
    target = torch.stack((torch.where(lined_up, ahead, peg[0][:, 0]), cube[:, 1], torch.full_like(ahead, 0.027)), dim=1)
    carry = _carried(hand, peg, target, level)
    point = peg[0] - peg[1][:, :, 0] * 0.04
    return _choose(held, carry, _grasp(hand, point, _grip_turn(hand, peg[1], torch.pi), held))


def _roll(worlds: Any, step: int) -> Tensor:
    """Set the ball rolling without slipping, straight to the goal, at an episode's first step."""
    view = worlds.view
    if step == 0:
        way = view.goal_region.pose.p - view.ball.pose.p
        way[:, 2] = 0.0
        velocity = _ROLL_M_S * torch.nn.functional.normalize(way, dim=1)
        turning = torch.stack((-velocity[:, 1], velocity[:, 0], torch.zeros_like(way[:, 0])), dim=1)
        worlds.set_velocities(view.ball, velocity, turning / view.ball_radius)
    place: Tensor = view.ball.pose.p
    return place.new_zeros((len(place), 8))


NULL = Behaviour("null", False, "policy: holds the arm where it is, with the fingers half open")
PICK = _policy("pick", _pick, "grasps the cube from above and carries it to the goal")
PUSH = _policy("push", _push, "goes behind the cube with closed fingers and pushes")
PULL = _policy("pull", _pull, "goes beyond the cube with closed fingers and pulls")
STACK = _policy("stack", _stack, "grasps the red cube, lowers it on the green one, and opens the fingers")
LIFT = _policy("lift", _lift, "grasps the peg, lifts it, and turns the gripper towards the robot")
INSERT = _policy("insert", _insert, "grasps the peg, lines it up with the hole and pushes it in")
POKE = _policy("poke", _poke, "grasps the peg, lines it up with the cube and pushes")
ROLL = Behaviour(
    "roll", True, "playback: the ball is set rolling straight to the goal, at 0.6 m/s; the arm does nothing", act=_roll
)
