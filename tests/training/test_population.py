"""A population: members know nothing of each other, runs repeat bit for bit, failures stay with those who fail."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import envreward
from envreward.fields import Field
from envreward.training.config import MetricRow
from envreward.training.population import Population

MIXED = {"a-s0": "expert", "b-s0": "sparse", "c-s0": "expert", "d-s0": "expert"}


def train(population: Population, updates: int) -> list[MetricRow]:
    return [row for _ in range(updates) for row in population.train_once(0.0)[0]]


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    """Compare all but fields that only another member's reward reads."""
    shared = a.keys() & b.keys()
    unshared = a.keys() ^ b.keys()
    assert all(name.startswith(("env.previous.", "env.world.sim.")) for name in unshared), unshared
    return all(torch.equal(a[name], b[name]) for name in shared)


@pytest.mark.parametrize("env_id", ["Hopper", "HalfCheetah", "InvertedPendulum"])
def test_alone_as_in_a_crowd(env_id: str, make_job, make_population) -> None:  # type: ignore[no-untyped-def]
    """Weights, statistics, worlds and curves of a member are bit for bit the same alone and among three others."""
    job = make_job(MIXED, env_id=env_id)
    crowd = make_population(job)
    rows = train(crowd, 6)
    for key in ("a-s0", "b-s0", "d-s0"):
        alone = make_population(job, key)
        assert train(alone, 6) == [row for row in rows if row.key == key]
        assert same(alone.save()[key], crowd.save()[key])


def test_repeats_and_depends_on_its_seed(make_job, make_population) -> None:  # type: ignore[no-untyped-def]
    """Two runs with the same seeds are identical; members with different seeds are not."""
    job = make_job({"a": "expert", "b": "expert"})
    first, second = make_population(job), make_population(job)
    assert train(first, 4) == train(second, 4)
    assert same(first.save()["a"], second.save()["a"])
    assert not torch.equal(first.save()["a"]["weights"], first.save()["b"]["weights"])


def test_saved_and_loaded_it_goes_on_as_if_nothing_had_been(make_job, make_population) -> None:  # type: ignore[no-untyped-def]
    """Taken apart after three updates and put together in another order, members end as without the interruption."""
    job = make_job(MIXED, ppo={"lr_schedule": "adaptive", "target_kl": 0.01})
    whole = make_population(job)
    train(whole, 3)
    states = whole.save()
    rows = train(whole, 3)
    part = make_population(job, "b-s0 d-s0", states=states, updates=3)
    assert train(part, 3) == [row for row in rows if row.key in ("b-s0", "d-s0")]
    for key in ("b-s0", "d-s0"):
        assert same(part.save()[key], whole.save()[key])


def test_spread_starts_put_worlds_into_all_phases(make_job, make_population) -> None:  # type: ignore[no-untyped-def]
    """Of four worlds with episodes of 1,000 steps, first ones end after 250, 500, 750 and 1,000, later ones in full.

    Those that were cut short are trained on, but not scored: their sums do not compare.
    """
    job = make_job(env_id="HalfCheetah", ppo={"rollout_steps": 250, "spread_starts": True})
    population = make_population(job)
    seen = []
    for _ in range(5):
        rollout = population._collect()
        ended = rollout.ended[0].any(0).nonzero()[:, 0].tolist()
        cut_short = [] if rollout.cut_short is None else rollout.cut_short[0].any(0).nonzero()[:, 0].tolist()
        seen.append((ended, cut_short))
        population._obs = rollout.next_obs
    assert seen == [([3], [3]), ([2], [2]), ([1], [1]), ([0], []), ([3], [])]
    rows = train(make_population(job), 5)
    assert [row.episodes for row in rows] == [0, 0, 0, 1, 1]
    assert [row.episode_length for row in rows] == [None, None, None, 1000, 1000]
    assert [row.episode_return is None for row in rows] == [True, True, True, False, False]


def test_episodes_that_the_physics_broke_are_counted(make_job, make_population) -> None:  # type: ignore[no-untyped-def]
    """Each member's rows count the episodes that ended because their world's physics broke, each once."""
    population = make_population(make_job({"a": "expert", "b": "expert"}, env_id="HalfCheetah"))
    env = population._worlds()
    simulate, calls = env._simulate, []

    def breaking(action: torch.Tensor) -> torch.Tensor:
        calls.append(1)
        broken = simulate(action).clone()
        if len(calls) in (5, 9):
            broken[6] = True  # the second member's third world
        return broken

    env._simulate = breaking
    assert {row.key: row.broken for row in train(population, 1)} == {"a": 0, "b": 2}
    assert {row.key: row.broken for row in train(population, 1)} == {"a": 0, "b": 0}


def test_curves_are_the_rewards(make_job, make_population) -> None:  # type: ignore[no-untyped-def]
    """Reward mean, components, return, length and fitness in the rows fit each other as the expert reward says."""
    rows = train(make_population(make_job(ppo={"rollout_steps": 64})), 4)
    assert [row.step for row in rows] == [256, 512, 768, 1024]
    for row in rows:
        assert sum(row.components.values()) == pytest.approx(row.reward_mean, abs=1e-5)
        assert row.episode_return is not None and row.episode_length is not None and row.fitness is not None
        # Hopper's return: 1 per step for being healthy but for the last, plus the distance (0.008 s per step)
        expected = row.episode_length - 1 + row.fitness / 0.008
        assert row.episode_return == pytest.approx(expected, abs=0.05 * row.episode_length)


def test_no_episode_means_no_score(make_job, make_population) -> None:  # type: ignore[no-untyped-def]
    """A rollout in which no episode ended reports nothing for it, not zero."""
    (row,) = train(make_population(make_job(env_id="HalfCheetah")), 1)
    assert (row.success, row.fitness, row.episode_return, row.episode_length) == (None, None, None, None)


@pytest.mark.parametrize(
    ("old", "new", "status", "reason"),
    [
        ("return x_velocity +", "return torch.log(x_velocity) +", "failed", "not finite"),
        ("alive = healthy", "x_velocity.view(3, 7)\n    alive = healthy", "failed", "line"),
        ("alive = healthy", "for i in range(10**12):\n        alive = i\n    alive = healthy", "timed_out", "1.5 s"),
    ],
)
def test_a_bad_program_takes_out_its_own_member_alone(  # type: ignore[no-untyped-def]
    old: str, new: str, status: str, reason: str, make_job, make_population, write_program: Callable[..., str]
) -> None:
    """A program that fails or hangs ends its member with its status and reason; the others train as without it."""
    rewards = {"a": "expert", "bad": write_program("bad", (old, new)), "c": write_program("good")}
    job = make_job(rewards, reward_timeout_s=1.5)
    population = make_population(job)
    rows, retired = population.train_once(0.0)
    assert [(r.member.key, r.status) for r in retired] == [("bad", status)]
    assert reason in retired[0].reason
    assert {row.key for row in rows} == {"a", "c"}
    train(population, 3)
    assert [m.key for m in population.active] == ["a", "c"]
    alone = make_population(job, "a c")
    train(alone, 4)
    for key in ("a", "c"):
        assert same(alone.save()[key], population.save()[key])


def test_a_program_teaches_what_its_formula_does(make_job, make_population, write_program) -> None:  # type: ignore[no-untyped-def]
    """The expert's formula written as a program and run in its worker gives the expert's curves."""
    job = make_job({"a": "expert"})
    copy = make_job({"a": write_program("copy")})
    for ours, theirs in zip(train(make_population(job), 3), train(make_population(copy), 3), strict=True):
        assert ours.reward_mean == pytest.approx(theirs.reward_mean, abs=1e-5)
        assert ours.fitness == pytest.approx(theirs.fitness, abs=1e-4)


def test_a_member_that_diverges_is_taken_out(make_job, make_population) -> None:  # type: ignore[no-untyped-def]
    """Weights that are no longer numbers end their member with the step at which they were found."""
    job = make_job({"a": "expert", "b": "expert"})
    population = make_population(job)
    train(population, 1)
    states = population.save()
    states["a"]["weights"][:] = 1e30  # the squared error of the critic overflows
    broken = make_population(job, states=states, updates=1)
    rows, retired = broken.train_once(0.0)
    assert [(r.member.key, r.status) for r in retired] == [("a", "failed")]
    assert "not finite after 256 steps" in retired[0].reason
    assert [row.key for row in rows] == ["b"]
    assert torch.isfinite(broken.save()["b"]["weights"]).all()


def make_cart() -> None:
    envreward.wrap(
        "CartPole-v1",
        id="Test/Cart-v0",
        instruction="Keep the pole up.",
        fields={
            "angle": Field("0 is upright.", unit="rad", role="angle", read=lambda w: w.obs[:, 2]),
            "rate": Field("Of the angle.", unit="rad/s", role="angular_velocity", read=lambda w: w.obs[:, 3]),
        },
        success=lambda w: w.steps >= 195,
        fitness=lambda w: w.steps,
    )


def test_worlds_that_cannot_move_stay(tmp_path: Path, make_job, make_population) -> None:  # type: ignore[no-untyped-def]
    """In a foreign environment, whose worlds cannot be saved, a failure too leaves the others' results alone."""
    make_cart()
    (tmp_path / "bad.py").write_text(
        "import torch\ndef compute_reward(angle: torch.Tensor, rate: torch.Tensor):\n"
        "    total = 1.0 / (rate - rate)\n    return total, {'total': total}\n"
    )
    job = make_job({"a": "sparse", "bad": "bad.py", "c": "sparse"}, env_id="Test/Cart-v0")
    population = make_population(job)
    rows, retired = population.train_once(0.0)
    assert [r.member.key for r in retired] == ["bad"]
    rows += train(population, 3)
    assert [m.key for m in population.active] == ["a", "c"]
    alone = make_population(job, "c")
    assert train(alone, 4) == [row for row in rows if row.key == "c"]


def test_learns_with_discrete_actions(tmp_path: Path, make_job, make_population) -> None:  # type: ignore[no-untyped-def]
    """On CartPole, paid for what it is there for, episodes grow from about 20 to over 120 steps within 25,000."""
    make_cart()
    (tmp_path / "up.py").write_text(
        "import torch\ndef compute_reward(angle: torch.Tensor):\n"
        "    up = torch.ones_like(angle)\n    return up, {'up': up}\n"
    )
    settings = {"num_worlds": 8, "rollout_steps": 64, "epochs": 6, "learning_rate": 1e-3, "hidden_sizes": (32, 32)}
    job = make_job({"a": "up.py"}, env_id="Test/Cart-v0", total_steps=25_000, ppo=settings)
    rows = train(make_population(job), 49)
    assert rows[0].fitness is not None and rows[0].fitness < 40
    late = [row.fitness for row in rows[-6:] if row.fitness is not None]
    assert sum(late) / len(late) > 120


def test_learns_with_continuous_actions(make_job, make_population) -> None:  # type: ignore[no-untyped-def]
    """On InvertedPendulum the episode length passes 150 steps within 25,000, from about 10."""
    settings = {"num_worlds": 8, "rollout_steps": 64, "epochs": 6, "learning_rate": 1e-3, "hidden_sizes": (32, 32)}
    job = make_job({"a": "expert"}, env_id="InvertedPendulum", total_steps=25_000, ppo=settings)
    rows = train(make_population(job), 49)
    assert rows[0].episode_length is not None and rows[0].episode_length < 30
    late = [row.episode_length for row in rows[-6:] if row.episode_length is not None]
    assert not late or max(late) > 150  # once it balances, no episode may end in these rollouts
    assert max(row.episode_length or 0 for row in rows) > 150
