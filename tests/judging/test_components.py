"""Components: scale, share, and which of them teach nothing."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from envreward.agents.rescoring import Score
from envreward.agents.rollouts import Episode
from envreward.judging.components import component_findings, is_constant

Make = Callable[..., Score]


@pytest.fixture
def score(recorded: Callable[..., Episode]) -> Make:
    """Make a score from its components' values."""

    def make(**components: Tensor) -> Score:
        steps = len(next(iter(components.values())))
        played = recorded(0, list(range(steps + 1)), 99)
        return Score(episode=played, rewards=torch.zeros(steps), components=components)

    return make


def test_states_and_shares(score: Make) -> None:
    """Spreads 3 and 1 of two live components make shares of 3/4 and 1/4; the others are called what they are."""
    wave = torch.tensor([-1.0, 1.0] * 50)
    found = {
        c.name: c
        for c in component_findings(
            [
                score(
                    big=3 * wave,
                    small=wave,
                    constant=torch.full((100,), 0.3),
                    faint=1e-4 * wave,
                    rare=torch.cat([torch.zeros(99), torch.full((1,), 20.0)]),
                )
            ]
        )
    }
    assert [found[n].state for n in ("big", "small", "constant", "faint", "rare")] == [
        "live",
        "live",
        "constant",
        "negligible",
        "stuck",
    ]
    spread = 3 + 1 + 1e-4 + 20 * (0.01 * 0.99) ** 0.5
    assert found["big"].share == pytest.approx(3 / spread, rel=1e-4)
    assert found["constant"].share == 0.0 and found["constant"].mean == pytest.approx(0.3)
    assert found["rare"].end == "low" and found["rare"].at_one_end == pytest.approx(0.99)
    assert (found["big"].low, found["big"].high, found["big"].spread) == (-3.0, 3.0, pytest.approx(3.0))


def test_what_was_not_measured_is_left_out(score: Make) -> None:
    """Steps without a value do not count, and a component without any is none."""
    nan = float("nan")
    found = component_findings([score(a=torch.tensor([1.0, nan, 3.0]), b=torch.tensor([nan, nan, nan]))])
    assert [c.name for c in found] == ["a"] and found[0].mean == 2.0
    assert component_findings([score(only=torch.ones(4))])[0].share is None
    assert component_findings([]) == ()


def test_rounding_is_no_difference() -> None:
    """Values that differ in the last bits alone are constant."""
    assert is_constant(torch.tensor([1.0, 1.0 + 1e-7])) and not is_constant(torch.tensor([1.0, 1.001]))
    assert is_constant(torch.zeros(3))
