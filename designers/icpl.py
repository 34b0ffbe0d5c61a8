"""icpl: rewards from preferences alone, shown to a language model as examples (Yu et al. 2024, arXiv:2410.17233).

In-Context Preference Learning. Of the policies of an iteration, a person who watches films of them names the best and
the worst. The next programs are asked for with both rewards as a good and a bad example, the course of their components
in training, and the story so far: how each good reward differs from the one before, in a language model's words. No
score is ever told. Values are those of the release (github.com/icpl-research/ICPL, commit a23c3bc of September 2024,
icpl/icpl.py and icpl/cfg/config.yaml).
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, NamedTuple, get_args

from envreward.errors import ConfigError, UnknownNameError
from envreward.llm import Message
from envreward.studies.composition import Calls, Composition
from envreward.studies.designer import Context
from envreward.studies.records import Candidate, Proposal, Traces

from .best_worst import Preference, by_fitness, by_person
from .generate import GENERATE, generate, model
from .mend import Mending, mend
from .prompt import PROMPT, opening, render
from .reflect import CHECKPOINTS, curves

Source = Literal["person", "fitness"]


class Round(NamedTuple):
    """An iteration that gave a preference."""

    iteration: int
    preference: Preference


@dataclass(frozen=True, kw_only=True)
class ICPL:
    """The designer; its fields are its options.

    The winner of a study is the candidate of highest fitness, as the release's is, whatever a person prefers. Left out
    of the method as published: the environment's source code (the fields' descriptions stand in its place).
    """

    needs_llm: ClassVar[bool] = True
    default_samples: ClassVar[int] = 6
    """K = 6; ``sample``."""
    default_iterations: ClassVar[int] = 5
    """N = 5; ``iteration``."""

    preference: Source = "person"
    """Who names the best and the worst policy: ``person``, asked on the terminal with the paths of films
    (``preference_type: simple_human``), or ``fitness`` in a person's place (``auto``)."""
    bad: bool = True
    """Whether the worst one is shown too; without: ``preference_type: only_good``."""
    differences: bool = True
    """Whether the story of the good rewards is told, each with what a language model says of how it differs from the
    one before; ``use_history_diff``."""
    traces: bool = True
    """Whether the story also has the course of each good reward's components; ``use_reward_trace``."""
    checkpoints: int = CHECKPOINTS
    """Times in training at which a component is told; icpl.py takes every ``max_iterations // 10``-th value."""
    temperature: float = 1.0
    """Sampling temperature, of programs and differences; ``temperature``."""
    regenerations: int = 10
    """How often a program that does not run is asked for again, with no error shown, before it is left as it is;
    icpl.py goes on for 200 rounds, then ends itself."""

    def __post_init__(self) -> None:
        if self.preference not in get_args(Source):
            raise UnknownNameError("icpl preference", str(self.preference), get_args(Source))
        if self.checkpoints < 1 or self.temperature < 0 or self.regenerations < 0:
            raise ConfigError("icpl: checkpoints must be at least 1, temperature and regenerations cannot be negative")

    @property
    def asks_person(self) -> bool:
        """Whether a person names the best and the worst policy."""
        return self.preference == "person"

    def ask(self, context: Context) -> list[Proposal]:
        """Return the programs of one iteration; see `Designer.ask`.

        Raises:
            LLMError: No answer came.
            BudgetExceededError: No answer came, for lack of budget.
            ConfigError: A person is to be asked and nobody is there, or it is asked outside a study.
        """
        rounds = self.rounds(context)
        messages = self.messages(context, rounds)
        parents = tuple(c.id for c in self._examples(rounds[-1])) if rounds else ()
        proposals = generate(context, messages, temperature=self.temperature, parents=parents)
        return mend(context, [messages] * len(proposals), proposals, self._mending, temperature=self.temperature)

    def tell(self, context: Context, candidates: Sequence[Candidate]) -> None:
        """Do nothing: all that is needed is in the history."""

    def rounds(self, context: Context) -> list[Round]:
        """Return the earlier iterations in which a policy was evaluated, each with what is preferred in it.

        Raises:
            ConfigError: A person is to be asked and nobody is there, or this machine cannot make films.
        """
        found = []
        for iteration in range(context.iteration):
            preference = self._preference(context, iteration)
            if preference is not None:
                found.append(Round(iteration, preference))
        return found

    def messages(self, context: Context, rounds: Sequence[Round]) -> list[Message]:
        """Return the conversation: the task, then one message on what is preferred, which replaces the one before."""
        start = opening(context.brief)
        if not rounds:
            return start
        good, *bad = self._examples(rounds[-1])
        text = render(
            "icpl_preference",
            rounds=len(rounds),
            story=self._story(context, rounds),
            good=self._example(good),
            bad=self._example(bad[0]) if bad else None,
        )
        return [*start, Message(role="user", content=text)]

    def composition(self, samples: int) -> Composition:
        """Return what it does in each stage; see `Composed.composition`."""
        story = "the differences between the good rewards of all iterations" if self.differences else "nothing"
        shown = "best and the worst policy" if self.bad else "best policy"
        return Composition(
            prompt=PROMPT,
            generate=GENERATE,
            mend=self._mending.words(),
            score="preference of a person" if self.asks_person else "clean-room fitness",
            feedback=f"curves of components and length at {self.checkpoints} times, with maximum, mean and minimum; no "
            "score",
            select=f"{shown} of the latest iteration that has any",
            memory=story + (", with their curves" if self.differences and self.traces else ""),
            person="which policy is best and which is worst" if self.asks_person else "nobody",
            calls=Calls(samples, samples * (1 + self.regenerations) + self.differences),
        )

    @property
    def _mending(self) -> Mending:
        return Mending(rounds=self.regenerations, check="run", blind=True)

    def _preference(self, context: Context, iteration: int) -> Preference | None:
        candidates = context.of_iteration(iteration)
        if not self.asks_person:
            return by_fitness(candidates)
        return by_person(context, candidates, key=f"iteration-{iteration}/preference", option="preference=fitness")

    def _examples(self, of: Round) -> list[Candidate]:
        """Return the good example and, where it is to be shown and there is one, the bad one."""
        best, worst = of.preference
        return [best] if worst is None or not self.bad else [best, worst]

    def _example(self, candidate: Candidate) -> dict[str, object]:
        return {"source": _source(candidate), "rows": self._rows(candidate)}

    def _rows(self, candidate: Candidate) -> list[str]:
        """Return the course of a candidate's components and of its episodes' length, and no score."""
        traces = dataclasses.replace(candidate.traces or Traces(), fitness=(), success=())
        return curves(dataclasses.replace(candidate, traces=traces), checkpoints=self.checkpoints)

    def _story(self, context: Context, rounds: Sequence[Round]) -> list[dict[str, object]]:
        """Return how each good reward but the first came of the one before, oldest first."""
        if not self.differences:
            return []
        story: list[dict[str, object]] = []
        for number, (earlier, later) in enumerate(itertools.pairwise(rounds), start=1):
            before, after = earlier.preference.best, later.preference.best
            story.append(
                {
                    "number": number,
                    "rows": self._rows(before) if self.traces else [],
                    "difference": self._difference(context, before, after),
                }
            )
        return story

    def _difference(self, context: Context, before: Candidate, after: Candidate) -> str:
        """Return a language model's words on how two good rewards differ; asked once in a study.

        Raises:
            LLMError: No answer came.
            BudgetExceededError: No answer came, for lack of budget.
        """
        if _source(before) == _source(after):
            return "Nothing: it is the same program."
        text = render(
            "icpl_difference",
            instruction=context.brief.instruction.strip(),
            first=_source(before),
            second=_source(after),
        )
        completion = model(context).complete(
            [Message(role="user", content=text)],
            temperature=self.temperature,
            key=f"iteration-{after.iteration}/difference",
        )
        return completion.answers[0].text.strip() if completion.answers else ""


def _source(candidate: Candidate) -> str:
    return (candidate.source or candidate.answer).strip()
