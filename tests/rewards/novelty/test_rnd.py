"""Random network distillation."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from counter_worlds import CounterTask
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from envreward.errors import ConfigError, RewardRuntimeError
from envreward.fields import Field
from envreward.rewards import RewardFunction
from envreward.rewards.novelty import RandomNetworkDistillation, RndConfig
from envreward.world_vector_env import WorldVectorEnv

CONFIG = RndConfig(fields=("pos",), hidden=(16,), embedding=8, learning_rate=1e-2, batch_size=32, gamma=0.5)


def draw(seed: int, *shape: int, centre: float = 0.0) -> Tensor:
    return torch.randn(*shape, 3, generator=torch.Generator().manual_seed(seed)) + centre


def test_seen_states_become_old_and_others_stay_new() -> None:
    """After learning from states around 0, those are predicted better than before, and much better than far ones."""
    rnd = RandomNetworkDistillation(CONFIG, 3)
    known, far = draw(1, 64), draw(2, 64, centre=4.0)
    before = rnd.update(pos=draw(0, 16, 4))
    for seed in range(60):
        after = rnd.update(pos=draw(seed, 16, 4))
    assert after < 0.2 * before
    assert float(rnd(pos=far).total.mean()) > 3 * float(rnd(pos=known).total.mean())


def test_scoring_is_pure() -> None:
    """Scores of the same states are the same however often they are asked for, until an update changes them."""
    rnd = RandomNetworkDistillation(CONFIG, 3)
    rnd.update(pos=draw(0, 8, 4))
    states = draw(1, 10)
    first, second = rnd(pos=states), rnd(pos=states)
    assert isinstance(rnd, RewardFunction) and rnd.parameters == ("pos",)
    assert torch.equal(first.total, second.total) and first.total.shape == (10,)
    rnd.update(pos=draw(2, 8, 4))
    assert not torch.equal(rnd(pos=states).total, first.total)


def test_the_bonus_is_burdas() -> None:
    """Error of clipped, normalised states over the spread of intrinsic returns, all worked out in NumPy.

    The learning rate is so small that the networks stay as they were made; only the statistics run.
    """
    config = RndConfig(fields=("pos",), hidden=(), embedding=4, learning_rate=1e-12, clip=1.5, gamma=0.5)
    rnd = RandomNetworkDistillation(config, 3)
    weight = (rnd._predictor[0].weight - rnd._target[0].weight).detach().double().numpy()
    rollouts = [draw(seed, 5, 2).double().numpy() for seed in (0, 1)]
    seen, carried, returns = np.zeros((0, 3)), np.zeros(2), []
    for rollout in rollouts:
        seen = np.concatenate([seen, rollout.reshape(-1, 3)])
        inputs = np.clip((rollout - seen.mean(0)) / seen.std(0), -1.5, 1.5)
        errors = ((inputs @ weight.T) ** 2).mean(-1)
        for error in errors:
            carried = 0.5 * carried + error
            returns.append(carried)
        rnd.update(pos=torch.from_numpy(rollout))
    states = draw(2, 6).double().numpy()
    inputs = np.clip((states - seen.mean(0)) / seen.std(0), -1.5, 1.5)
    expected = ((inputs @ weight.T) ** 2).mean(-1) / np.std(returns)
    np.testing.assert_allclose(rnd(pos=torch.from_numpy(states)).total.numpy(), expected, rtol=1e-4)


@settings(max_examples=25, deadline=None)
@given(scales=st.tuples(*[st.floats(1e-3, 1e3)] * 3), seed=st.integers(0, 1000))
def test_the_bonus_does_not_see_units(scales: tuple[float, ...], seed: int) -> None:
    """Whether a field comes in metres or in millimetres, each entry for itself, the same states are as new."""
    factors = torch.tensor(scales)
    plain, scaled = (RandomNetworkDistillation(CONFIG, 3) for _ in range(2))
    for rollout in (draw(seed, 8, 4), draw(seed + 1, 8, 4)):
        one, other = plain.learn(pos=rollout).total, scaled.learn(pos=rollout * factors).total
        torch.testing.assert_close(other, one, rtol=1e-3, atol=1e-4)
    states = draw(seed + 2, 6)
    torch.testing.assert_close(scaled(pos=states * factors).total, plain(pos=states).total, rtol=1e-3, atol=1e-4)


@settings(max_examples=25, deadline=None)
@given(size=st.floats(1e-2, 1e2), seed=st.integers(0, 1000))
def test_the_bonus_does_not_see_how_large_errors_are(size: float, seed: int) -> None:
    """Networks whose answers are larger by a factor err by its square, which the spread of the returns takes off.

    The learning rate is so small that the networks stay as they are.
    """
    config = RndConfig(fields=("pos",), hidden=(), embedding=4, learning_rate=1e-12)
    plain, larger = (RandomNetworkDistillation(config, 3) for _ in range(2))
    with torch.no_grad():
        for network in (larger._target, larger._predictor):
            network[0].weight *= size
    for rnd in (plain, larger):
        rnd.update(pos=draw(seed, 8, 4))
    states = draw(seed + 1, 6)
    one, other = plain(pos=states), larger(pos=states)
    torch.testing.assert_close(other.total, one.total, rtol=1e-3, atol=1e-5)
    errors = other.components["prediction_error"], one.components["prediction_error"]
    torch.testing.assert_close(errors[0], size**2 * errors[1], rtol=1e-3, atol=1e-6 * size**2)


def test_the_same_seed_gives_the_same_bonus() -> None:
    """Networks and the order of learning come from the seed alone, whatever else drew random numbers."""
    scores = []
    for noise in (1, 2):
        torch.manual_seed(noise)
        rnd = RandomNetworkDistillation(CONFIG, 3)
        rnd.update(pos=draw(0, 20, 4))
        scores.append(rnd(pos=draw(1, 5)).total)
    assert torch.equal(*scores)
    other = RandomNetworkDistillation(RndConfig(**{**vars(CONFIG), "seed": 1}), 3)
    assert not torch.equal(other(pos=draw(1, 5)).total, RandomNetworkDistillation(CONFIG, 3)(pos=draw(1, 5)).total)


def test_saved_and_loaded(tmp_path: Path) -> None:
    """A loaded one scores the same, and goes on with the same statistics."""
    rnd = RandomNetworkDistillation(CONFIG, 3)
    rnd.update(pos=draw(0, 20, 4))
    rnd.save(tmp_path / "rnd.safetensors")
    loaded = RandomNetworkDistillation.load(tmp_path / "rnd.safetensors")
    assert loaded.config == CONFIG
    assert torch.equal(loaded(pos=draw(1, 5)).total, rnd(pos=draw(1, 5)).total)
    assert loaded.update(pos=draw(2, 20, 4)) == rnd.update(pos=draw(2, 20, 4))


def test_other_files_are_refused(tmp_path: Path) -> None:
    """Neither a foreign safetensors file nor any other is taken for one."""
    from safetensors.torch import save_file

    save_file({"a": torch.zeros(1)}, tmp_path / "other.safetensors")
    (tmp_path / "text").write_text("no tensors")
    with pytest.raises(ConfigError, match="does not hold a random network"):
        RandomNetworkDistillation.load(tmp_path / "other.safetensors")
    with pytest.raises(ConfigError, match="is not a safetensors file"):
        RandomNetworkDistillation.load(tmp_path / "text")


def test_made_for_a_tasks_fields(fields: Mapping[str, Field]) -> None:
    """The size comes from the declarations; text and unknown names are refused."""
    config = RndConfig(fields=("torso_pos", "torso_height", "foot_contact"))
    assert RandomNetworkDistillation.for_fields(config, fields).size == 6
    with pytest.raises(ConfigError, match="note is text"):
        RandomNetworkDistillation.for_fields(RndConfig(fields=("note",)), fields)
    with pytest.raises(LookupError, match="did you mean 'torso_pos'"):
        RandomNetworkDistillation.for_fields(RndConfig(fields=("torso_ps",)), fields)


def test_in_an_environment() -> None:
    """An environment pays the bonus of the states that its steps lead to, and learns nothing by it."""
    rnd = RandomNetworkDistillation(RndConfig(fields=("value",)), 1)
    env = WorldVectorEnv(CounterTask(), 2, reward=rnd)
    env.reset(seed=5)
    _, reward, *_, info = env.step(torch.tensor([0, 1]))  # one down, one up
    env.close()
    assert torch.equal(reward, rnd(value=torch.tensor([-1.0, 1.0])).total) and "novelty" in info["reward_components"]


def test_bad_states() -> None:
    """Another size, another number of worlds, nothing, and broken numbers each have their own message."""
    rnd = RandomNetworkDistillation(CONFIG, 3)
    rnd.update(pos=draw(0, 2, 4))
    with pytest.raises(ConfigError, match="pos have 2 numbers, not 3"):
        rnd(pos=torch.zeros(1, 2))
    with pytest.raises(ConfigError, match="number of worlds: 4, then 5"):
        rnd.update(pos=draw(0, 2, 5))
    with pytest.raises(ConfigError, match="no state to learn from"):
        rnd.update(pos=torch.zeros(0, 4, 3))
    with pytest.raises(RewardRuntimeError, match="pos is not finite"):
        rnd(pos=torch.full((1, 3), float("inf")))


@pytest.mark.parametrize(
    "bad", [{"fields": ()}, {"hidden": (0,)}, {"learning_rate": 0.0}, {"gamma": 1.0}, {"clip": 0.0}]
)
def test_bad_settings(bad: dict[str, Any]) -> None:
    """Settings that cannot work are refused."""
    with pytest.raises(ConfigError):
        RndConfig(**{"fields": ("pos",), **bad})
