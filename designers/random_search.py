"""random: best of n without feedback: every program is drawn from the same question, whatever came before.

The baseline that tells what a method's feedback is worth: the same model, prompt and number of trainings, and no word
about how they went.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from envreward.errors import ConfigError
from envreward.studies.composition import Calls, Composition
from envreward.studies.designer import Context
from envreward.studies.records import Candidate, Proposal

from .generate import GENERATE, generate
from .prompt import PROMPT, opening


@dataclass(frozen=True, kw_only=True)
class Random:
    """The designer; its fields are its options."""

    needs_llm: ClassVar[bool] = True
    default_samples: ClassVar[int] = 16
    """As eureka has, which it is the control of."""
    default_iterations: ClassVar[int] = 5
    """As eureka has; each iteration is a batch of its own, independent of the others."""

    temperature: float = 1.0
    """Sampling temperature, as eureka has; lower ones draw the same program again and again."""

    def __post_init__(self) -> None:
        if self.temperature < 0:
            raise ConfigError(f"random: temperature cannot be negative, got {self.temperature}")

    def ask(self, context: Context) -> list[Proposal]:
        """Return the samples of one iteration; see `Designer.ask`.

        Raises:
            LLMError: No answer came.
            BudgetExceededError: No answer came, for lack of budget.
        """
        return generate(context, opening(context.brief), temperature=self.temperature)

    def tell(self, context: Context, candidates: Sequence[Candidate]) -> None:
        """Do nothing: nothing is made of it."""

    def composition(self, samples: int) -> Composition:
        """Return what it does in each stage; see `Composed.composition`."""
        return Composition(
            prompt=PROMPT,
            generate=GENERATE,
            feedback="none",
            select="none: each iteration begins anew",
            memory="nothing",
            calls=Calls(samples, samples),
        )
