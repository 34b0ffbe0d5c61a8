"""eureka: evolutionary search over reward code by a language model (Ma et al. 2023, arXiv:2310.12931, ICLR 2024).

Each iteration samples programs from one conversation: role and contract, task and fields, and from the second iteration
on a parent program with the reflection on its training. Values are the paper's; where paper and release
(github.com/eureka-research/Eureka, commit of May 2024) differ, the option says so and both are there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

from envreward.errors import ConfigError, UnknownNameError
from envreward.llm import Message
from envreward.studies.composition import Calls, Composition
from envreward.studies.designer import Context
from envreward.studies.records import Candidate, Proposal

from .generate import GENERATE, generate
from .prompt import PROMPT, opening
from .reflect import CHECKPOINTS, FEEDBACK, turn
from .repair import described, repair
from .select import SCORES, Score, best_by, best_of_iterations, nearest_miss

ParentRule = Literal["released", "paper", "best_so_far"]
AllFailed = Literal["repeat", "feedback"]

_RULES: Mapping[ParentRule, tuple[str, str]] = {
    "released": ("best candidate of the latest iteration that has one", "nothing but the parent"),
    "paper": ("best candidate of the latest iteration that has one", "conversation of the best of every iteration"),
    "best_so_far": ("best candidate of all iterations", "nothing but the parent"),
}


@dataclass(frozen=True, kw_only=True)
class Eureka:
    """The designer; its fields are its options.

    Left out of the method as published: the environment's source code (the fields' descriptions stand in its place, so
    that any environment will do), restarts (run the study again with another seed), and the final five trainings of
    the winner, which every study does.
    """

    needs_llm: ClassVar[bool] = True
    default_samples: ClassVar[int] = 16
    """K = 16 (section 3.2); ``sample`` in the release's cfg/config.yaml is 3."""
    default_iterations: ClassVar[int] = 5
    """N = 5 (section 3.2); ``iteration`` in the release's cfg/config.yaml is 1."""

    temperature: float = 1.0
    """Sampling temperature; cfg/config.yaml."""
    parent_rule: ParentRule = "released"
    """What the conversation shows beside the task. ``released`` (eureka.py): the best candidate of the latest iteration
    that has one, even if an earlier iteration had a better one, and its reflection; they replace the pair before, so
    that there are four messages. ``paper`` (Algorithm 1, line 9: ``prompt := prompt : Reflection(...)``): the same
    pairs appended, one per iteration. ``best_so_far``: the best candidate of all iterations; neither does this,
    both only report it in the end."""
    score: Score = "final"
    """What candidates are ranked by: ``final``, the clean-room fitness of the trained policy; ``peak``, the highest
    fitness met in training, as eureka.py does."""
    when_all_fail: AllFailed = "repeat"
    """After an iteration without a usable program. ``repeat`` (eureka.py): ask again with the conversation as it was,
    except where only one sample is drawn: then its error is shown. ``feedback``: always show the error of the one that
    came closest to working."""
    checkpoints: int = CHECKPOINTS
    """Times in training at which the reflection shows each component; eureka.py."""
    repairs: int = 0
    """How often each program that breaks a rule is sent back to be mended before the iteration goes on; neither paper
    nor release does so."""

    def __post_init__(self) -> None:
        for option, choices in (("parent_rule", ParentRule), ("score", Score), ("when_all_fail", AllFailed)):
            if getattr(self, option) not in get_args(choices):
                raise UnknownNameError(f"eureka {option}", str(getattr(self, option)), get_args(choices))
        if self.temperature < 0 or self.checkpoints < 1 or self.repairs < 0:
            raise ConfigError("eureka: temperature and repairs cannot be negative, checkpoints must be at least 1")

    def ask(self, context: Context) -> list[Proposal]:
        """Return the samples of one iteration; see `Designer.ask`.

        Raises:
            LLMError: No answer came.
            BudgetExceededError: No answer came, for lack of budget.
        """
        shown = self.shown(context)
        messages = self.messages(context, shown)
        parents = tuple(c.id for c in shown[-1:])
        proposals = generate(context, messages, temperature=self.temperature, parents=parents)
        return repair(context, messages, proposals, rounds=self.repairs, temperature=self.temperature)

    def tell(self, context: Context, candidates: Sequence[Candidate]) -> None:
        """Do nothing: all that is needed is in the history."""

    def composition(self, samples: int) -> Composition:
        """Return what it does in each stage; see `Composed.composition`."""
        select, memory = _RULES[self.parent_rule]
        return Composition(
            prompt=PROMPT,
            generate=GENERATE,
            mend=described(self.repairs),
            score="clean-room fitness" if self.score == "final" else "highest fitness met in training",
            feedback=FEEDBACK.format(self.checkpoints),
            select=select,
            memory=memory,
            calls=Calls(samples, samples * (1 + self.repairs)),
        )

    def messages(self, context: Context, shown: Sequence[Candidate]) -> list[Message]:
        """Return the conversation: the task, then each shown candidate with the feedback on it."""
        turns = [message for c in shown for message in turn(c, context.brief, checkpoints=self.checkpoints)]
        return [*opening(context.brief), *turns]

    def shown(self, context: Context) -> list[Candidate]:
        """Return the candidates that the conversation shows, the parent last; none in the first iteration."""
        score = SCORES[self.score]
        bests = best_of_iterations(context.history, score)
        if self.parent_rule == "best_so_far":
            best = best_by(context.history, score)
            shown = [best] if best is not None else []
        else:
            shown = bests if self.parent_rule == "paper" else bests[-1:]
        failure = self._failure_to_show(context, bests[-1].iteration if bests else -1)
        if failure is None:
            return shown
        return [*shown, failure] if self.parent_rule == "paper" else [failure]

    def _failure_to_show(self, context: Context, last_scored: int) -> Candidate | None:
        """Return the candidate whose error is to be shown, where the iteration before gave nothing to score."""
        if context.iteration == 0 or last_scored == context.iteration - 1:
            return None
        if self.when_all_fail == "repeat" and context.samples > 1:
            return None
        return nearest_miss(context.of_iteration(context.iteration - 1))
