"""Sensitivity: the influence of inputs whose shares of the variance are known."""

from __future__ import annotations

import pytest
import torch

from envreward.judging.sensitivity import SensitivitySample
from envreward.rewards.distances import Transitions


def transitions(rows: int = 6000) -> Transitions:
    """Independent standard normal fields, and a text."""
    generator = torch.Generator().manual_seed(0)
    draw = lambda: torch.randn(rows, generator=generator)  # noqa: E731
    return Transitions(
        before={"x": draw(), "y": draw(), "note": ["a"] * rows},
        action=torch.randn(rows, 2, generator=generator),
        after={"x": draw(), "y": draw(), "note": [str(i % 2) for i in range(rows)]},
        terminated=torch.zeros(rows, dtype=torch.bool),
    )


def influence(names: tuple[str, ...], reward: object) -> dict[str, float]:
    sample = SensitivitySample(transitions(), limit=6000, seed=3)
    values = [reward(**table) for table in sample.tables(names)]  # type: ignore[operator]
    found = sample.result(names, values)
    assert found is not None and found.transitions == 6000
    return dict(found.influence)


def test_shares_of_a_sum() -> None:
    """Of 3x + 4y, x carries 9/25 of the variance and y 16/25; a field that is read and not used carries none."""
    found = influence(("x", "y", "action"), lambda x, y, action: 3 * x + 4 * y + 0 * action[:, 0])
    assert list(found) == ["y", "x", "action"]
    assert found["x"] == pytest.approx(9 / 25, abs=0.03) and found["y"] == pytest.approx(16 / 25, abs=0.03)
    assert found["action"] == 0.0


def test_inputs_that_act_together() -> None:
    """Of xy, nothing would be left without either: both carry all of the variance."""
    found = influence(("x", "y"), lambda x, y: x * y)
    assert found["x"] == pytest.approx(1.0, abs=0.06) and found["y"] == pytest.approx(1.0, abs=0.06)


def test_a_field_and_its_value_before_are_one() -> None:
    """They are exchanged together, so that a difference stays one."""
    found = influence(("x", "prev_x", "y"), lambda x, prev_x, y: (x - prev_x) + y)
    assert list(found) == ["x", "y"]
    assert found["x"] == pytest.approx(2 / 3, abs=0.03) and found["y"] == pytest.approx(1 / 3, abs=0.03)


def test_texts_are_exchanged_too() -> None:
    """A reward that reads text depends on it."""
    found = influence(("note", "x"), lambda note, x: torch.tensor([float(n) for n in note]) + 0 * x)
    assert found["note"] == pytest.approx(1.0, abs=0.06) and found["x"] == 0.0


def test_few_transitions_are_taken_several_times() -> None:
    """So that more pairs of them meet; how many there really are is what is told."""
    sample = SensitivitySample(transitions(50), limit=2000, seed=0)
    tables = sample.tables(("x", "y"))
    assert len(tables[0]["x"]) == 2000
    found = sample.result(("x", "y"), [table["x"] + 0 * table["y"] for table in tables])  # type: ignore[operator]
    assert found is not None and found.transitions == 50
    assert found.influence["x"] == pytest.approx(1.0, abs=0.1) and found.influence["y"] == 0.0


def test_a_constant_reward_has_none() -> None:
    """There is no variance to have a share of."""
    sample = SensitivitySample(transitions(50), limit=40, seed=0)
    assert sample.result(("x",), [torch.full((40,), 7.0)] * 2) is None
