"""Actor-critic networks of a population, stacked so that one batched product serves all members.

Every member owns one row of a flat matrix ``weights [M, P]``; layers are views into it, and `torch.baddbmm`
runs a layer for all members at once. Rows make the rest simple: gradient norms, Adam, checkpoints, retiring a
member or moving it to another process are operations on rows.

Gradients are written out instead of left to autograd: for networks this small autograd's bookkeeping costs as
much as the arithmetic (1 member, minibatch 64: 0.79 ms against 0.36 ms; 4 members, 128: 1.74 against 1.28). A
test compares them with autograd. `torch.tanh` on CPU takes 2.6 ns per element, more than the product before it;
``2 sigmoid(2x) - 1`` is the same function to 2e-7 at less than a third of that.

A member's numbers must not depend, in any bit, on who shares its batch. What would make them depend: products with a
single row or column, which go to another kernel when M is 1 (see `product`); and elementwise functions whose
vectorised and scalar versions differ in the last bit, as torch finishes an array in scalars where its size is no
multiple of the vector's. So rows are padded to whole vectors, and sums of products are never fused (no `addcmul`).
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from envreward.worlds import CandidateShape

Activation = Literal["tanh", "relu", "elu"]
HeadName = Literal["gaussian", "categorical"]

_CHUNK = 32
"""Floats that torch's vectorised loops take at a time: two vectors of 512 bits."""


@dataclass(frozen=True, kw_only=True)
class NetworkSpec:
    """Form of one member's networks: an actor and a critic of the same hidden sizes that share nothing."""

    obs_size: int
    action_size: int
    """Entries of a continuous action, or number of discrete ones."""
    hidden_sizes: tuple[int, ...]
    activation: Activation
    head: HeadName
    candidates: CandidateShape | None = None
    """Sizes of the candidates that a policy chooses from; ``None``: observations are plain vectors."""

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the parameters' shapes by name, in the order in which they lie in a row of the weights."""
        shapes: dict[str, tuple[int, ...]] = {}
        for net, outputs in (("actor", self.action_size), ("critic", 1)):
            inputs_first = self.obs_size
            if self.candidates is not None:
                inputs_first, outputs = (self.candidates.features if net == "actor" else self.candidates.context), 1
            sizes = [inputs_first, *self.hidden_sizes, outputs]
            for layer, (inputs, units) in enumerate(itertools.pairwise(sizes)):
                shapes[f"{net}.{layer}.weight"] = (inputs, units)
                shapes[f"{net}.{layer}.bias"] = (units,)
        if self.candidates is not None:
            shapes["actor.context.weight"] = (self.candidates.context, shapes["actor.0.weight"][1])
        if self.head == "gaussian":
            shapes["log_std"] = (self.action_size,)
        return shapes

    @property
    def size(self) -> int:
        """Length of a member's row: its parameters, padded with zeros to whole vectors."""
        return -(-sum(math.prod(shape) for shape in self.shapes().values()) // _CHUNK) * _CHUNK


class NetworkOutput(NamedTuple):
    """What the networks say of a batch."""

    action: Tensor
    """Means or logits ``[M, B, A]``."""
    value: Tensor
    """State values ``[M, B]``."""


class StackedActorCritic:
    """Actor and critic of M members over one flat weight matrix, with hand-written gradients."""

    def __init__(self, spec: NetworkSpec, weights: Tensor) -> None:
        """Use ``weights`` (float32 ``[M, P]``, kept and not copied) as the members' parameters."""
        self.spec, self.weights, self.gradients = spec, weights, torch.zeros_like(weights)
        self._params = _views(spec, weights)
        self._grads = _views(spec, self.gradients)
        self._layers = len(spec.hidden_sizes) + 1
        self._kept: dict[str, list[Tensor]] = {}

    @property
    def num_members(self) -> int:
        """Number of members, M."""
        return self.weights.shape[0]

    @property
    def log_std(self) -> Tensor:
        """Logarithm of the action noise's standard deviation ``[M, 1, A]`` (Gaussian head only)."""
        return self._params["log_std"]

    @property
    def log_std_gradient(self) -> Tensor:
        """Where the gradient of `log_std` is written, ``[M, 1, A]``."""
        return self._grads["log_std"]

    def forward(self, obs: Tensor, *, keep: bool = False) -> NetworkOutput:
        """Run both networks on ``obs`` ``[M, B, O]``; ``keep`` what `backward` needs."""
        return NetworkOutput(self._run("actor", obs, keep), self._run("critic", obs, keep).squeeze(-1))

    def value(self, obs: Tensor) -> Tensor:
        """Return the values ``[M, B]`` of ``obs`` ``[M, B, O]``."""
        return self._run("critic", obs, keep=False).squeeze(-1)

    def action(self, obs: Tensor) -> Tensor:
        """Return means or logits ``[M, B, A]`` for ``obs`` ``[M, B, O]``."""
        return self._run("actor", obs, keep=False)

    def backward(self, action: Tensor, value: Tensor) -> None:
        """Write the gradients of all but `log_std` after a `forward` with ``keep``.

        Args:
            action: Gradient of the loss with respect to the means or logits, ``[M, B, A]``.
            value: Gradient of the loss with respect to the values, ``[M, B]``.
        """
        self._back("actor", action)
        self._back("critic", value.unsqueeze(-1))

    def _run(self, net: str, x: Tensor, keep: bool) -> Tensor:
        inputs = [x]
        for layer in range(self._layers - 1):
            x = activate(self._linear(net, layer, x), self.spec.activation)
            inputs.append(x)
        if keep:
            self._kept[net] = inputs
        return self._linear(net, self._layers - 1, x)

    def _linear(self, net: str, layer: int, x: Tensor) -> Tensor:
        bias, weight = self._params[f"{net}.{layer}.bias"], self._params[f"{net}.{layer}.weight"]
        if weight.shape[2] == 1:
            return (x * weight.transpose(1, 2)).sum(-1, keepdim=True).add_(bias)
        return product(x, weight).add_(bias) if x.shape[1] == 1 else torch.baddbmm(bias, x, weight)

    def _back(self, net: str, delta: Tensor) -> None:
        inputs = self._kept.pop(net)
        for layer in reversed(range(self._layers)):
            x, weight = inputs[layer], self._params[f"{net}.{layer}.weight"]
            if delta.shape[-1] == 1:
                torch.sum(x * delta, 1, out=self._grads[f"{net}.{layer}.weight"].squeeze(-1))
            else:
                torch.bmm(x.transpose(1, 2), delta, out=self._grads[f"{net}.{layer}.weight"])
            torch.sum(delta, 1, keepdim=True, out=self._grads[f"{net}.{layer}.bias"])
            if layer > 0:
                upstream = product(delta, weight.transpose(1, 2))
                delta = activation_backward(upstream, x, self.spec.activation)


def initial_weights(spec: NetworkSpec, init_log_std: float, generator: torch.Generator) -> Tensor:
    """Return one member's initial weights, float32 ``[P]``.

    Orthogonal with gain sqrt(2) in hidden layers, 0.01 at the actor's output and 1 at the critic's, biases 0
    (Andrychowicz et al. 2021, "What matters for on-policy deep actor-critic methods?", and OpenAI Baselines).
    """
    weights = torch.zeros(1, spec.size)
    params, last = _views(spec, weights), len(spec.hidden_sizes)
    named = {"actor": 0.01, "critic": 1.0}
    if spec.candidates is not None:
        matrix = torch.empty(params["actor.context.weight"].shape[1:])
        torch.nn.init.orthogonal_(matrix, math.sqrt(2), generator=generator)
        params["actor.context.weight"][0].copy_(matrix)
    for net, output_gain in named.items():
        for layer in range(last + 1):
            matrix = torch.empty(params[f"{net}.{layer}.weight"].shape[1:])
            gain = output_gain if layer == last else math.sqrt(2)
            torch.nn.init.orthogonal_(matrix, gain, generator=generator)
            params[f"{net}.{layer}.weight"][0].copy_(matrix)
    if spec.head == "gaussian":
        params["log_std"].fill_(init_log_std)
    return weights[0]


def named_weights(spec: NetworkSpec, row: Tensor) -> dict[str, Tensor]:
    """Split one member's weights ``[P]`` into tensors by parameter name."""
    return {name: view[0].reshape(spec.shapes()[name]) for name, view in _views(spec, row.unsqueeze(0)).items()}


def joined_weights(spec: NetworkSpec, named: dict[str, Tensor]) -> Tensor:
    """Join named parameters into one member's weights ``[P]``; the inverse of `named_weights`."""
    joined = torch.cat([named[name].reshape(-1) for name in spec.shapes()])
    return torch.nn.functional.pad(joined, (0, spec.size - len(joined)))


def _views(spec: NetworkSpec, flat: Tensor) -> dict[str, Tensor]:
    """Return views of the rows by parameter name: ``[M, in, out]`` weights, ``[M, 1, n]`` vectors."""
    views, start = {}, 0
    for name, shape in spec.shapes().items():
        size = math.prod(shape)
        views[name] = flat[:, start : start + size].view(len(flat), *(shape if len(shape) == 2 else (1, *shape)))
        start += size
    return views


def activate(x: Tensor, activation: Activation) -> Tensor:
    """Return the activation of ``x`` ``[..., B, H]``, which may be overwritten."""
    if activation == "relu":
        return x.relu_()
    if activation == "elu":
        return torch.where(x > 0, x, x.exp() - 1)
    if x.shape[-2:].numel() % _CHUNK == 0:
        return x.mul_(2).sigmoid_().mul_(2).sub_(1)
    # sigmoid's scalar version differs from its vectorised one; exp has only one
    return x.mul_(2).exp_().add_(1).reciprocal_().mul_(-2).add_(1)


def product(x: Tensor, weight: Tensor) -> Tensor:
    """Return ``x @ weight`` for ``[M, B, in]`` and ``[M, in, out]``, with the same bits whatever M is.

    Products with a single row or column go to another kernel when M is 1 and differ in their last bits: a member would
    depend on the size of its crowd. Written as products and sums they do not.
    """
    if x.shape[2] == 1:
        return x * weight
    if x.shape[1] == 1:
        return (x.transpose(1, 2) * weight).sum(1, keepdim=True)
    return x.bmm(weight)


def activation_backward(upstream: Tensor, output: Tensor, activation: Activation) -> Tensor:
    """Multiply ``upstream`` in place by the activation's derivative, given its output."""
    if activation == "tanh":
        return upstream.sub_(upstream * output.square())
    if activation == "relu":
        return upstream.mul_(output.sign())  # 0 or 1; a comparison takes 5 times as long, masked_fill 20 times
    return upstream.mul_(output.clamp(max=0).add_(1))
