"""Networks that choose among candidates: one small scorer for all of them, whatever their number and order.

An observation is context ``[G]``, mask ``[K]`` and candidates ``[K, F]``, flat (see `envreward.worlds`). The actor
scores each candidate by the same layers, whose first one sees the candidate and the context; the context's share of it
is computed once per observation and not once per candidate. What the mask excludes has probability zero. The critic
sees the context alone.
"""

from __future__ import annotations

import torch
from torch import Tensor

from envreward.worlds import CandidateShape

from .networks import NetworkOutput, NetworkSpec, StackedActorCritic, activate, activation_backward, product

EXCLUDED = -1e9
"""Logit of a candidate that does not exist; its probability is exactly zero in float32."""


def split(obs: Tensor, shape: CandidateShape) -> tuple[Tensor, Tensor, Tensor]:
    """Return context ``[..., G]``, mask (bool ``[..., K]``) and candidates ``[..., K, F]`` of flat observations."""
    context, mask = obs[..., : shape.context], obs[..., shape.context : shape.context + shape.choices]
    features = obs[..., shape.context + shape.choices :]
    return context, mask > 0.5, features.reshape(*obs.shape[:-1], shape.choices, shape.features)


class CandidateActorCritic(StackedActorCritic):
    """Scorer and critic of M members over one flat weight matrix, with hand-written gradients."""

    def __init__(self, spec: NetworkSpec, weights: Tensor) -> None:
        """Use ``weights`` (float32 ``[M, P]``, kept and not copied) as the members' parameters."""
        super().__init__(spec, weights)
        assert spec.candidates is not None
        self._shape = spec.candidates
        self._context: Tensor | None = None
        self._mask: Tensor | None = None

    def forward(self, obs: Tensor, *, keep: bool = False) -> NetworkOutput:
        """Run both networks on ``obs`` ``[M, B, O]``; ``keep`` what `backward` needs."""
        return NetworkOutput(self._score(obs, keep), self._run("critic", self._seen(obs), keep).squeeze(-1))

    def value(self, obs: Tensor) -> Tensor:
        """Return the values ``[M, B]`` of ``obs`` ``[M, B, O]``."""
        return self._run("critic", self._seen(obs), keep=False).squeeze(-1)

    def action(self, obs: Tensor) -> Tensor:
        """Return logits ``[M, B, K]`` for ``obs`` ``[M, B, O]``."""
        return self._score(obs, keep=False)

    def backward(self, action: Tensor, value: Tensor) -> None:
        """Write all gradients after a `forward` with ``keep``; see `StackedActorCritic.backward`."""
        assert self._mask is not None
        self._back_scores(action.masked_fill(~self._mask, 0.0))
        self._back("critic", value.unsqueeze(-1))

    def _seen(self, obs: Tensor) -> Tensor:
        return obs[..., : self._shape.context].contiguous()

    def _score(self, obs: Tensor, keep: bool) -> Tensor:
        members, size = obs.shape[:2]
        context, mask, features = split(obs, self._shape)
        rows = features.reshape(members, size * self._shape.choices, self._shape.features)
        context = context.contiguous()
        inputs = [rows, activate(self._first(rows, context), self.spec.activation)]
        for layer in range(1, self._layers - 1):
            inputs.append(activate(self._linear("actor", layer, inputs[-1]), self.spec.activation))
        x = self._linear("actor", self._layers - 1, inputs[-1])
        if keep:
            self._kept["actor"], self._context, self._mask = inputs, context, mask
        return x.view(members, size, self._shape.choices).masked_fill(~mask, EXCLUDED)

    def _first(self, rows: Tensor, context: Tensor) -> Tensor:
        """Return the first layer's output of each candidate, ``[M, B * K, H]``."""
        params, choices = self._params, self._shape.choices
        shared = product(context, params["actor.context.weight"]).add_(params["actor.0.bias"])
        own = product(rows, params["actor.0.weight"])
        return own.view(*shared.shape[:2], choices, -1).add_(shared.unsqueeze(2)).view(own.shape)

    def _back_scores(self, delta: Tensor) -> None:
        members, size, choices = delta.shape
        assert self._context is not None
        inputs, context = self._kept.pop("actor"), self._context
        delta = delta.reshape(members, size * choices, 1)
        for layer in reversed(range(self._layers)):
            x, grads = inputs[layer], self._grads
            weight = self._params[f"actor.{layer}.weight"]
            if delta.shape[-1] == 1:
                torch.sum(x * delta, 1, out=grads[f"actor.{layer}.weight"].squeeze(-1))
            else:
                torch.bmm(x.transpose(1, 2), delta, out=grads[f"actor.{layer}.weight"])
            if layer > 0:
                torch.sum(delta, 1, keepdim=True, out=grads[f"actor.{layer}.bias"])
                upstream = product(delta, weight.transpose(1, 2))
                delta = activation_backward(upstream, x, self.spec.activation)
            else:
                shared = delta.view(members, size, choices, -1).sum(2)
                torch.sum(shared, 1, keepdim=True, out=grads["actor.0.bias"])
                torch.bmm(context.transpose(1, 2), shared, out=grads["actor.context.weight"])


def make_networks(spec: NetworkSpec, weights: Tensor) -> StackedActorCritic:
    """Return networks of form ``spec`` over ``weights`` (float32 ``[M, P]``, kept and not copied)."""
    return StackedActorCritic(spec, weights) if spec.candidates is None else CandidateActorCritic(spec, weights)
