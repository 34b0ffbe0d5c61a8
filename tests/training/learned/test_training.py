"""Members whose reward remembers or is learned, in whole trainings: alone as in a crowd, saved, killed, SB3."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

import envreward
from envreward import registry
from envreward.errors import ConfigError, UnknownNameError
from envreward.fields import Field
from envreward.registry import make_task
from envreward.training.config import Member, PPOConfig, SACConfig, TrainingJob
from envreward.training.metrics import read_rows
from envreward.training.population import Population
from envreward.training.reward_opening import open_reward
from envreward.training.runner import check_job, run_training, start_training

PPO = PPOConfig(num_worlds=4, rollout_steps=32, minibatch_size=64, epochs=2, hidden_sizes=(16, 16))
SAC = SACConfig(
    num_worlds=4, rollout_steps=16, replay_size=512, learning_starts=128, updates_per_step=1 / 16, batch_size=40,
    hidden_sizes=(24, 16),
)  # fmt: skip
SMALL = "hidden=16,updates_per_step=0.05,capacity=4000"

PROGRAMS = {
    "factors": """
def compute_reward(x_velocity, healthy, action):
    alive = healthy.float()
    return x_velocity, {"speed": x_velocity, "alive": alive, "calm": -action.square().sum(-1)}
""",
    "memory": """
def compute_reward(x_velocity, memory):
    best = torch.maximum(memory[:, 0], x_velocity)
    new = memory.clone()
    new[:, 0] = best
    new[:, 1] = memory[:, 1] + 1.0
    return best - memory[:, 0], {"best": best, "steps": memory[:, 1]}, new
""",
    "none": "def compute_reward(x_velocity):\n    return x_velocity, {}\n",
}
MEMBERS = {
    "plain": ("factors", ""),
    "memory": ("memory", ""),
    "lare": ("factors", f"lare:{SMALL}"),
    "heron": ("factors", f"heron:{SMALL}"),
    "both": ("memory", f"heron:{SMALL}"),
    "novel": ("memory", "rnd:fields=x_velocity+uprightness,hidden=16,learning_rate=0.003,weight=0.5"),
}


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Train with one torch thread, as shards do."""
    torch.set_num_threads(1)


@pytest.fixture
def make_job(tmp_path: Path) -> Callable[..., TrainingJob]:
    """Make a job of members by key, and write their programs."""
    (tmp_path / "rewards").mkdir()
    for name, source in PROGRAMS.items():
        (tmp_path / "rewards" / f"{name}.py").write_text(source)

    def make(keys: str = "plain memory lare heron both novel", **settings: Any) -> TrainingJob:
        members = tuple(
            Member(key=key, group=key, reward=f"rewards/{MEMBERS[key][0]}.py", learning=MEMBERS[key][1], seed=7)
            for key in keys.split()
        )
        defaults = {"env_id": "Hopper", "total_steps": 1280, "ppo": PPO, "sac": SAC, "tensorboard": False}
        return TrainingJob(members=members, **defaults | settings)

    return make


@pytest.fixture
def make_population(tmp_path: Path) -> Any:
    """Make a population of some of a job's members, closed after the test."""
    made: list[Population] = []

    def make(job: TrainingJob, keys: str, **state: Any) -> Population:
        task = make_task(job.env_id)
        members = [m for m in job.members if m.key in keys.split()]
        sources = {m.key: open_reward(m, job, tmp_path, task, job.steps_per_update) for m in members}
        made.append(Population(job, members, sources, **state))
        return made[-1]

    yield make
    for population in made:
        population.close()


def train(population: Population, updates: int) -> list[dict[str, Any]]:
    rows = [row for _ in range(updates) for row in population.train_once(0.0)[0]]
    return [dataclasses.asdict(row) | {"reward_s": None} for row in rows]


def same(one: Mapping[str, Tensor], two: Mapping[str, Tensor]) -> bool:
    return one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)


@pytest.mark.parametrize("trainer", ["ppo", "sac"])
def test_saved_and_loaded_they_go_on_bit_for_bit(make_job: Any, make_population: Any, trainer: str) -> None:
    """Memory of running episodes, history, network and random state all come back, in any company."""
    job = make_job(trainer=trainer)
    keys = "plain memory lare heron both novel"
    population = make_population(job, keys)
    train(population, 6)
    states = population.save()
    assert states["memory"]["reward.rewards/memory.py.memory"][:, 1].any()
    assert "learned.weights" in states["lare"] and "learned.weights" not in states["memory"]
    assert states["novel"]["learned.inputs.count"] == 6 * 4 * job.algorithm.rollout_steps  # it has seen every step
    resumed = make_population(job, keys, states=states, updates=population.updates)
    alone = make_population(job, "both", states=states, updates=population.updates)
    expected = train(population, 4)
    assert train(resumed, 4) == expected
    assert train(alone, 4) == [row for row in expected if row["key"] == "both"]
    for key, state in population.save().items():
        assert same(state, resumed.save()[key])
    assert same(population.save()["both"], alone.save()["both"])


def test_a_program_with_memory_pays_what_its_formula_says(make_job: Any, make_population: Any) -> None:
    """Improvements of the best speed add up to the best speed of each episode, across rollouts."""
    job = make_job("memory")
    population = make_population(job, "memory")
    rows = train(population, 8)
    assert all(row["components"]["steps"] < 200 for row in rows)
    lengths = [row["episode_length"] for row in rows if row["episode_length"] is not None]
    returns = [row["episode_return"] for row in rows if row["episode_return"] is not None]
    assert lengths and min(returns) >= 0.0  # the best is at least 0, from where it starts
    counted = [row["components"]["steps"] for row in rows]
    assert max(counted) < max(lengths)  # it begins anew with each episode


def test_what_is_learned_is_the_reward(make_job: Any, make_population: Any) -> None:
    """The policy is paid what the learner says, and the program's components are shown as they are."""
    job = make_job("plain lare")
    population = make_population(job, "plain lare")
    rows = train(population, 3)
    by_key = {key: [row for row in rows if row["key"] == key] for key in ("plain", "lare")}
    assert by_key["plain"][0]["components"] == by_key["lare"][0]["components"]  # the same seed, the same first steps
    assert by_key["plain"][0]["reward_mean"] != by_key["lare"][0]["reward_mean"]


@pytest.mark.parametrize("n_step", [1, 3])
def test_off_policy_old_steps_are_paid_by_what_is_known_now(n_step: int, make_job: Any, make_population: Any) -> None:
    """SAC's batches hold what the network says of a step by now, as far as its factors are still there."""
    job = make_job("lare", trainer="sac")
    job = dataclasses.replace(job, members=(dataclasses.replace(job.members[0], learning=f"lare:{SMALL[:-4]}400"),))
    population = make_population(job, "lare")
    source, learner = population._sources["lare"], population._learner
    train(population, 8)
    replay, asked, relabel = learner._replays[0], [], source.relabel

    def spy(step: Tensor, world: Tensor, rewards: Tensor) -> Tensor:
        asked.append(len(step))
        return relabel(step, world, rewards)

    source.relabel = spy
    train(population, 1)
    assert sum(asked) == learner._algorithm.gradient_steps(8) * SAC.batch_size * SAC.n_step
    step, world = (part.flatten() for part in torch.meshgrid(torch.arange(144), torch.arange(4), indexing="ij"))
    ring, clock = source.learned["ring"], int(source.learned["clock"])
    assert clock == replay.written == 144 and len(ring) == 1000
    given = replay.reward[replay._row(step, world)]
    now = source._learner._network(ring[step, world])
    torch.testing.assert_close(relabel(step, world, given), now)
    assert float((now - given).abs().max()) > 1e-4  # the network has learned since
    source.learned["clock"] += len(ring) - 100  # the oldest 100 steps are forgotten
    torch.testing.assert_close(relabel(step, world, given), torch.where(step >= 44, now, given))
    source.learned["clock"] -= len(ring) - 100
    drawn = replay.sample(300, n_step, 0.9, torch.Generator().manual_seed(3), relabel)
    replay.reward[replay._row(step, world)] = now
    as_if = replay.sample(300, n_step, 0.9, torch.Generator().manual_seed(3))
    torch.testing.assert_close(drawn.reward, as_if.reward)


@pytest.mark.parametrize(
    ("trainer", "replay_size", "total_steps", "slots"),
    [("ppo", 8000, 16_000, 1000), ("sac", 8000, 16_000, 2000), ("sac", 8000, 6400, 1600), ("sac", 512, 1280, 1000)],
)
def test_factors_are_kept_as_long_as_the_replay_can_draw_them(
    make_job: Any, make_population: Any, trainer: str, replay_size: int, total_steps: int, slots: int
) -> None:
    """What SAC can draw from its replay has its factors still, so that all of it is paid anew; more is not kept."""
    sac = dataclasses.replace(SAC, replay_size=replay_size)
    population = make_population(make_job("lare", trainer=trainer, sac=sac, total_steps=total_steps), "lare")
    train(population, 1)
    assert len(population._sources["lare"].learned["ring"]) == slots


def test_what_is_new_is_paid_beside_the_reward(make_job: Any, make_population: Any) -> None:
    """The bonus comes on top of the program's reward, is shown as a component, and wears off as states are seen."""
    job = make_job("memory novel")
    population = make_population(job, "memory novel")
    rows = train(population, 30)
    plain, novel = ([row for row in rows if row["key"] == key] for key in ("memory", "novel"))
    first = novel[0]["components"]
    assert first["rnd"] > 0.0 and first["best"] == plain[0]["components"]["best"]  # the same seed, the same first steps
    assert novel[0]["reward_mean"] - plain[0]["reward_mean"] == pytest.approx(first["rnd"], rel=1e-4)
    assert novel[-1]["components"]["rnd"] < 0.5 * max(row["components"]["rnd"] for row in novel)


def test_the_bonus_takes_no_ones_name(make_job: Any, make_population: Any, tmp_path: Path) -> None:
    """A program whose own component is called like the bonus is told, instead of being shown another's numbers."""
    source = "def compute_reward(x_velocity):\n    return x_velocity, {'rnd': x_velocity}\n"
    (tmp_path / "rewards" / "same.py").write_text(source)
    same_name = Member(key="same", group="same", reward="rewards/same.py", learning="rnd:fields=x_velocity", seed=0)
    job = dataclasses.replace(make_job("plain"), members=(same_name,))
    _, retired = make_population(job, "same").train_once(0.0)
    assert [r.status for r in retired] == ["failed"] and "names a component rnd" in retired[0].reason


def test_members_without_factors_are_told(make_job: Any, make_population: Any, tmp_path: Path) -> None:
    """A program that names no component cannot be learned from; it takes out its own member alone."""
    job = make_job("plain")
    bad = Member(key="bad", group="bad", reward="rewards/none.py", learning="lare", seed=0)
    job = dataclasses.replace(job, members=(*job.members, bad))
    population = make_population(job, "plain bad")
    rows, retired = population.train_once(0.0)
    assert [(r.member.key, r.status) for r in retired] == [("bad", "failed")]
    assert "names no component" in retired[0].reason and [row.key for row in rows] == ["plain"]


def test_what_was_learned_outlives_worlds_that_cannot_be_saved(make_population: Any, tmp_path: Path) -> None:
    """In a foreign environment worlds begin anew after a resume; the history and the network go on."""
    envreward.wrap(
        "CartPole-v1",
        id="Test/LearnedCart-v0",
        instruction="Keep the pole up.",
        fields={"angle": Field("0 is upright.", unit="rad", role="angle", read=lambda w: w.obs[:, 2])},
        success=lambda w: w.steps >= 195,
        fitness=lambda w: w.steps,
    )
    source = "def compute_reward(angle, memory):\n    return angle, {'up': angle.cos()}, memory + 1.0\n"
    (tmp_path / "up.py").write_text(source)
    member = Member(key="m", group="m", reward="up.py", learning=f"lare:{SMALL}", seed=0)
    job = TrainingJob(env_id="Test/LearnedCart-v0", members=(member,), total_steps=1280, ppo=PPO, tensorboard=False)
    population = make_population(job, "m")
    train(population, 4)
    states = population.save()
    assert "reward.up.py.factors.memory" not in states["m"] and states["m"]["learned.ended"] > 0
    resumed = make_population(job, "m", states=states, updates=4)
    train(resumed, 1)
    after = resumed.save()["m"]
    assert after["learned.clock"] == 5 * 32 and after["learned.adam.steps"] > states["m"]["learned.adam.steps"]


def test_killed_and_resumed(make_job: Any, tmp_path: Path) -> None:
    """Killed in the middle, a training of such members ends with the weights and curves of one left alone."""
    job = make_job("memory lare novel", total_steps=2_560, processes=1, checkpoint_every_s=0.05)
    sandbox = registry.find("sandboxes", "process")()
    folders = [tmp_path / name for name in ("whole", "broken")]
    for folder in folders:
        (folder / "rewards").mkdir(parents=True)
        for path in (tmp_path / "rewards").iterdir():
            (folder / "rewards" / path.name).write_text(path.read_text())
    expected = run_training(job, folders[0], sandbox)
    assert {r.status for r in expected.values()} == {"trained"}
    handle = start_training(job, folders[1], sandbox)
    while handle.steps_done < 0.4 * handle.steps_total and not handle.poll():
        time.sleep(0.02)
    handle.kill()
    run_training(job, folders[1], sandbox)
    for key in ("memory", "lare", "novel"):
        one, two = (load_file(folder / "members" / key / "policy.safetensors") for folder in folders)
        assert same(one, two)
    curves = [[dataclasses.replace(row, wall_s=math.nan, reward_s=None) for row in read_rows(f)] for f in folders]
    keyed = [sorted(map(repr, rows)) for rows in curves]
    assert keyed[0] == keyed[1]


def test_with_stable_baselines3(make_job: Any, tmp_path: Path) -> None:
    """One step at a time, as SB3 asks for rewards, both work as well."""
    job = make_job("memory lare novel", trainer="sb3:ppo", total_steps=256)
    results = run_training(job, tmp_path, registry.find("sandboxes", "process")())
    assert {key: (r.status, r.reason) for key, r in results.items()} == dict.fromkeys(results, ("trained", ""))
    components = {row.key: row.components for row in read_rows(tmp_path)}
    assert "steps" in components["memory"] and "alive" in components["lare"] and "rnd" in components["novel"]


def test_what_cannot_be_learned_is_refused_before_the_start(make_job: Any) -> None:
    """A wrong name or setting is found by the check, not in the sandbox."""
    job = make_job("lare")
    wrong = dataclasses.replace(job.members[0], learning="lare:los=rd")
    with pytest.raises(UnknownNameError, match="loss"):
        check_job(dataclasses.replace(job, members=(wrong,)))


@pytest.mark.parametrize(
    ("learning", "message"),
    [
        ("rnd", "needs the fields"),
        ("rnd:fields=x_velocty", "did you mean 'x_velocity'"),
        ("rnd:fields=fitness", "fitness"),
        ("rnd:fields=x_velocity+x_velocity", "x_velocity more than once"),
        ("rnd:fields=x_velocity,weight=inf", "finite"),
    ],
)
def test_novelty_of_no_public_field_is_refused(make_job: Any, learning: str, message: str) -> None:
    """Novelty is of fields that a reward may read; private ones are unknown to it."""
    job = make_job("novel")
    wrong = dataclasses.replace(job.members[0], learning=learning)
    with pytest.raises((UnknownNameError, ConfigError), match=message):
        check_job(dataclasses.replace(job, members=(wrong,)))


def test_jobs_from_before_can_be_read(make_job: Any, tmp_path: Path) -> None:
    """A job without the setting is one whose rewards are not learned."""
    job = make_job("plain")
    text = dataclasses.replace(job, members=job.members)
    text.save(tmp_path)
    old = (tmp_path / "job.json").read_text().replace(',\n   "learning": ""', "")
    assert '"learning"' not in old
    assert TrainingJob.from_json(old) == job
