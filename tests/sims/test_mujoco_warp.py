import mujoco
import numpy as np
import pytest
import torch

from envreward.errors import ConfigError
from envreward.sims import MujocoBatch, MujocoWarp
from envreward.sims import _warp_worlds as warp_worlds
from envreward.sims._warp_worlds import Room, first_room

pytestmark = pytest.mark.usefixtures("quick_kernels")

# A box with a swinging arm, thrown at a floor and a wall that is fixed to the world; a puppet that a hand drags along.
THROWN = """
<mujoco>
  <option timestep="0.005"/>
  <worldbody>
    <geom type="plane" size="5 5 1"/>
    <body name="wall" pos="0.9 0 0"><body><geom name="wall" type="box" size=".05 1 1"/></body></body>
    <body name="hand" mocap="true" pos="0 -3 1"/>
    <body name="box" pos="0 0 0.4">
      <freejoint/><geom type="box" size=".1 .2 .1" mass="1"/><site name="s"/>
      <body pos="0.3 0 0"><joint name="arm" axis="0 1 0"/><geom type="capsule" size=".05" fromto="0 0 0 .3 0 0"/></body>
    </body>
    <body name="puppet" pos="0 -3 1">
      <joint type="ball"/><geom size=".1" pos=".3 0 0"/>
      <body name="limb" pos=".6 0 0"><joint axis="0 1 0"/><geom size=".1" pos=".3 0 0"/></body>
    </body>
  </worldbody>
  <equality><weld body1="hand" body2="limb"/></equality>
  <actuator><motor joint="arm" gear="2"/></actuator>
  <sensor><force site="s"/></sensor>
</mujoco>
"""
NUM_WORLDS = 4


@pytest.fixture(scope="module")
def model():
    return mujoco.MjModel.from_xml_string(THROWN)


def everyone(sim):
    return torch.arange(sim.num_worlds, device=sim.device)


def throw(sim, seed=0):
    """Throw the boxes at floor and wall, each in its own way."""
    rng = np.random.default_rng(seed)
    velocity = rng.normal((3.0, 0.0, -2.0, 0.0, 0.0, 0.0), size=(sim.num_worlds, 6))
    sim.reset(everyone(sim))
    sim.qvel[:, :6] = torch.as_tensor(velocity).to(sim.qvel)
    sim.forward(everyone(sim))
    return sim


def far(one, other):
    """The largest difference between two tensors of any device and type."""
    return float((one.cpu().double() - other.cpu().double()).abs().max())


def pair(model, device="cpu", num_worlds=NUM_WORLDS):
    """The same throws in both simulators."""
    return throw(MujocoWarp(model, num_worlds, device)), throw(MujocoBatch(model, num_worlds))


def test_agrees_with_mujoco_up_to_rounding(model, device):
    """States, derived fields and contact forces are MuJoCo's, to what float32 allows, through flight and impact."""
    warp, batch = pair(model, device)
    forces, expected = warp.external_forces(), batch.external_forces()
    assert not forces.any()
    largest = 0.0
    for _ in range(20):
        for sim in (warp, batch):
            sim.ctrl[:] = 0.1
            sim.step(4)
        assert far(warp.qpos, batch.qpos) < 2e-5 and far(warp.qvel, batch.qvel) < 2e-3
        assert far(warp.xpos, batch.xpos) < 2e-5 and far(warp.time, batch.time) < 1e-6
        scale = 1.0 + expected.abs().amax()
        assert far(forces / scale, expected / scale) < 1e-3
        largest = max(largest, float(expected.abs().max()))
    assert largest > 10.0  # the boxes did hit something
    assert not warp.failed.any()


def test_fields_have_mujocos_shapes(model):
    """Every view has the shape that the CPU's simulator gives it, whatever Warp makes of vectors and matrices."""
    warp, batch = pair(model)
    for name in (
        "time",
        "qpos",
        "act",
        "ctrl",
        "xfrc_applied",
        "mocap_quat",
        "eq_active",
        "xpos",
        "xquat",
        "xmat",
        "cinert",
    ):
        assert getattr(warp, name).shape == getattr(batch, name).shape, name
    for name in ("cvel", "geom_xmat", "site_xpos", "sensordata", "subtree_com", "qfrc_actuator", "energy"):
        assert getattr(warp, name).shape == getattr(batch, name).shape, name


@pytest.mark.parametrize("stage", ["none", "position", "acceleration"])
def test_derived_fields_are_as_old_as_mujocos(model, stage):
    """After a plain step they are one substep behind the state, after one with a stage its own are up to date."""
    warp, batch = pair(model)
    for _ in range(3):
        for sim in (warp, batch):
            _ = sim.xpos
            sim.step(2, stage=stage)
    now = torch.stack([torch.from_numpy(batch.data(i).xpos.copy()) for i in range(NUM_WORLDS)])
    assert far(warp.xpos, batch.xpos) < 1e-6
    assert (far(warp.xpos, now) < 1e-6) is (stage != "none")


def test_graph_gives_the_bits_of_direct_calls(model):
    """The first step of a kind runs directly, later ones as a recorded graph; both give the same bits."""
    sim = throw(MujocoWarp(model, 2))
    saved = sim.save()
    runs = []
    for _ in range(3):
        sim.load(saved)
        sim.step(30)
        runs.append(sim.qpos.clone())
    assert torch.equal(runs[0], runs[1]) and torch.equal(runs[1], runs[2])
    assert not torch.equal(runs[0], saved["qpos"])


def test_a_world_does_not_depend_on_its_neighbours(model):
    """The same world alone and in a crowd, some of which is reset meanwhile: bit for bit the same."""
    crowd = throw(MujocoWarp(model, 5))
    alone = MujocoWarp(model, 1)
    alone.qvel[:] = crowd.qvel[3:4]
    alone.forward(everyone(alone))
    for sim in (crowd, alone):
        _ = sim.xpos
    for step in range(40):
        crowd.step(2)
        alone.step(2)
        if step == 20:
            kept = crowd.xpos[[0, 2, 3]].clone()
            some = torch.tensor([1, 4])
            crowd.reset(some)
            crowd.forward(some)
            assert torch.equal(crowd.xpos[[0, 2, 3]], kept)
            assert far(crowd.xpos[1], torch.from_numpy(crowd.data(1).xpos)) < 1e-6
    assert torch.equal(crowd.qpos[3:4], alone.qpos) and torch.equal(crowd.xpos[3:4], alone.xpos)


def test_late_view_has_its_present_value(model):
    """A derived field read for the first time in mid-run has its present value, and then follows."""
    warp, batch = pair(model)
    for sim in (warp, batch):
        sim.step(10)
    assert far(warp.site_xpos, batch.site_xpos) < 1e-6
    for sim in (warp, batch):
        sim.step(5)
    assert far(warp.site_xpos, batch.site_xpos) < 1e-6


def test_bodies_fixed_to_the_world_can_stand_elsewhere_in_each_world(model, device):
    """A wall moved by ``expand("body_pos")`` is where the boxes hit it, and nowhere else."""
    warp, batch = pair(model, device)
    wall, geom = model.body("wall").id, model.geom("wall").id
    for sim in (warp, batch):
        places = sim.expand("body_pos")
        assert places is sim.expand("body_pos") and places.shape == (NUM_WORLDS, model.nbody, 3)
        places[:, wall, 0] = torch.linspace(0.5, 0.8, NUM_WORLDS).to(places)
        sim.forward(everyone(sim))
        np.testing.assert_allclose(sim.geom_xpos[:, geom, 0].cpu(), np.linspace(0.5, 0.8, NUM_WORLDS), atol=1e-6)
    for _ in range(30):
        for sim in (warp, batch):
            sim.step(2)
        assert far(warp.qpos, batch.qpos) < 1e-4
    some = torch.tensor([1], device=warp.device)
    for sim in (warp, batch):
        sim.expand("body_pos")[1, wall, 0] = 1.5
        sim.forward(some.to(sim.device))
        assert float(sim.geom_xpos[1, geom, 0]) == pytest.approx(1.5)
        assert float(sim.geom_xpos[2, geom, 0]) == pytest.approx(0.7)
        assert sim.data(1).geom_xpos[geom, 0] == pytest.approx(1.5)
    assert max(float(batch.qpos[0, 0]), float(warp.qpos[0, 0])) < 0.5  # in front of its wall


def test_scalar_options_can_differ_between_worlds(model):
    """Options of the model are expanded by the names that MuJoCo's batch gives them."""
    warp, batch = pair(model)
    for sim in (warp, batch):
        sim.expand("opt.timestep")[2] = 0.001
        sim.step(4)
    assert far(warp.qpos, batch.qpos) < 1e-6
    assert warp.time.tolist() == pytest.approx([0.02, 0.02, 0.004, 0.02])


def test_a_weld_drags_as_in_mujoco(model, device):
    """Welds to a hand that leaps away pull as hard as MuJoCo's, also when what they pull turns fast."""
    warp, batch = pair(model, device)
    for sim in (warp, batch):
        sim.mocap_pos[:, 0, 2] += 0.4
        sim.mocap_pos[:, 0, 0] -= 0.5
    fastest = 0.0
    for _ in range(40):
        for sim in (warp, batch):
            sim.step()
        fastest = max(fastest, float(batch.qvel[:, 7:].abs().max()))
        assert far(warp.qpos[:, 8:], batch.qpos[:, 8:]) < 1e-5
    assert fastest > 5.0


def test_settling_moves_the_worlds_named_alone(model):
    """`settle` advances some worlds as a step of all would, and leaves the others bit for bit where they are."""
    sim, stepped = (throw(MujocoWarp(model, 3)) for _ in range(2))
    for each in (sim, stepped):
        _ = each.xpos
    before = {name: getattr(sim, name).clone() for name in ("qpos", "qvel", "time", "xpos")}
    sim.settle(torch.tensor([0, 2]), 6)
    stepped.step(6)
    for name, rows in before.items():
        assert torch.equal(getattr(sim, name)[1], rows[1])
        assert torch.equal(getattr(sim, name)[[0, 2]], getattr(stepped, name)[[0, 2]])


def test_a_world_that_breaks_while_settling_is_flagged_by_the_next_step(model):
    """It is not passed off as sound, and is a sound world again, where it was, after that step."""
    sim = throw(MujocoWarp(model, 3))
    _ = sim.xpos
    before = sim.qpos.clone()
    sim.qvel[1, 3] = 1e12
    sim.settle(torch.tensor([0, 1]), 3)
    assert torch.isfinite(sim.xpos).all() and torch.equal(sim.qpos[1:], before[1:])
    sim.step()
    assert sim.failed.tolist() == [False, True, False]
    sim.reset(torch.tensor([1]))
    sim.step()
    assert not sim.failed.any()


@pytest.mark.parametrize("how", ["velocity", "control", "position"])
def test_broken_physics_is_put_back_and_flagged(model, how, device, recwarn):
    """A world that blows up is flagged and keeps its state from before; nothing of it reaches others or its future."""
    sim, sound = (throw(MujocoWarp(model, 3, device)) for _ in range(2))
    forces = sim.external_forces()
    sim.step(20)
    sound.step(20)
    if how == "velocity":
        sim.qvel[1, 3] = 1e12
    elif how == "position":
        sim.qpos[1, 2] = float("inf")
    else:
        sim.ctrl[1, 0] = float("nan")
    before = sim.qpos[1].clone()
    sim.step(3)
    sound.step(3)
    assert sim.failed.tolist() == [False, True, False]
    assert torch.equal(sim.qpos[1], before) and not sim.ctrl[1].any() and not forces[1].any()
    assert far(sim.qpos[[0, 2]], sound.qpos[[0, 2]]) == 0.0 if device == "cpu" else True
    one = torch.tensor([1], device=sim.device)
    fresh = MujocoWarp(model, 1, device)
    for each, ids in ((sim, one), (fresh, everyone(fresh))):
        each.reset(ids)
        each.qvel[ids, 2] = -4.0
        each.forward(ids)
    for _ in range(30):
        sim.step(3)
        fresh.step(3)
        assert not sim.failed.any()
    assert torch.isfinite(sim.qpos).all()
    assert far(sim.qpos[1:2], fresh.qpos) < (1e-9 if device == "cpu" else 1e-3)
    assert not recwarn.list


def test_room_grows_where_it_is_short(model, monkeypatch, device):
    """Contacts and constraints that do not fit get more room before the step counts: nothing that touches is lost."""
    ample = throw(MujocoWarp(model, NUM_WORLDS, device))
    monkeypatch.setattr(warp_worlds, "first_room", lambda _: Room(contacts=1, rows=7))
    tight = throw(MujocoWarp(model, NUM_WORLDS, device))
    kept = tight.qpos
    for _ in range(40):
        ample.step(3)
        tight.step(3)
    assert tight.room.rows > 7 and tight.room.contacts > 1
    assert tight.qpos is kept  # views stay good
    assert far(tight.qpos, ample.qpos) <= (0.0 if device == "cpu" else 1e-3)
    assert not tight.failed.any()


def test_room_grows_while_worlds_are_computed_singly(model, monkeypatch):
    """Computing the derived fields of some worlds has as much room as they need."""
    lying = np.array([0, 0, 0.09, 1, 0, 0, 0])
    monkeypatch.setattr(warp_worlds, "first_room", lambda _: Room(contacts=1, rows=7))
    sim, batch = MujocoWarp(model, 3), MujocoBatch(model, 3)
    for each in (sim, batch):
        _ = each.qacc
        each.qpos[:, :7] = torch.from_numpy(lying).to(each.qpos)
        each.forward(torch.tensor([0, 2]))
        each.forward(everyone(each))
    assert sim.room.rows > 7 and sim._side.room.rows > 7
    assert far(sim.qacc, batch.qacc) < 1e-2 * float(batch.qacc.abs().max())


def test_first_room_holds_what_a_model_always_has(model):
    """Equalities, limits and friction losses all fit at once, and contacts beside them."""
    assert first_room(model).rows >= 6 + 12 * 4
    limited = mujoco.MjModel.from_xml_string(
        "<mujoco><option cone='elliptic'/><worldbody><body><joint limited='true' range='0 1' frictionloss='1'/>"
        "<geom size='.1' condim='6'/></body></worldbody></mujoco>"
    )
    assert first_room(limited).rows == 8 * 10  # 2 + 12 * 6 = 74, in steps of 8


def test_saved_worlds_go_on_bit_for_bit(model):
    """Worlds loaded into another simulator, their own model fields and forces with them, go on as those saved."""
    first = throw(MujocoWarp(model, 2))
    first.expand("body_pos")[1, model.body("wall").id, 0] = 0.6
    forces, _ = first.external_forces(), first.xpos
    first.step(30)
    saved = first.save()
    assert saved["qpos"].data_ptr() != first.qpos.data_ptr()
    second = MujocoWarp(model, 2)
    second.load(saved)
    assert torch.equal(second.external_forces(), forces) and torch.equal(second.xpos, first.xpos)
    for _ in range(10):
        first.step(2)
        second.step(2)
    assert torch.equal(first.qpos, second.qpos) and torch.equal(forces, second.external_forces())


def test_rows_of_several_simulators_can_be_loaded_into_one(model):
    """What `save` returns can be joined and split by worlds."""
    one, two = (throw(MujocoWarp(model, 2), seed) for seed in (1, 2))
    for sim in (one, two):
        sim.step(10)
    joined = {name: torch.cat((rows, two.save()[name])) for name, rows in one.save().items()}
    both = MujocoWarp(model, 4)
    both.load(joined)
    for sim in (one, two, both):
        sim.step(10)
    assert torch.equal(both.qpos, torch.cat((one.qpos, two.qpos)))


def test_a_world_can_be_looked_at_as_mjdata(model):
    """`data` gives one world's state with derived fields at that state, into a given MjData if there is one."""
    warp, batch = pair(model)
    for sim in (warp, batch):
        sim.mocap_pos[2, 0, 0] = 0.3
        sim.step(7)
    out = mujoco.MjData(model)
    data, expected = warp.data(2, out), batch.data(2)
    assert data is out
    for name in ("qpos", "xpos", "geom_xmat", "mocap_pos", "ctrl"):
        np.testing.assert_allclose(getattr(data, name), getattr(expected, name), atol=1e-5)
    assert data.time == pytest.approx(0.035)


def test_forces_count_pushes_and_vanish_with_a_reset(model):
    """A push from outside shows in ``cfrc_ext``; a world that was reset has none, the others keep theirs."""
    sim = MujocoWarp(model, 2)
    forces = sim.external_forces()
    sim.xfrc_applied[:, model.body("box").id, 2] = 3.0
    sim.step()
    assert forces[0, model.body("box").id, 5] == pytest.approx(3.0)
    sim.reset(torch.tensor([0]))
    sim.forward(torch.tensor([0]))
    assert not forces[0].any() and forces[1, model.body("box").id, 5] == pytest.approx(3.0)


@pytest.mark.parametrize(
    ("name", "reason"),
    [("qposs", "not an MjData field"), ("cfrc_ext", "external_forces"), ("qLD", "no field"), ("ncon", "no field")],
)
def test_unknown_attributes_are_refused(model, name, reason):
    """A misspelt field, and one that has another meaning here, is an AttributeError that says why."""
    with pytest.raises(AttributeError, match=reason):
        getattr(MujocoWarp(model, 1), name)


@pytest.mark.parametrize("name", ["body_poss", "geom_type", "nv", "opt.iterations"])
def test_fields_that_all_worlds_share_cannot_be_expanded(model, name):
    """Only what MuJoCo Warp keeps for each world can differ between worlds."""
    with pytest.raises(ValueError, match=name):
        MujocoWarp(model, 2).expand(name)


def test_combinations_that_the_cpu_cannot_do_are_refused_here_too(model):
    """Task code that runs here runs on the CPU."""
    sim = MujocoWarp(model, 1)
    sim.external_forces()
    with pytest.raises(ValueError, match="a stage"):
        sim.step(stage="position")
    with pytest.raises(ValueError, match="settle"):
        sim.settle(everyone(sim), 1)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('<mujoco><option><flag sleep="enable"/></option>{}</mujoco>', "sleep"),
        ('<mujoco><option jacobian="dense"/>{}</mujoco>', "nv > 60"),
    ],
)
def test_models_that_warp_cannot_simulate_are_refused_in_one_line(text, reason):
    """What is not supported is said when the worlds are made, and by name."""
    bodies = "".join("<body><freejoint/><geom size='.1'/></body>" for _ in range(11))
    model = mujoco.MjModel.from_xml_string(text.format(f"<worldbody>{bodies}</worldbody>"))
    with pytest.raises(ConfigError, match=reason) as caught:
        MujocoWarp(model, 1)
    assert "\n" not in str(caught.value)


def test_close_keeps_views_readable(model):
    """Tensors that were handed out outlive the simulator."""
    sim = throw(MujocoWarp(model, 2))
    sim.step(2)
    qpos, values = sim.qpos, sim.qpos.tolist()
    sim.close()
    del sim
    assert qpos.tolist() == values
