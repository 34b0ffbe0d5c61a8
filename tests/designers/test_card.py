"""CARD: its conversation, its screening of rewards and its feedback, over real HTTP; only the rollouts are made up."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from envreward.agents.rescoring import Score
from envreward.agents.rollouts import Episode, Header, Rollouts, join
from envreward.designers.card import Card
from envreward.designers.card_evaluator import process, times
from envreward.errors import ConfigError, RewardError, RewardRuntimeError, UnknownNameError
from envreward.fields import Field
from envreward.llm import LLM, LLMConfig, Message, Usage, open_llm
from envreward.rewards.program import RewardProgram
from envreward.rewards.verify import Verdict, check_statically
from envreward.studies.designer import Brief, Context
from envreward.studies.records import Candidate, Evaluation, Proposal, Status, Traces

FIELDS = {
    "gap": Field("Distance to the goal.", unit="m", role="distance"),
    "action": Field("Push.", shape=(1,), role="action"),
    "success": Field("Whether it is done.", dtype="bool", private=True),
}
BRIEF = Brief(env_id="T", instruction="Close the gap.", fields=FIELDS, horizon=4, fitness_doc="Share of successes.")


def program(formula: str) -> str:
    """Return an answer with a program that pays ``formula``."""
    return f"```python\ndef compute_reward(gap):\n    r = {formula}\n    return r, {{'near': r}}\n```"


CLOSER, FARTHER, CONSTANT = program("-gap"), program("1.0 * gap"), program("0.0 * gap")
UNKNOWN, RAISES = program("-gup"), program("gap.reshape(7, -1)[0]")


def episode(seed: int, gaps: Sequence[float]) -> Episode:
    """Return an episode with these gaps after its steps; it succeeds once the gap is below 0.1."""
    steps, gap = len(gaps), torch.tensor([2.0, *gaps])
    done = (gap < 0.1).cummax(0).values
    last = torch.arange(steps) == steps - 1
    return Episode(
        seed=seed,
        instruction="",
        outcome="success" if done.any() else "truncated",
        reason="",
        fitness=float(done.any()),
        usage=Usage(),
        facts={"gap": gap, "action": torch.zeros(steps + 1, 1), "success": done},
        terminated=torch.zeros(steps, dtype=torch.bool),
        truncated=last,
        actions=[[0.0]] * steps,
        state_hash=[],
        action_error=[""] * steps,
        infra_error=[""] * steps,
    )


SUCCEEDS, FAILS, TRIES = [1.0, 0.05, 3.0, 3.0], [2.0, 2.0, 2.0, 2.0], [1.0, 1.0, 1.0, 1.0]
GOOD = [SUCCEEDS] * 4 + [FAILS]
"""Episodes of a policy: four successes and a failure."""


class Recorded:
    """A workshop with rollouts of its own; programs are computed over them as they are."""

    def __init__(self, policies: Mapping[str, Sequence[Sequence[float]]] | None = None) -> None:
        self.policies = policies or {}
        self.played: list[tuple[str, int]] = []
        self.rescored: list[int] = []

    def rollouts(self, candidate: Candidate, *, episodes: int) -> Rollouts:
        self.played.append((candidate.id, episodes))
        header = Header(env_id="T", actor=candidate.id, horizon=4, fitness_reduce="max", fields=FIELDS, stored={})
        played = tuple(episode(i, gaps) for i, gaps in enumerate(self.policies[candidate.id]))
        return Rollouts(path=Path(), header=header, episodes=played, unfinished=(), usage=Usage(), torn=False)

    def rescore(self, sources: Mapping[str, str], rollouts: Sequence[Rollouts]) -> dict[str, list[Score] | RewardError]:
        episodes = [e for one in rollouts for e in one.episodes]
        self.rescored.append(len(episodes))
        found: dict[str, list[Score] | RewardError] = {}
        for key, source in sources.items():
            try:
                reward = RewardProgram.from_answer(source, FIELDS)
                outputs = [reward(**join([e], reward.parameters, FIELDS).state) for e in episodes]  # type: ignore[arg-type]
            except RewardError as error:
                found[key] = error
                continue
            found[key] = [
                Score(episode=e, rewards=output.total, components=output.components)
                for e, output in zip(episodes, outputs, strict=True)
            ]
        return found

    def verify(self, answers: Mapping[str, str]) -> dict[str, Verdict]:
        return {key: check_statically(answer, FIELDS) for key, answer in answers.items()}


def trained(iteration: int, answer: str = CLOSER, *, fitness: float = 0.5, index: int = 0) -> Candidate:
    """Return a candidate that was trained and scored."""
    evaluation = Evaluation(member="m", seed=0, episodes=5, success=0.5, fitness=fitness, episode_length=4.0)
    traces = Traces(
        steps=(100, 200), components={"near": (-2.0, -1.0)}, success=(0.0, 0.25), episode_return=(-8.0, -4.0)
    )
    return Candidate(
        id=f"c{iteration}{index}", iteration=iteration, index=index, answer=answer, source=None,
        status=Status.EVALUATED, traces=traces, evaluations=(evaluation,),
    )  # fmt: skip


def ended(iteration: int, status: Status, answer: str, reason: str = "") -> Candidate:
    """Return a candidate that was not trained."""
    return Candidate(
        id=f"c{iteration}0", iteration=iteration, index=0, answer=answer, source=None, status=status, reason=reason
    )


def context(
    history: Sequence[Candidate], *, llm: LLM | None = None, workshop: Recorded | None = None, samples: int = 1
) -> Context:
    """Return the iteration after ``history``."""
    iteration = max((c.iteration for c in history), default=-1) + 1
    return Context(
        brief=BRIEF, iteration=iteration, samples=samples, history=history, llm=llm, rng=random.Random(0),
        workshop=workshop,  # type: ignore[arg-type]
    )  # fmt: skip


@pytest.fixture
def llm(llm_server: Any) -> LLM:
    return open_llm("openai/gpt-4o", config=LLMConfig(concurrency=1, attempts=1))


def asked(llm_server: Any) -> list[Message]:
    """Return the messages of the latest request."""
    messages: list[Message] = llm_server.requests[-1]["messages"]
    return messages


def test_the_first_conversation(llm_server: Any, reply: Any, llm: LLM) -> None:
    """One sample at temperature 0.7 of the task with its fields as classes; private ones are not told."""
    llm_server.script(reply.text(CLOSER))
    workshop = Recorded()
    (proposal,) = Card().ask(context([], llm=llm, workshop=workshop))
    assert proposal.answer == CLOSER and not proposal.filtered and proposal.parents == ()
    assert proposal.origin == "sample 0; preferences cannot be told (0 successes, 0 failures)"
    system, user = asked(llm_server)
    assert "compute_reward" in system["content"] and "Close the gap." in user["content"]
    assert "gap: Float[N]  # m. Distance to the goal." in user["content"] and "success:" not in user["content"]
    assert llm_server.requests[0]["temperature"] == 0.7
    assert workshop.rescored == [], "without episodes there is nothing to compute"


def test_fidelity_what_does_not_run_is_asked_for_again_blindly(llm_server: Any, reply: Any, llm: LLM) -> None:
    """generate_code of the release repeats the same question, ten times in all, and shows no error."""
    llm_server.script(reply.text(UNKNOWN), reply.text("No."), reply.text(CLOSER))
    (proposal,) = Card().ask(context([], llm=llm, workshop=Recorded()))
    assert proposal.answer == CLOSER and len(llm_server.requests) == 3
    assert len({str(r["messages"]) for r in llm_server.requests}) == 1
    llm_server.respond(lambda body, i: reply.text(UNKNOWN))
    (proposal,) = Card().ask(context([], llm=llm, workshop=Recorded()))
    assert proposal.answer == UNKNOWN and len(llm_server.requests) == 3 + 10


def test_feedback_on_a_training(llm_server: Any, reply: Any, llm: LLM) -> None:
    """The second conversation adds the program, the course of its training and the best and worst episodes."""
    llm_server.script(reply.text(CLOSER))
    workshop = Recorded({"c00": [FAILS, SUCCEEDS, TRIES]})
    (proposal,) = Card(trajectories=7).ask(context([trained(0)], llm=llm, workshop=workshop))
    assert proposal.parents == ("c00",) and workshop.played == [("c00", 7)]
    *_, said, feedback = asked(llm_server)
    assert said["content"] == CLOSER
    text = feedback["content"]
    assert "After 100 steps: return -8, success rate 0, near (part of the reward) -2" in text
    assert "After 200 steps: return -4, success rate 0.25, near (part of the reward) -1" in text
    # returns until success: -2 * 4, -1 - 0.05, -1 * 4
    best = text.index("Of 3 episodes that the trained agent then played, the one to which your reward gives most")
    worst = text.index("The one to which it gives least (a return of -8):")
    assert "(a return of -1.05):" in text[best:worst] and "The task was done at step 2." in text[best:worst]
    assert "step 4: gap 2; action [0]; reward -2; near (part of it) -2" in text[worst:]
    assert "only" not in text[:best], "nothing of preferences"


def test_fidelity_the_best_and_worst_of_the_first_episodes(llm_server: Any, reply: Any, llm: LLM) -> None:
    """``--n_eval_episodes`` of the ``--trajectory_num`` episodes are told; both evaluations begin from one seed."""
    llm_server.script(reply.text(CLOSER))
    workshop = Recorded({"c00": [FAILS, TRIES, SUCCEEDS]})
    Card(episodes=2).ask(context([trained(0)], llm=llm, workshop=workshop))
    text = asked(llm_server)[-1]["content"]
    assert workshop.played == [("c00", 100)]
    assert "Of 2 episodes" in text and "(a return of -4):" in text and "-1.05" not in text


def test_fidelity_what_is_refused_is_not_trained(llm_server: Any, reply: Any, llm: LLM) -> None:
    """Of four successes and a failure: -gap puts all four first; gap, and a constant, put none first (section 4.4)."""
    llm_server.script(reply.text(CLOSER), reply.text(FARTHER), reply.text(CONSTANT))
    workshop = Recorded({"c00": GOOD})
    passed, refused, flat = Card().ask(context([trained(0)], llm=llm, workshop=workshop, samples=3))
    assert passed.filtered == "" and passed.origin == "sample 0; preferences passed (100%)"
    assert refused.filtered == (
        "trajectory preferences: 0 of 4 successful episodes (0%) are worth more than the best of 1 failing ones, "
        "80% are wanted"
    )
    assert refused.origin == "sample 1; preferences refused (0%)" and flat.filtered


def test_fidelity_mean_and_return_refuse_different_rewards(llm_server: Any, reply: Any, llm: LLM) -> None:
    """1 / (1 + gap): until success 0.5 + 0.952 in 2 steps, failing 4 * 0.5 with a gap of 1. The mean 0.726 is above
    0.5, the return 1.44 below 1.97 (gamma = 0.99)."""
    bounded = program("1.0 / (1.0 + gap)")
    llm_server.respond(lambda body, i: reply.text(bounded))
    workshop = Recorded({"c00": [SUCCEEDS, TRIES]})
    (by_mean,) = Card(tpe="released").ask(context([trained(0)], llm=llm, workshop=workshop))
    (by_return,) = Card(tpe="paper").ask(context([trained(0)], llm=llm, workshop=workshop))
    assert not by_mean.filtered and by_return.filtered


@pytest.mark.parametrize("policy", [[FAILS, TRIES], [SUCCEEDS]])
def test_one_class_alone_refuses_nothing_and_says_so(
    llm_server: Any, reply: Any, llm: LLM, policy: list[list[float]]
) -> None:
    """While all episodes ended alike, every reward is trained, and its origin says that nothing could be told."""
    llm_server.script(reply.text(FARTHER))
    workshop = Recorded({"c00": policy})
    (proposal,) = Card().ask(context([trained(0)], llm=llm, workshop=workshop))
    assert not proposal.filtered and "preferences cannot be told" in proposal.origin


def test_feedback_on_what_was_refused(llm_server: Any, reply: Any, llm: LLM) -> None:
    """It hears how many episodes it puts in the wrong order, and sees the extreme ones, by its own rewards."""
    llm_server.script(reply.text(CLOSER))
    workshop = Recorded({"c00": [SUCCEEDS, [1.0, 1.0, 0.05, 0.0], FAILS, TRIES]})
    history = [trained(0), ended(1, Status.FILTERED, FARTHER, "trajectory preferences: ...")]
    (proposal,) = Card().ask(context(history, llm=llm, workshop=workshop))
    assert proposal.parents == ("c10",) and not proposal.filtered
    messages = asked(llm_server)
    assert [m["role"] for m in messages] == ["system", "user"] + ["assistant", "user"] * 2
    assert messages[4]["content"] == FARTHER
    text = messages[5]["content"]
    # means of gap: successes (1 + 0.05) / 2 and (1 + 1 + 0.05) / 3, failures 2 and 1: all four pairs are wrong
    assert text.startswith("No agent was trained")
    assert "only 0 of the 2 successful episodes (0%)" in text and "80% are wanted" in text
    assert "Of all 4 pairs of a successful and a failing episode, 4 are in the wrong order." in text
    success, failure = text.index("values least (0.525, 2 steps)"), text.index("values most (2, 4 steps)")
    assert "The task was done at step 2." in text[success:failure]
    assert "step 4: gap 2; action [0]; reward 2;" in text[failure:]


def test_fidelity_trained_all_the_same_as_released(llm_server: Any, reply: Any, llm: LLM) -> None:
    """metaworld_exp_one_step.py trains what was refused, answers with preferences and keeps its episodes out."""
    designer = Card(refused="train")
    llm_server.script(reply.text(FARTHER), reply.text(CLOSER))
    workshop = Recorded({"c00": GOOD, "c10": [[9.0] * 4]})
    (proposal,) = designer.ask(context([trained(0)], llm=llm, workshop=workshop))
    assert not proposal.filtered and proposal.origin.endswith("preferences refused (0%)")
    history = [trained(0), trained(1, FARTHER)]
    (proposal,) = designer.ask(context(history, llm=llm, workshop=workshop))
    text = asked(llm_server)[-1]["content"]
    assert text.startswith("An agent was trained with the reward program above, yet")
    assert "computed over 5 recorded episodes" in text and workshop.rescored[-1] == 5
    assert "c10" not in [played for played, _ in workshop.played]


def test_episodes_are_gathered_from_all_that_passed(llm_server: Any, reply: Any, llm: LLM) -> None:
    """A reward is screened on the episodes of every earlier policy, the best of each iteration."""
    llm_server.respond(lambda body, i: reply.text(CLOSER))
    workshop = Recorded({"c00": [FAILS], "c11": GOOD})
    history = [trained(0), trained(1, fitness=0.1), trained(1, fitness=0.9, index=1)]
    (proposal,) = Card().ask(context(history, llm=llm, workshop=workshop))
    assert [played for played, _ in workshop.played] == ["c00", "c11"] and workshop.rescored[-1] == 6
    assert proposal.parents == ("c11",)


def test_what_cannot_be_computed_is_left_to_verification(llm_server: Any, reply: Any, llm: LLM) -> None:
    """A program that fails on recorded episodes is not called a bad order: its study finds its error."""
    llm_server.script(reply.text(RAISES))
    workshop = Recorded({"c00": GOOD})
    (proposal,) = Card(redraws=0).ask(context([trained(0)], llm=llm, workshop=workshop))
    assert not proposal.filtered and proposal.origin == "sample 0; preferences not computed"
    with pytest.raises(RewardRuntimeError):
        RewardProgram.from_answer(RAISES, FIELDS)(gap=torch.zeros(4))


def test_errors_are_answered_with_their_reason(llm_server: Any, reply: Any, llm: LLM) -> None:
    """A program that could not be used, or was left out for lack of budget, is answered with why."""
    llm_server.respond(lambda body, i: reply.text(CLOSER))
    broken = ended(0, Status.FAILED, RAISES, "line 2: shape is invalid")
    Card().ask(context([broken], llm=llm, workshop=Recorded()))
    assert "line 2: shape is invalid" in asked(llm_server)[-1]["content"]
    left_out = ended(0, Status.FILTERED, CLOSER, "limit of trainings reached")
    Card().ask(context([left_out], llm=llm, workshop=Recorded()))
    assert "limit of trainings reached" in asked(llm_server)[-1]["content"]


@pytest.mark.parametrize(
    ("exclude", "there", "missing"),
    [("process", "(a return of", "After 100 steps"), ("trajectory", "After 100 steps", "(a return of")],
)
def test_kinds_of_feedback_can_be_left_out(
    llm_server: Any, reply: Any, llm: LLM, exclude: Any, there: str, missing: str
) -> None:
    """``--exclude`` of the release takes one kind away."""
    llm_server.script(reply.text(CLOSER))
    Card(exclude=exclude).ask(context([trained(0)], llm=llm, workshop=Recorded({"c00": GOOD})))
    text = asked(llm_server)[-1]["content"]
    assert there in text and missing not in text


def test_without_preferences_the_training_is_told(llm_server: Any, reply: Any, llm: LLM) -> None:
    """With ``exclude=preference`` what was refused hears of its training instead."""
    llm_server.script(reply.text(CLOSER))
    workshop = Recorded({"c00": GOOD, "c10": [FAILS]})
    history = [trained(0), trained(1, FARTHER)]
    Card(exclude="preference", refused="train").ask(context(history, llm=llm, workshop=workshop))
    text = asked(llm_server)[-1]["content"]
    assert "After 100 steps" in text and "wrong order" not in text and "(a return of 8):" in text


def test_fidelity_times_that_are_told() -> None:
    """get_learning_result_feedback_simple: every n // 5-th of n evaluations, from the last backwards, five in all."""
    assert times(12, 5) == [3, 5, 7, 9, 11]
    assert times(62, 5) == [13, 25, 37, 49, 61], "1,000,000 steps, evaluated every 16,000"
    assert times(3, 5) == [0, 1, 2] and times(0, 5) == []


def test_values_that_were_not_measured() -> None:
    """What was never measured is left out, what is missing at a time is a dash; nothing at all gives no line."""
    traces = Traces(steps=(10, 20), components={"near": (None, 0.5)}, success=(None, None))
    assert process(traces, 5) == [
        "After 10 steps: near (part of the reward) -",
        "After 20 steps: near (part of the reward) 0.5",
    ]
    assert process(Traces(steps=(10,)), 5) == []


def test_asking_again_asks_the_same(llm_server: Any, reply: Any, llm: LLM) -> None:
    """The conversation is a function of the record, so that a resumed study finds its answers there."""
    llm_server.respond(lambda body, i: reply.text(FARTHER))
    history = [trained(0), ended(1, Status.FILTERED, FARTHER), trained(2, fitness=0.9)]
    found: list[list[Proposal]] = [
        Card().ask(context(history, llm=llm, workshop=Recorded({"c00": GOOD, "c20": [TRIES]}))) for _ in range(2)
    ]
    assert found[0] == found[1] and llm_server.requests[0]["messages"] == llm_server.requests[1]["messages"]


def test_options() -> None:
    """Options are checked by name, with near matches, and for sense; outside a study the error says what to do."""
    with pytest.raises(UnknownNameError, match="did you mean 'released'"):
        Card(tpe="release")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="threshold"):
        Card(threshold=0.0)
    with pytest.raises(ConfigError, match="at least 1"):
        Card(interval=0)
    with pytest.raises(ConfigError, match="refused=train"):
        Card(exclude="preference")
    with pytest.raises(ConfigError, match="negative"):
        Card(temperature=-0.1)
    with pytest.raises(ConfigError, match="--llm"):
        Card().ask(context([]))


def test_fidelity_published_values() -> None:
    """One program per query, three in all, at 0.7; delta 0.8, 100 episodes, 5 times; ten tries."""
    card = Card()
    assert (card.default_samples, card.default_iterations, card.temperature) == (1, 3, 0.7)
    assert (card.threshold, card.discount, card.trajectories, card.checkpoints) == (0.8, 0.99, 100, 5)
    assert (card.tpe, card.refused, card.redraws) == ("released", "skip", 9)


def test_composition() -> None:
    """What it says of itself follows its options."""
    words = Card().composition(2)
    assert "mean reward per step" in words.screen and "is not trained" in words.screen and words.calls == (2, 20)
    other = Card(tpe="paper", refused="train", exclude="process").composition(1)
    assert "discounted return" in other.screen and "trained all the same" in other.screen
    assert "curves" not in other.feedback and "wrong order" in other.feedback
