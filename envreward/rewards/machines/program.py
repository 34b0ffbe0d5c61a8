"""Reward machines as reward programs: source that pays step by step what the machine pays.

A program goes where a machine cannot: through the sandboxed verification, trainings, comparisons and reports. The
machine's state is the first number of the program's memory, 0 at the start of each episode.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from envreward.errors import ConfigError, RewardError, RewardRejectedError
from envreward.fields import MEMORY, Field, resolve

from ..output import MAX_COMPONENTS, MAX_NAME
from ..program import RewardProgram
from .formula import ALWAYS, AllOf, Formula, Named, Not, parse_formula
from .machine import RewardMachine, Transition
from .predicates import Predicate, parse_predicate
from .text import write_transition

_OWN = frozenset((MEMORY, "state", "entered", "free", "paid", "parts", "remembered", "torch", "Tensor"))
"""Names that every program uses; the other variables are called otherwise."""


def machine_program(machine: RewardMachine, fields: Mapping[str, Field]) -> str:
    """Return the source of a reward program that pays what a machine pays.

    Each transition that pays is a component, ``holding_to_done``; where there are more than a program may have, their
    sum is one, ``machine``.

    Args:
        machine: One without shaping.
        fields: The task's fields; private ones cannot be named.

    Raises:
        ConfigError: The machine is shaped: its potential ends where an episode terminates, of which programs hear
            nothing.
        RewardRejectedError: It reads no field, or a private one, or is too large for a program.
        UnknownNameError: It reads a field that is not there.
    """
    if machine.shaping != "none":
        raise ConfigError(
            f"shaping={machine.shaping!r} cannot be written as a program, which is not told where an episode "
            "terminates: use shaping='none'"
        )
    if not machine.parameters:
        raise RewardRejectedError("the machine reads no field.", fix="Let a transition depend on a predicate.")
    source = "\n".join([*_lines(machine, fields), ""])
    try:
        RewardProgram.from_source(source, fields)
    except RewardError as error:  # its line is one of the program, which nobody has seen
        raise RewardRejectedError(f"the machine gives no program: {error.reason}", fix=error.fix) from None
    return source


def _lines(machine: RewardMachine, fields: Mapping[str, Field]) -> Iterator[str]:
    number = {state: i for i, state in enumerate(machine.states)}
    taken = {*_OWN, *machine.parameters}
    facts = {name: _fresh(f"is_{name}", taken) for name in machine.predicates}
    moves = {_fresh(f"{t.source}_to_{t.target}", taken): t for t in machine.transitions}
    yield from ("import torch", "from torch import Tensor", "", "", "def compute_reward(")
    yield from (f"    {name}: Tensor," for name in (*machine.parameters, MEMORY))
    yield ") -> tuple[Tensor, dict[str, Tensor], Tensor]:"
    yield '    """Pays for the transitions of a reward machine: of those from its state, for the first that holds."""'
    for name, text in machine.predicates.items():
        yield f"    {facts[name]} = {_fact(parse_predicate(text), fields)}"
    states = ", ".join(f"{i} {name}" + " (end)" * (name in machine.ends) for name, i in number.items())
    yield from ("", f"    # The machine's state, first column of the memory: {' '.join(states.split())}.")
    yield f"    state = {MEMORY}[:, 0]"
    yield "    entered, paid = state, torch.zeros_like(state)"
    yield "    free = state >= 0  # where no transition is taken yet"
    for move, transition in moves.items():
        yield f"    # {write_transition(transition)}"
        yield f"    {move} = free & (state == {number[transition.source]}){_condition(transition, facts)}"
        yield f"    entered = torch.where({move}, {float(number[transition.target])!r}, entered)"
        if transition.reward:
            yield f"    paid = torch.where({move}, {float(transition.reward)!r}, paid)"
        yield f"    free = free & ~{move}"
    paying = [move for move, transition in moves.items() if transition.reward]
    yield from ("", "    parts = {", *_parts(paying), "    }")
    yield from (f"    remembered = {MEMORY}.clone()", "    remembered[:, 0] = entered")
    yield "    return paid, parts, remembered"


def _parts(paying: Sequence[str]) -> list[str]:
    """Return the lines of the components, given the variables of the transitions that pay."""
    if len(paying) > MAX_COMPONENTS:
        return ['        "machine": paid,']
    return [f'        "{move}": torch.where({move}, paid, 0.0),' for move in paying]


def _fact(predicate: Predicate, fields: Mapping[str, Field]) -> str:
    """Return the expression of a predicate, bool ``[N]``; see `Predicate.holds`."""
    field = resolve(predicate.field, fields)
    if predicate.norm:
        number = _as_float(predicate.field, field)
        if predicate.other is not None:
            number += f" - {_as_float(predicate.other, resolve(predicate.other, fields))}"
        if len(field.shape) > 1:
            number = f"({number}).flatten(1)"
        number = f"torch.linalg.vector_norm({number}, dim=-1)" if field.shape else f"torch.abs({number})"
    else:
        number = predicate.field if predicate.index is None else f"{predicate.field}[:, {predicate.index}]"
        if predicate.operator is None:
            return number if field.dtype == "bool" else f"{number} > 0.5"
        number = _as_float(number, field)
    return f"{number} {predicate.operator} {predicate.value!r}"


def _as_float(expression: str, field: Field) -> str:
    return expression if field.dtype == "float32" else f"{expression}.float()"


def _condition(transition: Transition, facts: Mapping[str, str]) -> str:
    """Return what must hold beside that the machine is in a transition's source; nothing for ``always``."""
    formula = parse_formula(transition.when)
    parts = formula.parts if isinstance(formula, AllOf) else (formula,)
    return "".join(f" & {_expression(part, facts)}" for part in parts if part != Named(ALWAYS))


def _expression(formula: Formula, facts: Mapping[str, str]) -> str:
    """Return a formula as an expression over variables, in brackets where it is made of several parts."""
    if isinstance(formula, Named):
        return "(state >= 0)" if formula.name == ALWAYS else facts[formula.name]
    if isinstance(formula, Not):
        return f"~{_expression(formula.part, facts)}"
    sign = " & " if isinstance(formula, AllOf) else " | "
    return f"({sign.join(_expression(part, facts) for part in formula.parts)})"


def _fresh(wanted: str, taken: set[str]) -> str:
    """Return a name for a variable, like ``wanted`` but not among those ``taken``, and add it to them."""
    plain = re.sub(r"[^A-Za-z0-9_]|^[^A-Za-z]+", "_", wanted).lstrip("_")[: MAX_NAME - 4]
    name, count = plain, 1
    while name in taken:
        count += 1
        name = f"{plain}_{count}"
    taken.add(name)
    return name
