"""EPIC (Gleave et al. 2020): Pearson's distance of canonically shaped rewards.

The canonically shaped reward (section 4, definition 4.1) takes potential shaping out by means over a state distribution
``D_S`` and an action distribution ``D_A`` that have nothing to do with what actually follows what:

    C(R)(s, a, s') = R(s, a, s') + E[gamma R(s', A, S') - R(s, A, S') - gamma R(S, A, S')],  S, S' ~ D_S,  A ~ D_A

That is its strength (it needs no model of the environment) and its weakness: from recorded transitions it asks rewards
for combinations ``(s, A, S')`` that cannot happen, such as a robot that is elsewhere a moment later, and a reward that
is only meant for real transitions may answer anything there. DARD (Wulfe et al. 2022, arXiv:2201.10081) replaces these
by transitions that can happen, for which it needs to sample the environment from any state. Recorded episodes cannot be
re-entered; so where rewards look at the state before the step, trust STARC's sampled form more, which asks rewards for
real transitions alone. Rewards of the state after the step and the action have no such problem: their correction is a
constant, which Pearson's distance does not see.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from envreward.errors import ConfigError

from .metrics import SINGLE, pearson_distance
from .tabular import TabularMDP
from .transitions import Column, Transitions, reads_before


def epic_canonical(
    reward: Tensor, mdp: TabularMDP, *, states: Tensor | None = None, actions: Tensor | None = None
) -> Tensor:
    """Return the canonically shaped reward, float64 ``[S, A, S]``.

    Args:
        reward: ``[S, A, S]`` or ``[S, A]``.
        mdp: The process; of it, only the sizes and the discount matter.
        states: ``D_S``, ``[S]``; uniform by default.
        actions: ``D_A``, ``[A]``; uniform by default.

    Raises:
        ConfigError: Something is of another shape.
    """
    table = mdp.reward(reward)
    of_state, of_action = _distribution(states, mdp.states, "states"), _distribution(actions, mdp.actions, "actions")
    mean = torch.einsum("a,t,sat->s", of_action, of_state, table)  # E[R(s, A, S')]
    shaped: Tensor = table + mdp.gamma * mean - mean[:, None, None] - mdp.gamma * (of_state @ mean)
    return shaped


def epic_distance(
    first: Tensor,
    second: Tensor,
    mdp: TabularMDP,
    *,
    states: Tensor | None = None,
    actions: Tensor | None = None,
    coverage: Tensor | None = None,
) -> float:
    """Return the EPIC distance of two rewards on a tabular process (Gleave et al. 2020, section 4).

    Args:
        first: ``[S, A, S]`` or ``[S, A]``.
        second: The other reward.
        mdp: The process.
        states: ``D_S``, ``[S]``; uniform by default.
        actions: ``D_A``, ``[A]``; uniform by default.
        coverage: Probability of each transition, ``[S, A, S]``; by default ``D_S D_A D_S``, independent.

    Returns:
        0 (the same up to potential shaping and positive scale) to 1 (opposite).

    Raises:
        RewardError: A reward is nothing but a constant and potential shaping: there is no correlation.
        ConfigError: Something is of another shape.
    """
    of_state, of_action = _distribution(states, mdp.states, "states"), _distribution(actions, mdp.actions, "actions")
    weights = torch.einsum("s,a,t->sat", of_state, of_action, of_state) if coverage is None else coverage
    canonical = [epic_canonical(reward, mdp, states=states, actions=actions) for reward in (first, second)]
    one, two = (float(mdp.reward(reward).square().mean().sqrt()) for reward in (first, second))
    return pearson_distance(canonical[0], canonical[1], weights, scales=(one, two))


def _distribution(given: Tensor | None, size: int, what: str) -> Tensor:
    values = torch.ones(size, dtype=torch.float64) if given is None else given.double()
    if tuple(values.shape) != (size,) or float(values.min()) < 0 or not float(values.sum()) > 0:
        raise ConfigError(f"the distribution of {what} must be {size} non-negative weights")
    return values / values.sum()


class EpicSample:
    """The transitions on which a reward must be known so that EPIC can be estimated (Gleave et al. 2020, appendix A.1).

    The coverage distribution is that of the record; ``D_S`` and ``D_A`` are its states after a step and its actions,
    each drawn alone.
    """

    def __init__(
        self,
        transitions: Transitions,
        *,
        coverage: int = 512,
        expectation: int = 128,
        gamma: float = 0.99,
        seed: int = 0,
    ) -> None:
        """Draw the sample.

        Args:
            transitions: The record.
            coverage: Transitions on which rewards are compared, drawn without replacement; at most all.
            expectation: Pairs of action and next state over which the means are taken, the same for all states.
            gamma: Discount per step.
            seed: Of the sample; the same sample must serve both rewards.
        """
        generator = torch.Generator().manual_seed(seed)
        self._transitions, self._gamma = transitions, gamma
        self.rows = torch.randperm(len(transitions), generator=generator)[:coverage]
        """The transitions compared, int64 ``[V]``."""
        number = len(transitions)
        self._actions, self._nexts = torch.randint(number, (2, expectation), generator=generator)

    def tables(self, names: Sequence[str]) -> list[dict[str, Column]]:
        """Return the fields of the transitions on which a reward that reads ``names`` must be computed.

        The first table holds V transitions. A reward that looks at the state before a step also needs a second and a
        third of V x M: all states before and after the V steps, each with M actions and next states.
        """
        tables = [self._transitions.table(names, self.rows)]
        if not reads_before(names, self._transitions.after):
            return tables
        many, draws = len(self.rows), len(self._actions)
        rows = self.rows.repeat_interleave(draws)
        actions, nexts = self._actions.repeat(many), self._nexts.repeat(many)
        own = self._transitions.table(names, rows, actions, nexts)
        moved = Transitions(
            before=self._transitions.after,
            action=self._transitions.action,
            after=self._transitions.after,
            terminated=self._transitions.terminated,
        )
        return [*tables, own, moved.table(names, rows, actions, nexts)]

    def canonical(self, rewards: Sequence[Tensor]) -> Tensor:
        """Return the canonically shaped rewards of the V transitions, float64 ``[V]``, up to a constant.

        The last term of the definition is the same for all transitions and left out, as in the paper's appendix.

        Args:
            rewards: A reward's values on each of `tables`.
        """
        shaped = rewards[0].double()
        if len(rewards) == 1:
            return shaped
        before, after = (values.double().view(len(self.rows), -1).mean(1) for values in rewards[1:])
        return shaped + self._gamma * after - before

    def distance(self, first: Sequence[Tensor], second: Sequence[Tensor]) -> float:
        """Return the estimated EPIC distance of two rewards.

        Rewards of recorded transitions come in single precision, whose rounding is all that canonical shaping leaves of
        potential shaping. So what is small beside a reward's own values is no reward.

        Args:
            first: The values of one on each of `tables`.
            second: Those of the other.

        Returns:
            0 (the same up to potential shaping and positive scale) to 1 (opposite).

        Raises:
            RewardError: A reward is nothing but a constant and potential shaping: there is no correlation.
        """
        one, two = (_root_mean_square(rewards) for rewards in (first, second))
        return pearson_distance(self.canonical(first), self.canonical(second), scales=(one, two), trivial=SINGLE)


def _root_mean_square(rewards: Sequence[Tensor]) -> float:
    return float(torch.cat([table.double().flatten() for table in rewards]).square().mean().sqrt())
