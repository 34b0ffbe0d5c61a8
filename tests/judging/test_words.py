"""Verdicts: distrust only for what contradicts the task, and never a number without its sentence."""

from __future__ import annotations

import dataclasses

import pytest

from envreward.judging import Remark
from envreward.judging.findings import (
    Correlation,
    Divergence,
    ExploitFinding,
    Interval,
    Judgement,
    Moment,
    PairFindings,
    PolicyScore,
    RewardFindings,
    Sensitivity,
)
from envreward.judging.words import conclude, course_remark, figure, pair_verdict, reward_verdict

GOOD = RewardFindings(
    name="r",
    doc="",
    reads=("x",),
    remembers=False,
    cost_s=0.002,
    nonzero_steps=1.0,
    constant=False,
    components=(),
    fitness=Correlation(
        policies=6,
        pearson=0.9,
        spearman=0.8,
        pearson_interval=Interval(0.6, 0.99),
        spearman_interval=Interval(0.4, 1.0),
    ),
    auc=0.95,
    sensitivity=Sensitivity(transitions=100, influence={"x": 0.9, "y": 0.0}),
)
POLICIES = tuple(
    PolicyScore(policy=f"p{i}", kind="random", episodes=4, success=i / 5, fitness=float(i), returns={"r": float(i)})
    for i in range(6)
)
JUDGEMENT = Judgement(env_id="e", fitness_doc="", policies=POLICIES, rewards=(), pairs=())
TRAINED = Divergence(
    training="c000-s0",
    reward="r",
    course="aligned",
    points=100,
    correlation=0.9,
    start=Moment(100, 1.0, 2.0),
    peak=Moment(5000, 10.0, 20.0),
    end=Moment(10_000, 1234.0, 3.0),
)


def test_a_sound_reward() -> None:
    """Numbers stand in sentences, with how many policies they are from and their interval."""
    verdict = reward_verdict(GOOD, JUDGEMENT)
    assert (verdict.level, verdict.headline) == ("sound", "r: nothing speaks against it")
    text = " ".join(verdict.sentences)
    for words in (
        "Over 6 policies, mean return and fitness correlate at 0.90 (95% interval 0.60 to 0.99)",
        "their ranks at 0.80 (95% interval 0.40 to 1.00)",
        "higher return than another with probability 0.95",
        "The fittest policy, p5, is also the best paid.",
        "x 90%",
        "It reads, but hardly uses: y.",
        "It costs 2 ms per 1,024 transitions.",
    ):
        assert words in text
    assert all(s.endswith(".") and " " in s for s in verdict.sentences)


EXPLOIT = ExploitFinding(
    source="e.jsonl",
    actor="a",
    episodes=3,
    successes=1,
    exploit_return=9.0,
    honest_episodes=5,
    honest_return=4.0,
    paid_more=0.8,
)


@pytest.mark.parametrize(
    ("changes", "level", "words"),
    [
        ({"constant": True}, "distrust", "the same in every step"),
        ({"auc": 0.3}, "distrust", "failures are paid more"),
        ({"auc": 0.55}, "doubts", "hardly more often than chance"),
        (
            {"exploits": (EXPLOIT,)},
            "distrust",
            "is paid 9 in the median, an honest success 4 (5 episodes): cheating pays",
        ),
        (
            {"exploits": (dataclasses.replace(EXPLOIT, honest_return=None, paid_more=None),)},
            "doubts",
            "no honest success",
        ),
        ({"exploits": (dataclasses.replace(EXPLOIT, paid_more=0.1),)}, "sound", "cheating does not pay"),
        ({"nonzero_steps": 0.001}, "doubts", "anything but zero in 0.10% of steps"),
        ({"absent": {"cost": "no time"}}, "sound", "Not measured: cost (no time)."),
        (
            {"fitness": Correlation(policies=9, pearson=-0.8, spearman=-0.9, spearman_interval=Interval(-1, -0.5))},
            "distrust",
            "better policies are paid less",
        ),
        (
            {"fitness": Correlation(policies=9, pearson=-0.1, spearman=-0.1, spearman_interval=Interval(-0.6, 0.5))},
            "doubts",
            "a weak order",
        ),
        ({"fitness": Correlation(policies=3, pearson=0.9, spearman=0.9)}, "unclear", "too few policies"),
        ({"fitness": Correlation(policies=8, pearson=None, spearman=None)}, "unclear", "never differs"),
    ],
)
def test_levels(changes: dict[str, object], level: str, words: str) -> None:
    """Each finding moves the verdict as far as it goes, and is said in words."""
    verdict = reward_verdict(dataclasses.replace(GOOD, **changes), JUDGEMENT)  # type: ignore[arg-type]
    assert verdict.level == level
    assert any(words in sentence for sentence in verdict.sentences), verdict.sentences


def test_the_gravest_comes_first() -> None:
    """Whoever reads one sentence reads the one that counts."""
    verdict = conclude("r", [Remark("fact", "f."), Remark("against", "a."), Remark("doubt", "d.")], enough=True)
    assert verdict.sentences == ("a.", "d.", "f.") and verdict.level == "distrust"
    assert conclude("r", [], enough=True).level == "sound" and conclude("r", [], enough=False).level == "unclear"


@pytest.mark.parametrize(
    ("course", "level", "words"),
    [
        ("hacked", "distrust", "the reward was hacked"),
        ("misaligned", "distrust", "never went together"),
        ("indifferent", "doubts", "its return rose and fitness did not"),
        ("collapsed", "doubts", "fitness fell again"),
        ("flat", "doubts", "nothing was learnt"),
        ("aligned", "sound", "fitness with it"),
    ],
)
def test_courses_of_its_own_trainings_count(course: str, level: str, words: str) -> None:
    """A training's course comes with its numbers; a training with another reward is no evidence."""
    own = dataclasses.replace(TRAINED, course=course)  # type: ignore[arg-type]
    verdict = reward_verdict(GOOD, dataclasses.replace(JUDGEMENT, trainings=(own,)))
    assert verdict.level == level
    (sentence,) = [s for s in verdict.sentences if "c000-s0" in s]
    assert words in sentence
    for number in ("return 1 at the start, 10 at the best fitness (step 5,000), 1,234 at the end", "2, 20, 3", "0.90"):
        assert number in sentence
    foreign = dataclasses.replace(own, reward="other")
    assert reward_verdict(GOOD, dataclasses.replace(JUDGEMENT, trainings=(foreign,))).level == "sound"


def test_a_training_too_short_is_no_verdict() -> None:
    """Said, and counted neither way."""
    short = Divergence(training="t", course="unclear", points=5)
    assert course_remark(short) == ("fact", "In training t, 5 rollouts are too few to tell its course.")


@pytest.mark.parametrize(
    ("distance", "words"),
    [
        (0.0, "nearly the same"),
        (0.3, "much the same"),
        (0.5, "differ"),
        (0.71, "little to do with each other"),
        (1.0, "opposite"),
    ],
)
def test_distances_become_words(distance: float, words: str) -> None:
    """0.71 is the distance of rewards that have nothing to do with each other, 1 that of opposites."""
    pair = PairFindings(
        first="a", second="b", returns=GOOD.fitness, starc_val=distance, starc_minimal=distance, transitions=1000
    )
    verdict = pair_verdict(pair)
    assert verdict.headline.startswith("a and b ") and words in verdict.headline
    assert f"STARC distance {distance:.2f}" in verdict.sentences[0] and "on 1,000 recorded" in verdict.sentences[0]


def test_where_epic_had_to_make_transitions_up_is_said() -> None:
    """Its number is then worth less than STARC's."""
    pair = PairFindings(first="a", second="b", returns=GOOD.fitness, epic=0.25, composed=True)
    assert "EPIC distance 0.25 (same scale; it also asks for" in pair_verdict(pair).sentences[0]
    plain = dataclasses.replace(pair, composed=False)
    assert pair_verdict(plain).sentences[0] == "EPIC distance 0.25 (same scale)."


def test_a_pair_without_distance_is_not_compared() -> None:
    """What is missing is said, and no word is made of it."""
    verdict = pair_verdict(PairFindings(first="a", second="b", returns=GOOD.fitness, absent={"STARC": "why"}))
    assert verdict.level == "unclear" and "Not measured: STARC (why)." in verdict.sentences


def test_numbers_are_short() -> None:
    """Three digits, whole thousands, and nothing for what was not measured."""
    assert [figure(v) for v in (0.12345, 12.345, -1234.5, 1e-9, None)] == [
        "0.123",
        "12.3",
        "-1,234",
        "1e-09",
        "not measured",
    ]
