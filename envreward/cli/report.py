"""``envreward report``."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Annotated

import tyro


@dataclass(frozen=True)
class Command:
    """Write a search's HTML report: one file that holds everything it shows, for any browser, offline.

    It works in any state of the search and says what is missing. The file's path is printed.
    """

    search: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="RUN")]
    """The search's folder, or its name as `envreward runs` lists it."""
    video: bool = True
    """Film the winner's policy and judge its reward on episodes first, where that is not there yet."""

    def run(self) -> int:
        """Write the report and print its path."""
        from envreward.reports import write_report

        from ._runs import find_run

        sys.stdout.write(f"{write_report(find_run(self.search), video=self.video)}\n")
        return 0
