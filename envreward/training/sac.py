"""The SAC update of a population (Haarnoja et al. 2018, arXiv:1812.05905), one batched gradient step for all members.

On its own batch, each member takes one step of Adam on each of

    temperature: -log alpha * mean(log p(a|s) + H)                               (eq. 18, in log alpha as authors do)
    critics:     1/2 sum_i mean((Q_i(s, a) - r - discount * (min_j Q'_j(s', a') - alpha log p(a'|s')))^2)    (eq. 5)
    actor:       mean(alpha log p(a|s) - min_i Q_i(s, a))                                                    (eq. 7)

with ``a ~ p(.|s)`` and ``a' ~ p(.|s')``, H the target entropy and Q' the target critics, which then move by ``tau``
towards the critics. The order is Stable-Baselines3's: all use the temperature of before the step, the actor the critics
of after it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from . import squashed
from .config import SACConfig
from .mlp import MLPForm, StackedMLP
from .optimizer import StackedAdam

ADAM_EPS = 1e-8
"""As in Stable-Baselines3 and torch."""


@dataclass(kw_only=True)
class Batch:
    """Transitions to learn from, float32, B of each member."""

    both: Tensor
    """Observations before the action and then those after the rewards, normalised, ``[M, 2 B, O]``."""
    action: Tensor
    """In [-1, 1], ``[M, B, A]``."""
    reward: Tensor
    """Scaled, ``[M, B]``."""
    discount: Tensor
    """Of what comes after the reward, 0 where nothing does, ``[M, B]``."""
    noise: Tensor
    """Standard normal, of the actions that are drawn at ``both``, ``[M, 2 B, A]``."""
    weight: Tensor
    """1 for transitions to learn from and 0 for those lost to a fault of the machinery, ``[M, B]``."""

    @property
    def size(self) -> int:
        """B."""
        return self.reward.shape[1]

    @property
    def obs(self) -> Tensor:
        """``[M, B, O]``."""
        return self.both[:, : self.size]

    @property
    def next_obs(self) -> Tensor:
        """``[M, B, O]``."""
        return self.both[:, self.size :]


class Step(NamedTuple):
    """One gradient step's numbers, ``[M]`` each."""

    entropy: Tensor
    """Of the policy, estimated from its samples."""
    value_loss: Tensor
    """Mean squared error of the critics."""
    value_mean: Tensor
    """Mean of the critics' values."""
    actor_loss: Tensor
    alpha: Tensor
    """Temperature before the step."""


class SACNetworks:
    """Actor, twin critics, target critics and temperature of M members, with their optimisers."""

    def __init__(self, actor: MLPForm, critic: MLPForm, state: Mapping[str, Tensor]) -> None:
        """Use the tensors of ``state``, which are kept and written to.

        Args:
            actor: Form of the actor, with two outputs per entry of an action: mean and logarithm of the deviation.
            critic: Form of each critic.
            state: Float32 ``actor`` ``[M, P]``, ``critic`` and ``target`` ``[M, 2, P]``, ``log_alpha`` ``[M, 1]``,
                Adam's moments and steps of all but ``target`` as ``adam.*``, and what does not concern it.
        """
        self.state = {name: state[name] for name in ("actor", "critic", "target", "log_alpha")}
        self.actor = StackedMLP(actor, state["actor"], torch.zeros_like(state["actor"]))
        twins = state["critic"].flatten(0, 1)
        self.critic = StackedMLP(critic, twins, torch.zeros_like(twins))
        self.target = StackedMLP(critic, state["target"].flatten(0, 1))
        self.log_alpha = state["log_alpha"]
        self._adam = {}
        for name in ("actor", "critic", "log_alpha"):
            first, second, steps = (state[f"adam.{name}.{part}"] for part in ("first", "second", "steps"))
            adam = StackedAdam(state[name].flatten(1), first.flatten(1), second.flatten(1), steps, ADAM_EPS)
            self._adam[name] = adam
            self.state |= {f"adam.{name}.first": first, f"adam.{name}.second": second, f"adam.{name}.steps": adam.steps}

    @staticmethod
    def fresh(actor: MLPForm, critic: MLPForm, init_log_alpha: float, generator: torch.Generator) -> dict[str, Tensor]:
        """Return one member's tensors before it has learned, without the leading dimension M."""
        state = {"actor": actor.initial(generator)}
        state["critic"] = torch.stack([critic.initial(generator) for _ in range(2)])
        state["log_alpha"] = torch.full((1,), init_log_alpha)
        for name, values in list(state.items()):
            state |= {f"adam.{name}.first": torch.zeros_like(values), f"adam.{name}.second": torch.zeros_like(values)}
            state[f"adam.{name}.steps"] = torch.zeros(1, dtype=torch.float64)
        return state | {"target": state["critic"].clone()}

    def values(self, critic: StackedMLP, obs: Tensor, action: Tensor, kept: list[Tensor] | None = None) -> Tensor:
        """Return what both of a member's critics say of ``obs`` ``[M, B, O]`` and ``action``, ``[M, 2, B]``."""
        x = torch.cat((obs, action), -1)
        twice = x.unsqueeze(1).expand(-1, 2, -1, -1).flatten(0, 1)
        return critic.forward(twice, kept).view(len(x), 2, -1)

    def descend(self, name: str, gradients: Tensor, learning_rate: float) -> None:
        """Take a step of Adam on ``actor``, ``critic`` or ``log_alpha``, given gradients of its shape."""
        self._adam[name].step(gradients, learning_rate)


def update(nets: SACNetworks, batch: Batch, config: SACConfig, target_entropy: float) -> Step:
    """Take one gradient step of all members.

    Args:
        nets: Theirs.
        batch: What they learn from.
        config: Learning rates and ``tau``.
        target_entropy: Nats.
    """
    size = batch.size
    kept: list[Tensor] = []
    output = nets.actor.forward(batch.both, kept)
    drawn = squashed.sample(output, batch.noise)
    now = squashed.Squashed(*(values[:, :size] for values in drawn))
    alpha = nets.log_alpha.exp()
    gap = now.log_prob + target_entropy
    nets.descend("log_alpha", -(gap * batch.weight).mean(1, keepdim=True), config.alpha_learning_rate)
    ahead = nets.values(nets.target, batch.next_obs, drawn.action[:, size:]).amin(1)
    target = batch.reward + batch.discount * (ahead - alpha * drawn.log_prob[:, size:])
    value, error = _improve_critics(nets, batch, target, config.learning_rate)
    actor_loss = _improve_actor(nets, batch, now, output[:, :size], [x[:, :size] for x in kept], alpha, config)
    nets.target.rows.lerp_(nets.critic.rows, config.tau)
    return Step(
        entropy=-now.log_prob.mean(1),
        value_loss=error.square().mean((1, 2)),
        value_mean=value.mean((1, 2)),
        actor_loss=actor_loss,
        alpha=alpha[:, 0],
    )


def _improve_critics(nets: SACNetworks, batch: Batch, target: Tensor, learning_rate: float) -> tuple[Tensor, Tensor]:
    """Move the critics towards ``target`` ``[M, B]``; return what they said and their errors, ``[M, 2, B]``."""
    kept: list[Tensor] = []
    value = nets.values(nets.critic, batch.obs, batch.action, kept)
    error = (value - target.unsqueeze(1)) * batch.weight.unsqueeze(1)
    nets.critic.backward(kept, (error / error.shape[2]).flatten(0, 1).unsqueeze(-1))
    assert nets.critic.gradients is not None
    nets.descend("critic", nets.critic.gradients.view(len(value), -1), learning_rate)
    return value, error


def _improve_actor(
    nets: SACNetworks,
    batch: Batch,
    drawn: squashed.Squashed,
    output: Tensor,
    kept: list[Tensor],
    alpha: Tensor,
    config: SACConfig,
) -> Tensor:
    """Move the actor towards what the critics value; return its loss ``[M]``.

    Args:
        nets: The networks.
        batch: The observations.
        drawn: Actions at them.
        output: The actor's output, of which they were drawn.
        kept: What the actor's gradient needs.
        alpha: Temperature ``[M, 1]``.
        config: The learning rate.
    """
    size = batch.size
    passed: list[Tensor] = []
    value = nets.values(nets.critic, batch.obs, drawn.action, passed)
    least, which = value.min(1, keepdim=True)
    share = batch.weight / size
    d_value = torch.zeros_like(value).scatter_(1, which, -share.unsqueeze(1))
    delta = d_value.flatten(0, 1).unsqueeze(-1)
    first = batch.obs.shape[2]
    d_action = nets.critic.input_gradient(passed, delta, first).view(len(value), 2, size, -1).sum(1)
    nets.actor.backward(kept, squashed.gradient(output, drawn, d_action, alpha * share))
    assert nets.actor.gradients is not None
    nets.descend("actor", nets.actor.gradients, config.learning_rate)
    return (alpha * drawn.log_prob - least[:, 0]).mean(1)
