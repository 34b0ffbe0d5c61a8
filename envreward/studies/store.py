"""StudyStore: the append-only record of one study, and the only way to it.

The run folder holds ``study.db`` (this record), ``study.lock``, ``trainings/<key>/`` (one folder per training, see
`envreward.training.config`) and ``report.html``. Whatever has finished is written here, durably, before the next
thing begins; to resume is to run the same loop again over a record that already holds the finished part.
"""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Self, TypeAlias

from envreward.llm.record import Exchange
from envreward.training.config import TrainingJob

from . import database
from .budget import Spent
from .config import StudyConfig
from .journal import Journal
from .lock import is_locked
from .records import Candidate, Evaluation, Outcome, Proposal, Status, Traces, TrainedMember, Verified

State: TypeAlias = Literal["running", "finished", "stopped", "interrupted"]
"""``stopped``: it ended by one of its limits. ``interrupted``: it was killed or stopped by hand, and can be resumed."""


class StudyStore(Journal):
    """The record of one study. Everything is added, nothing changed; a read gives what is known so far."""

    @classmethod
    def create(cls, folder: Path, config: StudyConfig, versions: Mapping[str, str]) -> Self:
        """Begin a new study in ``folder``, which is made if need be, and lock it.

        Raises:
            StudyError: The folder already holds a study, or is in use.
            OSError: It cannot be written.
        """
        folder.mkdir(parents=True, exist_ok=True)
        store = cls._open_locked(folder, versions, new=True)
        store.set_config(config)
        store.add_event("started")
        return store

    @classmethod
    def open(cls, folder: Path, *, versions: Mapping[str, str] | None = None) -> Self:
        """Open the study in ``folder``: to go on with it when ``versions`` are given (locks it), else to read it.

        Raises:
            StudyError: There is no study, it is foreign, damaged or of another version, or it is in use.
            OSError: It cannot be read or written.
        """
        database.require(folder)
        if versions is None:
            return cls(folder, database.connect(folder, write=False), None)
        store = cls._open_locked(folder, versions, new=False)
        store.add_event("resumed")
        return store

    @property
    def config(self) -> StudyConfig:
        """The study's settings."""
        rows = self._rows("SELECT config FROM configs ORDER BY id DESC LIMIT 1")
        return StudyConfig.from_json(rows[0][0])

    def set_config(self, config: StudyConfig) -> None:
        """Record new settings; the earlier ones stay in the record."""
        self._insert("configs", session=self._session, config=config.to_json())

    def spent(self) -> Spent:
        """Return what the study has used, by its record and, for the time, up to now."""
        calls, prompt, completion, usd, unknown = self._rows(
            "SELECT ifnull(sum(calls), 0), ifnull(sum(prompt_tokens), 0), ifnull(sum(completion_tokens), 0),"
            " ifnull(sum(usd), 0.0), count(*) FILTER (WHERE usd IS NULL) FROM exchanges"
        )[0]
        steps, trainings = self._rows("SELECT ifnull(sum(steps), 0), count(*) FROM members WHERE NOT reused")[0]
        return Spent(
            env_steps=steps,
            trainings=trainings,
            llm_calls=calls,
            prompt_tokens=prompt,
            completion_tokens=completion,
            usd=None if unknown else usd,
            wall_s=self.wall_s(),
        )

    # ---------------------------------------------------------------- language model (an ExchangeStore)

    def get(self, key: str) -> Exchange | None:
        """Return the finished exchange called ``key``, or ``None``."""
        rows = self._rows("SELECT exchange FROM exchanges WHERE key = ?", key)
        return Exchange.from_json(rows[0][0]) if rows else None

    def put(self, key: str, exchange: Exchange) -> None:
        """Record a finished exchange."""
        usage = exchange.usage
        self._insert(
            "exchanges",
            key=key,
            time=time.time(),
            exchange=exchange.to_json(),
            calls=usage.calls,
            prompt_tokens=usage.prompt_tokens,
            completion_tokens=usage.completion_tokens,
            usd=usage.cost_usd,
        )

    def exchanges(self) -> dict[str, Exchange]:
        """Return all exchanges by key, in the order in which they finished."""
        rows = self._rows("SELECT key, exchange FROM exchanges ORDER BY rowid")
        return {key: Exchange.from_json(text) for key, text in rows}

    # ---------------------------------------------------------------- candidates

    def was_asked(self, iteration: int) -> bool:
        """Return whether the designer's proposals of ``iteration`` are in the record."""
        return bool(self._rows("SELECT 1 FROM iterations WHERE iteration = ?", iteration))

    def add_proposals(self, iteration: int, proposals: Sequence[Proposal]) -> None:
        """Record all proposals of an iteration as candidates, all or none; filtered ones end at once."""
        with self._transaction():
            first = int(self._rows("SELECT count(*) FROM candidates")[0][0])
            self._insert("iterations", iteration=iteration, time=time.time())
            for place, proposal in enumerate(proposals):
                candidate = f"c{first + place:03d}"
                values = dataclasses.asdict(proposal) | {"parents": json.dumps(proposal.parents)}
                filtered = values.pop("filtered")
                self._insert("candidates", id=candidate, iteration=iteration, place=place, **values)
                if filtered:
                    self._end_candidates([Outcome(candidate=candidate, status=Status.FILTERED, reason=filtered)])

    def record_verification(self, verified: Iterable[Verified], refused: Iterable[Outcome]) -> None:
        """Record what the verification of an iteration gave, all or none."""
        with self._transaction():
            for item in verified:
                self._insert("verdicts", **dataclasses.asdict(item) | {"components": json.dumps(item.components)})
            self._end_candidates(refused)

    def verified(self) -> dict[str, Verified]:
        """Return the programs that passed the verification, by candidate."""
        rows = [dict(row) for row in self._rows("SELECT * FROM verdicts")]
        return {r["candidate"]: Verified(**r | {"components": tuple(json.loads(r["components"]))}) for r in rows}

    def candidates(self, iteration: int | None = None) -> list[Candidate]:
        """Return the candidates (of one iteration) with all that became of them, in order of proposal."""
        scores: dict[str | None, list[Evaluation]] = {}
        for member in self.members("search"):
            if member.evaluation is not None:
                scores.setdefault(member.candidate, []).append(member.evaluation)
        present = self._rows("SELECT 1 FROM pragma_table_info('candidates') WHERE name = 'learning'")
        learning = "c.learning" if present else "''"  # a record from before there was such a thing
        rows = self._rows(
            "SELECT c.id, c.iteration, c.place, c.answer, ifnull(v.source, c.source) AS source, c.parents, c.origin,"
            f" {learning} AS learning, o.status, o.reason, o.traces, o.wall_s FROM candidates c"
            " LEFT JOIN verdicts v ON v.candidate = c.id LEFT JOIN outcomes o ON o.candidate = c.id"
            " WHERE ?1 IS NULL OR c.iteration = ?1 ORDER BY c.rowid",
            iteration,
        )
        return [_candidate(dict(row), scores.get(row["id"], [])) for row in rows]

    # ---------------------------------------------------------------- trainings and scores

    def begin_training(self, key: str, job: TrainingJob, left_out: Iterable[Outcome] = ()) -> None:
        """Record that a training begins, and the candidates for which it has no room, all or none."""
        with self._transaction():
            self._insert("trainings", key=key, time=time.time(), job=json.dumps(dataclasses.asdict(job)))
            self._end_candidates(left_out)

    def end_training(self, members: Iterable[TrainedMember], outcomes: Iterable[Outcome] = ()) -> None:
        """Record how the policies of a training ended, and the candidates that ended by it, all or none."""
        with self._transaction():
            for member in members:
                values = dataclasses.asdict(member) | {"reused": int(member.reused)}
                del values["evaluation"]
                self._insert("members", **values)
            self._end_candidates(outcomes)

    def record_evaluation(self, evaluations: Iterable[Evaluation], outcomes: Iterable[Outcome] = ()) -> None:
        """Record clean-room scores, and the candidates that ended by them, all or none."""
        with self._transaction():
            for item in evaluations:
                self._insert("evaluations", member=item.member, evaluation=json.dumps(dataclasses.asdict(item)))
            self._end_candidates(outcomes)

    def leave_out(self, outcomes: Iterable[Outcome]) -> None:
        """Record the final status of candidates that nothing more is done with, all or none."""
        with self._transaction():
            self._end_candidates(outcomes)

    def trainings(self) -> dict[str, TrainingJob]:
        """Return the jobs of all trainings by key, in order of their start."""
        rows = self._rows("SELECT key, job FROM trainings ORDER BY rowid")
        return {key: TrainingJob.from_json(job) for key, job in rows}

    def has_ended(self, training: str) -> bool:
        """Return whether all policies of a training that began are recorded."""
        job = self.trainings().get(training)
        recorded = {member.key for member in self.members() if member.training == training}
        return job is not None and all(member.key in recorded for member in job.members)

    def members(self, *roles: str) -> list[TrainedMember]:
        """Return the trained policies (of some roles) with their scores, in order of their record."""
        rows = self._rows(
            "SELECT m.*, e.evaluation FROM members m LEFT JOIN evaluations e ON e.member = m.key ORDER BY m.rowid"
        )
        return [_member(dict(row)) for row in rows if not roles or row["role"] in roles]

    def steps_per_s(self) -> float | None:
        """Return how fast the study's trainings were, environment steps per second; ``None`` before the first."""
        steps = self._rows("SELECT sum(steps) FROM members WHERE NOT reused")[0][0]
        phases_s = self.phases_s()
        taken_s = phases_s.get("training", 0.0) + phases_s.get("comparing", 0.0)
        return float(steps) / taken_s if steps and taken_s > 0 else None

    def state(self) -> State:
        """Return whether the study runs now, and if not, how its last session ended."""
        if is_locked(self.folder):
            return "running"
        last_session: list[str] = []
        for event in self.events():
            last_session = [] if event.kind in ("started", "resumed") else [*last_session, event.kind]
        if "finished" not in last_session:
            return "interrupted"
        return "stopped" if "stopped" in last_session else "finished"

    def _end_candidates(self, outcomes: Iterable[Outcome]) -> None:
        for item in outcomes:
            traces = json.dumps(dataclasses.asdict(item.traces)) if item.traces else None
            values = {"candidate": item.candidate, "status": str(item.status), "reason": item.reason}
            self._insert("outcomes", **values, traces=traces, wall_s=item.wall_s)


def _candidate(row: dict[str, Any], evaluations: list[Evaluation]) -> Candidate:
    traces = json.loads(row.pop("traces") or "null")
    if traces is not None:
        components = {name: tuple(values) for name, values in traces.pop("components").items()}
        traces = Traces(components=components, **{name: tuple(values) for name, values in traces.items()})
    status = row.pop("status")
    return Candidate(
        index=row.pop("place"),
        parents=tuple(json.loads(row.pop("parents"))),
        status=Status(status) if status else Status.PROPOSED,
        reason=row.pop("reason") or "",
        traces=traces,
        evaluations=tuple(evaluations),
        **row,
    )


def _member(row: dict[str, Any]) -> TrainedMember:
    evaluation = json.loads(row.pop("evaluation") or "null")
    if evaluation is not None:
        for name in ("episode_fitness", "episode_success"):
            evaluation[name] = tuple(evaluation[name])
        evaluation = Evaluation(**evaluation)
    return TrainedMember(evaluation=evaluation, reused=bool(row.pop("reused")), **row)
