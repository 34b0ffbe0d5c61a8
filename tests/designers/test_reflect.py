"""Reflection: the text that a model gets about a training."""

from __future__ import annotations

import pytest

from envreward.designers.reflect import failure_feedback, number, reflection, turn
from envreward.studies.designer import Brief
from envreward.studies.records import Candidate, Evaluation, Status, Traces

BRIEF = Brief(env_id="T", instruction="Go.", fields={}, horizon=100, fitness_doc="Metres covered.")

# Worked by hand. 24 checkpoints, 5,000 steps apart; shown are every 24 // 10 = 2nd, that is 12 values, 10,000 steps
# apart (eureka/eureka.py: ``[::epoch_freq]``); maximum, mean and minimum are over all 24.
#   speed = 0.01 k for k = 0..23:  max 0.23, mean 0.01 * 11.5 = 0.115, min 0
#   effort = -2.5 throughout
#   task score = 10 k, unknown for k < 4:  max 230, mean 10 * (4 + 23) / 2 = 135, min 40
#   episode length = 1000 - k:  max 1000, mean 988.5, min 977
CANDIDATE = Candidate(
    id="c000",
    iteration=0,
    index=0,
    answer="```python\n...\n```",
    source=None,
    status=Status.EVALUATED,
    traces=Traces(
        steps=tuple(5000 * (k + 1) for k in range(24)),
        components={"speed": tuple(0.01 * k for k in range(24)), "effort": (-2.5,) * 24},
        fitness=tuple(None if k < 4 else 10.0 * k for k in range(24)),
        success=(None,) * 24,
        episode_length=tuple(1000.0 - k for k in range(24)),
    ),
    evaluations=(
        Evaluation(member="a", seed=0, episodes=5, success=0.2, fitness=200.0, episode_length=900.0),
        Evaluation(member="b", seed=1, episodes=5, success=0.4, fitness=241.0, episode_length=1000.0),
    ),
)
GOLDEN = """\
A policy was trained with the reward program above. Each line below follows one quantity over the training: its value \
every 10,000 environment steps, then the largest, the mean and the smallest of all its values. Components are means \
per step; the task score, the success rate and the length are means over episodes.

speed: [0, 0.02, 0.04, 0.06, 0.08, 0.1, 0.12, 0.14, 0.16, 0.18, 0.2, 0.22], max 0.23, mean 0.115, min 0
effort: [-2.5, -2.5, -2.5, -2.5, -2.5, -2.5, -2.5, -2.5, -2.5, -2.5, -2.5, -2.5], max -2.5, mean -2.5, min -2.5
task score: [-, -, 40, 60, 80, 100, 120, 140, 160, 180, 200, 220], max 230, mean 135, min 40
episode length: [1000, 998, 996, 994, 992, 990, 988, 986, 984, 982, 980, 978], max 1000, mean 988, min 977

When the training had ended, the policy was scored on fresh episodes: task score 220, success rate 0.3, \
episode length 950.

Rewards are compared by the task score, not by their own values. Task score: Metres covered.

Study these numbers and write a better program."""


def test_worked_example() -> None:
    """The feedback on a training is, to the letter, what was worked out by hand; nothing missing reads as 0."""
    assert reflection(CANDIDATE, BRIEF).startswith(GOLDEN)


def test_few_checkpoints() -> None:
    """A short training shows what there is, one value too."""
    short = Candidate(
        id="c", iteration=0, index=0, answer="", source=None, traces=Traces(steps=(10,), components={"a": (1.0,)})
    )
    text = reflection(short, BRIEF)
    assert "its value, then the largest" in text and "a: [1], max 1, mean 1, min 1" in text
    assert "scored on fresh episodes" not in text and "task score: [" not in text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0"), (0.001234, "0.00123"), (-3.14159, "-3.14"), (99.96, "100"), (1234.5, "1234"), (None, "-")],
)
def test_numbers(value: float | None, text: str) -> None:
    """Three significant digits, whole from 100 on: small components stay visible."""
    assert number(value) == text


def test_a_failure_is_told_by_its_status_and_reason() -> None:
    """What went wrong, in the words of the verification, with the format asked for again."""
    text = failure_feedback(Status.TIMED_OUT, "line 4: over 20 s. Fix: remove the loop.")
    assert "took too long" in text and "line 4: over 20 s. Fix: remove the loop." in text and "```python" in text


def test_turn_has_no_empty_message() -> None:
    """An empty answer is shown as such: providers refuse messages without text."""
    empty = Candidate(
        id="c", iteration=0, index=0, answer=" ", source=None, status=Status.UNPARSED, reason="the answer is empty."
    )
    said, heard = turn(empty, BRIEF)
    assert said == {"role": "assistant", "content": "(no answer)"} and "the answer is empty." in heard["content"]


def test_a_program_that_broke_in_training_is_told_its_error() -> None:
    """Half a training with an error at its end is an error, not a result."""
    broken = Candidate(
        id="c",
        iteration=0,
        index=0,
        answer="x",
        source=None,
        status=Status.FAILED,
        reason="component speed is not finite",
        traces=Traces(steps=(10,), components={"speed": (1.0,)}),
    )
    assert "component speed is not finite" in turn(broken, BRIEF)[1]["content"]
