"""Which steps a model of what comes next attends to."""

from __future__ import annotations

import pytest
import torch

from envreward.errors import ConfigError
from envreward.rewards.preferences import ImportanceConfig, Segment, attention_importance


def test_shares_of_each_segment() -> None:
    """One share per step, not negative, sum one, for segments of different length; a single step has it all."""
    generator = torch.Generator().manual_seed(0)
    segments = [Segment(state={"x": torch.randn(n, 2, generator=generator)}) for n in (4, 1, 6)]
    shares = attention_importance(segments, ["x"], ImportanceConfig(epochs=3))
    assert [len(share) for share in shares] == [4, 1, 6]
    for share in shares:
        assert bool((share >= 0).all()) and float(share.sum()) == pytest.approx(1.0, abs=1e-5)
    again = attention_importance(segments, ["x"], ImportanceConfig(epochs=3))
    assert all(torch.equal(a, b) for a, b in zip(shares, again, strict=True))


def test_what_the_future_depends_on_is_important() -> None:
    """A signal in step 1 decides the states from step 3 on, all else is noise: it gets the largest share."""
    generator = torch.Generator().manual_seed(0)
    segments = []
    for _ in range(60):
        signal = float(torch.randint(2, (), generator=generator)) * 2 - 1
        steps = torch.zeros(6, 3)
        steps[:, 2] = torch.randn(6, generator=generator)
        steps[1, 0] = signal
        steps[3:, 1] = signal
        segments.append(Segment(state={"x": steps}))
    shares = torch.stack(attention_importance(segments, ["x"], ImportanceConfig(epochs=150))).mean(0)
    assert int(shares.argmax()) == 1


def test_single_steps_teach_nothing() -> None:
    """Without a next step there is nothing to predict."""
    with pytest.raises(ConfigError, match="two steps or more"):
        attention_importance([Segment(state={"x": torch.zeros(1)})], ["x"])


@pytest.mark.parametrize("bad", [{"width": 0}, {"epochs": 0}, {"learning_rate": 0.0}])
def test_bad_settings(bad: dict[str, float]) -> None:
    """Settings that cannot work are refused."""
    with pytest.raises(ConfigError):
        ImportanceConfig(**bad)  # type: ignore[arg-type]
