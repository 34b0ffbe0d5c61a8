"""Workshop: what a designer may have done for it beside the loop; programs run in the study's sandbox only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from envreward.errors import RewardError

from .person import Check
from .records import Candidate

if TYPE_CHECKING:
    from envreward.agents.rescoring import Score
    from envreward.agents.rollouts import Rollouts
    from envreward.rewards.verify import Verdict


class Workshop(Protocol):
    """What a designer may ask for in `Designer.ask`."""

    def rollouts(self, candidate: Candidate, *, episodes: int) -> Rollouts:
        """Let the policy of a trained candidate play, in a clean process, episodes that it is scored on.

        It is the policy of the candidate's first seed.

        Raises:
            ConfigError: The candidate has no policy.
        """
        ...

    def rescore(self, sources: Mapping[str, str], rollouts: Sequence[Rollouts]) -> dict[str, list[Score] | RewardError]:
        """Compute reward programs over all episodes of recorded rollouts, in the sandbox.

        Args:
            sources: Programs by a key of your choice.
            rollouts: Of this task; their episodes are taken one after another.

        Returns:
            Scores in order of the episodes, without those that have no step; or what is wrong with the program.
        """
        ...

    def verify(self, answers: Mapping[str, str]) -> dict[str, Verdict]:
        """Check programs, or answers that hold them, and try those that pass on real states, in the sandbox."""
        ...

    def film(self, candidate: Candidate) -> Path:
        """Return a film of the policy of a candidate's first seed.

        Raises:
            ConfigError: The candidate has no policy, or this machine cannot render.
        """
        ...

    def ask_person(self, key: str, question: str, check: Check) -> str:
        """Ask a person; answers are kept under ``key`` and not asked for again on a resume.

        Args:
            key: Name of the question, unique in the study, the same on every resume, e.g. ``iteration-2/preference``.
            question: What is asked; the answer is one line.
            check: Says what is wrong with an answer, which is then asked for again; ``None``: nothing.

        Raises:
            ConfigError: Nobody is there to answer.
        """
        ...
