"""StudyWorkshop: the `Workshop` of a running study.

Everything here depends on the study's record alone, and what takes long is kept in the run folder, so that a
resumed study finds the same.
"""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from envreward.agents.policy_rollouts import play_policies
from envreward.agents.rescoring import Score, rescore_program
from envreward.agents.rollouts import Rollouts
from envreward.errors import ConfigError, RewardError
from envreward.rewards.program import RewardProgram
from envreward.rewards.verify import Verdict, verify
from envreward.video import record_video

from .crew import Crew
from .folder import RunFolder
from .person import Check, ask
from .records import Candidate, TrainedMember
from .store import StudyStore


class StudyWorkshop:
    """The workshop of a running study."""

    def __init__(self, store: StudyStore, crew: Crew) -> None:
        """Work for the study in ``store``."""
        self._store, self._crew = store, crew
        self._config, self._folder = store.config, RunFolder(store.folder)

    def rollouts(self, candidate: Candidate, *, episodes: int) -> Rollouts:
        """See `Workshop.rollouts`."""
        member = self._member(candidate)
        played = play_policies(
            self._config.env_id,
            {member.key: self._folder.policy(member.training, member.key)},
            episodes=episodes,
            seed=self._config.evaluation_seed(final=False),
            folder=self._folder.path / "rollouts" / str(episodes),
        )
        return played[member.key]

    def rescore(self, sources: Mapping[str, str], rollouts: Sequence[Rollouts]) -> dict[str, list[Score] | RewardError]:
        """See `Workshop.rescore`."""
        if not rollouts:
            return {key: [] for key in sources}
        episodes = tuple(episode for one in rollouts for episode in one.episodes)
        joined = dataclasses.replace(rollouts[0], episodes=episodes)
        found: dict[str, list[Score] | RewardError] = {}
        for key, source in sources.items():
            with tempfile.TemporaryDirectory(prefix="rescoring-", dir=self._folder.path) as scratch:
                try:
                    program = RewardProgram.from_answer(source, rollouts[0].header.fields)
                    found[key] = rescore_program(joined, program, self._crew.sandbox, Path(scratch))
                except RewardError as error:
                    found[key] = error
        return found

    def verify(self, answers: Mapping[str, str]) -> dict[str, Verdict]:
        """See `Workshop.verify`."""
        with tempfile.TemporaryDirectory(prefix="trial-", dir=self._folder.path) as scratch:
            return verify(answers, self._config.env_id, self._crew.sandbox, Path(scratch))

    def film(self, candidate: Candidate) -> Path:
        """See `Workshop.film`."""
        member = self._member(candidate)
        path = self._folder.path / "films" / f"{member.key}.mp4"
        if path.is_file():
            return path
        return record_video(self._folder.policy(member.training, member.key), path)

    def ask_person(self, key: str, question: str, check: Check) -> str:
        """See `Workshop.ask_person`."""
        return ask(self._crew.person, self._store, key, question, check)

    def _member(self, candidate: Candidate) -> TrainedMember:
        own = [m for m in self._store.members("search") if m.candidate == candidate.id and m.status == "trained"]
        if not own:
            raise ConfigError(f"candidate {candidate.id} has no trained policy: it ended as {candidate.status}")
        return min(own, key=lambda member: member.seed)
