"""card: one reward, refined in one conversation, and screened before it is trained (Sun et al. 2024, arXiv:2410.14660).

A Coder writes a program and mends it until it runs. An Evaluator, which is no language model, answers with what it
measured: the course of the training and the best and the worst episode of the trained agent; or, where the program does
not pass Trajectory Preference Evaluation, with the episodes that it puts in the wrong order. Values are the paper's
(Knowledge-Based Systems 2025); where paper and release (github.com/ShengjieSun419/CARD, commit 6e1df1c of July 2025)
differ, the option says so and both are there. Files named below lie in code_generation/self_reflection.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

from envreward.errors import ConfigError, UnknownNameError
from envreward.llm import Message
from envreward.studies.composition import Calls, Composition
from envreward.studies.designer import Context
from envreward.studies.records import Candidate, Proposal

from .abstraction import class_abstraction
from .card_evaluator import Evaluator, Exclude, Settings
from .generate import GENERATE, generate
from .mend import Mending, mend
from .prompt import opening
from .trajectory_preference import DISCOUNT, THRESHOLD, Rule

Refused = Literal["skip", "train"]

_VALUES = {"released": "mean reward per step", "paper": "discounted return"}


@dataclass(frozen=True, kw_only=True)
class Card:
    """The designer; its fields are its options.

    Where an iteration has several samples (published: one), the conversation goes on with the best of them. What
    differs from the published method: the winner of a study is the candidate of highest fitness, not the last program,
    which Algorithm 1 returns untrained; numbers are shown to three significant digits, not to one decimal; the curves
    are of the training's own episodes, which explore, and parts of the reward are means per step there, not sums.
    """

    needs_llm: ClassVar[bool] = True
    default_samples: ClassVar[int] = 1
    """One program per query (section 4.1)."""
    default_iterations: ClassVar[int] = 3
    """A first program and two refinements (section 5.1); ``--reflection_num`` is 10 in metaworld_exp_one_step.py, and
    read by nothing there."""

    tpe: Rule = "released"
    """What a trajectory is worth when rewards are screened. ``released``: mean reward per step
    (``trajectories_return_check`` in utils.py). ``paper``: discounted return (Definition 4.1)."""
    threshold: float = THRESHOLD
    """Least share of successful trajectories that must be worth more than the best failing one; section 5.1."""
    discount: float = DISCOUNT
    """Of ``tpe=paper``."""
    refused: Refused = "skip"
    """What becomes of a program that does not pass. ``skip``: it is not trained (section 4.4). ``train``: it is, and
    only hears of the preferences in place of its training (metaworld_exp_one_step.py)."""
    trajectories: int = 100
    """Episodes that each trained policy adds to those that rewards are screened on; ``--trajectory_num``. A reward that
    was refused adds none."""
    episodes: int = 10
    """The first of these episodes, of which the best and the worst are told; ``--n_eval_episodes`` in README.md, 3 by
    default in metaworld_exp_one_step.py."""
    until_success: bool = True
    """Whether an episode ends, for screening and telling, when the task is done, as in the release's evaluations
    (``SuccessInfoWrapper``)."""
    checkpoints: int = 5
    """Times in the training that are told, counted from its end; ``--log_point_num``."""
    interval: int | None = None
    """Steps of a trajectory from one that is told to the next; ``None``: a fifth of an episode, which is the 100 of 500
    of ``--log_interval`` (25 of 100 on ManiSkill2)."""
    exclude: Exclude = "none"
    """A kind of feedback to leave out: ``process``, ``trajectory`` or ``preference``; ``--exclude``."""
    temperature: float = 0.7
    """Sampling temperature; ``--temperature``."""
    redraws: int = 9
    """How often a program that does not run is asked for again, with no error shown; ``--max_try_num`` is 10 and counts
    the first."""

    def __post_init__(self) -> None:
        for option, choices in (("tpe", Rule), ("refused", Refused), ("exclude", Exclude)):
            if getattr(self, option) not in get_args(choices):
                raise UnknownNameError(f"card {option}", str(getattr(self, option)), get_args(choices))
        if not 0 < self.threshold <= 1 or not 0 < self.discount <= 1:
            raise ConfigError("card: threshold and discount must be above 0 and at most 1")
        interval = 1 if self.interval is None else self.interval
        if min(self.trajectories, self.episodes, self.checkpoints, interval) < 1:
            raise ConfigError("card: trajectories, episodes, checkpoints and interval must be at least 1")
        if self.temperature < 0 or self.redraws < 0:
            raise ConfigError("card: temperature and redraws cannot be negative")
        if self.exclude == "preference" and self.refused == "skip":
            raise ConfigError(
                "card: exclude=preference needs refused=train: of a program that was not trained, preferences are all "
                "there is to tell"
            )

    def ask(self, context: Context) -> list[Proposal]:
        """Return the programs of one iteration; see `Designer.ask`. Those that are refused come with their reason.

        Raises:
            LLMError: No answer came.
            BudgetExceededError: No answer came, for lack of budget.
            ConfigError: There is no workshop: it is asked outside a study.
        """
        evaluator = Evaluator(context, self._settings)
        messages = [*self.opening(context), *evaluator.turns()]
        parents = tuple(c.id for c in evaluator.heads[-1:])
        proposals = generate(context, messages, temperature=self.temperature, parents=parents)
        conversations = [messages] * len(proposals)
        mended = mend(context, conversations, proposals, self._mending, temperature=self.temperature)
        return self._screened(evaluator, mended)

    def tell(self, context: Context, candidates: Sequence[Candidate]) -> None:
        """Do nothing: all that is needed is in the history."""

    def opening(self, context: Context) -> list[Message]:
        """Return the conversation's beginning: role and contract, then task, classes and what to think of first."""
        return opening(context.brief, task="card_task", abstraction=class_abstraction(context.brief.fields))

    def composition(self, samples: int) -> Composition:
        """Return what it does in each stage; see `Composed.composition`."""
        trained = "is not trained" if self.refused == "skip" else "is trained all the same"
        told = {
            "process": f"curves of return, length, success and components at {self.checkpoints} times",
            "trajectory": f"the best and the worst of {self.episodes} episodes, step by step",
            "preference": "of what was refused, the episodes in the wrong order",
        }
        return Composition(
            prompt="role, contract of programs, task, fields as Python classes, tips",
            generate=GENERATE,
            mend=self._mending.words(),
            screen=f"trajectory preferences by {_VALUES[self.tpe]}, {self.threshold:.0%} of the successful above all "
            f"failing: what does not pass {trained}",
            feedback="; ".join(words for kind, words in told.items() if kind != self.exclude),
            select="the latest program, the best of an iteration that has several",
            memory="the whole conversation, and the episodes of every policy whose reward passed",
            calls=Calls(samples, samples * (1 + self.redraws)),
        )

    @property
    def _mending(self) -> Mending:
        return Mending(rounds=self.redraws, check="run", blind=True)

    @property
    def _settings(self) -> Settings:
        return Settings(**{f.name: getattr(self, f.name) for f in dataclasses.fields(Settings)})

    def _screened(self, evaluator: Evaluator, proposals: Sequence[Proposal]) -> list[Proposal]:
        """Return the proposals, each with the verdict on it; what is refused is filtered, if that is the rule."""
        verdicts = evaluator.screen([p.source or p.answer for p in proposals])
        screened = []
        for proposal, verdict in zip(proposals, verdicts, strict=True):
            skip = self.refused == "skip" and verdict.refused
            origin = f"{proposal.origin}; {verdict.short}" if verdict.short else proposal.origin
            screened.append(dataclasses.replace(proposal, origin=origin, filtered=verdict.words if skip else ""))
        return screened
