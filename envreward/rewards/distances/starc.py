"""STARC (Skalse et al. 2023): rewards are canonicalised, brought to length one and then compared.

Unlike EPIC, a STARC metric knows the environment: it also takes out *S'-redistribution*, differences between next
states that leave the mean over them as it is, and its distance bounds from above and below how much worse the best
policy of one reward can be by the other. Canonicalisations here (section 3 and appendix of the paper; the names are
those of its experiments):

``val``
    Value-adjusted levelling: ``E[R(s, a, S') - V(s) + gamma V(S')]`` with the value ``V`` of a fixed policy: the
    advantage of each action under it.
``val_potential``
    The same without the mean over next states; it takes out potential shaping alone.
``minimal``
    The one of smallest L2 norm among all that differ by potential shaping and S'-redistribution.
``minimal_potential``
    The one of smallest L2 norm among all that differ by potential shaping.

From recorded transitions (`StarcSample`), values and potentials are fitted as linear functions of features of the
state, to real transitions alone. Where an episode terminates, what follows counts as worth nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeAlias

import torch
from torch import Tensor

from envreward.errors import UnknownNameError

from .metrics import SINGLE, Norm, norm_of, standardised_distance
from .tabular import TabularMDP
from .transitions import StateFeatures, Transitions

_RANK = 1e-11
"""Singular values below this share of the largest count as zero."""

Canonicalisation: TypeAlias = Literal["val", "val_potential", "minimal", "minimal_potential"]


def val_canonical(reward: Tensor, mdp: TabularMDP, policy: Tensor | None = None) -> Tensor:
    """Return the value-adjusted levelling, float64 ``[S, A, S]``; it is the same for all next states.

    Args:
        reward: ``[S, A, S]`` or ``[S, A]``.
        mdp: The process.
        policy: Whose value is taken out, ``[S, A]``; uniform by default.
    """
    value = mdp.value(reward, policy)
    follows = mdp.transitions.double() @ value
    levelled = mdp.expected(reward) + mdp.gamma * follows - value[:, None]
    return levelled.unsqueeze(-1).expand(-1, -1, mdp.states)


def val_potential_canonical(reward: Tensor, mdp: TabularMDP, policy: Tensor | None = None) -> Tensor:
    """Return ``R(s, a, s') - V(s) + gamma V(s')`` of a policy's value ``V``, float64 ``[S, A, S]``.

    See `val_canonical`.
    """
    value = mdp.value(reward, policy)
    return mdp.reward(reward) + mdp.gamma * value - value[:, None, None]


def minimal_canonical(reward: Tensor, mdp: TabularMDP) -> Tensor:
    """Return the reward of smallest L2 norm that differs by potential shaping and S'-redistribution, ``[S, A, S]``.

    Given its mean ``m`` over next states, the smallest reward of a state and an action is ``m P / |P|^2``, of squared
    norm ``m^2 / |P|^2``. That leaves a least-squares problem for the potential.
    """
    odds = mdp.transitions.double()
    square = odds.square().sum(-1)
    weight = square.rsqrt().flatten()
    design = mdp.gamma * odds - torch.eye(mdp.states, dtype=torch.float64)[:, None, :]
    mean = _least(mdp.expected(reward).flatten() * weight, design.flatten(0, 1) * weight[:, None]) / weight
    return mean.view(mdp.states, mdp.actions, 1) * odds / square.unsqueeze(-1)


def minimal_potential_canonical(reward: Tensor, mdp: TabularMDP) -> Tensor:
    """Return the reward of smallest L2 norm that differs by potential shaping, float64 ``[S, A, S]``."""
    identity = torch.eye(mdp.states, dtype=torch.float64)
    design = (mdp.gamma * identity[None, None] - identity[:, None, None]).expand(-1, mdp.actions, -1, -1)
    return _least(mdp.reward(reward).flatten(), design.flatten(0, 2)).view(mdp.states, mdp.actions, mdp.states)


def _least(values: Tensor, design: Tensor) -> Tensor:
    """Return what of ``values`` is orthogonal to the columns of ``design``."""
    basis = torch.linalg.qr(design).Q
    rest: Tensor = values - basis @ (basis.T @ values)
    return rest


_TABULAR: dict[str, Callable[[Tensor, TabularMDP], Tensor]] = {
    "val": val_canonical,
    "val_potential": val_potential_canonical,
    "minimal": minimal_canonical,
    "minimal_potential": minimal_potential_canonical,
}


def canonicalise(reward: Tensor, mdp: TabularMDP, canonicalisation: Canonicalisation = "val") -> Tensor:
    """Return a reward's canonical form, float64 ``[S, A, S]``.

    Raises:
        UnknownNameError: There is no such canonicalisation.
        ConfigError: The reward is of another shape.
    """
    if canonicalisation not in _TABULAR:
        raise UnknownNameError("canonicalisation", canonicalisation, _TABULAR)
    return _TABULAR[canonicalisation](reward, mdp)


def starc_distance(
    first: Tensor, second: Tensor, mdp: TabularMDP, *, canonicalisation: Canonicalisation = "val", norm: Norm = "l2"
) -> float:
    """Return the STARC distance of two rewards on a tabular process.

    Args:
        first: ``[S, A, S]`` or ``[S, A]``.
        second: The other reward.
        mdp: The process.
        canonicalisation: What is taken out; the potential forms leave S'-redistribution in.
        norm: Which norm standardises and measures.

    Returns:
        0 (all policies are ordered alike) to 1 (opposite). A reward under which all policies are worth the same is at 0
        from another such reward and at 1/2 from any other.

    Raises:
        UnknownNameError: There is no such canonicalisation.
        ConfigError: A reward is of another shape, or there is no such norm.
    """
    forms = [canonicalise(reward, mdp, canonicalisation) for reward in (first, second)]
    one, two = (norm_of(mdp.reward(reward), norm) / (1 - mdp.gamma) for reward in (first, second))
    return standardised_distance(forms[0], forms[1], norm=norm, scales=(one, two))


class StarcSample:
    """Canonical rewards over recorded transitions.

    Dynamics are taken as deterministic: the recorded next state stands for the mean over next states.
    """

    def __init__(self, transitions: Transitions, *, gamma: float = 0.99, cosines: int = 64, seed: int = 0) -> None:
        """Fit features to the states.

        Args:
            transitions: On which rewards are compared; all of them.
            gamma: Discount per step.
            cosines: Random features of the state; see `StateFeatures`.
            seed: Of the random features; the same sample must serve both rewards.
        """
        features = StateFeatures(transitions, cosines=cosines, seed=seed)
        self._before = features(transitions.before)
        after = features(transitions.after).masked_fill(transitions.terminated.unsqueeze(1), 0.0)
        self._shaping = gamma * after - self._before

    def canonical(self, rewards: Tensor, canonicalisation: Literal["val", "minimal"] = "val") -> Tensor:
        """Return the canonical rewards, float64 ``[R]``.

        Args:
            rewards: Of each transition, ``[R]``.
            canonicalisation: ``val`` takes out the value of the policies that were recorded, fitted by least-squares
                temporal differences (Bradtke & Barto, Machine Learning 22, 1996); ``minimal`` the potential that makes
                the rewards' L2 norm smallest.
        """
        own = rewards.double()
        if canonicalisation == "val":
            system, wanted = self._before.T @ -self._shaping, self._before.T @ own
        else:
            system, wanted = -self._shaping, own
        # by singular values, as features may depend on each other
        fitted = torch.linalg.lstsq(system, wanted.unsqueeze(1), rcond=_RANK, driver="gelsd").solution.squeeze(1)
        levelled: Tensor = own + self._shaping @ fitted
        return levelled

    def distance(self, first: Tensor, second: Tensor, canonicalisation: Literal["val", "minimal"] = "val") -> float:
        """Return the STARC distance of two rewards of the transitions, ``[R]`` each: 0 to 1, with the L2 norm."""
        forms = [self.canonical(rewards, canonicalisation) for rewards in (first, second)]
        one, two = (norm_of(rewards.double(), "l2") for rewards in (first, second))
        return standardised_distance(forms[0], forms[1], scales=(one, two), trivial=SINGLE)
