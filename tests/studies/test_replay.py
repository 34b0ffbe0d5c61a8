"""Sharing a study and comparing it with its replay: what may not leave, and what may not differ unnoticed."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from envreward.errors import ConfigError
from envreward.llm import Answer, Exchange, LLMConfig
from envreward.llm.recording import read_recording
from envreward.studies import Evaluation, Outcome, Proposal, Status, StudyConfig, Traces, TrainedMember
from envreward.studies.folder import RunFolder
from envreward.studies.records import Role
from envreward.studies.replay import SharedStudy, differences, read_shared, result_of, share
from envreward.studies.store import StudyStore
from envreward.training.config import Member, TrainingJob

SOURCE = "def compute_reward(x_velocity):\n    return x_velocity, {'speed': x_velocity}\n"
CURVES = Traces(steps=(500, 1000), components={"speed": (0.1, 0.2)}, fitness=(None, 8.0), success=(0.0, 0.5))
VERDICT = {
    "about": "designed",
    "level": "doubts",
    "headline": "designed: usable, with doubts",
    "remarks": [["doubt", "Components that never differ: bonus."]],
}
PAIR = {
    "about": "designed and sparse",
    "level": "sound",
    "headline": "designed and sparse ask for much the same",
    "remarks": [["fact", "STARC distance 0.20."]],
}


def score(key: str, fitness: float, success: float) -> Evaluation:
    """A clean-room score."""
    episodes = (fitness - 1, fitness + 1)
    return Evaluation(
        member=key, seed=1, episodes=2, success=success, fitness=fitness, episode_length=10.0, episode_fitness=episodes
    )


def trained(store: StudyStore, key: str, role: Role, evaluation: Evaluation) -> None:
    """Record one policy, with its score."""
    training = f"t-{key}"
    job = TrainingJob(
        env_id=store.config.env_id, members=(Member(key=key, group=key, reward="sparse", seed=1),), total_steps=1000
    )
    store.begin_training(training, job)
    candidate = None if role == "sparse" else "c000"
    member = TrainedMember(key=key, role=role, candidate=candidate, training=training, seed=1, status="trained")
    store.end_training([member])
    ends = [Outcome(candidate="c000", status=Status.EVALUATED, traces=CURVES, wall_s=3.0)] if role == "search" else []
    store.record_evaluation([evaluation], ends)


def judge(folder: Path, **changes: Any) -> None:
    """Keep a judgement of the winner as a report does."""
    kept = {"candidate": "c000", "policies": 9, "own": VERDICT, "others": [PAIR], **changes}
    RunFolder(folder).judgement.write_text(json.dumps(kept))


@pytest.fixture
def found(store: StudyStore) -> SharedStudy:
    """What a finished study found, one candidate of which became the winner and was judged."""
    store.add_proposals(0, [Proposal(answer="a", source=SOURCE), Proposal(answer="nothing")])
    store.leave_out([Outcome(candidate="c001", status=Status.UNPARSED)])
    trained(store, "c000-s0", "search", score("c000-s0", 8.0, 0.5))
    trained(store, "c000-r0", "winner", score("c000-r0", 7.0, 0.4))
    trained(store, "sparse-r0", "sparse", score("sparse-r0", 1.0, 0.0))
    judge(store.folder)
    return result_of(store)


def exchange(text: str, answer: str) -> Exchange:
    """One sample."""
    messages: Any = ({"role": "user", "content": text},)
    return Exchange(
        key="iteration-0/samples#0",
        model="openai/scripted",
        messages=messages,
        answer=Answer(text=answer),
        parameters={"temperature": 1.0, "api_base": "https://me:hunter2hunter2@host/v1"},
    )


def test_no_credentials_leave_with_a_shared_study(
    tmp_path: Path, make_config: Callable[..., StudyConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither in an address, nor by form, nor the values of this process's variables, wherever they stand."""
    monkeypatch.setenv("MY_SERVICE_TOKEN", "correct horse battery")
    config = make_config(
        instruction="Hop as correct horse battery does.",
        llm="openai/scripted",
        llm_config=LLMConfig(base_url="https://user:s3cretpass@host/v1"),
        designer_options={"deep": {"key": ["sk-0123456789abcdefghij"]}, "drafts": 3},
    )
    code = "def compute_reward(x_velocity):\n    skid_penalty_coefficient = 1.0\n    return x_velocity, {}  # π\n"
    with StudyStore.create(tmp_path / "run", config, {"python": "3"}) as store:
        sample = exchange("Hop as correct horse battery does.", code)
        store.put(sample.key, sample)
        assert share(store, tmp_path / "study.jsonl") == 1
    text = (tmp_path / "study.jsonl").read_text()
    for secret in ("s3cretpass", "user:", "sk-0123456789abcdefghij", "correct horse battery", "hunter2"):
        assert secret not in text, secret
    shared = read_shared(tmp_path / "study.jsonl").config
    assert shared.llm_config.base_url == "https://[key removed]@host/v1"
    assert shared.designer_options == {"deep": {"key": ["[key removed]"]}, "drafts": 3}
    removed = dataclasses.replace(shared, llm_config=config.llm_config, designer_options=config.designer_options)
    assert dataclasses.replace(removed, instruction=config.instruction) == config, "nothing else is changed"
    (read,) = read_recording(tmp_path / "study.jsonl")
    assert read.answer.text == code, "a name that looks like a key is still a name"
    assert read.fits([{"role": "user", "content": shared.instruction}]), "the same question is asked again"


def test_a_study_is_the_same_as_itself(store: StudyStore, found: SharedStudy, tmp_path: Path) -> None:
    """What is written is what is read, and between the two nothing differs."""
    share(store, tmp_path / "study.jsonl")
    read = read_shared(tmp_path / "study.jsonl")
    assert read == found and differences(read, found) == []
    assert found.winner == "c000" and [e.status for e in found.candidates.values()] == ["evaluated", "unparsed"]
    assert (found.candidates["c000"].success, found.report["c000-r0"].success) == (0.5, 0.4)
    assert [*found.judgement] == ["designed", "designed and sparse"]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (
            {"own": VERDICT | {"headline": "designed: do not trust it"}},
            "judgement on designed: designed: do not trust it",
        ),
        (
            {"own": VERDICT | {"remarks": [["doubt", "Another."]]}},
            "judgement on designed: designed: usable, with doubts, ev",
        ),
        ({"others": [PAIR | {"remarks": [["fact", "STARC distance 0.21."]]}]}, "judgement on designed and sparse: "),
        ({"others": []}, "judgement on designed and sparse: nothing, was designed and sparse ask for much the same"),
    ],
)
def test_another_judgement_is_told(store: StudyStore, found: SharedStudy, changes: dict[str, Any], told: str) -> None:
    """Whether another verdict or the same one with other evidence."""
    judge(store.folder, **changes)
    (difference,) = differences(found, result_of(store))
    assert difference.startswith(told), difference


def test_more_policies_are_other_evidence(store: StudyStore, found: SharedStudy) -> None:
    """What all verdicts are based on is part of each."""
    judge(store.folder, policies=10)
    assert len(differences(found, result_of(store))) == 2


def test_where_one_was_not_judged_judgements_are_not_compared(store: StudyStore, found: SharedStudy) -> None:
    """Without a judgement, with one of another winner, or one that cannot be read there is none."""
    for text in (None, json.dumps({"candidate": "c001", "policies": 9, "own": VERDICT, "others": []}), "[]", "{", "{}"):
        path = RunFolder(store.folder).judgement
        path.unlink(missing_ok=True) if text is None else path.write_text(text)
        again = result_of(store)
        assert again.judgement == {} and differences(found, again) == [] == differences(again, found)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            {"success": 0.25},
            "candidate c000: evaluated, fitness 8.0, success 0.25, was evaluated, fitness 8.0, success 0.5",
        ),
        (
            {"program": "feed"},
            "candidate c000: evaluated, fitness 8.0, program feed, was evaluated, fitness 8.0, program ",
        ),
        (
            {"course": "feed"},
            "candidate c000: evaluated, fitness 8.0, course feed, was evaluated, fitness 8.0, course ",
        ),
        ({"status": "failed", "fitness": None}, "candidate c000: failed, fitness unknown, was evaluated, fitness 8.0"),
    ],
)
def test_another_candidate_is_told(found: SharedStudy, change: dict[str, Any], told: str) -> None:
    """Its success, its program and its course count as well as its fitness, and only what differs is said."""
    other = {**found.candidates, "c000": found.candidates["c000"]._replace(**change)}
    (difference,) = differences(found, dataclasses.replace(found, candidates=other))
    assert difference.startswith(told), difference


def test_another_comparison_is_told(found: SharedStudy) -> None:
    """Success and course of each policy count; a policy that is missing is one that differs."""
    policy = found.report["sparse-r0"]
    for changed, told in (
        (policy._replace(success=0.1), "sparse-r0: fitness 1.0, success 0.1, was fitness 1.0, success 0.0"),
        (policy._replace(fitness=None, success=None), "sparse-r0: fitness unknown, success unknown, was fitness 1.0"),
    ):
        (difference,) = differences(found, dataclasses.replace(found, report={**found.report, "sparse-r0": changed}))
        assert told in difference
    fewer = {key: entry for key, entry in found.report.items() if key != "sparse-r0"}
    (difference,) = differences(found, dataclasses.replace(found, report=fewer))
    assert difference == "policy of the comparison sparse-r0: nothing, was fitness 1.0"


def test_digests_are_of_what_was_found_alone(tmp_path: Path, make_config: Callable[..., StudyConfig]) -> None:
    """Another program, way of learning, curve or episode is another digest; another time is not."""

    def ended(
        source: str = SOURCE, learning: str = "", traces: Traces = CURVES, wall_s: float = 1.0, **score_: Any
    ) -> Any:
        folder = tmp_path / str(len([*tmp_path.iterdir()]))
        with StudyStore.create(folder, make_config(), {}) as store:
            store.add_proposals(0, [Proposal(answer="a", source=source, learning=learning)])
            job = TrainingJob(env_id="e", members=(), total_steps=1)
            store.begin_training("t", job)
            member = TrainedMember(
                key="c000-s0", role="search", candidate="c000", training="t", seed=1, status="trained", wall_s=wall_s
            )
            store.end_training([member])
            outcome = Outcome(candidate="c000", status=Status.EVALUATED, traces=traces, wall_s=wall_s)
            store.record_evaluation([dataclasses.replace(score("c000-s0", 8.0, 0.5), **score_)], [outcome])
            return result_of(store).candidates["c000"]

    first = ended()
    assert ended(wall_s=2.0) == first
    assert ended(source=SOURCE + "\n").program != first.program != ended(learning="lare").program
    assert ended(traces=dataclasses.replace(CURVES, success=(0.0, 0.6))).course != first.course
    assert ended(episode_fitness=(6.0, 10.0)).course != first.course
    noisy = dataclasses.replace(CURVES, components={"speed": (0.1, 0.1 + 0.1 + 1e-17)})
    assert ended(traces=noisy) == first, "the order in which seeds were summed is no difference"


def test_files_of_earlier_versions_are_read(store: StudyStore, found: SharedStudy, tmp_path: Path) -> None:
    """They hold fitness alone; what they do not say is not compared."""
    share(store, tmp_path / "study.jsonl")
    head, *lines = (tmp_path / "study.jsonl").read_text().splitlines()
    old = json.loads(head)
    old["study"]["candidates"] = {key: entry[:2] for key, entry in old["study"]["candidates"].items()}
    old["study"]["report"] = {key: entry[0] for key, entry in old["study"]["report"].items()}
    del old["study"]["judgement"]
    (tmp_path / "study.jsonl").write_text("\n".join([json.dumps(old), *lines]) + "\n")
    read = read_shared(tmp_path / "study.jsonl")
    assert differences(read, found) == []
    other = {**found.report, "sparse-r0": found.report["sparse-r0"]._replace(fitness=2.0)}
    (difference,) = differences(read, dataclasses.replace(found, report=other))
    assert difference == "policy of the comparison sparse-r0: fitness 2.0, was fitness 1.0"
    old["study"]["judgement"] = {"designed": ["one", "two", "three"]}
    (tmp_path / "study.jsonl").write_text(json.dumps(old) + "\n")
    with pytest.raises(ConfigError, match="does not describe a study"):
        read_shared(tmp_path / "study.jsonl")
