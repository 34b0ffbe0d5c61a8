"""``envreward video``."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from envreward.errors import StudyError
from envreward.studies import database
from envreward.video import VideoConfig


@dataclass(frozen=True)
class Command:
    """Film a trained policy in its environment, in real time, without a display. The file's path is printed."""

    policy: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="POLICY_DIR|RUN")]
    """Folder that holds policy.safetensors and policy.json; or a search, for its winner's policy of median fitness."""
    out: Path = Path("policy.mp4")
    """File to write: .mp4 (plays in every browser) or .gif."""
    film: Annotated[VideoConfig, tyro.conf.arg(name="")] = field(default_factory=VideoConfig)
    """What is filmed."""

    def run(self) -> int:
        """Film it and print the file's path."""
        from envreward.video import record_video

        policy = _winners_policy(self.policy) if (self.policy / database.FILE_NAME).is_file() else self.policy
        sys.stdout.write(f"{record_video(policy, self.out, self.film)}\n")
        return 0


def _winners_policy(run: Path) -> Path:
    from envreward.reports.load import median_policy
    from envreward.studies.folder import RunFolder
    from envreward.studies.store import StudyStore

    with StudyStore.open(run) as store:
        member = median_policy(store.members("winner"))
    if member is None:
        raise StudyError(f"no policy of a winner in {run} yet: `envreward show {run}` says how far it is")
    return RunFolder(run).policy(member.training, member.key)
