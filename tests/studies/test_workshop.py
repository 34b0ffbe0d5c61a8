"""What a designer can have done beside the loop, in a real study with tiny trainings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest

from envreward.errors import ConfigError, RewardError
from envreward.registry import make_task
from envreward.studies import Proposal, Status, StudyConfig
from envreward.studies.crew import Crew, usable_sandbox
from envreward.studies.designer import Brief, Context
from envreward.studies.loop import Study
from envreward.studies.records import Candidate
from envreward.studies.store import StudyStore
from envreward.training.config import PPOConfig

UPRIGHT = """
def compute_reward(pole_angle: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    upright = 1.0 - pole_angle.abs()
    return upright, {"upright": upright}
"""
BROKEN = """
def compute_reward(pole_angle: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    value = pole_angle.reshape(-1, 7)
    return value[:, 0], {"value": value[:, 0]}
"""


class Curious:
    """Proposes one reward, and uses the whole workshop on it in the second iteration."""

    needs_llm: ClassVar[bool] = False
    default_samples: ClassVar[int] = 1
    default_iterations: ClassVar[int] = 2
    asks_person: ClassVar[bool] = True

    def __init__(self) -> None:
        self.seen: dict[str, Any] = {}

    def ask(self, context: Context) -> list[Proposal]:
        """Return a good program, and one that is filtered."""
        workshop = context.workshop
        assert workshop is not None
        if context.iteration == 1:
            first, refused = context.history
            played = workshop.rollouts(first, episodes=3)
            with pytest.raises(ConfigError, match=r"c001 has no trained policy: it ended as filtered"):
                workshop.rollouts(refused, episodes=3)
            self.seen = {
                "rollouts": played,
                "scores": workshop.rescore({"good": UPRIGHT, "bad": BROKEN}, [played, played]),
                "verdicts": workshop.verify({"good": UPRIGHT, "bad": BROKEN}),
                "answer": workshop.ask_person("iteration-1/opinion", "Any good?", lambda text: None),
                "first": first,
                "refused": refused,
            }
        source = UPRIGHT.replace("1.0 -", f"{context.iteration + 1}.0 -")
        return [
            Proposal(answer=source, source=source),
            Proposal(answer="no", filtered="it pays for nothing"),
            Proposal(answer=source, source=source, origin="one too many"),
        ]

    def tell(self, context: Context, candidates: Sequence[Candidate]) -> None:
        """Do nothing."""


class Scripted:
    """A person of few words."""

    def __init__(self, *answers: str) -> None:
        self.left = [*answers]

    def answer(self, key: str, question: str) -> str:
        """Return the next answer."""
        return self.left.pop(0)


def run(folder: Path, designer: Curious, person: Scripted) -> list[Candidate]:
    """Run a tiny study, new or begun, and return its candidates."""
    config = StudyConfig(
        env_id="EnvReward/InvertedPendulum-v0",
        instruction="Balance the pole.",
        samples=1,
        iterations=2,
        steps=512,
        final_seeds=1,
        eval_episodes=3,
        processes=1,
        ppo=PPOConfig(num_worlds=16, rollout_steps=16, minibatch_size=128, epochs=1),
        sandbox="process",
    )
    task = make_task(config.env_id)
    brief = Brief(
        env_id=config.env_id, instruction="Balance.", fields=task.fields, horizon=10, fitness_doc=task.fitness_doc
    )
    crew = Crew(task=task, brief=brief, designer=designer, sandbox=usable_sandbox("process"), llm=None, person=person)
    new = not (folder / "study.db").exists()
    with StudyStore.create(folder, config, {}) if new else StudyStore.open(folder, versions={}) as store:
        Study(store, crew).run()
        return store.candidates()


def test_a_designer_can_look_at_what_was_trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rollouts are those that were scored, programs are computed over them, a person is asked once; filtered
    proposals are recorded with their reason and take nobody's place."""
    monkeypatch.setenv("ENVREWARD_CACHE", str(tmp_path / "cache"))
    designer = Curious()
    candidates = run(tmp_path / "run", designer, Scripted("quite"))
    assert [(c.status, c.reason) for c in candidates] == [
        (Status.EVALUATED, ""),
        (Status.FILTERED, "it pays for nothing"),
    ] * 2
    seen = designer.seen
    scored = seen["first"].evaluations[0].episode_fitness
    assert sorted(e.fitness for e in seen["rollouts"].episodes) == sorted(scored)
    good, bad = seen["scores"]["good"], seen["scores"]["bad"]
    assert len(good) == 6, "three episodes, given twice"
    for score in good:
        angle = score.episode.facts["pole_angle"][1:].float()
        assert score.rewards.tolist() == (1.0 - angle.abs()).tolist()
        assert score.components["upright"].tolist() == score.rewards.tolist()
    assert isinstance(bad, RewardError) and bad.line == 2
    assert (seen["verdicts"]["good"].status, seen["verdicts"]["bad"].status) == ("ok", "failed")
    assert seen["answer"] == "quite"
    left = {p.name for p in (tmp_path / "run").iterdir()}
    assert not {name for name in left if name.startswith(("rescoring-", "trial-"))}, "scratch is cleaned up"
    assert run(tmp_path / "run", Curious(), Scripted()) == candidates, "a resumed study asks nobody"
