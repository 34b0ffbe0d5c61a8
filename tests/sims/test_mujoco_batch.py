import copy

import mujoco
import numpy as np
import pytest
import torch

from envreward.sims import MujocoBatch

TUMBLING_BOX = """
<mujoco>
  <option timestep="0.005" integrator="{integrator}"/>
  <worldbody>
    <geom type="plane" size="5 5 1"/>
    <body name="box" pos="0 0 0.4">
      <freejoint/><geom type="box" size=".1 .2 .1" mass="1"/><site name="s"/>
      <body pos="0.3 0 0"><joint name="arm" axis="0 1 0"/><geom type="capsule" size=".05" fromto="0 0 0 .3 0 0"/></body>
    </body>
  </worldbody>
  <actuator>{actuator}</actuator>
  <sensor>{sensor}</sensor>
</mujoco>
"""


def box(integrator="Euler", actuator='<motor joint="arm" gear="2"/>', sensor='<force site="s"/>'):
    text = TUMBLING_BOX.format(integrator=integrator, actuator=actuator, sensor=sensor)
    return mujoco.MjModel.from_xml_string(text)


def everyone(sim):
    return torch.arange(sim.num_worlds)


def thrown(model, num_worlds, seed=0):
    """A batch of boxes thrown at the floor with different velocities."""
    sim = MujocoBatch(model, num_worlds)
    rng = np.random.default_rng(seed)
    sim.reset(everyone(sim))
    sim.qvel[:] = torch.from_numpy(rng.normal(size=(num_worlds, model.nv)))
    sim.qvel[:, 2] -= 2.0
    sim.forward(everyone(sim))
    return sim


@pytest.mark.parametrize("integrator", ["Euler", "RK4", "implicitfast"])
@pytest.mark.parametrize("nstep", [1, 4])
def test_external_forces_are_what_mujoco_computes_after_a_step(integrator, nstep):
    """``cfrc_ext`` equals ``mj_step`` followed by ``mj_rnePostConstraint``, in every integrator, to 1e-9 relative."""
    model = box(integrator)
    sim = thrown(model, 3)
    forces = sim.external_forces()
    assert not forces.any()
    singles = [sim.data(i) for i in range(3)]
    largest = 0.0
    for _ in range(40):
        sim.ctrl[:] = 0.1
        sim.step(nstep)
        for i, data in enumerate(singles):
            data.ctrl[:] = 0.1
            mujoco.mj_step(model, data, nstep=nstep)
            mujoco.mj_rnePostConstraint(model, data)
            assert np.array_equal(sim.qpos[i].numpy(), data.qpos)
            np.testing.assert_allclose(forces[i].numpy(), data.cfrc_ext, rtol=1e-9, atol=1e-7)
            largest = max(largest, np.abs(data.cfrc_ext).max())
    assert largest > 10.0  # the boxes did hit the floor


def test_external_forces_count_pushes_without_contact():
    """A force applied from outside shows although nothing touches."""
    sim = MujocoBatch(box(), 2)
    forces = sim.external_forces()
    sim.xfrc_applied[1, 1, 2] = 3.0
    sim.step()
    assert not forces[0].any() and forces[1, 1, 5] == pytest.approx(3.0)


def test_external_forces_are_zero_after_a_reset():
    """A world that was reset has no force left over from its past; the others keep theirs."""
    sim = thrown(box(), 2)
    forces = sim.external_forces()
    while not forces.abs().amax((1, 2)).gt(1.0).all():
        sim.step()
    kept = forces[1].clone()
    sim.reset(torch.tensor([0]))
    sim.forward(torch.tensor([0]))
    assert not forces[0].any() and torch.equal(forces[1], kept)


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (lambda: box(sensor=""), "force sensor"),
        (lambda: box("RK4", actuator=""), "one actuator on each other joint"),
    ],
)
def test_external_forces_refuse_models_they_cannot_follow(model, reason):
    """A model for which the forces would be wrong is refused, with the reason."""
    with pytest.raises(ValueError, match=reason):
        MujocoBatch(model(), 1).external_forces()


def test_a_world_does_not_depend_on_its_neighbours_or_threads():
    """The same world alone, in a crowd, on one thread or two: bit for bit the same."""
    model = box("RK4")
    crowd = thrown(model, 5)
    alone = MujocoBatch(model, 1, num_threads=2)
    alone.reset(everyone(alone))
    alone.qpos[:], alone.qvel[:] = crowd.qpos[3:4], crowd.qvel[3:4]
    alone.forward(everyone(alone))
    for _ in range(60):
        crowd.step(2)
        alone.step(2)
    assert torch.equal(crowd.qpos[3:4], alone.qpos) and torch.equal(crowd.qvel[3:4], alone.qvel)


def test_views_are_live_and_filled_when_first_asked_for():
    """A derived field read for the first time in mid-run has its present value, not zeros, and then follows."""
    model = box()
    sim = thrown(model, 2)
    sim.step(10)
    xpos = sim.xpos
    data = sim.data(1)
    np.testing.assert_allclose(xpos[1].numpy(), data.xpos, atol=1e-15)
    before = xpos.clone()
    sim.step(5)
    assert sim.xpos is xpos and not torch.equal(xpos, before)


def test_unknown_attribute_is_refused():
    """A misspelt field is an AttributeError, as in Python elsewhere."""
    with pytest.raises(AttributeError, match="qposs"):
        MujocoBatch(box(), 1).qposs  # noqa: B018


@pytest.mark.parametrize("how", ["velocity", "control"])
def test_broken_physics_is_put_back_and_flagged(how, capfd, tmp_path, monkeypatch):
    """A world that blows up is flagged and keeps its state from before; others and the terminal see nothing of it."""
    monkeypatch.chdir(tmp_path)
    model = box()
    sim, sound = thrown(model, 3), thrown(model, 3)
    if how == "velocity":
        sim.qvel[1, 3] = 1e9
    else:
        sim.ctrl[1, 0] = float("nan")
    before = sim.qpos[1].clone()
    sim.step(3)
    sound.step(3)
    assert sim.failed.tolist() == [False, True, False]
    assert torch.equal(sim.qpos[1], before)
    assert torch.equal(sim.qpos[[0, 2]], sound.qpos[[0, 2]])
    sim.reset(torch.tensor([1]))
    sim.forward(torch.tensor([1]))
    sim.step(3)
    assert not sim.failed.any()
    assert capfd.readouterr().err == "" and not list(tmp_path.iterdir())


def test_saved_worlds_go_on_bit_for_bit():
    """Worlds loaded into another simulator go on exactly as those that were saved."""
    model = box("RK4")
    first = thrown(model, 2)
    forces = first.external_forces()
    first.step(30)
    saved = first.save()
    second = MujocoBatch(model, 2)
    second_forces = second.external_forces()
    second.load(saved)
    assert torch.equal(forces, second_forces)
    for _ in range(10):
        first.step(2)
        second.step(2)
    assert torch.equal(first.qpos, second.qpos) and torch.equal(forces, second_forces)


def test_settling_moves_the_chosen_worlds_alone():
    """Settled worlds are where as many steps lead, derived fields one substep behind; the others are as before."""
    model = box()
    sim, stepped = thrown(model, 4), thrown(model, 4)
    for each in (sim, stepped):
        assert each.xpos.shape == (4, model.nbody, 3)  # bound before, so that both follow
    before = {name: getattr(sim, name).clone() for name in ("qpos", "qvel", "xpos")}
    sim.settle(torch.tensor([1, 3]), 20)
    stepped.step(20)
    for name, values in before.items():
        assert torch.equal(getattr(sim, name)[[0, 2]], values[[0, 2]]), name
        assert torch.equal(getattr(sim, name)[[1, 3]], getattr(stepped, name)[[1, 3]]), name
    sim.step(5)
    stepped.step(5)
    assert torch.equal(sim.qpos[[1, 3]], stepped.qpos[[1, 3]])


def test_a_world_that_breaks_while_settling_is_flagged_by_the_next_step(capfd):
    """It is not passed off as sound, and nothing is written to the terminal."""
    sim = thrown(box(), 2)
    sim.qvel[1, 3] = 1e9
    sim.settle(torch.tensor([1]), 3)
    sim.step()
    assert sim.failed.tolist() == [False, True]
    assert capfd.readouterr().err == ""


def test_settling_refuses_external_forces():
    """Forces that are followed over whole steps of all worlds cannot follow some of them."""
    sim = thrown(box(), 2)
    sim.external_forces()
    with pytest.raises(ValueError, match="settle"):
        sim.settle(torch.tensor([0]), 1)


def edited(model, **fields):
    """A copy of a model with some fields' entries set: ``field=(index, value)``."""
    model = copy.copy(model)
    for name, (index, value) in fields.items():
        getattr(model, name)[index] = value
    return model


@pytest.mark.parametrize("stage", ["none", "position", "acceleration"])
def test_expanded_fields_make_each_world_a_model_of_its_own(stage):
    """Each world steps, bit for bit, as a single MjData does whose model was edited in the same way."""
    model = box("RK4")
    sim = thrown(model, 3)
    masses, sizes = sim.expand("body_mass"), sim.expand("geom_size")
    assert masses.shape == (3, model.nbody) and sizes.shape == (3, model.ngeom, 3)
    masses[1, 2], sizes[2, 1, 0] = 0.7, 0.25
    models = [model, edited(model, body_mass=(2, 0.7)), edited(model, geom_size=((1, 0), 0.25))]
    xpos = sim.xpos
    singles = [mujoco.MjData(each) for each in models]
    for i, data in enumerate(singles):
        data.qpos[:], data.qvel[:] = sim.qpos[i].numpy(), sim.qvel[i].numpy()
        mujoco.mj_forward(models[i], data)
    for _ in range(40):
        sim.ctrl[:] = 0.1
        sim.step(3, stage=stage)
        for i, data in enumerate(singles):
            data.ctrl[:] = 0.1
            mujoco.mj_step(models[i], data, nstep=3)
            if stage != "none":
                mujoco.mj_forward(models[i], data)
            assert np.array_equal(sim.qpos[i].numpy(), data.qpos)
            assert np.array_equal(xpos[i].numpy(), data.xpos)
    assert not torch.equal(sim.qpos[0], sim.qpos[1]) and not torch.equal(sim.qpos[0], sim.qpos[2])


def test_derived_fields_are_of_the_new_state_up_to_the_stage():
    """All are one substep behind after a plain step; a stage brings its own fields up to date and moves nothing."""
    current = {"none": (), "position": ("xpos",), "acceleration": ("xpos", "cvel", "qacc", "sensordata")}
    sims = {stage: thrown(box(), 2) for stage in current}
    for stage, sim in sims.items():
        fields = {name: getattr(sim, name) for name in ("xpos", "cvel", "qacc", "sensordata")}
        sim.step(4, stage=stage)
        new = sim.data(1)
        same = [name for name, values in fields.items() if np.array_equal(values[1].numpy(), getattr(new, name))]
        assert same == [*current[stage]]
        for _ in range(40):
            sim.step(4, stage=stage)
    for sim in sims.values():
        assert all(torch.equal(getattr(sim, name), getattr(sims["none"], name)) for name in ("qpos", "qacc_warmstart"))


def test_fields_bound_after_an_expansion_know_of_it():
    """A derived field read for the first time after `expand` has each world's own value; `data` has it, too."""
    model = box()
    sim = thrown(model, 2)
    places = sim.expand("body_pos")
    assert places is sim.expand("body_pos")
    places[1, 2, 0] = 0.8  # the arm's distance from the box
    apart = (sim.xpos[:, 2] - sim.xpos[:, 1]).norm(dim=1)
    assert apart.tolist() == pytest.approx([0.3, 0.8])
    assert np.linalg.norm(sim.data(1).xpos[2] - sim.data(1).xpos[1]) == pytest.approx(0.8)
    places[0, 2, 0] = 0.5
    sim.forward(torch.tensor([0]))
    assert (sim.xpos[0, 2] - sim.xpos[0, 1]).norm() == pytest.approx(0.5)
    sim.reset(torch.tensor([1]))
    assert places[1, 2, 0] == 0.8  # a reset is of the state


def test_saved_worlds_carry_their_own_model_fields():
    """Worlds with expanded fields go on bit for bit in a simulator that knew nothing of them."""
    model = box()
    first = thrown(model, 2)
    first.expand("body_mass")[1, 2] = 0.7
    first.expand("opt.gravity")[0, 2] = -1.6
    first.step(20)
    second = MujocoBatch(model, 2)
    second.load(first.save())
    for _ in range(10):
        first.step(2)
        second.step(2)
    assert torch.equal(first.qpos, second.qpos)
    assert not torch.equal(first.qpos[0], first.qpos[1])


def test_what_cannot_go_together_is_refused():
    """Contact forces are rebuilt from one model and from what a plain step leaves; other uses are errors."""
    sim = MujocoBatch(box(), 2)
    sim.external_forces()
    with pytest.raises(ValueError, match="a stage"):
        sim.step(stage="position")
    with pytest.raises(ValueError, match="expand"):
        sim.expand("body_mass")
    expanded = MujocoBatch(box(), 2)
    expanded.expand("body_mass")
    with pytest.raises(ValueError, match="external_forces"):
        expanded.external_forces()


def test_unknown_model_field_is_refused():
    """A misspelt field of the model is an error that names it."""
    with pytest.raises(ValueError, match="body_masss"):
        MujocoBatch(box(), 1).expand("body_masss")
