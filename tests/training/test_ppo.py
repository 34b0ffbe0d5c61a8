"""The PPO update: SB3's own update on the same data gives the same weights; KL control; independence."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch import Tensor

from envreward.training.config import PPOConfig
from envreward.training.heads import make_head
from envreward.training.networks import HeadName, NetworkSpec, StackedActorCritic, initial_weights, named_weights
from envreward.training.optimizer import StackedAdam
from envreward.training.ppo import Batch, UpdateStats, adapt, explained_variance, update

SIZE = 64


def make_spec(head: HeadName) -> NetworkSpec:
    return NetworkSpec(obs_size=4, action_size=2, hidden_sizes=(16, 16), activation="tanh", head=head)


def make_weights(spec: NetworkSpec, members: int) -> Tensor:
    rows = []
    for i in range(members):
        generator = torch.Generator().manual_seed(i)
        rows.append(initial_weights(spec, -0.5, generator) + 0.05 * torch.randn(spec.size, generator=generator))
    return torch.stack(rows)


def make_batch(head: HeadName, members: int) -> Batch:
    columns = []
    for i in range(members):
        g = torch.Generator().manual_seed(100 + i)
        action = torch.randn(SIZE, 2, generator=g) if head == "gaussian" else torch.randint(2, (SIZE,), generator=g)
        columns.append(
            {
                "obs": torch.randn(SIZE, 4, generator=g),
                "action": action,
                "log_prob": -1.0 + 0.5 * torch.randn(SIZE, generator=g),
                "advantage": torch.randn(SIZE, generator=g),
                "target": torch.randn(SIZE, generator=g),
            }
        )
    return Batch(**{name: torch.stack([c[name] for c in columns]) for name in columns[0]})


def run(spec: NetworkSpec, weights: Tensor, batch: Batch, config: PPOConfig, rate: float = 1e-2) -> UpdateStats:
    members = len(weights)
    adam = StackedAdam(
        weights, torch.zeros_like(weights), torch.zeros_like(weights), torch.zeros(members, 1, dtype=torch.float64)
    )
    rates = torch.full((members, 1), rate, dtype=torch.float64)
    head = make_head(spec.head, spec.action_size)
    return update(StackedActorCritic(spec, weights), adam, head, batch, config, rates, torch.Generator().manual_seed(0))


@pytest.mark.filterwarnings("ignore")  # SB3's own
@pytest.mark.parametrize("head", ["gaussian", "categorical"])
def test_same_step_as_sb3(head: HeadName) -> None:
    """On the same weights and data, ten updates by Stable-Baselines3's `PPO.train` and ours end at the same weights."""
    import gymnasium as gym
    from stable_baselines3 import PPO
    from stable_baselines3.common.logger import Logger

    spec, batch = make_spec(head), make_batch(head, 1)
    weights = make_weights(spec, 1)
    config = PPOConfig(
        epochs=10, minibatch_size=SIZE, clip_range=0.15, entropy_coef=0.02, value_coef=0.7, max_grad_norm=0.3
    )
    box = gym.spaces.Box(-1.0, 1.0, (2,)) if head == "gaussian" else gym.spaces.Discrete(2)
    env = _spaces(gym.spaces.Box(-9.0, 9.0, (4,)), box)
    model = PPO(
        "MlpPolicy", env, n_steps=SIZE, batch_size=SIZE, n_epochs=10, learning_rate=1e-2, clip_range=0.15,
        ent_coef=0.02, vf_coef=0.7, max_grad_norm=0.3, device="cpu", policy_kwargs={"net_arch": [16, 16]},
    )  # fmt: skip
    model.set_logger(Logger(None, []))
    parameters = _sb3_parameters(model, spec)
    for name, value in named_weights(spec, weights[0]).items():
        parameters[name].data.copy_(value.T if value.ndim == 2 else value)
    buffer = model.rollout_buffer
    buffer.observations[:, 0] = batch.obs[0].numpy()
    buffer.actions[:] = batch.action[0].reshape(SIZE, 1, -1).numpy()
    for target, source in ((buffer.log_probs, batch.log_prob), (buffer.advantages, batch.advantage)):
        target[:, 0] = source[0].numpy()
    buffer.returns[:, 0] = batch.target[0].numpy()
    buffer.full = True
    model.train()

    stats = run(spec, weights, batch, config)
    for name, value in named_weights(spec, weights[0]).items():
        theirs = parameters[name].detach()
        torch.testing.assert_close(value, theirs.T if value.ndim == 2 else theirs, rtol=2e-3, atol=2e-4)
    logged = model.logger.name_to_value
    assert float(stats.clip_fraction) == pytest.approx(logged["train/clip_fraction"], abs=1e-2)
    assert float(stats.entropy) == pytest.approx(-logged["train/entropy_loss"], rel=1e-3)


@pytest.mark.parametrize("head", ["gaussian", "categorical"])
@pytest.mark.parametrize("target_kl", [None, 0.02])
def test_crowd_changes_no_bit(head: HeadName, target_kl: float | None) -> None:
    """A member's weights after an update are bit for bit the same alone and among others, with or without KL stops."""
    spec, config = make_spec(head), PPOConfig(epochs=4, minibatch_size=16, target_kl=target_kl)
    together = make_weights(spec, 4)
    batch = make_batch(head, 4)
    run(spec, together, batch, config)
    for m in range(4):
        alone = make_weights(spec, 4)[m : m + 1]
        given = {f.name: getattr(batch, f.name) for f in dataclasses.fields(batch)}
        fields = {name: values[m : m + 1].clone() for name, values in given.items() if values is not None}
        run(spec, alone, Batch(**fields), config)
        assert torch.equal(alone[0], together[m])


def test_kl_stop_is_per_member() -> None:
    """A member beyond the target stops where it stands; one within it goes on."""
    spec, config = make_spec("gaussian"), PPOConfig(epochs=6, minibatch_size=SIZE)
    batch = make_batch("gaussian", 2)
    start = make_weights(spec, 2)
    nets = StackedActorCritic(spec, start)
    head = make_head("gaussian", 2)
    batch.log_prob = head.score(nets, nets.action(batch.obs), batch.action).log_prob
    batch.log_prob[1] += 3.0  # far from the policy from the first step on
    free, held = start.clone(), start.clone()
    run(spec, free, batch, config, 1e-4)
    run(spec, held, batch, dataclasses.replace(config, target_kl=0.5), 1e-4)
    assert torch.equal(held[0], free[0])
    assert torch.equal(held[1], start[1])
    assert not torch.equal(free[1], start[1])


def test_adaptive_rate() -> None:
    """The rate falls by 1.5 above twice the target, rises by 1.5 below half of it, and stays in between."""
    rates = torch.full((4, 1), 1e-3, dtype=torch.float64)
    kl = torch.tensor([[0.021], [0.004], [0.01], [0.0]])
    expected = torch.tensor([[1e-3 / 1.5], [1.5e-3], [1e-3], [1e-3]], dtype=torch.float64)
    torch.testing.assert_close(adapt(rates, kl, 0.01), expected)


def test_explained_variance() -> None:
    """1 for a perfect critic, 0 for a constant one, NaN where there is nothing to explain."""
    targets = torch.tensor([[1.0, 2.0, 3.0], [1.0, 2.0, 3.0], [2.0, 2.0, 2.0]])
    values = torch.tensor([[1.0, 2.0, 3.0], [5.0, 5.0, 5.0], [0.0, 1.0, 2.0]])
    result = explained_variance(values, targets)
    assert result[:2].tolist() == [1.0, 0.0]
    assert result[2].isnan()


def _spaces(obs: object, action: object) -> object:
    import gymnasium as gym

    class Spaces(gym.Env):  # type: ignore[type-arg,misc]
        observation_space, action_space = obs, action

    return Spaces()


def _sb3_parameters(model: object, spec: NetworkSpec) -> dict[str, torch.nn.Parameter]:
    policy = model.policy  # type: ignore[attr-defined]
    nets = {
        "actor": [*policy.mlp_extractor.policy_net, policy.action_net],
        "critic": [*policy.mlp_extractor.value_net, policy.value_net],
    }
    found = {}
    for net, modules in nets.items():
        for i, layer in enumerate(m for m in modules if isinstance(m, torch.nn.Linear)):
            found |= {f"{net}.{i}.weight": layer.weight, f"{net}.{i}.bias": layer.bias}
    return found | ({"log_std": policy.log_std} if spec.head == "gaussian" else {})
