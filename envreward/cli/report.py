"""``envreward report``."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro


@dataclass(frozen=True)
class Command:
    """Write a search's HTML report: one file that holds everything it shows, for any browser, offline.

    It works in any state of the search and says what is missing. The file's path is printed.
    """

    folder: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="RUN")]
    """The search's folder, e.g. runs/2026-11-20-hopper."""
    video: bool = True
    """Film the winner's policy first, where no film of it is there yet."""

    def run(self) -> int:
        """Write the report and print its path."""
        from envreward.reports import write_report

        sys.stdout.write(f"{write_report(self.folder, video=self.video)}\n")
        return 0
