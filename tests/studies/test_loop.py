"""The loop, end to end: real verification, sandbox, training, evaluation; only the designer is the test's own."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from envreward.errors import BudgetExceededError
from envreward.registry import make_task
from envreward.studies import Budget, Candidate, Proposal, Status, StudyConfig
from envreward.studies.comparison import policies_to_train, require_minimum
from envreward.studies.crew import Crew, usable_sandbox
from envreward.studies.designer import Brief, Context
from envreward.studies.folder import RunFolder
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


@pytest.fixture(scope="module", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Baselines are kept between the studies of this module alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ENVREWARD_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


def small(**settings: Any) -> StudyConfig:
    """Return a config that trains for a second."""
    base: dict[str, Any] = {
        "env_id": "EnvReward/InvertedPendulum-v0",
        "instruction": "Balance the pole.",
        "samples": 5,
        "iterations": 1,
        "steps": 1024,
        "final_seeds": 1,
        "eval_episodes": 4,
        "processes": 1,
        "ppo": PPOConfig(num_worlds=16, rollout_steps=16, minibatch_size=128, epochs=2),
        "sandbox": "process",
    }
    return StudyConfig(**base | settings)


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


class Whole(NamedTuple):
    """A study that ran to its end."""

    folder: Path
    config: StudyConfig
    designer: Scripted
    result: StudyResult
    candidates: list[Candidate]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Whole:
    """Two iterations of good and bad programs, trained on two seeds each, and a comparison on two fresh seeds."""
    designer = Scripted([GOOD, NO_CODE, UNKNOWN, RAISES, NAN_LATER], [STILL])
    config = small(iterations=2, seeds=2, final_seeds=2)
    folder = tmp_path_factory.mktemp("whole") / "run"
    return Whole(folder, config, designer, *run(folder, config, designer))


def test_each_candidate_ends_in_its_status(whole: Whole) -> None:
    """Good programs are trained and scored; bad ones end in their own status with a reason."""
    statuses = [c.status for c in whole.candidates]
    assert statuses == [
        Status.EVALUATED,
        Status.UNPARSED,
        Status.REJECTED,
        Status.FAILED,
        Status.FAILED,
        Status.EVALUATED,
    ]
    assert "pole_angle" in whole.candidates[2].reason, "a near match is offered"
    assert all(c.reason for c in whole.candidates if c.status is not Status.EVALUATED)
    # the second iteration was asked with the first one's ends, and the designer heard of both
    assert [c.status for c in whole.designer.asked[1].history] == statuses[:5]
    assert [[c.id for c in told] for told in whole.designer.told] == [
        ["c000", "c001", "c002", "c003", "c004"],
        ["c005"],
    ]


def test_a_scored_candidate_has_traces_and_one_score_per_seed(whole: Whole) -> None:
    """Traces end with the training and hold every component; scores carry the training seed."""
    good = whole.candidates[0]
    assert good.traces is not None and good.traces.steps[-1] == 1024
    assert len(good.traces.components["upright"]) == len(good.traces.steps) > 1
    assert [e.seed for e in good.evaluations] == [0, 1]
    assert all(e.episodes == len(e.episode_fitness) == 4 for e in good.evaluations)
    assert good.fitness == pytest.approx(sum(sum(e.episode_fitness) for e in good.evaluations) / 8)


def test_the_winner_is_compared_on_fresh_seeds(whole: Whole) -> None:
    """Winner, expert and sparse reward are each trained and scored on seeds the search never used."""
    scored = [c for c in whole.candidates if c.fitness is not None]
    assert whole.result.winner == max(scored, key=lambda c: c.fitness or 0.0)
    assert [(m.role, m.seed) for m in whole.result.members] == [
        (role, 100_000_000 + i) for role in ("winner", "expert", "sparse") for i in range(2)
    ]
    assert all(m.evaluation is not None and m.evaluation.seed == m.seed for m in whole.result.members)
    assert whole.result.stopped is None


def test_a_finished_study_is_not_done_again(whole: Whole) -> None:
    """Resuming what has ended asks nobody, trains nothing, and gives the same result."""
    with StudyStore.open(whole.folder) as store:
        spent = store.spent()
    designer = Scripted()
    result, candidates = run(whole.folder, whole.config, designer)
    assert designer.asked == [] and len(designer.told) == 2
    assert (result, candidates) == (whole.result, whole.candidates)
    with StudyStore.open(whole.folder) as store:
        after = store.spent()
        assert store.state() == "finished"
    assert (after.env_steps, after.trainings) == (spent.env_steps, spent.trainings) == (10 * 1024, 10)


def test_same_seed_same_scores_whoever_else_is_there(whole: Whole, tmp_path: Path) -> None:
    """Another study with the same seed gives a program the same traces and scores to the last digit, trained alone.

    It takes the baselines of the first, with the same scores, at no cost.
    """
    result, candidates = run(tmp_path / "run", small(seeds=2, final_seeds=2), Scripted([GOOD]))
    first, again = whole.candidates[0], candidates[0]
    assert (again.evaluations, again.traces) == (first.evaluations, first.traces)
    assert [m.key for m in result.members if m.reused] == ["expert-r0", "expert-r1", "sparse-r0", "sparse-r1"]
    assert [m.evaluation for m in result.members[2:]] == [m.evaluation for m in whole.result.members[2:]]
    with StudyStore.open(tmp_path / "run") as store:
        assert store.spent().trainings == 2 + 2  # the candidate's and the winner's
    kept = RunFolder(tmp_path / "run")
    assert (kept.policy("kept-expert-r0", "expert-r0") / "policy.safetensors").is_file()
    assert kept.rows("kept-expert-r0", {"expert-r0"})[-1].step == 1024


def test_baselines_are_kept_by_all_that_decides_them(whole: Whole) -> None:
    """Other steps, other PPO settings or another task are other baselines; another search seed is not."""
    task = make_task(whole.config.env_id)
    assert policies_to_train(small(final_seeds=2, seed=5, samples=9), task) == 2
    assert policies_to_train(small(final_seeds=3), task) == 3 + 2
    assert policies_to_train(small(final_seeds=2, steps=2048), task) == 6
    assert policies_to_train(small(final_seeds=2, ppo=PPOConfig()), task) == 6
    hopper = small(final_seeds=2, env_id="EnvReward/Hopper-v0")
    assert policies_to_train(hopper, make_task(hopper.env_id)) == 6


def test_no_program_no_winner(tmp_path: Path) -> None:
    """A study whose designer never gives a program ends without a winner and without training anything."""
    result, candidates = run(tmp_path / "run", small(iterations=2), Scripted([NO_CODE], []))
    assert result == StudyResult(winner=None, members=(), stopped=None)
    assert [c.status for c in candidates] == [Status.UNPARSED]
    assert not (tmp_path / "run" / "trainings").exists()


def test_a_limit_is_never_passed_and_can_be_raised(tmp_path: Path) -> None:
    """With room for one candidate beside the comparison, one is trained; with a higher limit the search goes on."""
    steps = 512  # the baselines are this test's own
    designer = Scripted([GOOD, STILL], [STILL])
    limited = small(iterations=2, steps=steps, budget=Budget(env_steps=(1 + 3) * steps + 100))
    result, candidates = run(tmp_path / "run", limited, designer)
    assert [c.status for c in candidates] == [Status.EVALUATED, Status.FILTERED]
    assert "limit on environment steps" in candidates[1].reason
    assert len(designer.asked) == 1, "nobody is asked for what cannot be trained"
    assert result.stopped is not None and "limit on environment steps" in result.stopped
    assert [m.role for m in result.members if m.evaluation] == ["winner", "expert", "sparse"]
    with StudyStore.open(tmp_path / "run") as store:
        assert store.spent().env_steps == 4 * steps and store.state() == "stopped"
    more = dataclasses.replace(limited, budget=Budget(env_steps=100 * steps))
    result, candidates = run(tmp_path / "run", more, designer)
    assert [c.status for c in candidates] == [Status.EVALUATED, Status.FILTERED, Status.EVALUATED]
    assert result.stopped is None


def test_too_little_for_anything_is_said_before_it_begins() -> None:
    """Limits that do not hold one candidate and the comparison are refused with the number that would do."""
    task = make_task("EnvReward/InvertedPendulum-v0")
    with pytest.raises(BudgetExceededError, match="allow 1,200 or more"):
        require_minimum(small(steps=300, budget=Budget(env_steps=1199)), task)
    require_minimum(small(steps=300, budget=Budget(env_steps=1200)), task)
    with pytest.raises(BudgetExceededError, match="a limit of 3 trainings does not hold"):
        require_minimum(small(steps=300, budget=Budget(trainings=3)), task)


def test_the_time_limit_ends_a_training(tmp_path: Path) -> None:
    """When time is over the training stops, its candidates end as pruned, and the whole stays within the limit."""
    config = small(steps=50_000_000, budget=Budget(wall_s=25.0))
    result, candidates = run(tmp_path / "run", config, Scripted([GOOD]))
    assert [c.status for c in candidates] == [Status.PRUNED]
    assert "wall-clock" in candidates[0].reason
    assert result.winner is None and result.stopped is not None and "wall-clock" in result.stopped
    with StudyStore.open(tmp_path / "run") as store:
        assert store.spent().wall_s < 25.0
