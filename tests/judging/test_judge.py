"""Judging over recorded episodes: distances, order, exploits, and programs in the sandbox."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from envreward import registry
from envreward.errors import ConfigError, RewardRuntimeError
from envreward.judging import JudgingConfig, Player, Subject, judge, judgement_verdict
from envreward.judging.findings import Judgement
from envreward.judging.scoring import trusted_subject
from envreward.rewards import FunctionReward, PotentialShaping, RewardOutput
from envreward.rewards.program import RewardProgram
from envreward.sandbox import Sandbox

ENV = f"{Path(__file__).parents[1] / 'counter_worlds.py'}:shaped"
CONFIG = JudgingConfig(resamples=100, coverage=64, expectation=16, sensitivity=512)
Play = Callable[..., Player]


def near(value: Tensor, target: Tensor) -> RewardOutput:
    gap = -(target - value).abs()
    return RewardOutput(gap, {"gap": gap, "bonus": torch.full_like(gap, 0.5)})


NEAR = FunctionReward(("value", "target"), near, doc="minus the distance to go")


def subject(name: str, function: Callable[..., Tensor], *names: str) -> Subject:
    return Subject(name=name, reward=FunctionReward(names, lambda **s: RewardOutput(function(**s), {})))


def judged(players: list[Player], *subjects: Subject, **more: object) -> Judgement:
    return judge(ENV, subjects, players, config=CONFIG, **more)  # type: ignore[arg-type]


def test_one_reward_that_is_right(players: list[Player]) -> None:
    """It orders policies as fitness does, each step of the evidence is there, and nothing speaks against it."""
    found = judged(players, Subject(name="near", reward=NEAR, doc=NEAR.doc))
    (reward,) = found.rewards
    assert [p.policy for p in found.policies] == ["best", "good", "half", "poor", "worst"]
    assert [p.fitness for p in found.policies] == pytest.approx([1, 1, 1 / 3, 0, 0])
    assert [p.success for p in found.policies] == pytest.approx([1, 1, 2 / 3, 0, 0])
    # by hand: 0 1 2 3 pays -2 -1 0 = -3, twice
    assert found.policies[0].returns["near"] == pytest.approx(-3.0)
    assert found.policies[4].returns["near"] == pytest.approx((-(4 + 5 + 6 + 7 + 8) - (4 + 5 + 4 + 5 + 6)) / 2)
    assert reward.fitness.policies == 5 and reward.fitness.spearman is not None and reward.fitness.spearman > 0.8
    assert reward.auc is not None and reward.auc > 0.9
    assert {c.name: c.state for c in reward.components} == {"gap": "live", "bonus": "constant"}
    assert reward.sensitivity is not None and reward.sensitivity.influence["value"] > 0.9
    assert reward.sensitivity.influence["target"] == 0.0  # there is but one target here
    assert reward.cost_s is not None and 0 < reward.cost_s < 1
    assert not reward.constant and not reward.remembers and reward.reads == ("value", "target")
    verdict = judgement_verdict(found).rewards[0]
    assert verdict.level == "doubts" and "bonus (always 0.5)" in verdict.sentences[0]


def test_pairs_shaping_scale_and_opposites(players: list[Player]) -> None:
    """A multiple and a potential-shaped form ask for the same; the negative asks for the opposite."""
    found = judged(
        players,
        Subject(name="near", reward=NEAR),
        Subject(name="shaped", reward=PotentialShaping(potential="progress", scale=5.0, base=NEAR)),
        subject("twice", lambda value, target: -2 * (target - value).abs(), "value", "target"),
        subject("away", lambda value, target: (target - value).abs(), "value", "target"),
    )
    pairs = {(p.first, p.second): p for p in found.pairs}
    assert len(pairs) == 6
    same, scaled, other = pairs["near", "shaped"], pairs["near", "twice"], pairs["near", "away"]
    assert same.starc_val is not None and same.starc_minimal is not None
    assert same.starc_val < 0.01 and same.starc_minimal < 0.01 and same.epic is None
    assert "shaped: it has memory" in same.absent["EPIC"]
    assert not scaled.composed and same.composed  # shaping reads the state before the step
    assert scaled.epic == pytest.approx(0, abs=1e-6) and scaled.starc_val == pytest.approx(0, abs=1e-5)
    assert other.epic == pytest.approx(1, abs=1e-6) and other.starc_val == pytest.approx(1, abs=1e-5)
    assert scaled.returns.pearson == pytest.approx(1.0) and other.returns.spearman == pytest.approx(-1.0)
    verdicts = judgement_verdict(found)
    levels = {v.about: v.level for v in (*verdicts.rewards, *verdicts.pairs)}
    assert levels["away"] == "distrust" and levels["near and twice"] == "sound" == levels["near and shaped"]
    assert levels["near and away"] == "distrust"
    headlines = [v.headline for v in verdicts.pairs]
    assert (
        "near and twice ask for nearly the same" in headlines and "near and away ask for opposite things" in headlines
    )


def test_a_constant_reward_is_a_finding_not_a_crash(players: list[Player]) -> None:
    """It cannot be correlated, and both the reward and the pair say so in words."""
    still = subject("still", lambda value: torch.ones_like(value), "value")
    found = judged(players, still, Subject(name="near", reward=NEAR))
    assert found.rewards[0].constant and found.rewards[0].sensitivity is None
    assert "the same in all transitions" in found.pairs[0].absent["EPIC"]
    verdicts = judgement_verdict(found)
    assert verdicts.rewards[0].level == "distrust" and "nothing can be learnt" in verdicts.rewards[0].sentences[0]
    assert any(s.startswith("Not measured: EPIC") for s in verdicts.pairs[0].sentences)


def test_exploits_are_held_against_honest_success(players: list[Player], play: Play) -> None:
    """Walking on the spot near the target pays more than arriving, by a reward that pays for nearness at every step."""
    hover = subject("hover", lambda value, target: 3 - (target - value).abs(), "value", "target")
    exploits = [play("circling", [0, 1, 2, 1, 2, 1, 2, 1, 2, 1, 2]), play("idle", [0, 0, 0])]
    found = judged(players, hover, trusted_subject(registry.make_task(ENV), "sparse"), exploits=exploits)
    circling, idle = found.rewards[0].exploits
    # circling: 1 2 1 2 1 2 1 2 1 2 = 15; honest 0 1 2 3 pays 1 2 3 = 6, and longer ways at most 1 0 1 2 3 = 7, or 9
    assert circling.exploit_return == pytest.approx(15.0) and circling.paid_more == 1.0
    assert circling.source == "circling.jsonl" and circling.successes == 0 and circling.honest_episodes == 6
    assert idle.exploit_return == 0.0 and idle.paid_more == 0.0
    verdicts = judgement_verdict(found).rewards
    assert verdicts[0].level == "distrust" and "cheating pays more" in verdicts[0].sentences[0]
    assert [e.paid_more for e in found.rewards[1].exploits] == [0.0, 0.0]
    assert sum("cheating does not pay" in s for s in verdicts[1].sentences) == 2
    assert [p.policy for p in found.policies] == ["best", "good", "half", "poor", "worst"]  # exploits are no policies


def test_lost_episodes_count_in_nothing(players: list[Player], play: Play) -> None:
    """What the machinery lost has no score and no return."""
    lost = play("lost", [0, 1], [0, 1, 2], outcome="lost")
    found = judged([*players, lost], Subject(name="near", reward=NEAR))
    score = found.policies[-1]
    assert (score.episodes, score.success, score.fitness, score.returns["near"]) == (0, None, None, None)
    assert found.rewards[0].fitness.policies == 5


def test_without_success_nothing_is_called_sound(play: Play) -> None:
    """Policies that all fail cannot show what a reward pays for success."""
    failing = [play(f"p{i}", [0, -i, 0, -1], [0, i % 3, 0]) for i in range(5)]
    verdict = judgement_verdict(judged(failing, Subject(name="near", reward=NEAR))).rewards[0]
    assert verdict.level == "unclear" and any("None of the 5 policies succeeded" in s for s in verdict.sentences)


@pytest.fixture(scope="module")
def sandbox() -> Sandbox:
    """The default sandbox where it works, else none."""
    bubblewrap: Sandbox = registry.find("sandboxes", "bubblewrap")()
    return bubblewrap if bubblewrap.unavailable() is None else registry.find("sandboxes", "process")()


def program(name: str, body: str) -> Subject:
    source = f"def compute_reward(value, prev_value, target):\n{body}"
    return Subject(name=name, reward=RewardProgram.from_source(source, registry.make_task(ENV).fields), cost_s=0.001)


def test_a_program_in_the_sandbox_is_judged_as_the_same_reward_here(players: list[Player], sandbox: Sandbox) -> None:
    """One start of the sandbox gives all values; they are those of the same formula run here."""
    body = "    gap = (target - value).abs() + 0 * prev_value\n    return -gap, {'gap': -gap}\n"
    found = judged(players, program("program", body), Subject(name="near", reward=NEAR), sandbox=sandbox)
    (pair,) = found.pairs
    assert pair.epic == pytest.approx(0, abs=1e-5) and pair.starc_val == pytest.approx(0, abs=1e-4)
    assert [p.returns["program"] for p in found.policies] == pytest.approx([p.returns["near"] for p in found.policies])
    assert found.rewards[0].cost_s == 0.001


def test_a_program_with_memory_has_no_value_of_a_single_transition(players: list[Player], sandbox: Sandbox) -> None:
    """It pays the mean of the episode so far: neither EPIC nor sensitivity is made up from rows in some order."""
    source = (
        "def compute_reward(value, target, memory):\n"
        "    seen = memory[:, 0] + 1\n"
        "    total = memory[:, 1] - (target - value).abs()\n"
        "    rest = torch.zeros_like(memory[:, 2:])\n"
        "    return total / seen, {}, torch.cat((seen.unsqueeze(1), total.unsqueeze(1), rest), 1)\n"
    )
    remembering = RewardProgram.from_source(source, registry.make_task(ENV).fields)
    mean = Subject(name="mean", reward=remembering, cost_s=0.001)
    found = judged(players, mean, Subject(name="near", reward=NEAR), sandbox=sandbox)
    assert mean.remembers and found.rewards[0].remembers
    assert found.rewards[0].sensitivity is None and found.pairs[0].epic is None
    assert "it has memory" in found.rewards[0].absent["distance by EPIC, sensitivity"]
    assert "mean: it has memory" in found.pairs[0].absent["EPIC"]
    # by hand: 0 1 2 3 is 2, 1 and 0 away, so -2 -1.5 -1, twice
    assert found.policies[0].returns["mean"] == pytest.approx(-4.5)
    assert found.pairs[0].starc_val is not None


def test_shaping_alone_is_no_reward_to_correlate(players: list[Player]) -> None:
    """Potential shaping and nothing else: what canonical shaping leaves of it is the rounding of single precision."""
    shaping = subject(
        "shaping", lambda progress, prev_progress: 0.99 * progress - prev_progress, "progress", "prev_progress"
    )
    found = judged(players, shaping, Subject(name="near", reward=NEAR))
    assert found.pairs[0].epic is None and "once potential shaping is taken out" in found.pairs[0].absent["EPIC"]
    faint = subject(
        "faint",
        lambda value, target, progress, prev_progress: 0.99 * progress - prev_progress - 1e-2 * (target - value).abs(),
        "value",
        "target",
        "progress",
        "prev_progress",
    )
    (pair,) = judged(players, faint, Subject(name="near", reward=NEAR)).pairs
    assert pair.epic == pytest.approx(0, abs=1e-3)


def test_a_reward_that_fails_on_impossible_transitions_alone(players: list[Player]) -> None:
    """The counter moves by one at most; a reward that breaks on larger steps loses EPIC and sensitivity, no more."""
    steps = subject(
        "steps", lambda value, prev_value: value / ((value - prev_value).abs() < 1.5).float(), "value", "prev_value"
    )
    found = judged(players, steps, Subject(name="near", reward=NEAR))
    assert "fails on transitions put together" in found.rewards[0].absent["distance by EPIC, sensitivity"]
    assert found.pairs[0].epic is None and found.pairs[0].starc_val is not None
    assert found.policies[0].returns["steps"] == pytest.approx(6.0)


def test_a_reward_that_fails_on_real_ones_is_an_error(players: list[Player]) -> None:
    """The message names the reward."""
    with pytest.raises(RewardRuntimeError, match=r"bad: .*not finite"):
        judged(players, subject("bad", lambda value: value / (value - value), "value"))


def test_bad_input(players: list[Player], play: Play) -> None:
    """Nothing to judge, nothing to judge on, no sandbox, another version of the task: one line each."""
    near = Subject(name="near", reward=NEAR)
    old = players[0].rollouts
    fields = {**old.header.fields, "value": dataclasses.replace(old.header.fields["value"], doc="Something else.")}
    other = dataclasses.replace(
        players[0], rollouts=dataclasses.replace(old, header=dataclasses.replace(old.header, fields=fields))
    )
    for call, words in (
        (lambda: judged(players), "at least one reward"),
        (lambda: judged([], near), "no episodes"),
        (lambda: judged([play("empty")], near), "no recorded episode has a step"),
        (lambda: judged([play("reset", [0])], near), "no recorded episode has a step"),
        (lambda: judged(players, program("p", "    return value + prev_value + target, {}\n")), "needs a sandbox"),
        (lambda: judged([*players, other], near), r"with other fields than best.jsonl \(value\)"),
        (lambda: trusted_subject(registry.make_task(ENV), "spars"), "neither a file nor a reward of"),
        (lambda: trusted_subject(registry.make_task(ENV), "expert"), "no published expert"),
        (lambda: JudgingConfig(episodes=0), "episodes must be at least 1"),
        (lambda: JudgingConfig(gamma=1.0), "gamma"),
        (lambda: JudgingConfig(random_policies=-1), "negative"),
    ):
        with pytest.raises(ConfigError, match=words):
            call()
