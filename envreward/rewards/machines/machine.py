"""The reward machine itself: states, transitions, what they pay, and the potential of its states."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, TypeAlias

import torch
from torch import Tensor

from envreward.errors import ConfigError

from ..function import RewardOutput
from ..parts import united
from ..sequence import Flow, Memory
from .formula import ALWAYS, Formula, holds, names, parse_formula
from .predicates import Predicate, parse_predicate

Shaping: TypeAlias = Literal["none", "value", "negated"]


class TransitionError(ConfigError):
    """A transition of a machine cannot be."""

    def __init__(self, index: int, message: str) -> None:
        super().__init__(message)
        self.index = index
        """Which of the machine's transitions, from 0."""


@dataclass(frozen=True, kw_only=True)
class Transition:
    """From one state of a machine to another, or to itself."""

    source: str
    """The state that is left."""
    target: str
    """The state that is entered."""
    when: str = ALWAYS
    """Formula over the machine's predicates: names, ``!``, ``&``, ``|``, brackets, or ``always``."""
    reward: float = 0.0
    """What is paid in the step."""


@dataclass(frozen=True, kw_only=True)
class RewardMachine:
    """Pays for the transitions of a finite automaton that reads facts about states.

    In each step the facts (`predicates`) of the new state are looked at; of the transitions that leave the machine's
    state, the first whose formula holds is taken and pays its reward. If none holds, the machine stays where it is and
    nothing is paid. States in `ends` are left by no transition. Each episode begins in `start`.

    Source: Toro Icarte, Klassen, Valenzano & McIlraith, *Using reward machines for high-level task specification and
    decomposition in reinforcement learning* (ICML 2018), and *Reward machines: exploiting reward function structure in
    reinforcement learning* (JAIR 73, 2022, arXiv 2010.03950): what they call simple reward machines, whose transitions
    pay constants. In their released code a machine that no formula applies to falls into its terminal state; here it
    stays.

    With `shaping`, ``gamma * Phi(u') - Phi(u)`` is added, where u and u' are the machine's states before and after the
    step (their automated reward shaping; Camacho et al., *LTL and beyond*, IJCAI 2019). Potentials come from value
    iteration over the machine as if any transition could be chosen, with `value_gamma`:
    ``V(u) = max(gamma V(u), max over transitions of reward + gamma V(target))``. With ``"value"``, ``Phi = V``: where
    both discounts are equal, coming closer on the best way costs nothing and waiting costs ``(1 - gamma) V(u)``; a
    smaller `value_gamma` pays for coming closer. With ``"negated"``, ``Phi = -V``, as in ``reward_machine.py`` of the
    released code: the reward at the end grows and waiting pays a little. Either is potential-based over the pair of
    environment and machine state, zero in end states and where an episode terminates, and so leaves optimal policies
    as they are.

    When to use it: a task has stages in an order, or things that must not happen before others; a person or a language
    model can write the machine down (see `parse_machine`) and read off what is paid for. `machine_program`, and
    ``envreward machine`` on the command line, make a reward program of it.

    Known failures: the reward depends on the machine's state. A policy that cannot tell the stage from its observation
    is not rewarded consistently: make sure that fields show it. Predicates that flicker around a threshold move the
    machine back and forth, and two transitions that pay in a circle are a source of endless reward. A machine whose
    first reward is far away is sparse, and its shaping is too: it knows stages, not distances.
    """

    predicates: Mapping[str, str]
    """Facts by name: ``held: "gripper_closed"``, ``near: "|tcp_pos - cube_pos| < 0.03"``; see `parse_predicate`."""
    transitions: tuple[Transition, ...]
    """In order of precedence."""
    start: str
    """The state in which an episode begins."""
    ends: tuple[str, ...] = ()
    """States in which nothing more happens."""
    shaping: Shaping = "none"
    """Which potential its states have."""
    gamma: float = 0.99
    """The learner's discount factor; read by shaping alone."""
    value_gamma: float = 0.9
    """Discount factor of the value iteration, below 1: the nearer to 1, the less waiting matters."""
    doc: str = dataclasses.field(default="Reward machines, JAIR 73 (2022), arXiv 2010.03950.", init=False)
    """Where the formula comes from."""

    def __post_init__(self) -> None:
        if not self.transitions:
            raise ConfigError("a reward machine needs at least one transition")
        if self.shaping not in ("none", "value", "negated"):
            raise ConfigError(f"shaping must be 'none', 'value' or 'negated', got {self.shaping!r}")
        if not (0.0 <= self.gamma <= 1.0 and 0.0 <= self.value_gamma < 1.0):
            raise ConfigError("gamma must be within [0, 1] and value_gamma within [0, 1)")
        if ALWAYS in self.predicates:
            raise ConfigError(f"a predicate cannot be called {ALWAYS!r}, which holds in every state")
        for i, transition in enumerate(self.transitions):
            if wrong := self._wrong_with(transition, self.transitions[:i]):
                raise TransitionError(i, f"{transition.source} -> {transition.target}: {wrong}")
        reached = self._reached()
        for i, transition in enumerate(self.transitions):
            if transition.source not in reached:
                raise TransitionError(i, f"no transition leads to {transition.source!r} from the start, {self.start!r}")
        if unreached := [state for state in self.ends if state not in reached]:
            raise ConfigError(f"no transition leads to the end {unreached[0]!r}")
        _ = self._parsed  # mistakes in the texts are found here and not at the first step

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of the fields it reads."""
        return united(*(predicate.parameters for predicate in self._parsed[0].values()))

    @property
    def states(self) -> tuple[str, ...]:
        """Names of its states: the start, then in the order in which transitions name them."""
        return united((self.start,), *((transition.source, transition.target) for transition in self.transitions))

    @cached_property
    def potentials(self) -> Mapping[str, float]:
        """Return the value of each state by value iteration, 0 in end states (before the sign of ``"negated"``)."""
        values = dict.fromkeys(self.states, 0.0)
        change = math.inf
        while change > 1e-12 * max(1.0, *map(abs, values.values())):
            fresh = {state: self.value_gamma * value for state, value in values.items()}
            for transition in self.transitions:
                paid = transition.reward + self.value_gamma * values[transition.target]
                fresh[transition.source] = max(fresh[transition.source], paid)
            change = max(abs(fresh[state] - values[state]) for state in values)
            values = fresh
        return values

    def new_memory(self, num_worlds: int) -> Memory:
        """Return the memory with which N worlds begin: ``state``, the number of each machine's state, int64 ``[N]``."""
        return {"state": torch.zeros(num_worlds, dtype=torch.int64)}

    def over(self, flow: Flow, memory: Memory, **state: Tensor) -> RewardOutput:
        """Compute the rewards ``[T, N]``; see `SequenceReward.over`.

        The component ``machine_state`` is the number of the state after each step, in the order of `states`.

        Raises:
            ConfigError: A field has not the shape that a predicate takes it to have.
        """
        predicates, formulas = self._parsed
        facts = {name: predicate.holds(state) for name, predicate in predicates.items()}
        enabled = torch.stack([holds(formula, facts, flow.first) for formula in formulas], -1)
        number = {name: i for i, name in enumerate(self.states)}
        source, target = (
            torch.tensor([number[name] for name in ends], device=enabled.device)
            for ends in ([t.source for t in self.transitions], [t.target for t in self.transitions])
        )
        pays = torch.tensor([t.reward for t in self.transitions], device=enabled.device)
        current = memory["state"]
        left, entered = torch.empty_like(flow.first, dtype=torch.int64), torch.empty_like(flow.first, dtype=torch.int64)
        paid = torch.zeros(flow.first.shape, device=enabled.device)
        for t, first in enumerate(flow.first):
            current.masked_fill_(first, 0)
            left[t] = current
            applies = enabled[t] & (source == current.unsqueeze(-1))
            taken = applies.to(torch.int64).argmax(-1)  # the first of those that apply
            moves = applies.any(-1)
            current.copy_(target[taken].where(moves, current))
            paid[t] = pays[taken].where(moves, 0.0)
            entered[t] = current
        components = {"machine": paid, "machine_state": entered.to(paid.dtype)}
        if self.shaping == "none":
            return RewardOutput(paid, components)
        sign = 1.0 if self.shaping == "value" else -1.0
        phi = sign * torch.tensor([self.potentials[name] for name in self.states], device=paid.device)
        shaping = self.gamma * phi[entered].masked_fill(flow.terminated, 0.0) - phi[left]
        return RewardOutput(paid + shaping, {**components, "shaping": shaping})

    @cached_property
    def _parsed(self) -> tuple[dict[str, Predicate], list[Formula]]:
        predicates = {name: parse_predicate(text) for name, text in self.predicates.items()}
        return predicates, [parse_formula(transition.when) for transition in self.transitions]

    def _wrong_with(self, transition: Transition, before: tuple[Transition, ...]) -> str:
        """Return why a transition cannot be, or can never be taken because of those ``before`` it; else nothing."""
        if not math.isfinite(transition.reward):
            return f"the reward must be finite, got {transition.reward}"
        if transition.source in self.ends:
            return f"{transition.source!r} is an end, which is never left"
        formula = parse_formula(transition.when)
        if unknown := sorted(names(formula) - self.predicates.keys()):
            return f"there is no predicate {unknown[0]!r}"
        for other in before:
            if other.source == transition.source and parse_formula(other.when) in (formula, parse_formula(ALWAYS)):
                return f"is never taken, as {other.when!r} leads to {other.target!r} before it"
        return ""

    def _reached(self) -> set[str]:
        reached, new = {self.start}, {self.start}
        while new:
            new = {t.target for t in self.transitions if t.source in new} - reached
            reached |= new
        return reached
