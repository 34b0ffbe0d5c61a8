"""The final comparison: winner, expert and sparse reward, each trained from scratch on the same fresh seeds.

A search picks the candidate that did best on its own seeds, so that score flatters it. What is reported is measured
anew, on seeds that the search never used and the baselines share.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from envreward.errors import BudgetExceededError
from envreward.evaluation import evaluate
from envreward.task import Task
from envreward.training.config import Member, MemberResult, MetricRow

from .allowance import Allowance
from .baselines import BaselineCache
from .clock import Clock
from .config import StudyConfig
from .crew import Crew
from .folder import RunFolder
from .jobs import make_job, run_job
from .records import Candidate, Role, TrainedMember
from .store import StudyStore
from .watch import Watcher

_ARMS: tuple[Role, ...] = ("winner", "expert", "sparse")
# The winner's program never shares a training with the baselines, which are kept for other studies to trust.
_TOGETHER: tuple[tuple[Role, ...], ...] = (("winner",), ("expert", "sparse"))
_PREFIX = "final-"
_TIME = "limit on wall-clock seconds reached during its training; a resume with a higher limit goes on with it"


class Comparison:
    """Trains and scores the three arms; baselines that an earlier study trained under the same settings are reused."""

    def __init__(self, store: StudyStore, crew: Crew, watcher: Watcher) -> None:
        self._store, self._crew, self._watcher = store, crew, watcher
        self._config, self._folder = store.config, RunFolder(store.folder)
        self._cache = _cache(self._config, crew.task)

    def members(self, winner: Candidate | None) -> list[TrainedMember]:
        """Return the comparison's policies as recorded so far: arms in order, seeds in order."""
        known = self._store.members(*_ARMS)
        mine = [m for m in known if m.candidate is None or (winner is not None and m.candidate == winner.id)]
        return sorted(mine, key=lambda m: (_ARMS.index(m.role), m.seed))

    def run(self, winner: Candidate, allowance: Allowance, clock: Clock) -> str | None:
        """Train and score whatever is missing, the winner first.

        Returns:
            The limit that left a part of it out, or ``None`` when it is complete.
        """
        self._reuse_baselines(winner)
        limit = self._train(winner, allowance, clock)
        missing = [m for m in self.members(winner) if m.status == "trained" and m.evaluation is None]
        if missing:
            with clock.phase("evaluating"):
                scores = evaluate(
                    self._config.env_id,
                    {m.key: self._folder.policy(m.training, m.key) for m in missing},
                    episodes=self._config.eval_episodes,
                    seed=self._config.evaluation_seed(final=True),
                )
                self._store.record_evaluation(replace(scores[m.key], seed=m.seed) for m in missing)
        return limit

    def _train(self, winner: Candidate, allowance: Allowance, clock: Clock) -> str | None:
        for key, job in self._store.trainings().items():  # one that an earlier session began and did not end
            mine = key.startswith(_PREFIX) and {m.group for m in job.members} <= {winner.id, "expert", "sparse"}
            if mine and not self._store.has_ended(key) and not self._run(key, winner, clock):
                return self._stop(_TIME)
        limit = None
        for roles in _TOGETHER:
            planned, obstacle = self._plan(winner, roles, allowance)
            limit = limit or obstacle
            if planned:
                key = f"{_PREFIX}{sum(k.startswith(_PREFIX) for k in self._store.trainings())}"
                self._store.begin_training(key, make_job(self._config, tuple(planned), racing=False))
                if not self._run(key, winner, clock):
                    return self._stop(_TIME)
        return self._stop(limit) if limit is not None else None

    def _plan(
        self, winner: Candidate, roles: tuple[Role, ...], allowance: Allowance
    ) -> tuple[list[Member], str | None]:
        """Return the policies still to be trained that fit the budget, and the limit that keeps out the others."""
        recorded = {m.key for m in self.members(winner)}
        planned: list[Member] = []
        limit = None
        for role in roles:
            missing = [m for m in self._wanted(winner) if _role(m) == role and m.key not in recorded]
            room, obstacle = allowance.final_policies(len(missing), len(planned))
            planned += missing[:room]
            if obstacle is not None and limit is None:
                limit = f"{role} is trained on {room} fresh seeds instead of {len(missing)}: {obstacle}"
        return planned, limit

    def _run(self, key: str, winner: Candidate, clock: Clock) -> bool:
        """Run or go on with a training; return whether it came to its end within the time."""
        folder = self._folder.training(key)
        job = self._store.trainings()[key]
        with clock.phase("comparing"):
            rewards = {m.reward: winner.source or "" for m in job.members if _role(m) == "winner"}
            over = clock.over("comparing", final=True)
            results = {} if over(0.0) else run_job(job, rewards, folder, self._crew.sandbox, self._watcher, over)
            recorded = {m.key for m in self.members(winner)}
            new = [m for m in job.members if m.key in results and m.key not in recorded]
            self._store.end_training(_trained(m, results[m.key], key, winner) for m in new)
        rows = self._folder.rows(key)
        for member in new:
            if _role(member) != "winner" and results[member.key].status == "trained":
                self._keep(member, folder, rows)
        return self._store.has_ended(key)

    def _reuse_baselines(self, winner: Candidate) -> None:
        taken = {m.key for m in self.members(winner)}
        taken |= {m.key for job in self._store.trainings().values() for m in job.members}
        for member in _baselines(self._config, self._crew.task):
            training = f"kept-{member.key}"
            if member.key in taken or (result := self._cache.copy_to(member, self._folder.training(training))) is None:
                continue
            self._store.end_training([replace(_trained(member, result, training, winner), reused=True)])

    def _keep(self, member: Member, folder: Path, rows: Sequence[MetricRow]) -> None:
        try:
            self._cache.keep(member, folder, rows)
        except OSError as error:  # the study has its policy; only later studies miss it
            self._watcher.note(f"baseline {member.key} not kept for later studies: {error.strerror}: {error.filename}")

    def _wanted(self, winner: Candidate) -> list[Member]:
        reward = f"rewards/{winner.id}.py"
        winners = [
            Member(key=f"{winner.id}-r{i}", group=winner.id, reward=reward, seed=seed, learning=winner.learning)
            for i, seed in enumerate(self._config.report_seeds())
        ]
        return [*winners, *_baselines(self._config, self._crew.task)]

    def _stop(self, limit: str) -> str:
        self._store.add_event("stopped", limit)
        self._watcher.note(f"the final comparison is incomplete: {limit}")
        return limit


def policies_to_train(config: StudyConfig, task: Task) -> int:
    """Return how many policies the comparison has to train: what the search must leave room for."""
    cache = _cache(config, task)
    return config.final_seeds + sum(not cache.holds(member) for member in _baselines(config, task))


def require_minimum(config: StudyConfig, task: Task) -> None:
    """Check before a study begins that its limits hold one candidate and the comparison.

    Raises:
        BudgetExceededError: They do not.
    """
    final = policies_to_train(config, task)
    for name, words, each in (("env_steps", "environment steps", config.steps), ("trainings", "trainings", 1)):
        limit, needed = getattr(config.budget, name), (config.seeds + final) * each
        if limit is not None and limit < needed:
            raise BudgetExceededError(
                f"a limit of {limit:,} {words} does not hold one candidate ({config.seeds * each:,}) and the final "
                f"comparison ({final * each:,}): allow {needed:,} or more, or take fewer steps or final seeds"
            )


def _cache(config: StudyConfig, task: Task) -> BaselineCache:
    return BaselineCache(task, make_job(config, (), racing=False))


def _baselines(config: StudyConfig, task: Task) -> list[Member]:
    names = ["expert", "sparse"] if task.expert is not None else ["sparse"]
    seeds = config.report_seeds()
    return [Member(key=f"{n}-r{i}", group=n, reward=n, seed=seed) for n in names for i, seed in enumerate(seeds)]


def _role(member: Member) -> Role:
    if member.group == "expert":
        return "expert"
    return "sparse" if member.group == "sparse" else "winner"


def _trained(member: Member, result: MemberResult, training: str, winner: Candidate) -> TrainedMember:
    return TrainedMember(
        key=member.key,
        role=_role(member),
        candidate=winner.id if _role(member) == "winner" else None,
        training=training,
        seed=member.seed,
        status=result.status,
        reason=result.reason,
        steps=result.steps,
        wall_s=result.wall_s,
    )
