"""The loop of a study: ask, verify, train, evaluate, tell; then the winner against the baselines on fresh seeds.

Each step looks into the record first and does only what is missing there. A study that was killed is therefore
resumed by running it again, and ends as it would have ended.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from envreward.errors import BudgetExceededError
from envreward.evaluation import evaluate
from envreward.llm.record import RecordedLLM
from envreward.rewards.verify import verify

from .allowance import Allowance
from .clock import Clock
from .comparison import Comparison, policies_to_train
from .crew import Crew
from .designer import Context
from .folder import RunFolder
from .jobs import run_job
from .outcomes import evaluated, left_out, not_evaluated, search_job, search_members, training_failures, verdicts
from .records import Candidate, Status, TrainedMember, best, wanted
from .store import StudyStore
from .study_workshop import StudyWorkshop
from .watch import Silent, Watcher


@dataclass(frozen=True, kw_only=True)
class StudyResult:
    """How a study ended."""

    winner: Candidate | None
    """The candidate of highest fitness in the search, or ``None`` when none could be evaluated."""
    members: tuple[TrainedMember, ...]
    """The final comparison: winner, expert and sparse on fresh seeds."""
    stopped: str | None
    """The limit that ended the search early or left the comparison incomplete; ``None`` when it ran to its end."""


class Study:
    """One search for a reward, over a record that may already hold a part of it."""

    def __init__(self, store: StudyStore, crew: Crew, watcher: Watcher | None = None) -> None:
        """Prepare to run; `run` does the work."""
        self.store, self.crew, self.watcher = store, crew, watcher or Silent()
        self.config, self.folder = store.config, RunFolder(store.folder)
        self.llm = RecordedLLM(crew.llm, store) if crew.llm is not None else None
        self.comparison = Comparison(store, crew, self.watcher)
        self.allowance = Allowance(self.config, store, policies_to_train(self.config, crew.task))
        self.clock = Clock(store, self.allowance, self.watcher)
        self.workshop = StudyWorkshop(store, crew)

    def run(self) -> StudyResult:
        """Search, then compare; what the record holds already is not done again.

        Raises:
            LLMError: The language model could not be asked. Resumable.
            SandboxError: The sandbox broke. Resumable.
            KeyboardInterrupt: Ctrl-C. Resumable.
        """
        try:
            stopped = self._search()
            winner = best(self.store.candidates())
            if winner is not None:
                stopped = self.comparison.run(winner, self.allowance, self.clock) or stopped
            self.store.add_event("finished", stopped or "")
        except KeyboardInterrupt:
            self.store.add_event("interrupted")
            raise
        return StudyResult(winner=winner, members=tuple(self.comparison.members(winner)), stopped=stopped)

    def _search(self) -> str | None:
        try:
            for iteration in range(self.config.iterations):
                context = self._context(iteration)
                self.ask(context)
                self.verify(iteration)
                self.train(iteration)
                self.evaluate(iteration)
                self.tell(context)
        except BudgetExceededError as limit:
            self.store.add_event("stopped", str(limit))
            self.watcher.note(f"the search ends here: {limit}")
            return str(limit)
        return None

    def ask(self, context: Context) -> None:
        """Record the designer's proposals for one iteration.

        Raises:
            BudgetExceededError: None of them could be trained, or the language model has used up its limits.
        """
        if not self.store.was_asked(context.iteration):
            self.allowance.require_candidate()
            with self.clock.phase("asking", context.iteration), self.allowance.alarm():
                proposals = self.crew.designer.ask(context)
            self.store.add_proposals(context.iteration, wanted(proposals, context.samples))
        self.watcher.candidates(self.store.candidates(context.iteration))

    def verify(self, iteration: int) -> None:
        """Record of each new program whether it can be used; those that cannot end here."""
        verified = self.store.verified()
        new = [c for c in self._open(iteration) if c.id not in verified]
        if new:
            with self.clock.phase("verifying", iteration):
                answers = {c.id: c.source or c.answer for c in new}
                scratch = self.folder.path / "verification" / f"i{iteration:03d}"
                found = verify(answers, self.config.env_id, self.crew.sandbox, scratch)
                self.store.record_verification(*verdicts(new, found))
        self.watcher.candidates(self.store.candidates(iteration))

    def train(self, iteration: int) -> None:
        """Train the programs of one iteration that passed, all in one population.

        Raises:
            BudgetExceededError: There is room for none of them, or the time was over before the training was.
        """
        key = f"i{iteration:03d}"
        if key not in self.store.trainings():
            waiting = self._open(iteration)
            room, limit = self.allowance.candidates(len(waiting))
            without = [left_out(c, limit) for c in waiting[room:]]
            if room == 0:
                self.store.leave_out(without)
                if limit is not None:
                    raise BudgetExceededError(limit)
                return
            self.store.begin_training(key, search_job(self.config, waiting[:room]), without)
        if self.store.has_ended(key):
            return
        job, candidates = self.store.trainings()[key], self._open(iteration)
        with self.clock.phase("training", iteration):
            rewards = {f"rewards/{c.id}.py": c.source or "" for c in candidates}
            over = self.clock.over("training", final=False)
            results = run_job(job, rewards, self.folder.training(key), self.crew.sandbox, self.watcher, over)
            members = search_members(key, job, results, self.folder.rows(key))
            self.store.end_training(members, training_failures(members, self.folder.rows(key)))
        self.watcher.candidates(self.store.candidates(iteration))
        if len(results) < len(members):
            raise BudgetExceededError(members[-1].reason)

    def evaluate(self, iteration: int) -> None:
        """Score the trained policies of one iteration in a clean process that never loads a reward.

        Raises:
            BudgetExceededError: The time is over; they stay ``trained``.
        """
        key, waiting = f"i{iteration:03d}", self._open(iteration)
        if not waiting:
            return
        if self.allowance.time_is_over(final=True):
            self.store.leave_out([not_evaluated(c) for c in waiting])
            raise BudgetExceededError("limit on wall-clock seconds reached before the evaluation")
        with self.clock.phase("evaluating", iteration):
            ids = {c.id for c in waiting}
            members = [m for m in self.store.members("search") if m.candidate in ids]
            scores = evaluate(
                self.config.env_id,
                {m.key: self.folder.policy(key, m.key) for m in members},
                episodes=self.config.eval_episodes,
                seed=self.config.evaluation_seed(final=False),
            )
            self.store.record_evaluation(*evaluated(waiting, members, scores, self.folder.rows(key)))
        self.watcher.candidates(self.store.candidates(iteration))

    def tell(self, context: Context) -> None:
        """Tell the designer how its proposals ended; on a resume again, as designers remember nothing themselves."""
        with self.clock.phase("telling", context.iteration), self.allowance.alarm():
            self.crew.designer.tell(context, self.store.candidates(context.iteration))

    def _context(self, iteration: int) -> Context:
        return Context(
            brief=self.crew.brief,
            iteration=iteration,
            samples=self.config.samples,
            history=[c for c in self.store.candidates() if c.iteration < iteration],
            llm=self.llm,
            rng=random.Random(f"{self.config.seed}/{iteration}"),
            workshop=self.workshop,
        )

    def _open(self, iteration: int) -> list[Candidate]:
        return [c for c in self.store.candidates(iteration) if c.status is Status.PROPOSED]
