"""The loop, end to end: real verification, sandbox, training, evaluation; only the designer is the test's own."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from envreward.errors import BudgetExceededError
from envreward.registry import make_task
from envreward.studies import Budget, Candidate, Proposal, Status, StudyConfig
from envreward.studies.crew import Crew, usable_sandbox
from envreward.studies.designer import Brief, Context
from envreward.studies.loop import Study, StudyResult
from envreward.studies.store import StudyStore
from envreward.training.config import PPOConfig

GOOD = "def compute_reward(pole_angle):\n    r = 1.0 - pole_angle.square()\n    return r, {'upright': r}\n"
STILL = "def compute_reward(cart_velocity):\n    r = -cart_velocity.square()\n    return r, {'still': r}\n"
UNKNOWN = "def compute_reward(pole_angel):\n    return pole_angel, {}\n"
RAISES = "def compute_reward(pole_angle):\n    r = pole_angle.reshape(3, -1, 7)\n    return r, {}\n"
NO_CODE = "I would reward the pole for being upright."
# Finite on the states of the dry run, not once the pole has been balanced for long enough for time to pass.
NAN_LATER = (
    "import torch\n\ndef compute_reward(time):\n    r = torch.where(time > 0.1, 0.0 / (time - time), time)\n"
    "    return r, {'late': r}\n"
)


class Scripted:
    """A designer that proposes given programs and keeps what it is told."""

    needs_llm = False
    default_samples = default_iterations = 1

    def __init__(self, *iterations: Sequence[str]) -> None:
        self.iterations = iterations
        self.asked: list[Context] = []
        self.told: list[list[Candidate]] = []

    def ask(self, context: Context) -> list[Proposal]:
        """Return the iteration's programs."""
        self.asked.append(context)
        return [Proposal(answer=text) for text in self.iterations[context.iteration]]

    def tell(self, context: Context, candidates: Sequence[Candidate]) -> None:
        """Keep the candidates."""
        self.told.append([*candidates])


@pytest.fixture(autouse=True)
def own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Each test has its own kept baselines."""
    monkeypatch.setenv("ENVREWARD_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def small(make_config: Callable[..., StudyConfig]) -> Callable[..., StudyConfig]:
    """Return a maker of configs that train for a second."""

    def make(**settings: Any) -> StudyConfig:
        base: dict[str, Any] = {
            "env_id": "EnvReward/InvertedPendulum-v0",
            "steps": 1024,
            "iterations": 1,
            "final_seeds": 1,
            "processes": 1,
            "ppo": PPOConfig(num_worlds=16, rollout_steps=16, minibatch_size=128, epochs=2),
            "sandbox": "process",
        }
        return make_config(**base | settings)

    return make


def run(folder: Path, config: StudyConfig, designer: Scripted) -> tuple[StudyResult, list[Candidate]]:
    """Run a study, new or begun, and return its result and its candidates."""
    task = make_task(config.env_id)
    brief = Brief(
        env_id=config.env_id,
        instruction=config.instruction,
        fields=task.fields,
        horizon=10,
        fitness_doc=task.fitness_doc,
    )
    crew = Crew(task=task, brief=brief, designer=designer, sandbox=usable_sandbox(config.sandbox), llm=None)
    new = not (folder / "study.db").exists()
    with StudyStore.create(folder, config, {}) if new else StudyStore.open(folder, versions={}) as store:
        if store.config != config:
            store.set_config(config)
        result = Study(store, crew).run()
        return result, store.candidates()


def test_a_study_from_proposals_to_the_comparison(tmp_path: Path, small: Callable[..., StudyConfig]) -> None:
    """Good programs are trained and scored, bad ones end in their own status with a reason, the best is compared."""
    designer = Scripted([GOOD, NO_CODE, UNKNOWN, RAISES, NAN_LATER], [STILL])
    config = small(samples=5, iterations=2, seeds=2, final_seeds=2)
    result, candidates = run(tmp_path / "run", config, designer)
    statuses = [c.status for c in candidates]
    assert statuses == [
        Status.EVALUATED,
        Status.UNPARSED,
        Status.REJECTED,
        Status.FAILED,
        Status.FAILED,
        Status.EVALUATED,
    ]
    assert "pole_angle" in candidates[2].reason, "a near match is offered"
    assert all(c.reason for c in candidates if c.status is not Status.EVALUATED)
    good = candidates[0]
    assert [e.seed for e in good.evaluations] == [0, 1] and good.traces is not None
    assert good.traces.steps[-1] == 1024 and len(good.traces.components["upright"]) == len(good.traces.steps)
    assert all(e.episodes == config.eval_episodes for e in good.evaluations)
    assert result.winner == max((good, candidates[5]), key=lambda c: (c.fitness or 0.0, c.id == "c000"))
    assert [(m.role, m.seed) for m in result.members] == [
        (role, 100_000_000 + i) for role in ("winner", "expert", "sparse") for i in range(2)
    ]
    assert all(m.evaluation is not None and m.evaluation.fitness > 0 for m in result.members)
    assert result.stopped is None
    # the second iteration was asked with the first one's ends, and the designer heard of both
    assert [c.status for c in designer.asked[1].history] == statuses[:5]
    assert [[c.id for c in told] for told in designer.told] == [["c000", "c001", "c002", "c003", "c004"], ["c005"]]


def test_a_finished_study_is_not_done_again(tmp_path: Path, small: Callable[..., StudyConfig]) -> None:
    """Resuming what has ended asks nobody, trains nothing, and gives the same result."""
    first, before = run(tmp_path / "run", small(), Scripted([GOOD, STILL]))
    with StudyStore.open(tmp_path / "run") as store:
        spent = store.spent()
    designer = Scripted()
    again, after = run(tmp_path / "run", small(), designer)
    assert designer.asked == [] and len(designer.told) == 1
    assert (again.winner, again.members, after) == (first.winner, first.members, before)
    with StudyStore.open(tmp_path / "run") as store:
        assert store.spent().env_steps == spent.env_steps and store.state() == "finished"


def test_same_seed_same_result(tmp_path: Path, small: Callable[..., StudyConfig]) -> None:
    """Two studies with the same seed and answers agree to the last digit; another seed differs."""
    (_, one), (_, two), (_, other) = (
        run(tmp_path / name, small(seed=seed), Scripted([GOOD])) for name, seed in (("a", 0), ("b", 0), ("c", 1))
    )
    assert [dataclasses.replace(c, wall_s=None) for c in one] == [dataclasses.replace(c, wall_s=None) for c in two]
    assert one[0].evaluations[0].episode_fitness != other[0].evaluations[0].episode_fitness


def test_baselines_are_trained_once(tmp_path: Path, small: Callable[..., StudyConfig]) -> None:
    """A second study takes the baselines of the first, with the same scores, at no cost; new seeds are trained."""
    first, _ = run(tmp_path / "a", small(), Scripted([GOOD]))
    second, _ = run(tmp_path / "b", small(seed=1, final_seeds=2), Scripted([GOOD]))
    mine = {m.key: m for m in second.members}
    assert [m.key for m in second.members if m.reused] == ["expert-r0", "sparse-r0"]
    for member in first.members[1:]:
        assert mine[member.key].evaluation == member.evaluation
        assert (tmp_path / "b" / "trainings" / f"kept-{member.key}" / "members" / member.key / "policy.json").is_file()
    with StudyStore.open(tmp_path / "b") as store:
        assert store.spent().trainings == 1 + 2 + 2  # candidate, winner, and the baselines' second seeds
    third, _ = run(tmp_path / "c", small(steps=2048), Scripted([GOOD]))
    assert not any(m.reused for m in third.members), "another budget is another baseline"


def test_no_program_no_winner(tmp_path: Path, small: Callable[..., StudyConfig]) -> None:
    """A study whose designer never gives a program ends without a winner and without training anything."""
    result, candidates = run(tmp_path / "run", small(iterations=2), Scripted([NO_CODE], []))
    assert result == StudyResult(winner=None, members=(), stopped=None)
    assert [c.status for c in candidates] == [Status.UNPARSED]
    assert not (tmp_path / "run" / "trainings").exists()


@pytest.mark.parametrize("limit", ["env_steps", "trainings"])
def test_a_limit_is_never_passed(tmp_path: Path, small: Callable[..., StudyConfig], limit: str) -> None:
    """With room for three candidates beside the comparison, three are trained and the fourth is not."""
    each = 1024 if limit == "env_steps" else 1
    budget = Budget(**{limit: (3 + 3) * each})
    designer = Scripted([GOOD, STILL], [GOOD, STILL], [GOOD, STILL])
    result, candidates = run(tmp_path / "run", small(iterations=3, budget=budget), designer)
    assert [c.status for c in candidates] == [Status.EVALUATED] * 3 + [Status.FILTERED]
    assert "limit on" in candidates[3].reason
    assert len(designer.asked) == 2, "nobody is asked for what cannot be trained"
    assert result.stopped is not None and "limit on" in result.stopped
    assert [m.role for m in result.members] == ["winner", "expert", "sparse"]
    with StudyStore.open(tmp_path / "run") as store:
        spent = store.spent()
        assert getattr(spent, limit) == 6 * each and store.state() == "stopped"
    # a higher limit goes on where it had stopped
    more = small(iterations=3, budget=Budget(**{limit: 100 * each}))
    result, candidates = run(tmp_path / "run", more, designer)
    assert [c.status for c in candidates[4:]] == [Status.EVALUATED] * 2
    assert result.stopped is None


def test_too_little_for_anything_is_said_before_it_begins(tmp_path: Path, small: Callable[..., StudyConfig]) -> None:
    """Limits that do not hold one candidate and the comparison are refused with the number that would do."""
    from envreward.studies.comparison import require_minimum

    config = small(budget=Budget(env_steps=4095))
    task = make_task(config.env_id)
    with pytest.raises(BudgetExceededError, match="allow 4,096 or more"):
        require_minimum(config, task)
    require_minimum(small(budget=Budget(env_steps=4096)), task)


def test_the_time_limit_ends_a_training(tmp_path: Path, small: Callable[..., StudyConfig]) -> None:
    """When time is over the training stops, its candidates end as pruned, and the whole stays within the limit."""
    config = small(steps=50_000_000, budget=Budget(wall_s=12.0))
    result, candidates = run(tmp_path / "run", config, Scripted([GOOD]))
    assert [c.status for c in candidates] == [Status.PRUNED]
    assert "wall-clock" in candidates[0].reason and candidates[0].traces is not None
    assert result.winner is None and result.stopped is not None
    with StudyStore.open(tmp_path / "run") as store:
        assert store.spent().wall_s < 12.0 and store.spent().env_steps > 0
