"""CARD's Evaluator: what the conversation hears of each program, and which new programs are worth a training.

It keeps nothing: in each iteration it goes through the programs of the earlier ones again, in order, and finds the same
as it found then, because rollouts and what a program pays for them depend on the study's record alone.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from envreward.agents.rollouts import Rollouts
from envreward.errors import RewardError
from envreward.llm import Message
from envreward.studies.designer import Context
from envreward.studies.records import Candidate, Status, Traces

from .mend import workshop
from .prompt import render
from .reflect import failure_feedback, number, said
from .rewarded_trajectories import Trajectory, in_words, order, trajectories_of
from .select import best_by, final_score, nearest_miss
from .trajectory_preference import Ordering, Rule, trajectory_value

Exclude = Literal["none", "process", "trajectory", "preference"]

_FIFTHS = 5


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Those options of `Card` that the Evaluator goes by; see there."""

    tpe: Rule
    threshold: float
    discount: float
    trajectories: int
    episodes: int
    until_success: bool
    checkpoints: int
    interval: int | None
    refused: Literal["skip", "train"]
    exclude: Exclude


@dataclass(frozen=True, kw_only=True)
class Screening:
    """What came of evaluating one program's trajectory preferences."""

    ordering: Ordering | None
    """``None`` where the program could not be computed over the episodes; its study finds out why."""
    trajectories: tuple[Trajectory, ...] = ()
    """Those that were ordered, as the program sees them."""
    threshold: float

    @property
    def refused(self) -> bool:
        """Whether the program does not pass. Where nothing can be told, it is not refused."""
        return self.ordering is not None and self.ordering.verdict(self.threshold) == "refused"

    @property
    def words(self) -> str:
        """The verdict in a sentence."""
        if self.ordering is None:
            return "trajectory preferences: the program could not be computed over the recorded episodes"
        found, successes, failures = self.ordering, len(self.ordering.successes), len(self.ordering.failures)
        if found.accuracy is None:
            return (
                "trajectory preferences cannot be told: of the recorded episodes "
                f"{successes} were successful and {failures} failed"
            )
        return (
            f"trajectory preferences: {found.correct} of {successes} successful episodes ({found.accuracy:.0%}) are "
            f"worth more than the best of {failures} failing ones, {self.threshold:.0%} are wanted"
        )

    @property
    def short(self) -> str:
        """The verdict in a few words."""
        if self.ordering is None:
            return "preferences not computed"
        found = self.ordering
        if found.accuracy is None:
            return f"preferences cannot be told ({len(found.successes)} successes, {len(found.failures)} failures)"
        return f"preferences {'refused' if self.refused else 'passed'} ({found.accuracy:.0%})"


class Evaluator:
    """The Evaluator at the beginning of one iteration."""

    def __init__(self, context: Context, settings: Settings) -> None:
        """Look back from the iteration of ``context``."""
        self._context, self._settings = context, settings
        self._pool: list[Rollouts] = []

    @cached_property
    def heads(self) -> list[Candidate]:
        """The programs that the conversation shows: of each earlier iteration the one it went on with."""
        rounds = (self._context.of_iteration(i) for i in range(self._context.iteration))
        found = (_head(candidates) for candidates in rounds)
        return [head for head in found if head is not None]

    def turns(self) -> list[Message]:
        """Return the conversation so far: each program, and what is said of it; and gather the episodes on the way."""
        self._pool = []
        turns = []
        for head in self.heads:
            turns += [said(head.answer), Message(role="user", content=self._feedback(head))]
        return turns

    def screen(self, sources: Sequence[str]) -> list[Screening]:
        """Return the verdicts on programs, by the episodes that `turns` has gathered; nothing is trained.

        Args:
            sources: Programs, or answers that hold them.
        """
        threshold = self._settings.threshold
        outcomes = [e.success for rollouts in self._pool for e in rollouts.episodes if e.success is not None]
        if len(set(outcomes)) < 2:  # a reward cannot be told from its order where there is none
            known = Ordering(successes=(0.0,) * sum(outcomes), failures=(0.0,) * (len(outcomes) - sum(outcomes)))
            return [Screening(ordering=known, threshold=threshold)] * len(sources)
        keyed = {str(place): source for place, source in enumerate(sources)}
        found = workshop(self._context).rescore(keyed, self._pool)
        screenings = []
        for scores in found.values():
            if isinstance(scores, RewardError):
                screenings.append(Screening(ordering=None, threshold=threshold))
                continue
            seen = trajectories_of(scores, until_success=self._settings.until_success)
            ordering = order(seen, self._settings.tpe, discount=self._settings.discount)
            screenings.append(Screening(ordering=ordering, trajectories=tuple(seen), threshold=threshold))
        return screenings

    def _feedback(self, head: Candidate) -> str:
        """Return what is said of a program; the episodes of its policy join the others if it was not refused."""
        trained = bool(head.evaluations)
        filtered = head.status is Status.FILTERED
        if not trained and not filtered:
            return failure_feedback(head.status, head.reason)
        # what was trained under ``skip`` had passed, or nothing could be told of it
        doubtful = filtered or self._settings.refused == "train"
        screening = self.screen([head.source or head.answer])[0] if doubtful else None
        refused = screening is not None and screening.refused
        if refused and screening is not None and self._settings.exclude != "preference":
            return self._preferences(screening, trained)
        if not trained:  # filtered for another reason, e.g. a limit of the study
            return failure_feedback(head.status, head.reason)
        rollouts = workshop(self._context).rollouts(head, episodes=self._settings.trajectories)
        if not refused:
            self._pool.append(rollouts)
        return self._training(head, rollouts)

    def _training(self, head: Candidate, rollouts: Rollouts) -> str:
        """Return process and trajectory feedback (sections 4.2.1 and 4.2.2)."""
        exclude = self._settings.exclude
        best, worst, played = None, None, 0
        if exclude != "trajectory":
            first = dataclasses.replace(rollouts, episodes=rollouts.episodes[: self._settings.episodes])
            scores = workshop(self._context).rescore({"own": head.source or head.answer}, [first])["own"]
            if not isinstance(scores, RewardError):
                seen = trajectories_of(scores, until_success=self._settings.until_success)
                played = len(seen)
                best, worst = (max(seen, key=_return), min(seen, key=_return)) if seen else (None, None)
        return render(
            "card_training",
            process=process(head.traces or Traces(), self._settings.checkpoints) if exclude != "process" else [],
            episodes=played,
            best=self._told(best),
            worst=self._told(worst) if worst is not best else None,
        )

    def _preferences(self, screening: Screening, trained: bool) -> str:
        """Return preference feedback (section 4.2.3)."""
        ordering = screening.ordering
        assert ordering is not None and ordering.accuracy is not None
        worth = {id(t): self._worth(t) for t in screening.trajectories}
        success = min((t for t in screening.trajectories if t.episode.success), key=lambda t: worth[id(t)])
        failure = max((t for t in screening.trajectories if not t.episode.success), key=lambda t: worth[id(t)])
        mean = self._settings.tpe == "released"
        return render(
            "card_preference",
            trained=trained,
            cut=self._settings.until_success,
            measure="By its mean per step" if mean else f"By its return, discounted by {self._settings.discount:g}",
            successes=len(ordering.successes),
            failures=len(ordering.failures),
            correct=ordering.correct,
            share=f"{ordering.accuracy:.0%}",
            wanted=f"{self._settings.threshold:.0%}",
            pairs=ordering.pairs,
            wrong=ordering.wrong_pairs,
            success={**(self._told(success) or {}), "value": number(worth[id(success)])},
            failure={**(self._told(failure) or {}), "value": number(worth[id(failure)])},
        )

    def _worth(self, trajectory: Trajectory) -> float:
        return trajectory_value(trajectory.rewards, self._settings.tpe, discount=self._settings.discount)

    def _told(self, trajectory: Trajectory | None) -> dict[str, Any] | None:
        if trajectory is None:
            return None
        brief = self._context.brief
        interval = self._settings.interval or max(brief.horizon // _FIFTHS, 1)
        return {
            "words": in_words(trajectory, brief.fields, interval=interval),
            "total": number(trajectory.episode_return),
            "steps": trajectory.steps,
        }


def process(traces: Traces, checkpoints: int) -> list[str]:
    """Return the course of a training, one line per time: return, episode length, success and the reward's parts.

    The times are those of ``get_learning_result_feedback_simple`` in utils.py of the release: from the last one
    backwards, every ``n // checkpoints``-th of the n there are.
    """
    measured: dict[str, Sequence[float | None]] = {
        "return": traces.episode_return,
        "episode length": traces.episode_length,
        "success rate": traces.success,
        **{f"{name} (part of the reward)": values for name, values in traces.components.items()},
    }
    known = {name: values for name, values in measured.items() if any(v is not None for v in values)}
    return [
        f"After {traces.steps[place]:,} steps: " + ", ".join(f"{name} {number(known[name][place])}" for name in known)
        for place in times(len(traces.steps), checkpoints)
        if known
    ]


def times(total: int, wanted: int) -> list[int]:
    """Return up to ``wanted`` of the places 0 to ``total - 1``, evenly spaced, the last one among them."""
    stride = max(total // wanted, 1)
    return [*range(total - 1, -1, -stride)][:wanted][::-1]


def _head(candidates: Sequence[Candidate]) -> Candidate | None:
    """Return the candidate that a conversation goes on with; ``None`` where none says anything."""
    best = best_by(candidates, final_score)
    if best is not None:
        return best
    return next((c for c in candidates if c.status is Status.FILTERED), None) or nearest_miss(candidates)


def _return(trajectory: Trajectory) -> float:
    return trajectory.episode_return
