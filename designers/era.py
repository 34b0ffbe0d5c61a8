"""era: the four choices that helped when thirty were compared (Bhamidipaty et al. 2026, BIRD; its recipe ERA-S).

"A Bird's-Eye View of Iterative Reward Design" (github.com/safety-research/bird, commit 54a9ce3) switched design choices
of published methods on and off over 21 tasks. Four helped clearly: scoring the policy of the checkpoint at which the
candidate's own return was highest, feedback that a model has summed up, ranking by task success, and a history of four
turns. This designer is made of these and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

from envreward.errors import ConfigError, UnknownNameError
from envreward.llm import Message
from envreward.studies.composition import Calls, Composition
from envreward.studies.designer import Context
from envreward.studies.records import Candidate, Proposal

from .generate import GENERATE, generate, model
from .prompt import PROMPT, opening, render
from .reflect import FEEDBACK, curves, said, scores, turn
from .select import best_by, final_score, nearest_miss

FeedbackRule = Literal["summary", "curves"]
Rank = Literal["success", "fitness"]


@dataclass(frozen=True, kw_only=True)
class Era:
    """The designer; its fields are its options.

    The winner of a study is the candidate of highest fitness, though success ranks what the search goes on from: with
    ``rank=success`` the two may differ. Left out of ERA-S: what its hill-climb took over from its starting point and
    its comparison found no clear effect of (a task cut into subtasks, a vision-language judge of each, a warm start
    from the best policy, a one-sentence idea before each program).
    """

    needs_llm: ClassVar[bool] = True
    default_samples: ClassVar[int] = 8
    """``n_candidates`` of configs/hillclimb/v4_peak_noes40.yaml, which ERA is."""
    default_iterations: ClassVar[int] = 5
    """As in the paper's protocol (README.md of the release)."""
    default_checkpoint: ClassVar[Literal["peak_return"]] = "peak_return"
    """``train.checkpoint_selection: best_own_return`` of configs/hillclimb/v4_peak.yaml."""

    turns: int = 4
    """Earlier answers that the conversation shows, each with what is said of it; ``history_max_turns``."""
    feedback: FeedbackRule = "summary"
    """``summary``: the model sums up each iteration in a few sentences, and hears these. ``curves``: it hears the
    numbers themselves, as eureka's does."""
    rank: Rank = "success"
    """What candidates are ranked by: ``success``, the success rate, and fitness where that is equal; or ``fitness``.
    ``evaluate.fitness.source: native`` of era_s.yaml: the benchmark's success flag where it has one, else its score."""
    temperature: float = 1.0
    """Sampling temperature, of programs and summaries; configs/_default.yaml."""

    def __post_init__(self) -> None:
        for option, choices in (("feedback", FeedbackRule), ("rank", Rank)):
            if getattr(self, option) not in get_args(choices):
                raise UnknownNameError(f"era {option}", str(getattr(self, option)), get_args(choices))
        if self.turns < 1 or self.temperature < 0:
            raise ConfigError("era: turns must be at least 1, temperature cannot be negative")

    def ask(self, context: Context) -> list[Proposal]:
        """Return the samples of one iteration; see `Designer.ask`.

        Raises:
            LLMError: No answer came.
            BudgetExceededError: No answer came, for lack of budget.
        """
        shown = self.shown(context)
        turns = [m for c in shown for m in self._turn(context, c, latest=c is shown[-1])]
        parents = tuple(c.id for c in shown[-1:])
        return generate(context, [*opening(context.brief), *turns], temperature=self.temperature, parents=parents)

    def tell(self, context: Context, candidates: Sequence[Candidate]) -> None:
        """Do nothing: all that is needed is in the history."""

    def shown(self, context: Context) -> list[Candidate]:
        """Return the candidates that the conversation shows, the parent last; none in the first iteration.

        The parent is the best of all so far; before it stand the best of the latest iterations. After an iteration in
        which nothing could be scored, the one that came closest comes last.
        """
        rounds = [self._best(context.of_iteration(i)) for i in range(context.iteration)]
        parent = self._best(context.history)
        others = [c for c in rounds if c is not None and c is not parent]
        shown = [*others, parent] if parent is not None else []
        if rounds and rounds[-1] is None and (miss := nearest_miss(context.of_iteration(context.iteration - 1))):
            shown.append(miss)
        return shown[-self.turns :]

    def composition(self, samples: int) -> Composition:
        """Return what it does in each stage; see `Composed.composition`."""
        summed = self.feedback == "summary"
        return Composition(
            prompt=PROMPT,
            generate=GENERATE,
            policy="the one at which the candidate's own return was highest",
            score="clean-room " + ("success rate, fitness where it is equal" if self.rank == "success" else "fitness"),
            feedback="the model's own summary of the iteration" if summed else FEEDBACK.format(10),
            select="best candidate of all iterations",
            memory=f"conversation of the latest {self.turns} turns",
            calls=Calls(samples, samples + summed),
        )

    def _best(self, candidates: Iterable[Candidate]) -> Candidate | None:
        """Return the best candidate by the option ``rank``, the earliest at a tie; ``None`` when none was scored."""
        scored = [c for c in candidates if c.fitness is not None and c.success is not None]
        if self.rank == "success" and scored:
            highest = max(c.success or 0.0 for c in scored)
            scored = [c for c in scored if c.success == highest]
        return best_by(scored, final_score)

    def _turn(self, context: Context, candidate: Candidate, *, latest: bool) -> list[Message]:
        """Return the two messages that show a candidate: its answer, and what is said of it."""
        if self.feedback == "curves" or not candidate.evaluations:
            return turn(candidate, context.brief)
        text = render(
            "era_turn",
            measured=scores(candidate),
            summary=self._summary(context, candidate),
            latest=latest,
            incumbent=candidate is self._best(context.history),
        )
        return [said(candidate.answer), Message(role="user", content=text)]

    def _summary(self, context: Context, best: Candidate) -> str:
        """Return the model's summary of the iteration that a candidate was the best of; asked once in a study.

        Raises:
            LLMError: No answer came.
            BudgetExceededError: No answer came, for lack of budget.
        """
        brief, iteration = context.brief, best.iteration
        text = render(
            "era_summary",
            instruction=brief.instruction.strip(),
            fitness_doc=brief.fitness_doc.strip(),
            programs=[{"name": c.id, "outcome": _outcome(c)} for c in context.of_iteration(iteration)],
            best={"name": best.id, "source": (best.source or best.answer).strip(), "rows": curves(best)},
        )
        message = Message(role="user", content=text)
        completion = model(context).complete(
            [message], temperature=self.temperature, key=f"iteration-{iteration}/summary"
        )
        return completion.answers[0].text.strip() if completion.answers else "\n".join(curves(best))


def _outcome(candidate: Candidate) -> str:
    return scores(candidate) or f"{candidate.status}" + (f", {candidate.reason.strip()}" if candidate.reason else "")
