"""Fields, success and fitness of the published tasks, against MuJoCo's own data."""

import mujoco
import numpy as np
import pytest
import torch

from envreward.errors import UnknownNameError
from envreward.fields import check_state, readable_fields
from envreward.registry import make_task
from envreward.vector_env import make_vector_env

PLANAR = ("Hopper", "HalfCheetah", "Walker2d")
FORWARD = (*PLANAR, "Ant", "Humanoid")


def shaken(robot, num_envs=8, steps=25):
    """A batch after some random steps, with every public field requested."""
    env = make_vector_env(robot, num_envs)
    env.request(readable_fields(env.task.fields), dtype=None)
    env.reset(seed=5)
    generator = torch.Generator().manual_seed(0)
    low, high = (torch.from_numpy(b) for b in (env.single_action_space.low, env.single_action_space.high))
    for _ in range(steps):
        transition = env.advance(low + (high - low) * torch.rand((num_envs, len(low)), generator=generator))
    return env, transition


def test_every_field_has_its_declared_shape_and_dtype(robot):
    """All fields and their ``prev_`` values are as declared, finite, and carry a doc, at least two of them a role."""
    env, transition = shaken(robot)
    check_state(transition.state, env.task.fields, env.num_envs)
    assert set(transition.state) == set(readable_fields(env.task.fields))
    assert all(value.isfinite().all() for value in transition.state.values())
    for name, field in env.task.fields.items():
        assert field.doc.endswith("."), name
        assert not field.names or len(field.names) == field.shape[-1], name


def test_success_failure_and_fitness_are_private(robot):
    """No reward program can name what it is judged by."""
    fields = make_task(robot).fields
    assert all(fields[name].private for name in ("success", "failure", "fitness"))
    env = make_vector_env(robot, 1)
    with pytest.raises(UnknownNameError, match=r"torso_height|cart_position"):
        env.request(["torso_heigth" if robot != "InvertedPendulum" else "cart_positon"])


@pytest.mark.parametrize("robot", PLANAR)
def test_planar_fields_match_mujoco(robot):
    """Height, pitch and joint values are those of MuJoCo's bodies and of the joints they are named after."""
    env, transition = shaken(robot)
    state, model = transition.state, env.sim.model
    for world in range(env.num_envs):
        if transition.terminated[world]:
            continue
        data = env.sim.data(world)
        torso, axes = data.body("torso"), data.body("torso").xmat.reshape(3, 3)
        assert state["torso_height"][world].item() == pytest.approx(torso.xpos[2], abs=1e-12)
        nose = axes[:, 0] if robot == "HalfCheetah" else axes[:, 2]
        pitch = np.arctan2(-nose[2], nose[0]) if robot == "HalfCheetah" else np.arctan2(nose[0], nose[2])
        assert state["pitch"][world].item() == pytest.approx(pitch, abs=1e-9)
        assert state["uprightness"][world].item() == pytest.approx(axes[2, 2], abs=1e-9)
    driven = [model.actuator_trnid[i, 0] - 3 for i in range(model.nu)]
    assert driven == list(range(model.nu))  # so that one list of names serves joints and actions


@pytest.mark.parametrize("robot", ["Ant", "Humanoid"])
def test_spatial_fields_match_mujoco(robot):
    """Uprightness, heading and the names of joints and motors are those of MuJoCo's model."""
    env, transition = shaken(robot)
    state, model, fields = transition.state, env.sim.model, env.task.fields
    for world in range(env.num_envs):
        if transition.terminated[world]:
            continue
        axes = env.sim.data(world).body("torso").xmat.reshape(3, 3)
        assert state["uprightness"][world].item() == pytest.approx(axes[2, 2], abs=1e-9)
        assert state["heading"][world].item() == pytest.approx(np.arctan2(axes[1, 0], axes[0, 0]), abs=1e-9)
    joints, motors = fields["joint_angles"].names, fields["action"].names
    for index in range(model.nu):
        joint = model.actuator_trnid[index, 0]
        assert motors[index] == joints[model.jnt_qposadr[joint] - 7]
        if robot == "Humanoid":
            assert model.joint(joint).name == motors[index]


def test_ant_legs_are_where_their_names_say():
    """``front`` feet are towards +x and ``left`` ones towards +y when the ant faces +x."""
    env = make_vector_env("Ant", 1)
    env.reset(seed=0)
    data = env.sim.data(0)
    for index, name in enumerate(env.task.fields["foot_height"].names):
        foot = data.geom(("left_ankle_geom", "right_ankle_geom", "third_ankle_geom", "fourth_ankle_geom")[index])
        assert (foot.xpos[0] > 0) == name.startswith("front")
        assert (foot.xpos[1] > 0) == name.endswith("left")
        joint = env.sim.model.joint(env.task.fields["joint_angles"].names.index(f"{name}_hip") + 1)
        assert joint.name == f"hip_{index + 1}"


@pytest.mark.parametrize("robot", FORWARD)
def test_foot_height_is_the_distance_that_mujoco_finds_in_contact(robot):
    """Where MuJoCo has a contact between a foot and the floor, its distance is the height.

    The flag is set wherever there is such a contact, and up to 2 mm beyond the margin at which MuJoCo makes one.
    """
    env, _ = shaken(robot, steps=1)
    task, sim = env.task, env.sim
    floor = sim.model.geom("floor").id
    feet = task.feet._ids.tolist()
    seen = 0
    for _ in range(150):
        env.advance(torch.zeros(env.num_envs, sim.model.nu))
        sim.forward(torch.arange(env.num_envs))
        heights, touching = task.read("foot_height"), task.read("foot_contact")
        for world in range(env.num_envs):
            data = sim.data(world)
            for index, foot in enumerate(feet):
                distances = [c.dist for c in data.contact if {c.geom1, c.geom2} == {floor, foot}]
                if distances:
                    seen += 1
                    assert heights[world, index].item() == pytest.approx(min(distances), abs=1e-9)
                near = heights[world, index].item() < sim.model.geom_margin[[floor, foot]].sum() + 2e-3
                assert touching[world, index].item() == near
                assert near or not distances
        if seen > 30:
            return
    raise AssertionError("no foot ever touched the floor")


@pytest.mark.parametrize("robot", FORWARD)
def test_fitness_and_success_measure_the_way_forward(robot):
    """Fitness is the way along x since the episode began; success holds from the documented distance on."""
    env = make_vector_env(robot, 2)
    env.reset(seed=1)
    start = env.sim.qpos.clone()
    env.sim.qpos[1, 0] += env.task.success_distance_m + 0.1
    env.sim.forward(torch.arange(2))
    fitness, success = env.task.read("fitness"), env.task.read("success")
    assert fitness[0] == 0.0 and fitness[1].item() == pytest.approx(env.task.success_distance_m + 0.1)
    assert success.tolist() == [False, True]
    env.task.start(torch.tensor([1]), start[1:], torch.zeros(1, env.sim.model.nv, dtype=torch.float64))
    assert env.task.read("fitness").tolist() == [0.0, 0.0]


@pytest.mark.parametrize("robot", FORWARD)
def test_sparse_reward_adds_up_to_the_fitness(robot):
    """Over an episode the sparse rewards sum to the fitness it is ranked by."""
    env = make_vector_env(robot, 3, reward="sparse", max_episode_steps=20)
    env.reset(seed=0)
    total = torch.zeros(3, dtype=torch.float64)
    generator = torch.Generator().manual_seed(1)
    running = torch.ones(3, dtype=torch.bool)
    while running.any():
        action = 0.8 * torch.rand((3, env.sim.model.nu), generator=generator) - 0.4
        _, reward, terminated, truncated, info = env.step(action)
        total += reward * running
        for world in ((terminated | truncated) & running).nonzero().flatten().tolist():
            assert total[world].item() == pytest.approx(info["fitness"][world].item(), abs=1e-9)
        running &= ~(terminated | truncated)


def test_pendulum_reference_policy_succeeds_and_doing_nothing_fails():
    """A linear controller keeps the pole up: success at step 950 and not before; without control the pole falls."""
    env = make_vector_env("InvertedPendulum", 2)
    obs, _ = env.reset(seed=0)
    gains = torch.tensor([[0.4, 6.0, 0.6, 1.0]], dtype=torch.float64)  # on cart, pole and their velocities
    steps_up, succeeded = 0.0, None
    for step in range(1, 1001):
        action = (obs * gains).sum(1, keepdim=True).clamp(-3, 3)
        action[1] = 0.0
        obs, _, terminated, truncated, info = env.step(action)
        steps_up += info["fitness"][0].item()
        assert not terminated[0] and truncated[0].item() == (step == 1000)
        assert not info["success"][1]
        if succeeded is None and info["success"][0]:
            succeeded = step
        if step < 60 and terminated[1]:
            fallen = step
    assert succeeded == 950 and steps_up == 1000.0 and fallen < 60


@pytest.mark.parametrize("robot", ["Hopper", "Walker2d", "Humanoid"])
def test_doing_nothing_falls(robot):
    """The null policy ends in a fall, far from success."""
    env = make_vector_env(robot, 4)
    env.reset(seed=0)
    fallen = torch.zeros(4, dtype=torch.bool)
    for _ in range(400):
        _, _, terminated, _, info = env.step(torch.zeros(4, env.sim.model.nu))
        fallen |= terminated
        assert not info["success"].any()
    assert fallen.all()


def test_models_compile_without_a_word(robot, capfd, tmp_path, monkeypatch):
    """Creating an environment writes nothing to the terminal and leaves no file behind."""
    monkeypatch.chdir(tmp_path)
    make_vector_env(robot, 1).close()
    captured = capfd.readouterr()
    assert captured.out == captured.err == "" and not list(tmp_path.iterdir())


def test_model_is_the_published_one(robot):
    """The model is Gymnasium's own file: as many bodies, joints and motors, and the same masses."""
    from envreward.envs.locomotion.base import asset_path
    from envreward.sims.messages import collect_messages

    task = make_task(robot)
    with collect_messages():
        published = mujoco.MjModel.from_xml_path(str(asset_path(task.asset)))
    assert (task.model.nq, task.model.nv, task.model.nu) == (published.nq, published.nv, published.nu)
    np.testing.assert_array_equal(task.model.body_mass, published.body_mass)
