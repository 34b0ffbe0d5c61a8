"""Peaks: the policy that earned most of its own reward is kept, and keeping it changes nothing else."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from envreward.errors import ConfigError
from envreward.registry import make_task
from envreward.studies import StudyConfig
from envreward.studies.jobs import make_job as make_job_of_study
from envreward.training.config import MetricRow, TrainingJob
from envreward.training.peaks import SMOOTHING, Peak, peak_policy
from envreward.training.policy_io import load_policy
from envreward.training.population import Population
from envreward.training.runner import check_job
from envreward.training.shard import save_member
from envreward.training.trainers import make_algorithm

POLICY = {"weight": torch.arange(3.0)}


def smoothed(returns: list[float | None]) -> list[float | None]:
    """Return the smoothed return after each rollout, worked out from its definition."""
    found: list[float | None] = []
    value, count = 0.0, 0
    for new in returns:
        if new is not None:
            count += 1
            share = 1 / count if count < 10 else 0.1
            value = (1 - share) * value + share * new
        found.append(value if new is not None else None)
    return found


def test_fidelity_peak_by_hand() -> None:
    """Means of up to ten returns: 1, (1 + 3) / 2 = 2, 4 / 3, (4 + 4) / 4 = 2 again, no new peak, 10.5 / 5 = 2.1."""
    peak = Peak({})
    assert [peak.hear(value) for value in (None, 1.0, 3.0, 0.0, None, 4.0, 2.5)] == [
        False, True, True, False, False, False, True,
    ]  # fmt: skip
    assert SMOOTHING == 0.1


def test_a_first_return_below_zero_is_a_peak() -> None:
    """There is no return that a first one has to pass."""
    peak = Peak({})
    assert peak.hear(-50.0) and not peak.hear(-60.0) and peak.hear(-10.0)


@given(st.lists(st.none() | st.floats(-100, 100), max_size=30), st.integers(0, 30))
def test_saved_and_loaded_it_goes_on(returns: list[float | None], cut: int) -> None:
    """A peak that is saved and loaded in between hears the same, and marks exactly the running maxima."""
    whole, part = Peak({}), Peak({})
    heard, best = [], -float("inf")
    for place, (value, smooth) in enumerate(zip(returns, smoothed(returns), strict=True)):
        if place == cut:
            part = Peak(part.save())
        heard.append(whole.hear(value))
        assert part.hear(value) == heard[-1]
        if smooth is not None and abs(smooth - best) > 1e-9:  # a tie up to rounding may fall either way
            assert heard[-1] == (smooth > best)
        best = best if smooth is None else max(best, smooth)
    assert torch.equal(whole.save()["peak.curve"], part.save()["peak.curve"])


def test_what_is_kept_is_a_copy() -> None:
    """A kept policy does not change with the one that trains on, and a state without one gives none."""
    peak, policy = Peak({}), {"weight": torch.zeros(2)}
    assert peak_policy(peak.save()) == {}
    peak.keep(policy)
    policy["weight"] += 1.0
    assert torch.equal(peak_policy(peak.save())["weight"], torch.zeros(2))


def job_of(make_job, **settings):  # type: ignore[no-untyped-def]
    return make_job({"a": "expert", "b": "sparse"}, checkpoint="peak_return", **settings)


def train(population: Population, updates: int) -> list[MetricRow]:
    return [row for _ in range(updates) for row in population.train_once(0.0)[0]]


@pytest.mark.parametrize("trainer", ["ppo", "sac"])
def test_the_kept_policy_played_the_best_rollout(trainer: str, make_job, make_population) -> None:  # type: ignore[no-untyped-def]
    """After each update a member keeps the weights with which it began the rollout of the highest smoothed return."""
    job: TrainingJob = job_of(make_job, trainer=trainer, env_id="InvertedPendulum")
    algorithm = make_algorithm(job, make_task(job.env_id))
    population, before, returns = make_population(job), [], []
    for _ in range(12):
        before.append(algorithm.policy(population.save()["a"])[1])
        returns.append(next(row for row in population.train_once(0.0)[0] if row.key == "a").episode_return)
    values = [-float("inf") if value is None else value for value in smoothed(returns)]
    expected = before[values.index(max(values))]
    kept = peak_policy(population.save()["a"])
    assert kept.keys() == expected.keys() and all(torch.equal(kept[n], expected[n]) for n in kept)


def test_episodes_cut_short_are_no_peaks(make_job, make_population, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    """Where first episodes end early, a reward below zero does not make the untrained policy the best one for good."""
    program = tmp_path / "negative.py"
    program.write_text(
        "import torch\nfrom torch import Tensor\n\n"
        "def compute_reward(x_velocity: Tensor) -> tuple[Tensor, dict[str, Tensor]]:\n"
        "    cost = 0.0 * x_velocity - 1.0\n    return cost, {'cost': cost}\n"
    )
    job = make_job(
        {"a": str(program)}, env_id="HalfCheetah", checkpoint="peak_return",
        ppo={"rollout_steps": 250, "spread_starts": True},
    )  # fmt: skip
    population, curves = make_population(job), []
    for _ in range(5):
        population.train_once(0.0)
        curves.append(population.save()["a"]["peak.curve"].tolist())
    assert [count for _, count, _ in curves] == [0, 0, 0, 1, 2]
    assert curves[-1][0] == curves[-1][2] == -1000.0


def test_keeping_changes_nothing_of_the_training(make_job, make_population) -> None:  # type: ignore[no-untyped-def]
    """With and without it, members are bit for bit the same but for what is kept; ``final`` keeps nothing."""
    job = job_of(make_job)
    keeping, plain = make_population(job), make_population(dataclasses.replace(job, checkpoint="final"))
    assert train(keeping, 4) == train(plain, 4)
    for key, state in plain.save().items():
        kept = keeping.save()[key]
        assert not peak_policy(state) and kept.keys() - state.keys() == {n for n in kept if n.startswith("peak.")}
        assert all(torch.equal(state[name], kept[name]) for name in state)


def test_resumed_bit_for_bit(make_job, make_population) -> None:  # type: ignore[no-untyped-def]
    """Taken apart and put together again, alone or with others, a member ends with the same kept policy and curve."""
    job = job_of(make_job)
    whole = make_population(job)
    train(whole, 3)
    states = whole.save()
    train(whole, 4)
    part = make_population(job, "b", states=states, updates=3)
    train(part, 4)
    one, other = whole.save()["b"], part.save()["b"]
    kept = {name for name in one if name.startswith("peak.")}
    assert kept == {name for name in other if name.startswith("peak.")} and len(kept) > 2
    assert all(torch.equal(one[name], other[name]) for name in kept)


def test_the_kept_policy_comes_out(tmp_path: Path, make_job, make_population) -> None:  # type: ignore[no-untyped-def]
    """What is written at the end is the kept policy, or the last one where no episode ever ended."""
    job = job_of(make_job)
    population, task = make_population(job), make_task(job.env_id)
    train(population, 4)
    state = population.save()["a"]
    state = {n: rows + 1.0 if n.startswith("peak.") and rows.is_floating_point() else rows for n, rows in state.items()}
    save_member(job, job.members[0], tmp_path, task, state, "trained", "", population.steps, 0.0)
    written = load_policy(tmp_path / "members" / "a").tensors
    assert all(torch.equal(written[name], rows) for name, rows in peak_policy(state).items())
    without = {n: rows for n, rows in state.items() if not n.startswith("peak.")}
    save_member(job, job.members[0], tmp_path, task, without, "trained", "", population.steps, 0.0)
    last = make_algorithm(job, task).policy(without)[1]
    assert all(torch.equal(load_policy(tmp_path / "members" / "a").tensors[name], rows) for name, rows in last.items())


def test_stable_baselines_keeps_its_last_policy_only(make_job) -> None:  # type: ignore[no-untyped-def]
    """What cannot be had is refused in one line before anything starts."""
    with pytest.raises(ConfigError, match="keeps its last policy only"):
        check_job(job_of(make_job, trainer="sb3:ppo"))
    with pytest.raises(ConfigError, match="take checkpoint final"):
        StudyConfig(env_id="T", instruction="Go.", trainer="sb3:sac", checkpoint="peak_return")


def test_the_study_decides_and_old_records_are_read(make_job) -> None:  # type: ignore[no-untyped-def]
    """A study hands its choice to its trainings; jobs and studies recorded before there was one keep the last one."""
    config = StudyConfig(env_id="EnvReward/Hopper-v0", instruction="Hop.", checkpoint="peak_return")
    assert make_job_of_study(config, (), racing=False).checkpoint == "peak_return"
    assert StudyConfig.from_json(config.to_json()) == config
    old = json.loads(config.to_json())
    del old["checkpoint"]
    assert StudyConfig.from_json(json.dumps(old)).checkpoint == "final"
    job = json.loads(json.dumps(dataclasses.asdict(job_of(make_job))))
    del job["checkpoint"]
    assert TrainingJob.from_json(json.dumps(job)).checkpoint == "final"
