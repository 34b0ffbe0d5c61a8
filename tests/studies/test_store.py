"""The record: what goes in comes out, nothing is ever changed, and statuses are final."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from envreward.errors import StudyError
from envreward.llm import Answer, Exchange, Usage
from envreward.studies import Evaluation, Outcome, Proposal, Status, StudyConfig, Traces, TrainedMember
from envreward.studies.records import Verified
from envreward.studies.store import StudyStore
from envreward.training.config import Member, TrainingJob

TRACES = Traces(
    steps=(500, 1000),
    components={"reach": (0.5, None)},
    success=(None, 0.25),
    fitness=(1.0, 2.0),
    episode_return=(3.0, 4.0),
    episode_length=(5.0, None),
)


def _member(key: str, **settings: object) -> TrainedMember:
    base = {"role": "search", "candidate": "c000", "training": "i000", "seed": 7, "status": "trained", "steps": 1000}
    return TrainedMember(key=key, **{**base, **settings})  # type: ignore[arg-type]


def _evaluation(member: str, fitness: float) -> Evaluation:
    return Evaluation(
        member=member,
        seed=7,
        episodes=2,
        success=0.5,
        fitness=fitness,
        episode_length=10.0,
        episode_fitness=(fitness, fitness),
        episode_success=(True, False),
    )


def test_a_candidate_comes_back_as_all_that_became_of_it(store: StudyStore, proposals: list[Proposal]) -> None:
    """Reading a candidate gives its proposal, verified source, final status, traces and scores, and nothing else."""
    store.add_proposals(0, proposals)
    store.record_verification(
        [Verified(candidate="c000", source="def f(): ...", time_per_call_s=1e-4, components=("reach",))],
        [Outcome(candidate="c001", status=Status.REJECTED, reason="line 1: no.")],
    )
    store.end_training([_member("c000-s0"), _member("c000-s1", seed=8)])
    store.record_evaluation(
        [_evaluation("c000-s0", 1.0), _evaluation("c000-s1", 2.0)],
        [Outcome(candidate="c000", status=Status.EVALUATED, traces=TRACES, wall_s=3.0)],
    )
    first, second = store.candidates()
    assert (first.id, first.iteration, first.index, first.answer) == ("c000", 0, 0, "an answer")
    assert first.source == "def f(): ..."
    assert (first.status, first.traces, first.wall_s, first.fitness) == (Status.EVALUATED, TRACES, 3.0, 1.5)
    assert first.evaluations[0] == _evaluation("c000-s0", 1.0)
    assert (second.id, second.source, second.parents) == ("c001", "def compute_reward(): ...", ("c000",))
    assert (second.status, second.reason, second.fitness) == (Status.REJECTED, "line 1: no.", None)
    assert store.candidates(1) == []
    assert store.verified()["c000"].components == ("reach",)


def test_how_a_reward_is_learned_is_kept(store: StudyStore) -> None:
    """A proposal's way of learning comes back with its candidate."""
    store.add_proposals(0, [Proposal(answer="a", learning="heron:pairs=steps"), Proposal(answer="b")])
    assert [c.learning for c in store.candidates()] == ["heron:pairs=steps", ""]


def test_records_from_before_learned_rewards(store: StudyStore, proposals: list[Proposal]) -> None:
    """A record without the column is read as it is, and gets the column when a study goes on with it."""
    store.add_proposals(0, proposals)
    folder = store.folder
    store.close()
    connection = sqlite3.connect(folder / "study.db")
    connection.execute("ALTER TABLE candidates DROP COLUMN learning")
    connection.commit()
    connection.close()
    with StudyStore.open(folder) as old:
        assert [c.learning for c in old.candidates()] == ["", ""]
    with StudyStore.open(folder, versions={}) as going_on:
        going_on.add_proposals(1, [Proposal(answer="c", learning="lare")])
        assert [c.learning for c in going_on.candidates()] == ["", "", "lare"]


def test_each_candidate_ends_in_exactly_one_status(store: StudyStore, proposals: list[Proposal]) -> None:
    """A second final status for a candidate is refused, together with all that was recorded with it."""
    store.add_proposals(0, proposals)
    store.leave_out([Outcome(candidate="c000", status=Status.FILTERED)])
    both = [Outcome(candidate="c001", status=Status.FAILED), Outcome(candidate="c000", status=Status.FAILED)]
    with pytest.raises(sqlite3.IntegrityError):
        store.leave_out(both)
    assert [c.status for c in store.candidates()] == [Status.FILTERED, Status.PROPOSED]


def test_the_record_is_append_only(store: StudyStore, proposals: list[Proposal]) -> None:
    """SQLite itself refuses to change or remove any row, whoever asks."""
    store.add_proposals(0, proposals)
    other = sqlite3.connect(store.folder / "study.db")
    tables = [row[0] for row in other.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    assert "candidates" in tables and "exchanges" in tables
    for change in ("UPDATE candidates SET answer = 'x'", "DELETE FROM candidates", "DELETE FROM sessions"):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            other.execute(change)
    triggers = [row[0] for row in other.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")]
    assert sorted(triggers) == sorted(f"{table}_{verb}" for table in tables for verb in ("update", "delete"))
    other.close()


def test_ids_run_on_over_iterations_and_an_empty_iteration_counts(store: StudyStore, proposals: list[Proposal]) -> None:
    """Candidates are numbered through the study; an iteration without any proposal is not asked for again."""
    store.add_proposals(0, proposals)
    store.add_proposals(1, [])
    store.add_proposals(2, proposals[:1])
    assert [c.id for c in store.candidates()] == ["c000", "c001", "c002"]
    assert store.was_asked(1) and not store.was_asked(3)


def test_spent_adds_up_what_is_recorded(store: StudyStore, proposals: list[Proposal]) -> None:
    """Steps, trainings, calls, tokens and USD are sums over the record; reused baselines cost nothing."""
    store.add_proposals(0, proposals)
    usage = Usage(calls=1, prompt_tokens=10, completion_tokens=5, cost_usd=0.25)
    for key in ("a#0", "a#1"):
        store.put(key, Exchange(key=key, model="m", messages=None, answer=Answer(text="t"), usage=usage))
    store.end_training([_member("c000-s0", steps=600, status="pruned"), _member("c000-s1")])
    store.end_training([_member("expert-r0", role="expert", candidate=None, reused=True)])
    spent = store.spent()
    assert (spent.env_steps, spent.trainings) == (1600, 2)
    assert (spent.llm_calls, spent.prompt_tokens, spent.completion_tokens, spent.tokens) == (2, 20, 10, 30)
    assert spent.usd == 0.5
    unknown = Usage(calls=1, prompt_tokens=1, completion_tokens=1, cost_usd=None)
    store.put("b#0", Exchange(key="b#0", model="m", messages=None, answer=Answer(text="t"), usage=unknown))
    assert store.spent().usd is None, "an unknown price is not a free one"


def test_an_exchange_comes_back_whole(store: StudyStore) -> None:
    """What the language model said is kept word for word, with what was asked and what it cost."""
    exchange = Exchange(
        key="iteration-0/samples#1",
        model="openai/x",
        messages=({"role": "user", "content": "déjà vu ☃"},),
        answer=Answer(text="```python\n```", finish_reason="length"),
        usage=Usage(calls=1, prompt_tokens=3, completion_tokens=4, cost_usd=None),
        parameters={"temperature": 1.0},
        latency_s=0.5,
    )
    store.put(exchange.key, exchange)
    assert store.get(exchange.key) == exchange
    assert store.get("iteration-0/samples#2") is None


def test_time_is_summed_over_sessions_and_phases(tmp_path: Path, make_config: Callable[..., StudyConfig]) -> None:
    """The wall-clock limit counts what earlier sessions took; pauses between sessions do not count."""
    with StudyStore.create(tmp_path, make_config(), {}) as store:
        time.sleep(0.05)
        store.tick("asking")
        time.sleep(0.02)
        store.tick("training")
    time.sleep(0.3)
    with StudyStore.open(tmp_path, versions={}) as store:
        store.tick("training")
        phases = store.phases_s()
        assert 0.05 <= phases["asking"] < 0.25
        assert 0.02 <= phases["training"] < 0.25
        assert 0.07 <= store.spent().wall_s < 0.35
    with StudyStore.open(tmp_path) as reader:
        assert reader.spent().wall_s == pytest.approx(sum(phases.values()), abs=1e-6)


def test_jobs_and_configs_come_back_equal(store: StudyStore, make_config: Callable[..., StudyConfig]) -> None:
    """A resumed study trains exactly the job it had begun, under the latest settings."""
    job = TrainingJob(
        env_id="EnvReward/Hopper-v0",
        members=(Member(key="c000-s0", group="c000", reward="rewards/c000.py", seed=3),),
        total_steps=10,
    )
    store.begin_training("i000", job)
    assert store.trainings() == {"i000": job}
    assert not store.has_ended("i000")
    changed = make_config(samples=9)
    store.set_config(changed)
    assert store.config == changed


def test_a_killed_writer_leaves_a_whole_record(tmp_path: Path) -> None:
    """After kill -9 the record opens, the lock is free, and every committed row is there."""
    script = textwrap.dedent(
        f"""
        import sys
        from pathlib import Path
        from envreward.studies import Proposal, StudyConfig
        from envreward.studies.store import StudyStore
        config = StudyConfig(env_id="e", instruction="i")
        store = StudyStore.create(Path({str(tmp_path)!r}), config, {{}})
        for i in range(10**6):
            store.add_proposals(i, [Proposal(answer=f"a{{i}}")])
            sys.stdout.write(f"{{i}}\\n"); sys.stdout.flush()
        """
    )
    writer = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    for _ in range(20):
        last = int(writer.stdout.readline())
    with pytest.raises(StudyError, match=f"in use by process {writer.pid}"):
        StudyStore.open(tmp_path, versions={})
    with StudyStore.open(tmp_path) as reader:
        assert reader.state() == "running"
        assert len(reader.candidates()) >= last
    os.kill(writer.pid, signal.SIGKILL)
    writer.wait()
    writer.stdout.close()
    with StudyStore.open(tmp_path, versions={}) as store:
        answers = [c.answer for c in store.candidates()]
        assert answers == [f"a{i}" for i in range(len(answers))] and len(answers) > last
        assert store.started() <= time.time()


def test_the_state_says_how_the_last_session_ended(tmp_path: Path, make_config: Callable[..., StudyConfig]) -> None:
    """A study is running, interrupted, finished, or stopped by a limit; only its last session counts."""
    with StudyStore.create(tmp_path, make_config(), {}) as store:
        assert store.state() == "running"
    with StudyStore.open(tmp_path) as reader:
        assert reader.state() == "interrupted"
    for kinds, state in (
        (("stopped", "finished"), "stopped"),
        (("finished",), "finished"),
        (("interrupted",), "interrupted"),
    ):
        with StudyStore.open(tmp_path, versions={}) as store:
            for kind in kinds:
                store.add_event(kind)
        with StudyStore.open(tmp_path) as reader:
            assert reader.state() == state
