"""``envreward machine``: a reward machine as a reward program."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from envreward.errors import ConfigError

from ._files import read_text


@dataclass(frozen=True)
class Command:
    """Write a reward machine as a reward program, for all that takes one: check, train, compare, rescore.

    A reward machine is a finite automaton over facts about an environment's fields. It is text, one part per line; for
    HopperFrontFlip, for instance:

        predicate airborne: foot_height[0] > 0.02
        predicate over: pitch > 3.1
        predicate down: foot_contact[0]
        predicate calm: |pitch - prev_pitch| < 0.05
        start standing
        end done
        standing -> flying: airborne, reward 1
        flying -> turned: over, reward 10
        flying -> standing: down, reward -1
        turned -> done: down & calm, reward 20
        turned -> turned: always, reward 0.01

    A predicate is a flag, FIELD, or compares a number: FIELD < 0.1, FIELD[2] >= 1, a length as in |FIELD| > 2, or a
    distance as in |FIELD - OTHER| < 0.05. `envreward envs ID` lists the fields; prev_FIELD is the value a step before.

    Each episode begins in the start. In each step the first transition from the machine's state whose formula holds is
    taken and pays its reward; where none holds, nothing is paid. Formulas are made of predicates, ! (not), & (and),
    which binds closer than | (or), and brackets; always holds in every step. An end is never left. What follows # is a
    comment.

    What is wrong with a machine is said with its line; the exit code is then 3. `envreward rewards machine` says where
    machines come from and how they fail. The designer reward_machine has a language model write them.
    """

    file: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="FILE")]
    """The machine, or a language model's answer that contains it."""
    env: Annotated[str, tyro.conf.arg(metavar="ID")]
    """The environment whose fields it reads, e.g. HopperFrontFlip (see `envreward envs`)."""
    out: Annotated[Path | None, tyro.conf.arg(metavar="FILE", help_behavior_hint="")] = None
    """The program's file, written over where it exists; printed unless given."""

    def run(self) -> int:
        """Print or write the program."""
        from envreward.registry import find_task_spec, make_task
        from envreward.rewards.machines import extract_machine, machine_program, parse_machine

        text = extract_machine(read_text(self.file))
        fields = make_task(find_task_spec(self.env).id).fields
        machine = parse_machine(text, fields)
        source = machine_program(machine, fields)
        if self.out is None:
            sys.stdout.write(source)
            return 0
        if self.out.exists() and self.out.samefile(self.file):
            raise ConfigError(f"--out {self.out} is the machine itself: name another file")
        self.out.write_text(source, encoding="utf-8")
        states = ", ".join(machine.states)
        sys.stdout.write(f"{self.out}: states {states}; try it with: envreward check {self.out} --env {self.env}\n")
        return 0
