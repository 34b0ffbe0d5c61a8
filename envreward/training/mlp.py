"""Stacked multilayer perceptrons: K networks of one form, computed together, with gradients written out.

As in `envreward.training.networks`, each network is a row of a flat matrix, and what it computes does not depend in any
bit on how many others there are. For that, hidden layers and batches from which is learned must be multiples of
`ALIGNED`, and those on which is only acted even or 1: products of other sizes differ in their last bits with where in
memory their matrices lie (tried for all sizes up to 256 that tasks and settings are likely to give).

Networks of 256 x 256 units on batches of 256 are bound by their matrix products, so that autograd's bookkeeping matters
less than for small ones. What is saved here is work: no gradients of critics' weights where only those of their inputs
are wanted, none of inputs where only those of weights are. A whole SAC update of one member takes 5.1 ms of CPU time
instead of autograd's 7.0 with 128 x 128 units, 12.2 instead of 14.7 with 256 x 256; of four members 19.9 against 19.4,
and 42 against 48 (one thread, on a machine that was busy with other work).
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import torch
from torch import Tensor

from .networks import Activation, activate, activation_backward, product

ALIGNED = 8
"""Of what sizes must be multiples."""

_CHUNK = 32


@dataclass(frozen=True)
class MLPForm:
    """Form of a network."""

    sizes: tuple[int, ...]
    """Of input, hidden layers and output."""
    activation: Activation

    def shapes(self) -> list[tuple[int, ...]]:
        """Return the shapes of weights ``[in, out]`` and biases in the order in which they lie in a row."""
        return [shape for pair in itertools.pairwise(self.sizes) for shape in (pair, pair[1:])]

    @property
    def length(self) -> int:
        """Length of a row: all parameters, padded with zeros to whole vectors."""
        return -(-sum(math.prod(shape) for shape in self.shapes()) // _CHUNK) * _CHUNK

    def views(self, rows: Tensor) -> list[Tensor]:
        """Return views of ``rows`` ``[K, P]``: weights ``[K, in, out]`` and biases ``[K, 1, out]``, in turn."""
        views, start = [], 0
        for shape in self.shapes():
            size = math.prod(shape)
            shape = shape if len(shape) == 2 else (1, *shape)
            views.append(rows[:, start : start + size].view(len(rows), *shape))
            start += size
        return views

    def initial(self, generator: torch.Generator) -> Tensor:
        """Return one network's initial parameters ``[P]``: uniform up to ``1 / sqrt(in)``, torch's default."""
        row = torch.zeros(1, self.length)
        for parameter, inputs in zip(self.views(row), [n for n in self.sizes[:-1] for _ in range(2)], strict=True):
            parameter.uniform_(-1 / math.sqrt(inputs), 1 / math.sqrt(inputs), generator=generator)
        return row[0]


class StackedMLP:
    """K networks over the rows of a weight matrix."""

    def __init__(self, form: MLPForm, rows: Tensor, gradients: Tensor | None = None) -> None:
        """Use ``rows`` (float32 ``[K, P]``, kept and not copied) as parameters.

        Args:
            form: Of each network.
            rows: The parameters.
            gradients: Where `backward` writes; ``None`` for networks of which no weights' gradients are wanted.
        """
        self.form, self.rows, self.gradients = form, rows, gradients
        views = form.views(rows)
        self._layers = [*zip(views[::2], views[1::2], strict=True)]
        self._grads = form.views(gradients) if gradients is not None else []

    def forward(self, x: Tensor, kept: list[Tensor] | None = None) -> Tensor:
        """Return outputs ``[K, B, out]`` for inputs ``[K, B, in]``; append to ``kept`` what the gradients need."""
        for i, (weight, bias) in enumerate(self._layers):
            if kept is not None:
                kept.append(x)
            x = self._linear(x, weight, bias)
            if i < len(self._layers) - 1:
                x = activate(x, self.form.activation)
        return x

    def backward(self, kept: list[Tensor], delta: Tensor) -> None:
        """Write the gradients of the parameters, given those of the outputs, ``delta`` ``[K, B, out]``."""
        for i in reversed(range(len(self._layers))):
            x, weight = kept[i], self._layers[i][0]
            if delta.shape[-1] == 1:
                torch.sum(x * delta, 1, out=self._grads[2 * i].squeeze(-1))
            else:
                torch.bmm(x.transpose(1, 2), delta, out=self._grads[2 * i])
            torch.sum(delta, 1, keepdim=True, out=self._grads[2 * i + 1])
            if i > 0:
                delta = activation_backward(product(delta, weight.transpose(1, 2)), x, self.form.activation)

    def input_gradient(self, kept: list[Tensor], delta: Tensor, first: int) -> Tensor:
        """Return the gradients of the inputs from entry ``first`` on, ``[K, B, in - first]``, and write none."""
        for i in reversed(range(1, len(self._layers))):
            upstream = product(delta, self._layers[i][0].transpose(1, 2))
            delta = activation_backward(upstream, kept[i], self.form.activation)
        return product(delta, self._layers[0][0][:, first:].transpose(1, 2))

    @staticmethod
    def _linear(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        if weight.shape[2] == 1:
            return (x * weight.transpose(1, 2)).sum(-1, keepdim=True).add_(bias)
        return product(x, weight).add_(bias) if x.shape[1] == 1 else torch.baddbmm(bias, x, weight)
