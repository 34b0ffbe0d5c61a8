"""Learning rewards from preferences."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from envreward.errors import ConfigError, RewardRuntimeError
from envreward.rewards import RewardFunction
from envreward.rewards.preferences import (
    LearnedReward,
    Preference,
    PreferenceConfig,
    Segment,
    accuracy,
    fit_preferences,
)

LINEAR = PreferenceConfig(fields=("pos", "speed"), hidden=(), epochs=60, learning_rate=0.03)


def true_reward(pos: torch.Tensor, speed: torch.Tensor) -> torch.Tensor:
    return 2.0 * pos[..., 0] - pos[..., 1] + 0.5 * speed


def draw_segment(generator: torch.Generator, steps: int) -> Segment:
    pos = 3.0 + torch.randn(steps, 2, generator=generator)
    return Segment(state={"pos": pos, "speed": torch.randn(steps, generator=generator), "other": torch.zeros(steps)})


def draw_pairs(count: int, seed: int = 0, noise: bool = False) -> list[Preference]:
    """Pairs of equally long segments, labelled by the sum of `true_reward`, with Bradley and Terry's noise or none."""
    generator = torch.Generator().manual_seed(seed)
    pairs = []
    for i in range(count):
        first, second = (draw_segment(generator, 2 + i % 4) for _ in range(2))
        better = sum(
            sign * float(true_reward(s.state["pos"], s.state["speed"]).sum()) for sign, s in ((-1, first), (1, second))
        )
        chance = 1 / (1 + np.exp(-better))
        label = float(torch.rand((), generator=generator) < chance) if noise else float(better > 0)
        pairs.append(Preference(first=first, second=second, label=label))
    return pairs


def test_a_linear_reward_is_found_again() -> None:
    """From noisy labels, the learned reward goes along with the true one, and predicts most pairs it has not seen."""
    fit = fit_preferences(draw_pairs(300, noise=True), LINEAR)
    assert isinstance(fit.reward, RewardFunction) and fit.reward.parameters == ("pos", "speed")
    generator = torch.Generator().manual_seed(5)
    pos, speed = 3.0 + torch.randn(500, 2, generator=generator), torch.randn(500, generator=generator)
    learned = fit.reward(pos=pos, speed=speed).total
    assert float(torch.corrcoef(torch.stack([learned, true_reward(pos, speed)]))[0, 1]) > 0.97
    assert fit.holdout_accuracy is not None and fit.holdout_accuracy > 0.8
    assert fit.loss < 0.4
    # Mean 0 and standard deviation 1 over the states of the pairs it was learned from; these are drawn as they were.
    assert abs(float(learned.mean())) < 0.2 and abs(float(learned.std()) - 1.0) < 0.2


def test_a_network_learns_what_no_linear_reward_can() -> None:
    """Preferring points near the origin: a network with hidden layers predicts held-out pairs, a linear one guesses."""
    generator = torch.Generator().manual_seed(3)
    pairs = []
    for _ in range(300):
        one, two = (torch.randn(1, 2, generator=generator) for _ in range(2))
        better = two.norm() < one.norm()
        pairs.append(Preference(first=Segment(state={"p": one}), second=Segment(state={"p": two}), label=float(better)))
    deep, linear = (
        fit_preferences(pairs, PreferenceConfig(fields=("p",), hidden=hidden, epochs=60, learning_rate=0.01))
        for hidden in ((32,), ())
    )
    assert deep.holdout_accuracy is not None and linear.holdout_accuracy is not None
    assert deep.holdout_accuracy > 0.8 > 0.65 > linear.holdout_accuracy


def test_a_one_dimensional_fit_is_the_logistic_regressions() -> None:
    """One field, one step: the maximum of the likelihood, found by bisection on its derivative, is where it ends."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(40, 2)), rng.integers(0, 2, size=40)
    difference = x[:, 1] - x[:, 0]
    low, high = -10.0, 10.0
    for _ in range(60):
        middle = (low + high) / 2
        slope = float(((y - 1 / (1 + np.exp(-middle * difference))) * difference).sum())
        low, high = (middle, high) if slope > 0 else (low, middle)
    chance = 1 / (1 + np.exp(-low * difference))
    best = float(-(y * np.log(chance) + (1 - y) * np.log(1 - chance)).mean())
    pairs = [
        Preference(
            first=Segment(state={"x": torch.tensor([a])}),
            second=Segment(state={"x": torch.tensor([b])}),
            label=float(label),
        )
        for (a, b), label in zip(x, y, strict=True)
    ]
    config = PreferenceConfig(fields=("x",), hidden=(), epochs=400, learning_rate=0.02, weight_decay=0.0, holdout=0.0)
    fit = fit_preferences(pairs, config)
    assert fit.loss == pytest.approx(best, abs=1e-4)
    assert fit.holdout_accuracy is None
    assert fit.train_accuracy == pytest.approx(float(((low * difference > 0) == (y == 1)).mean()))


def corridor_pairs(count: int) -> list[Preference]:
    """Two moves each on a line with the goal at 5, where a step costs 1; labels by three times the regret.

    One candidate goes straight to the goal, from a place p in 5 - p steps, another one waits two steps first. The best
    value is thus that of going straight, p - 5.
    """
    rng = np.random.default_rng(1)

    def walk() -> tuple[Segment, float]:
        start = int(rng.integers(0, 4))
        end = start + int(rng.integers(0, 3))
        left = [torch.tensor([[5.0 - place], [7.0 - place]]) for place in (start, end)]
        segment = Segment(state={"step": torch.ones(2)}, start_successors=left[0], end_successors=left[1])
        return segment, (start - 5) - (-2 + (end - 5))

    pairs = []
    for _ in range(count):
        (first, worse), (second, better) = walk(), walk()
        chance = 1 / (1 + np.exp(-3 * (worse - better)))
        pairs.append(Preference(first=first, second=second, label=float(chance)))
    return pairs


def test_regret_finds_the_cost_of_time() -> None:
    """All segments are equally long, so returns say nothing of what a step costs; regrets do, and how much.

    By the return model the same data cannot be learned from: the step is the same everywhere.
    """
    pairs = corridor_pairs(100)
    config = PreferenceConfig(
        fields=("step",), model="regret", hidden=(), epochs=120, learning_rate=0.1, holdout=0.0, weight_decay=0.0
    )
    fit = fit_preferences(pairs, config)
    assert float(fit.reward(step=torch.ones(1)).total) == pytest.approx(-3.0, rel=0.02)
    assert fit.train_accuracy == 1.0
    with pytest.raises(ConfigError, match="field step is the same in all states"):
        fit_preferences(pairs, PreferenceConfig(fields=("step",), hidden=(), holdout=0.0))


def test_hindsight_prior_puts_the_reward_where_the_importance_is() -> None:
    """Two fields explain the labels equally well; the prior decides for the one in the important steps.

    Each segment has a step of kind a and a step of kind b with the same value; only steps a are important.
    """
    generator = torch.Generator().manual_seed(0)
    pairs = []
    for _ in range(80):
        values = torch.randn(2, generator=generator)
        sides = [
            Segment(
                state={"a": torch.stack([v, v * 0]), "b": torch.stack([v * 0, v])}, importance=torch.tensor([1.0, 0.0])
            )
            for v in values
        ]
        pairs.append(Preference(first=sides[0], second=sides[1], label=float(values[1] > values[0])))

    def shares(prior: float) -> float:
        config = PreferenceConfig(
            fields=("a", "b"), hidden=(), epochs=80, learning_rate=0.02, prior_weight=prior, holdout=0.0
        )
        weight = next(iter(fit_preferences(pairs, config).reward.network.parameters())).detach().abs().view(-1)
        return float(weight[0] / weight.sum())

    assert 0.3 < shares(0.0) < 0.7
    assert shares(3.0) > 0.9


def test_saved_and_loaded(tmp_path: Path) -> None:
    """A loaded reward pays exactly the same, and judges pairs the same."""
    pairs = draw_pairs(40)
    config = PreferenceConfig(fields=("pos", "speed"), hidden=(8,), epochs=5)
    reward = fit_preferences(pairs, config).reward
    reward.save(tmp_path / "reward.safetensors")
    loaded = LearnedReward.load(tmp_path / "reward.safetensors")
    state = pairs[0].first.state
    ours, theirs = (r(pos=state["pos"], speed=state["speed"]).total for r in (reward, loaded))
    assert torch.equal(ours, theirs) and loaded.parameters == ("pos", "speed")
    assert accuracy(loaded, pairs, config) == accuracy(reward, pairs, config)


def test_other_files_are_refused(tmp_path: Path) -> None:
    """Neither a foreign safetensors file nor any other is taken for a reward."""
    from safetensors.torch import save_file

    save_file({"a": torch.zeros(1)}, tmp_path / "other.safetensors")
    (tmp_path / "text").write_text("no tensors")
    with pytest.raises(ConfigError, match="does not hold a learned reward"):
        LearnedReward.load(tmp_path / "other.safetensors")
    with pytest.raises(ConfigError, match="is not a safetensors file"):
        LearnedReward.load(tmp_path / "text")


def test_the_same_seed_gives_the_same_reward() -> None:
    """Weights, split and order come from the seed alone, whatever else drew random numbers."""
    rewards = []
    for noise in (1, 2):
        torch.manual_seed(noise)
        config = PreferenceConfig(fields=("pos", "speed"), hidden=(8,), epochs=3)
        rewards.append(fit_preferences(draw_pairs(30), config).reward(pos=torch.ones(1, 2), speed=torch.ones(1)).total)
    assert torch.equal(*rewards)


def test_data_that_teach_nothing() -> None:
    """A constant field, ties alone, a state that is broken, segments without what the model needs: each is named."""
    pairs = draw_pairs(10)
    with pytest.raises(ConfigError, match="field other is the same in all states: leave it out"):
        fit_preferences(pairs, PreferenceConfig(fields=("pos", "other")))
    flat = [
        Preference(
            first=Segment(
                state={"pos": torch.cat([p.first.state["pos"], torch.ones(len(p.first.state["pos"]), 1)], 1)}
            ),
            second=Segment(
                state={"pos": torch.cat([p.second.state["pos"], torch.ones(len(p.second.state["pos"]), 1)], 1)}
            ),
            label=p.label,
        )
        for p in pairs
    ]
    with pytest.raises(ConfigError, match="entry 2 of field pos is the same"):
        fit_preferences(flat, PreferenceConfig(fields=("pos",)))
    with pytest.raises(ConfigError, match="no preferences to learn from"):
        fit_preferences([], LINEAR)
    ties = [Preference(first=p.first, second=p.second, label=0.5) for p in pairs[1:]]
    with pytest.raises(ConfigError, match="rest says nothing"):
        fit_preferences([pairs[0], ties[0]], PreferenceConfig(fields=("pos",), holdout=0.5, seed=held_out_first(2)))
    with pytest.raises(ConfigError, match="needs the importance of each segment"):
        fit_preferences(pairs, PreferenceConfig(fields=("pos",), prior_weight=1.0))
    with pytest.raises(ConfigError, match="start_ and end_successors"):
        fit_preferences(pairs, PreferenceConfig(fields=("pos",), model="regret", hidden=()))
    broken = Segment(state={"pos": torch.full((2, 2), float("nan"))})
    with pytest.raises(RewardRuntimeError, match="pos is not finite"):
        fit_preferences(
            [Preference(first=broken, second=pairs[0].first, label=1.0)] * 2, PreferenceConfig(fields=("pos",))
        )


def held_out_first(count: int) -> int:
    """A seed that holds out the first of so many pairs."""
    return next(
        seed for seed in range(100) if torch.randperm(count, generator=torch.Generator().manual_seed(seed))[0] == 0
    )


def test_another_size_of_state() -> None:
    """A reward is not paid on fields of another size than it was learned from."""
    reward = fit_preferences(draw_pairs(20), PreferenceConfig(fields=("pos",), hidden=(), epochs=1)).reward
    with pytest.raises(ConfigError, match="pos have 3 numbers, not 2"):
        reward(pos=torch.zeros(1, 3))


@pytest.mark.parametrize(
    "bad",
    [
        {"fields": ()},
        {"model": "advantage"},
        {"model": "regret"},
        {"epochs": 0},
        {"holdout": 1.0},
        {"prior_weight": -1.0},
        {"learning_rate": 0.0},
    ],
)
def test_bad_settings(bad: dict[str, Any]) -> None:
    """Settings that cannot work are refused."""
    with pytest.raises(ConfigError):
        PreferenceConfig(**{"fields": ("pos",), **bad})
