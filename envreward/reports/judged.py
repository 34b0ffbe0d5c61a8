"""Judging a study's winner on episodes, where they cost next to nothing: kept beside the report for the next one.

What is judged is the total of the winner's program. Where policies were paid something that was learned from the
program's components instead (LaRe, HERON), that total says nothing of the reward, so there is no judgement.
"""

from __future__ import annotations

import dataclasses
import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from envreward.errors import ConfigError, EnvRewardError
from envreward.judging import JudgingConfig, Remark, Subject, Verdict, judge, judgement_verdict
from envreward.registry import make_task
from envreward.rewards.program import RewardProgram
from envreward.studies.config import StudyConfig
from envreward.studies.crew import usable_sandbox
from envreward.studies.folder import RunFolder
from envreward.studies.records import Candidate, TrainedMember
from envreward.task import SimTask

DESIGNED = "designed"
SETTINGS = JudgingConfig(episodes=4)
_NOVELTY = "rnd"


@dataclass(frozen=True, kw_only=True)
class Judged:
    """What judging a study's winner on episodes came to."""

    candidate: str
    """Id of the winner judged."""
    policies: int
    """How many policies' episodes it is based on."""
    own: Verdict
    """On the designed reward; without what it costs, so that judging again gives the same."""
    others: tuple[Verdict, ...]
    """On the designed reward together with each of the task's own."""


def judge_winner(
    folder: RunFolder,
    config: StudyConfig,
    winner: Candidate,
    members: Sequence[TrainedMember],
    call_s: float | None,
    *,
    settings: JudgingConfig = SETTINGS,
) -> Judged | None:
    """Judge the winner against the task's own rewards on the episodes of fixed policies and of those trained.

    Args:
        folder: The study's folder; what is found is kept there.
        config: The study's settings, of which the sandbox is taken.
        winner: The candidate.
        members: Policies to let play, one of each arm.
        call_s: Seconds per call of the program, from its verification.
        settings: How many episodes.

    Returns:
        What was found, or ``None`` where the task is no simulation, whose episodes would cost too much here.

    Raises:
        ConfigError: The program's total is not what policies were trained on.
        EnvRewardError: A policy cannot be played, the program fails, or the sandbox cannot be used.
        OSError: A file cannot be written.
    """
    from envreward.judging.evidence import play_all
    from envreward.judging.scoring import trusted_subject

    task = make_task(config.env_id)
    if not isinstance(task, SimTask) or winner.source is None:
        return None
    if reason := unjudged(winner.learning):
        raise ConfigError(reason)
    program = RewardProgram.from_source(winner.source, task.fields)
    own = ["expert"] * (task.expert is not None) + ["sparse"]
    subjects = [
        Subject(name=DESIGNED, reward=program, doc=f"candidate {winner.id}", cost_s=call_s),
        *(trusted_subject(task, name) for name in own),
    ]
    policies = {f"trained on {m.role}": folder.policy(m.training, m.key) for m in members}
    with tempfile.TemporaryDirectory(prefix="envreward-judge-") as scratch:
        players = play_all(config.env_id, policies, settings, Path(scratch))
        found = judge(config.env_id, subjects, players, sandbox=usable_sandbox(config.sandbox), config=settings)
    untimed = tuple(dataclasses.replace(reward, cost_s=None) for reward in found.rewards)
    verdicts = judgement_verdict(dataclasses.replace(found, rewards=untimed))
    judged = Judged(
        candidate=winner.id,
        policies=len(players),
        own=verdicts.rewards[0],
        others=tuple(v for v, pair in zip(verdicts.pairs, found.pairs, strict=True) if pair.first == DESIGNED),
    )
    folder.judgement.write_text(json.dumps(dataclasses.asdict(judged), indent=1) + "\n", encoding="utf-8")
    return judged


def read_judged(folder: RunFolder, winner: Candidate) -> Judged | None:
    """Return what is kept of judging this winner, or ``None`` where nothing that can be read and holds of it is."""
    if unjudged(winner.learning):
        return None
    try:
        raw = json.loads(folder.judgement.read_text(encoding="utf-8"))
        judged = Judged(
            candidate=raw["candidate"],
            policies=int(raw["policies"]),
            own=_verdict(raw["own"]),
            others=tuple(map(_verdict, raw["others"])),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return judged if judged.candidate == winner.id else None


def _verdict(raw: dict[str, Any]) -> Verdict:
    remarks = tuple(Remark(level, text) for level, text in raw["remarks"])
    return Verdict(about=raw["about"], level=raw["level"], headline=raw["headline"], remarks=remarks)


def unjudged(learning: str) -> str:
    """Return why a program whose reward is learned like this (see `Member.learning`) is not judged; empty if it is."""
    if _kind(learning) in ("", _NOVELTY):
        return ""
    return (
        f"the winner's reward is learned from the components of its program while a policy trains ({learning}); no "
        "policy was trained on the program's own total"
    )


def left_out(learning: str) -> str:
    """Return what a judgement of the program leaves out of what policies were paid, as a sentence; empty if nothing."""
    if _kind(learning) != _NOVELTY:
        return ""
    return f"The program itself was judged: the bonus for novelty that was paid beside it ({learning}) is left out."


def _kind(learning: str) -> str:
    return learning.partition(":")[0]


def why_not(error: EnvRewardError | OSError) -> str:
    """Return why a winner was not judged on episodes, as part of a sentence."""
    return " ".join(str(error).split())[:300]
