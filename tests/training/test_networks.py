"""Stacked networks: the same function as torch's own modules, the same gradients as autograd, and no crowd effect."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from envreward.training.networks import (
    Activation,
    NetworkSpec,
    StackedActorCritic,
    initial_weights,
    joined_weights,
    named_weights,
)

MODULES = {"tanh": nn.Tanh, "relu": nn.ReLU, "elu": nn.ELU}


def make_spec(activation: Activation = "tanh", hidden: tuple[int, ...] = (64, 32)) -> NetworkSpec:
    return NetworkSpec(obs_size=11, action_size=3, hidden_sizes=hidden, activation=activation, head="gaussian")


def make_nets(spec: NetworkSpec, members: int) -> StackedActorCritic:
    generators = [torch.Generator().manual_seed(i) for i in range(members)]
    rows = [initial_weights(spec, 0.0, g) + 0.1 * torch.randn(spec.size, generator=g) for g in generators]
    return StackedActorCritic(spec, torch.stack(rows))


def torch_module(spec: NetworkSpec, row: Tensor, net: str) -> nn.Sequential:
    """Build torch's own network with one member's weights."""
    named, layers = named_weights(spec, row), []
    for i in range(len(spec.hidden_sizes) + 1):
        weight = named[f"{net}.{i}.weight"]
        layer = nn.Linear(*weight.shape)
        layer.weight.data, layer.bias.data = weight.T.clone(), named[f"{net}.{i}.bias"].clone()
        layers += [layer, MODULES[spec.activation]()]
    return nn.Sequential(*layers[:-1])


@pytest.mark.parametrize("activation", ["tanh", "relu", "elu"])
@pytest.mark.parametrize("hidden", [(64, 32), (), (1,)])
def test_forward_and_gradients_match_torch(activation: Activation, hidden: tuple[int, ...]) -> None:
    """Outputs and gradients are those of `torch.nn` and autograd, for every member, activation and depth."""
    spec = make_spec(activation, hidden)
    nets = make_nets(spec, 3)
    generator = torch.Generator().manual_seed(9)
    obs = torch.randn(3, 40, 11, generator=generator)
    d_action = torch.randn(3, 40, 3, generator=generator)
    d_value = torch.randn(3, 40, generator=generator)
    output = nets.forward(obs, keep=True)
    nets.backward(d_action, d_value)
    for m in range(3):
        gradients = named_weights(spec, nets.gradients[m])
        for net, out, upstream in (
            ("actor", output.action[m], d_action[m]),
            ("critic", output.value[m].unsqueeze(-1), d_value[m].unsqueeze(-1)),
        ):
            module = torch_module(spec, nets.weights[m], net)
            expected = module(obs[m])
            torch.testing.assert_close(out, expected, rtol=1e-4, atol=1e-5)
            expected.backward(upstream)
            for i, layer in enumerate(x for x in module if isinstance(x, nn.Linear)):
                torch.testing.assert_close(gradients[f"{net}.{i}.weight"], layer.weight.grad.T, rtol=1e-3, atol=2e-5)
                torch.testing.assert_close(gradients[f"{net}.{i}.bias"], layer.bias.grad, rtol=1e-3, atol=2e-5)


@pytest.mark.parametrize("batch", [1, 8, 64, 100, 512])
def test_crowd_changes_no_bit(batch: int) -> None:
    """A member's outputs and gradients are bit for bit the same alone and among others."""
    spec = make_spec()
    crowd = make_nets(spec, 5)
    obs = torch.randn(5, batch, 11, generator=torch.Generator().manual_seed(1))
    d_action, d_value = torch.ones(5, batch, 3), torch.ones(5, batch)
    together = crowd.forward(obs, keep=True)
    crowd.backward(d_action, d_value)
    for m in range(5):
        alone = StackedActorCritic(spec, crowd.weights[m : m + 1].clone())
        output = alone.forward(obs[m : m + 1].clone(), keep=True)
        alone.backward(d_action[:1], d_value[:1])
        assert torch.equal(output.action[0], together.action[m])
        assert torch.equal(output.value[0], together.value[m])
        assert torch.equal(alone.gradients[0], crowd.gradients[m])


def test_initial_weights_are_orthogonal() -> None:
    """Hidden layers start orthogonal with gain sqrt(2), the outputs at 0.01 and 1, biases at 0."""
    named = named_weights(make_spec(hidden=(8, 8)), initial_weights(make_spec(hidden=(8, 8)), -1.5, torch.Generator()))
    square = named["actor.1.weight"]
    torch.testing.assert_close(square.T @ square, 2 * torch.eye(8), rtol=1e-5, atol=1e-5)
    out = named["actor.2.weight"]
    torch.testing.assert_close(out.T @ out, 1e-4 * torch.eye(3), rtol=1e-5, atol=1e-8)
    assert float(named["critic.2.weight"].square().sum()) == pytest.approx(1.0, rel=1e-5)
    assert not named["actor.0.bias"].any()
    assert torch.equal(named["log_std"], torch.full((3,), -1.5))


def test_names_and_rows_are_inverse() -> None:
    """Splitting a row into named tensors and joining them again gives the row."""
    spec = make_spec()
    row = initial_weights(spec, 0.5, torch.Generator())
    assert torch.equal(joined_weights(spec, named_weights(spec, row)), row)
