"""Instruction tasks: what counts as success and what does not, directions, and baselines against their sources."""

from __future__ import annotations

import math

import gymnasium as gym
import mujoco
import numpy as np
import pytest
import torch

from envreward.contract import Playback
from envreward.envs.locomotion import behaviours
from envreward.envs.locomotion.catalog import INSTRUCTED
from envreward.registry import make_task
from envreward.sims.messages import collect_messages
from envreward.vector_env import make_vector_env

GOALS = [spec.id for spec in INSTRUCTED if "RunBackward" not in spec.id]


def show(env_id: str, poses: torch.Tensor | None = None, policy=None, fields=()):
    """Return the transitions of one episode, of a playback of poses or of a policy."""
    task = make_task(env_id)
    if poses is not None:
        env = Playback(task, 1, reward="none", autoreset=False)
        env.poses = poses
        steps = len(poses)
    else:
        env = make_vector_env(env_id, 1, reward="none", autoreset=False)
        steps = env.horizon
    env.reset(seed=0)
    env.request(fields)
    transitions = []
    for step in range(steps):
        action = torch.zeros(1, *env.single_action_space.shape) if policy is None else policy(env.task, step)
        transitions.append(env.advance(action))
        if transitions[-1].terminated[0] or transitions[-1].truncated[0]:
            break
    return transitions


def succeeds(transitions) -> bool:
    return any(bool(t.success[0]) for t in transitions)


def poses_of(env_id: str, behaviour) -> torch.Tensor:
    return behaviour.poses(make_task(env_id))


@pytest.mark.parametrize(("env_id", "front"), [("Hopper", "torso_geom"), ("HalfCheetah", "head")])
def test_positive_pitch_is_forward(env_id: str, front: str) -> None:
    """A forward flip is a growing pitch: it takes Hopper's head towards +x and HalfCheetah's nose down."""
    task = make_task(env_id)
    data = mujoco.MjData(task.model)
    geom = task.model.geom(front).id
    mujoco.mj_forward(task.model, data)
    top = data.geom_xpos[geom] + 0.2 * data.geom_xmat[geom].reshape(3, 3)[:, 2]
    data.qpos[2] = 0.1
    mujoco.mj_forward(task.model, data)
    moved = data.geom_xpos[geom] + 0.2 * data.geom_xmat[geom].reshape(3, 3)[:, 2] - top
    assert (moved[0] > 0.01) if env_id == "Hopper" else (moved[2] < -0.01)


def test_hopper_back_flip_expert_is_openais() -> None:
    """The expert reward is OpenAI's published formula, worked out on the observations of Gymnasium's Hopper."""
    env = make_vector_env("HopperBackFlip", 1, autoreset=False)
    env.reset(seed=3)
    reference = gym.make("Hopper-v5", terminate_when_unhealthy=False).unwrapped
    reference.reset(seed=0)
    reference.set_state(env.sim.qpos[0].numpy(), env.sim.qvel[0].numpy())
    rng = np.random.default_rng(0)
    for _ in range(60):
        a = rng.uniform(-1, 1, 3)
        _, reward, *_ = env.step(torch.tensor(a)[None])
        ob = reference.step(a)[0]
        vel_act = a[0] * ob[8] + a[1] * ob[9] + a[2] * ob[10]
        expected = -ob[7] * (1.0 + 0.3 * ob[0] + 0.1 * vel_act + 0.05 * -ob[5])
        assert abs(float(reward[0]) - expected) < 1e-6


def test_half_cheetah_backward_expert_is_mamls() -> None:
    """The expert reward is -v - 0.05 |a|^2 (half of 1e-1, as in MAML's file), v being Gymnasium's own x_velocity."""
    env = make_vector_env("HalfCheetahRunBackward", 1, autoreset=False)
    env.reset(seed=3)
    with collect_messages():
        reference = gym.make("HalfCheetah-v5").unwrapped
    reference.reset(seed=0)
    reference.set_state(env.sim.qpos[0].numpy(), env.sim.qvel[0].numpy())
    rng = np.random.default_rng(0)
    for _ in range(60):
        a = rng.uniform(-1, 1, 6).astype(np.float32)
        _, reward, *_ = env.step(torch.from_numpy(a)[None])
        velocity = reference.step(a)[4]["x_velocity"]
        assert abs(float(reward[0]) - (-velocity - 0.5e-1 * float(np.square(a.astype(float)).sum()))) < 1e-6


def test_humanoid_stand_up_is_gymnasiums() -> None:
    """Observation, reward and components equal Gymnasium's HumanoidStandup-v5 (forces reach 1e4 N: 1e-9 relative)."""
    env = make_vector_env("HumanoidStandUp", 1)
    env.reset(seed=3)
    reference = gym.make("HumanoidStandup-v5").unwrapped
    mujoco.mj_resetData(reference.model, reference.data)
    reference.set_state(env.sim.qpos[0].numpy(), env.sim.qvel[0].numpy())
    rng = np.random.default_rng(0)
    assert env.single_observation_space.shape == reference.observation_space.shape
    for _ in range(100):
        a = rng.uniform(-0.4, 0.4, 17).astype(np.float32)
        obs, reward, _, _, info = env.step(torch.from_numpy(a)[None])
        their_obs, their_reward, _, _, their_info = reference.step(a)
        np.testing.assert_allclose(obs[0].numpy(), their_obs, atol=1e-6, rtol=1e-9)
        assert abs(float(reward[0]) - their_reward) < 1e-6
        for name, component in info["reward_components"].items():
            assert abs(float(component[0]) - their_info[name]) < 1e-6, name


def test_which_tasks_have_an_expert() -> None:
    """An expert reward exists where one is published, and nowhere else."""
    have = {spec.id for spec in INSTRUCTED if make_task(spec.id).expert is not None}
    assert have == {
        "EnvReward/HopperBackFlip-v0",
        "EnvReward/HalfCheetahRunBackward-v0",
        "EnvReward/HumanoidStandUp-v0",
    }


@pytest.mark.parametrize("env_id", GOALS)
def test_fitness_is_one_exactly_on_success(env_id: str) -> None:
    """Fitness stays in [0, 1] and reaches 1 in the very steps in which the task counts as done."""
    task = make_task(env_id)
    assert task.fitness_reduce == "max"
    for behaviour in task.behaviours:
        poses = behaviour.poses(make_task(env_id)) if behaviour.poses else None
        for transition in show(env_id, poses, behaviour.act if behaviour.act else None):
            fitness = float(transition.fitness[0])
            assert 0.0 <= fitness <= 1.0
            assert (fitness == 1.0) == bool(transition.success[0])


@pytest.mark.parametrize(("env_id", "direction"), [("HopperFrontFlip", 1), ("HopperBackFlip", -1)])
def test_hopper_flip_needs_a_turn_and_a_landing(env_id: str, direction: int) -> None:
    """A turn without a landing on the foot, a landing cut short, and a landing tipped over do not count."""
    good = poses_of(env_id, behaviours.hopper_flip(direction))
    assert succeeds(show(env_id, good))
    assert not succeeds(show(env_id, good[:130])), "in the air or just landed"
    floating = good.clone()
    floating[:, 1] += 0.1
    assert not succeeds(show(env_id, floating)), "the foot never touches the floor"
    tipped = good.clone()
    tipped[120:, 2] += 0.6
    assert not succeeds(show(env_id, tipped)), "not upright"
    crouched = good.clone()
    crouched[120:, 1] -= 0.6
    assert not succeeds(show(env_id, crouched)), "below standing height"
    rocking = good.clone()
    rocking[:, 2] = direction * math.pi * torch.sin(torch.linspace(0, 2 * math.pi, len(good)))
    assert not succeeds(show(env_id, rocking)), "no net turn"


def test_hopper_flip_ends_when_the_torso_touches_the_floor() -> None:
    """A roll over the torso ends the episode; nothing else does, upside down in the air included."""
    rolling = poses_of("HopperFrontFlip", behaviours.hopper_flip(1))
    rolling[:, 1] = 0.2
    transitions = show("HopperFrontFlip", rolling, fields=("torso_clearance",))
    assert transitions[-1].terminated[0] and not succeeds(transitions)
    assert float(transitions[-1].state["torso_clearance"][0]) < 0.01
    flying = show("HopperFrontFlip", poses_of("HopperFrontFlip", behaviours.hopper_flip(1)), fields=("uprightness",))
    assert min(float(t.state["uprightness"][0]) for t in flying) < -0.99
    assert not any(bool(t.terminated[0]) for t in flying)


def test_half_cheetah_flip_must_end_on_the_feet() -> None:
    """One and a half turns, onto the back, do not count; two turns do; lying on the belly does not."""
    good = poses_of("HalfCheetahFlip", behaviours.half_cheetah_flip(1))
    upside_down = good.clone()
    upside_down[:, 2] *= 1.5
    assert not succeeds(show("HalfCheetahFlip", upside_down))
    twice = good.clone()
    twice[:, 2] *= 2.0
    assert succeeds(show("HalfCheetahFlip", twice))
    flat = good.clone()
    flat[30:, 1] = -0.6
    assert not succeeds(show("HalfCheetahFlip", flat))


def test_ant_lies_down_only_by_its_own_doing() -> None:
    """Ant starts standing and, left limp, stays far above the height that counts as lying, whatever the noise."""
    env = make_vector_env("AntLieDown", 64, reward="none", autoreset=False)
    env.request(["torso_height", "foot_contact"])
    env.reset(seed=0)
    for _ in range(env.horizon):
        transition = env.advance(torch.zeros(64, 8))
    assert float(transition.state["torso_height"].min()) > 0.5
    assert transition.state["foot_contact"].all()


def test_ant_on_its_back_does_not_lie_down() -> None:
    """Low and still but upside down does not count."""
    frames = torch.as_tensor(make_task("AntLieDown").model.qpos0).repeat(40, 1)
    frames[:, 2] = 0.27
    assert succeeds(show("AntLieDown", frames))
    frames[:, 3:7] = torch.tensor([0.0, 1.0, 0.0, 0.0])  # half a turn about x
    assert not succeeds(show("AntLieDown", frames))


def test_ant_wave_counts_unbroken_swings_on_the_ground() -> None:
    """Swings in the air, with the foot on the floor, or too small, do not count; a touch of the foot starts anew."""
    act = behaviours.ANT_WAVE.act
    assert succeeds(show("AntWaveLeg", policy=act))

    def small(task, step):
        return act(task, step) if step < 30 else behaviours._ant_towards(task, *_wave_pose(step, amplitude=0.2))

    def dipping(task, step):
        # puts the foot down for half a second after every second and a half
        lifted = step % 40 < 30
        return behaviours._ant_towards(task, *_wave_pose(step, ankle=0.4 if lifted else 1.1))

    assert not succeeds(show("AntWaveLeg", policy=small))
    assert not succeeds(show("AntWaveLeg", policy=dipping))
    frames = torch.as_tensor(make_task("AntWaveLeg").model.qpos0).repeat(100, 1)
    frames[:, 2] = 2.0
    frames[:, 7] = 0.5 * torch.sin(0.3 * torch.arange(100))
    assert not succeeds(show("AntWaveLeg", frames)), "nothing carries it"


def _wave_pose(step: int, amplitude: float = 0.5, ankle: float = 0.4):
    hips = torch.tensor([amplitude * math.sin(0.2 * step), -0.4, 0.0, 0.4], dtype=torch.float64)
    return hips, torch.tensor([ankle, 1.0, 1.0, 1.0], dtype=torch.float64)


def _turning(angle: torch.Tensor, place: torch.Tensor | None = None) -> torch.Tensor:
    frames = torch.as_tensor(make_task("AntSpin").model.qpos0).repeat(len(angle), 1)
    frames[:, 3], frames[:, 6] = torch.cos(angle / 2), torch.sin(angle / 2)
    if place is not None:
        frames[:, :2] = place
    return frames


@pytest.mark.parametrize("direction", [1, -1])
def test_ant_spin_is_a_net_turn_on_the_spot(direction: int) -> None:
    """A full turn either way counts; most of one, turns there and back, and a turn along a wide circle do not."""
    full = direction * torch.linspace(0, 2.1 * math.pi, 100, dtype=torch.float64)
    assert succeeds(show("AntSpin", _turning(full)))
    assert not succeeds(show("AntSpin", _turning(0.9 * full)))
    back_and_forth = 1.5 * math.pi * torch.sin(torch.linspace(0, 4 * math.pi, 200, dtype=torch.float64))
    assert not succeeds(show("AntSpin", _turning(back_and_forth)))
    circle = torch.stack((torch.sin(full), direction * (1 - torch.cos(full))), dim=1)
    assert not succeeds(show("AntSpin", _turning(full, 1.5 * circle)))
    assert succeeds(show("AntSpin", _turning(full, 0.2 * circle)))


def test_humanoid_stand_up_axes() -> None:
    """Uprightness is 0 lying and 1 standing, and the chest faces where the standing humanoid's toes point."""
    transitions = show(
        "HumanoidStandUp",
        poses_of("HumanoidStandUp", behaviours.HUMANOID_STAND_UP),
        fields=("uprightness", "heading", "head_height", "torso_quat"),
    )
    first, last = transitions[0].state, transitions[-1].state
    assert abs(float(first["uprightness"][0])) < 0.05
    assert float(last["uprightness"][0]) == pytest.approx(1.0, abs=1e-6)
    assert float(last["head_height"][0]) == pytest.approx(1.35, abs=0.01)
    assert float(last["heading"][0]) == pytest.approx(0.0, abs=1e-6)  # lying face up, feet towards +x, then tilted up


def test_humanoid_kneels_on_both_knees() -> None:
    """Kneeling counts after a second of it; on one knee, bent forward or standing it does not."""
    good = poses_of("HumanoidKneel", behaviours.HUMANOID_KNEEL)
    assert succeeds(show("HumanoidKneel", good))
    assert not succeeds(show("HumanoidKneel", good[:120]))
    one_knee = good.clone()
    one_knee[:, 16], one_knee[:, 17] = -math.pi / 2, -math.pi / 2  # left hip and knee: the thigh points forward
    assert not succeeds(show("HumanoidKneel", one_knee))
    bent = good.clone()
    bent[:, 3], bent[:, 5] = math.cos(0.5), math.sin(0.5)  # 57 degrees about y
    assert not succeeds(show("HumanoidKneel", bent))
    assert not succeeds(show("HumanoidKneel", good[:1].repeat(150, 1)))
