"""From a record to the report: what is in it comes out, what is missing is said, and the film shows the median."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from envreward.errors import StudyError
from envreward.reports import write_report
from envreward.reports.load import load_report_data, median_policy
from envreward.studies import Evaluation, Outcome, Proposal, Status, StudyConfig, Traces, TrainedMember
from envreward.studies.records import Role, Verified
from envreward.studies.store import StudyStore
from envreward.training.config import Member, MetricRow, TrainingJob

CONFIG = StudyConfig(
    env_id="EnvReward/Hopper-v0",
    instruction="Hop.",
    samples=2,
    iterations=1,
    steps=1000,
    final_seeds=3,
    eval_episodes=4,
)


def row(key: str, step: int, fitness: float | None) -> MetricRow:
    """A line of metrics."""
    return MetricRow(
        key=key,
        step=step,
        wall_s=1.0,
        success=None if fitness is None else 0.5,
        fitness=fitness,
        episode_return=fitness,
        episode_length=10.0,
        components={"speed": 0.1},
        reward_mean=0.1,
        entropy=1.0,
        kl=0.01,
        clip_fraction=0.1,
        value_loss=0.2,
        explained_variance=None,
        learning_rate=3e-4,
    )


def score(key: str, seed: int, fitness: float) -> Evaluation:
    """A clean-room score."""
    return Evaluation(member=key, seed=seed, episodes=4, success=0.5, fitness=fitness, episode_length=10.0)


def member(key: str, role: Role, training: str, seed: int, **changes: Any) -> TrainedMember:
    """A trained policy."""
    candidate = "c001" if role in ("search", "winner") else None
    base = TrainedMember(
        key=key, role=role, candidate=candidate, training=training, seed=seed, status="trained", steps=1000
    )
    return dataclasses.replace(base, **changes)


def job(*keys: str) -> TrainingJob:
    """A training of some members."""
    members = tuple(Member(key=k, group=k, reward="sparse", seed=i) for i, k in enumerate(keys))
    return TrainingJob(env_id=CONFIG.env_id, members=members, total_steps=1000)


def search(store: StudyStore, learning: str = "") -> None:
    """One iteration: the first candidate is rejected, the second reaches a fitness of 8."""
    second = Proposal(answer="b", source="def f(): ...", origin="sample 1", learning=learning)
    store.add_proposals(0, [Proposal(answer="???"), second])
    verified = Verified(
        candidate="c001", source="def compute_reward(): ...", time_per_call_s=0.001, components=("speed",)
    )
    store.record_verification(
        [verified], [Outcome(candidate="c000", status=Status.REJECTED, reason="line 1: no. Fix: yes.")]
    )
    store.begin_training("i000", job("c001-s0"))
    store.end_training([member("c001-s0", "search", "i000", 0)])
    traces = Traces(steps=(500, 1000), components={"speed": (0.1, 0.2)}, fitness=(None, 8.0))
    store.record_evaluation(
        [score("c001-s0", 0, 8.0)], [Outcome(candidate="c001", status=Status.EVALUATED, traces=traces, wall_s=2.0)]
    )


def compare(store: StudyStore, winners: list[float], sparse: list[float]) -> None:
    """The final comparison, with a curve for each policy; no expert."""
    keys = [f"c001-r{i}" for i in range(len(winners))] + [f"sparse-r{i}" for i in range(len(sparse))]
    store.begin_training("final-0", job(*keys))
    roles: list[Role] = ["winner"] * len(winners) + ["sparse"] * len(sparse)
    seeds = [*range(len(winners)), *range(len(sparse))]
    store.end_training(
        member(k, r, "final-0", 100 + s, reused=r == "sparse") for k, r, s in zip(keys, roles, seeds, strict=True)
    )
    store.record_evaluation(score(k, 100 + s, f) for k, s, f in zip(keys, seeds, [*winners, *sparse], strict=True))
    folder = store.folder / "trainings" / "final-0"
    folder.mkdir(parents=True)
    rows = [row(k, s, f) for k in keys for s, f in ((500, None), (1000, 5.0))]
    lines = [json.dumps(dataclasses.asdict(dataclasses.replace(r, broken=int(r.key == "c001-r1")))) for r in rows]
    (folder / "metrics.jsonl").write_text("\n".join(lines) + '\n{"torn')


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., Path]:
    """Record a study by steps and return its folder."""

    def record(*steps: Callable[[StudyStore], None], close: bool = True) -> Path:
        store = StudyStore.create(tmp_path / "run", CONFIG, {"torch": "2.15.0", "machine": "a box"})
        for step in steps:
            step(store)
        if close:
            store.close()
        return tmp_path / "run"

    return record


def finish(store: StudyStore) -> None:
    """The study's last words."""
    store.add_event("finished")


def test_a_finished_study_comes_out_whole(run: Callable[..., Path]) -> None:
    """Winner, arms with scores and curves, costs, versions; the torn line of a curve is no value."""
    data = load_report_data(run(search, lambda s: compare(s, [7.0, 9.0, 8.5], [1.0, 2.0, 3.0]), finish))
    assert (data.state, data.winner_id, data.stop_reason) == ("finished", "c001", "")
    winner, sparse = data.arm("winner"), data.arm("sparse")
    assert winner.fitness == [7.0, 9.0, 8.5] and sparse.fitness == [1.0, 2.0, 3.0]
    assert [c.steps for c in winner.curves] == [(500, 1000)] * 3
    assert winner.curves[0].fitness == (None, 5.0)
    assert winner.broken == 2 and data.arm("sparse").broken == 0
    assert data.winner is not None and data.winner.source == "def compute_reward(): ..."
    assert data.candidates[0].status is Status.REJECTED and "Fix: yes" in data.candidates[0].reason
    assert data.spent is not None and data.spent.trainings == 4  # the reused baselines cost nothing
    assert any("trained by an earlier study" in note for note in data.notes)
    assert data.versions["torch"] == "2.15.0" and data.fitness_doc
    assert data.arm("expert").absent == "not run"
    assert "resume" not in " ".join(data.commands.values())


def test_states_are_told_apart(run: Callable[..., Path], tmp_path: Path) -> None:
    """Locked and not finished: running. Let go: interrupted. Finished and still open: finished."""
    folder = run(search, close=False)
    assert load_report_data(folder).state == "running"
    store = StudyStore.create(tmp_path / "other", CONFIG, {})
    store.add_event("interrupted")
    store.close()
    data = load_report_data(tmp_path / "other")
    assert data.state == "interrupted" and f"envreward resume {tmp_path / 'other'}" in data.commands.values()
    with StudyStore.open(tmp_path / "other", versions={}) as again:
        finish(again)
        assert load_report_data(tmp_path / "other").state == "finished"


def test_a_limit_is_named(run: Callable[..., Path]) -> None:
    """A study that ran into a limit has ended, and the report says at which."""
    data = load_report_data(run(search, lambda s: s.add_event("stopped", "limit on tokens (9): 9 used"), finish))
    assert (data.state, data.stop_reason) == ("finished", "limit on tokens (9): 9 used")


def test_lost_runs_are_not_forgotten(run: Callable[..., Path]) -> None:
    """When a training of an arm failed, the arm's numbers say that they come from the others."""

    def lose(store: StudyStore) -> None:
        store.begin_training("final-0", job("c001-r0", "c001-r1", "sparse-r0"))
        store.end_training(
            [
                member("c001-r0", "winner", "final-0", 100),
                member("c001-r1", "winner", "final-0", 101, status="crashed", reason="out of memory"),
                member("sparse-r0", "sparse", "final-0", 100, status="failed", reason="not finite"),
            ]
        )
        store.record_evaluation([score("c001-r0", 100, 5.0)])

    data = load_report_data(run(search, lose, finish))
    assert any("Only 1 of 3 trainings of the winner" in note for note in data.notes)
    assert data.arm("sparse").absent == "its training ended as failed: not finite"


def test_the_film_shows_the_median(run: Callable[..., Path]) -> None:
    """Of an even number the lower of the two in the middle: never the best that luck gave."""
    folder = run(search, lambda s: compare(s, [7.0, 9.0, 8.5, 8.0], [1.0]), finish)
    with StudyStore.open(folder) as store:
        chosen = median_policy(store.members())
    assert chosen is not None and chosen.key == "c001-r3"
    (folder / "c001-r3.mp4").write_bytes(b"a film")
    data = load_report_data(folder)
    assert data.video_mp4 == b"a film" and "median fitness among 4" in data.video_note


def test_a_report_without_film_says_why(run: Callable[..., Path]) -> None:
    """A policy that cannot be filmed costs the report its film alone."""
    folder = run(search, lambda s: compare(s, [7.0, 9.0, 8.5], [1.0, 2.0, 3.0]), finish)
    path = write_report(folder)
    text = path.read_text()
    assert path == folder / "report.html" and "There is no video: no policy in" in text
    assert "beats the sparse reward" in text
    assert sorted(p.name for p in folder.iterdir() if "partial" in p.name) == []


def test_a_learned_reward_is_not_judged(run: Callable[..., Path]) -> None:
    """The record says how the winner's reward is learned, and the report why its program's total was not judged."""

    folder = run(lambda s: search(s, learning="heron"), lambda s: compare(s, [7.0], [1.0]), finish)
    data = load_report_data(folder, judge=True)
    assert data.winner is not None and data.winner.learning == "heron"
    assert data.judged is None and "learned from the components of its program" in data.judged_note


def test_a_report_at_any_moment(run: Callable[..., Path]) -> None:
    """A study that has only just begun, or was killed within its search, has a report."""
    assert "No reward yet" in write_report(run()).read_text()


def test_a_killed_search_has_a_report(run: Callable[..., Path]) -> None:
    """A leader without fresh seeds is no winner yet."""
    assert "c001 leads the search, not yet confirmed" in write_report(run(search)).read_text()


def test_no_study_is_an_error(tmp_path: Path) -> None:
    """A folder without a record: one line, nothing written."""
    with pytest.raises(StudyError, match="no study in"):
        write_report(tmp_path)
    assert list(tmp_path.iterdir()) == []
