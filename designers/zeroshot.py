"""zeroshot: one sample, trained once, and no second try: what a model's first answer is worth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from envreward.errors import ConfigError
from envreward.studies.composition import Calls, Composition
from envreward.studies.designer import Context
from envreward.studies.records import Candidate, Proposal

from .generate import generate
from .prompt import PROMPT, opening


@dataclass(frozen=True, kw_only=True)
class ZeroShot:
    """The designer; its fields are its options. However many samples and iterations a study has, it asks once."""

    needs_llm: ClassVar[bool] = True
    default_samples: ClassVar[int] = 1
    default_iterations: ClassVar[int] = 1

    temperature: float = 1.0
    """Sampling temperature, as random and eureka have, so that it is one draw of theirs."""

    def __post_init__(self) -> None:
        if self.temperature < 0:
            raise ConfigError(f"zeroshot: temperature cannot be negative, got {self.temperature}")

    def ask(self, context: Context) -> list[Proposal]:
        """Return one sample in the first iteration and none in later ones; see `Designer.ask`.

        Raises:
            LLMError: No answer came.
            BudgetExceededError: No answer came, for lack of budget.
        """
        if context.iteration:
            return []
        return generate(context, opening(context.brief), temperature=self.temperature, n=1)

    def tell(self, context: Context, candidates: Sequence[Candidate]) -> None:
        """Do nothing: nothing is made of it."""

    def composition(self, samples: int) -> Composition:
        """Return what it does in each stage; see `Composed.composition`."""
        return Composition(
            prompt=PROMPT,
            generate="one sample in all",
            feedback="none",
            select="none: there is one iteration",
            memory="nothing",
            calls=Calls(1, 1),
        )
