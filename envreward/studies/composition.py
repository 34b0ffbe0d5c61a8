"""Composition: what a designer is made of, stage by stage, as data that people read and compare.

A designer says it of itself in `Composed.composition`, for the options it was made with. The method is no part of the
`Designer` protocol, since no study needs it: ``envreward designers`` shows it, ``envreward designers --diff`` compares
two stage by stage, and of a designer without it shows the options alone. To take part, a designer of yours returns

    Composition(
        prompt="role, contract of programs, task, fields",
        generate="independent samples of one conversation",
        feedback="curves of the components at 10 times",
        select="best candidate of the latest iteration",
        memory="nothing but the parent",
        calls=Calls(samples, samples),
    )

and leaves the stages that it has not changed at their defaults. Two stages are the same when their words are, so
designers that share a stage share its words: constants beside the stage's code in `envreward.designers`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol, runtime_checkable


class Calls(NamedTuple):
    """Answers that a designer asks of a language model in one iteration."""

    least: int
    most: int


@dataclass(frozen=True, kw_only=True)
class Composition:
    """What a designer does in each stage, a phrase each. The stages stand in the order of an iteration."""

    prompt: str
    """What a language model is told of task and environment."""
    generate: str
    """How the programs of an iteration come about."""
    mend: str = "not at all: a program that cannot be used ends with its reason"
    """What becomes of a program that cannot be used, before the iteration goes on."""
    screen: str = "none: every usable program is trained"
    """Which usable programs are trained."""
    policy: str = "last of the training"
    """Which policy of a training is scored."""
    score: str = "clean-room fitness"
    """What candidates are ranked by when the designer chooses among them."""
    feedback: str
    """What the makers of the next programs hear of a training."""
    select: str
    """Which earlier candidates the next ones are made from."""
    memory: str
    """What is carried from one iteration to the next beside them."""
    person: str = "nobody"
    """What a person is asked."""
    calls: Calls
    """Answers asked of a language model in one iteration."""

    def stages(self) -> dict[str, str]:
        """Return the words of each stage by its name, in order; without the calls."""
        return {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name != "calls"}


@runtime_checkable
class Composed(Protocol):
    """A designer that can say what it is made of."""

    def composition(self, samples: int) -> Composition:
        """Return what it does in each stage with its present options.

        Args:
            samples: Proposals per iteration, on which the number of calls depends.
        """
        ...


def differences(first: Composition, second: Composition) -> Mapping[str, tuple[str, str]]:
    """Return the stages in which two compositions differ, in order, each with the words of both."""
    others = second.stages()
    return {name: (words, others[name]) for name, words in first.stages().items() if words != others[name]}
