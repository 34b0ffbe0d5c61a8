"""``envreward video``."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from envreward.video import VideoConfig


@dataclass(frozen=True)
class Command:
    """Film a trained policy in its environment, in real time, without a display."""

    policy: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="POLICY_DIR")]
    """Folder that holds policy.safetensors and policy.json."""
    out: Path = Path("policy.mp4")
    """File to write: .mp4 (plays in every browser) or .gif."""
    film: Annotated[VideoConfig, tyro.conf.arg(name="")] = field(default_factory=VideoConfig)
    """What is filmed."""

    def run(self) -> int:
        """Film it and print the file's path."""
        from envreward.video import record_video

        sys.stdout.write(f"{record_video(self.policy, self.out, self.film)}\n")
        return 0
