"""Trajectories as a reward sees them: where they end, what they are worth, how they are told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import torch

from envreward.agents.rescoring import Score
from envreward.agents.rollouts import Episode, Outcome
from envreward.designers.rewarded_trajectories import Trajectory, in_words, order, trajectories_of
from envreward.fields import Field
from envreward.llm import Usage

FIELDS = {
    "gap": Field("Distance to the goal.", unit="m"),
    "hand": Field("Position.", shape=(2,), unit="m"),
    "touching": Field("Whether it touches.", dtype="bool"),
    "message": Field("What is on the screen.", dtype="str"),
    "picture": Field("What the camera sees.", shape=(8, 8)),
    "success": Field("Whether it is done.", dtype="bool", private=True),
}


def episode(gaps: list[float], *, outcome: Outcome, first_success: int | None = None) -> Episode:
    """Return an episode with these gaps after its steps; the hand is at (gap, 1), the success test holds from a step
    on."""
    steps = len(gaps)
    gap = torch.tensor([2.0, *gaps])
    done = torch.zeros(steps + 1, dtype=torch.bool)
    if first_success is not None:
        done[first_success:] = True
    facts: Mapping[str, Any] = {
        "gap": gap,
        "hand": torch.stack([gap, torch.ones(steps + 1)], dim=1),
        "touching": gap < 0.5,
        "message": [f"at {value:g}\n  metres " + "." * 100 for value in gap.tolist()],
        "picture": torch.zeros(steps + 1, 8, 8),
        "success": done,
    }
    ends = torch.zeros(steps, dtype=torch.bool)
    return Episode(
        seed=0, instruction="", outcome=outcome, reason="", fitness=0.0, usage=Usage(), facts=facts, terminated=ends,
        truncated=ends, actions=[0] * steps, state_hash=[], action_error=[""] * steps, infra_error=[""] * steps,
    )  # fmt: skip


def score(of: Episode) -> Score:
    """Pay minus the gap, and a tenth for each step in a part of its own."""
    gap = of.facts["gap"]
    assert isinstance(gap, torch.Tensor)
    tenth = torch.full((of.steps,), 0.1)
    return Score(episode=of, rewards=tenth - gap[1:], components={"close": -gap[1:], "alive": tenth})


def test_fidelity_successful_episodes_end_with_their_success() -> None:
    """SuccessInfoWrapper of the release: the step in which success holds first is the last; failing ones are whole."""
    done = episode([1.0, 0.25, 0.25, 1.0], outcome="success", first_success=2)
    failed = episode([1.0, 1.0, 1.0, 1.0], outcome="truncated")
    cut, whole = trajectories_of([score(done), score(failed)], until_success=True)
    assert (cut.steps, whole.steps) == (2, 4)
    assert cut.rewards == pytest.approx((-0.9, -0.15)) and cut.components["close"] == (-1.0, -0.25)
    assert cut.episode_return == pytest.approx(-1.05)
    assert [t.steps for t in trajectories_of([score(done), score(failed)], until_success=False)] == [4, 4]


def test_episodes_of_which_nothing_is_known_are_left_out() -> None:
    """A lost episode neither succeeded nor failed."""
    scores = [score(episode([1.0], outcome=outcome)) for outcome in ("lost", "failed")]
    (kept,) = trajectories_of(scores, until_success=True)
    assert kept.episode.outcome == "failed"


def test_order_is_of_the_cut_trajectories() -> None:
    """Mean rewards -0.525 of two steps until success and -0.9 of four failing ones; returns -0.9 - 0.5 * 0.15 and
    -0.9 (1 + 0.5 + 0.25 + 0.125) for a discount of 0.5."""
    scores = [
        score(episode([1.0, 0.25, 3.0, 3.0], outcome="success", first_success=2)),
        score(episode([1.0] * 4, outcome="truncated")),
    ]
    seen = trajectories_of(scores, until_success=True)
    by_mean, by_return = order(seen, "released", discount=0.5), order(seen, "paper", discount=0.5)
    assert by_mean.successes == pytest.approx((-0.525,)) and by_mean.failures == pytest.approx((-0.9,))
    assert by_return.successes == pytest.approx((-0.975,)) and by_return.failures == pytest.approx((-1.6875,))
    whole = order(trajectories_of(scores, until_success=False), "released", discount=0.5)
    assert whole.verdict() == "refused", "what came after the success would have counted against it"


def one(of: Episode) -> Trajectory:
    (trajectory,) = trajectories_of([score(of)], until_success=True)
    return trajectory


@pytest.mark.parametrize(
    ("steps", "interval", "shown"),
    [(250, 100, [1, 100, 200, 250]), (200, 100, [1, 100, 200]), (3, 100, [1, 3]), (1, 100, [1]), (3, 1, [1, 2, 3])],
)
def test_fidelity_steps_that_are_told(steps: int, interval: int, shown: list[int]) -> None:
    """convert_traj_to_str of the release: the first, every interval-th, and the last step."""
    lines = in_words(one(episode([1.0] * steps, outcome="truncated")), FIELDS, interval=interval).splitlines()
    assert [int(line.removeprefix("step ").partition(":")[0]) for line in lines[:-1]] == shown


def test_words_of_a_step() -> None:
    """Public fields after the step, then the reward and its parts; what is private or too large is not told."""
    words = in_words(one(episode([0.0625], outcome="success", first_success=1)), FIELDS, interval=5)
    step, end = words.splitlines()
    assert step.startswith("step 1: gap 0.0625; hand [0.0625, 1]; touching yes; message 'at 0.0625 metres ....")
    assert step.endswith("...'; reward 0.0375; close (part of it) -0.0625; alive (part of it) 0.1")
    assert "picture" not in words and "success " not in words and len(step) < 300
    assert end == "The episode ended after step 1; the task was done."


def test_words_of_the_end() -> None:
    """The last line says whether the task was done and when."""
    cut = in_words(one(episode([1.0, 0.1, 0.1], outcome="success", first_success=2)), FIELDS, interval=5)
    assert cut.endswith("\nThe task was done at step 2.")
    failed = in_words(one(episode([1.0, 1.0], outcome="truncated")), FIELDS, interval=5)
    assert failed.endswith("\nThe episode ended after step 2; the task was not done.")
