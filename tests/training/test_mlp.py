"""Stacked perceptrons: torch's own function and gradients, and no crowd effect."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from envreward.training.mlp import MLPForm, StackedMLP
from envreward.training.networks import Activation

MODULES = {"tanh": nn.Tanh, "relu": nn.ReLU, "elu": nn.ELU}


def make(form: MLPForm, count: int) -> StackedMLP:
    rows = torch.stack([form.initial(torch.Generator().manual_seed(i)) for i in range(count)])
    return StackedMLP(form, rows, torch.zeros_like(rows))


def torch_module(form: MLPForm, row: Tensor) -> nn.Sequential:
    views, layers = form.views(row.unsqueeze(0)), []
    for weight, bias in zip(views[::2], views[1::2], strict=True):
        layer = nn.Linear(*weight[0].shape)
        layer.weight.data, layer.bias.data = weight[0].T.clone(), bias[0, 0].clone()
        layers += [layer, MODULES[form.activation]()]
    return nn.Sequential(*layers[:-1])


@pytest.mark.parametrize("activation", ["relu", "tanh", "elu"])
@pytest.mark.parametrize("outputs", [1, 6])
def test_forward_and_gradients_match_torch(activation: Activation, outputs: int) -> None:
    """Outputs and the gradients of parameters and inputs are those of `torch.nn` and autograd, for each network."""
    form = MLPForm((7, 24, 16, outputs), activation)
    nets = make(form, 3)
    x = torch.randn(3, 40, 7, generator=torch.Generator().manual_seed(9))
    delta = torch.randn(3, 40, outputs, generator=torch.Generator().manual_seed(8))
    kept: list[Tensor] = []
    y = nets.forward(x, kept)
    inputs = nets.input_gradient(kept, delta.clone(), 5)
    nets.backward(kept, delta.clone())
    assert nets.gradients is not None
    for k in range(3):
        module, own = torch_module(form, nets.rows[k]), x[k].clone().requires_grad_()
        expected = module(own)
        torch.testing.assert_close(y[k], expected, rtol=1e-5, atol=1e-6)
        expected.backward(delta[k])
        assert own.grad is not None
        torch.testing.assert_close(inputs[k], own.grad[:, 5:], rtol=1e-4, atol=1e-6)
        found = [v[0] for v in form.views(nets.gradients[k : k + 1])]
        layers = [m for m in module if isinstance(m, nn.Linear)]
        for i, layer in enumerate(layers):
            torch.testing.assert_close(found[2 * i], layer.weight.grad.T, rtol=1e-4, atol=2e-5)
            torch.testing.assert_close(found[2 * i + 1][0], layer.bias.grad, rtol=1e-4, atol=2e-5)


def test_initial_parameters_are_torchs() -> None:
    """Parameters start within the bounds of `torch.nn.Linear`, spread as there, and padding starts at zero."""
    form = MLPForm((50, 40, 3), "relu")
    row = form.initial(torch.Generator().manual_seed(0))
    for view, inputs in zip(form.views(row.unsqueeze(0)), (50, 50, 40, 40), strict=True):
        bound = inputs**-0.5
        assert view.abs().max() <= bound
    theirs = nn.Linear(50, 40).weight.detach().std()
    assert form.views(row.unsqueeze(0))[0].std() == pytest.approx(float(theirs), rel=0.05)
    used = 50 * 40 + 40 + 40 * 3 + 3
    assert len(row) % 32 == 0 and not row[used:].any()
