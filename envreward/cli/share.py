"""``envreward share``: a search as one file that others can run again."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro


@dataclass(frozen=True)
class Command:
    """Write a search's prompts and answers, with its settings and its outcome, to one file.

    The file holds model names, parameters, prompts, answers, tokens and cost, and what people were asked and answered;
    no keys. `envreward replay FILE` runs the search again from it, without a language model.
    """

    search: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="RUN")]
    """The search's folder, or its name as `envreward runs` lists it."""
    out: Annotated[str | None, tyro.conf.arg(metavar="FILE", help_behavior_hint="")] = None
    """The file to write; `<run>.jsonl` here unless given."""

    def run(self) -> int:
        """Write the file and say what it holds."""
        from envreward.studies.replay import share
        from envreward.studies.store import StudyStore

        from ._runs import find_run

        folder = find_run(self.search)
        path = Path(self.out) if self.out else Path(f"{folder.resolve().name}.jsonl")
        with StudyStore.open(folder) as store:
            count = share(store, path)
        sys.stdout.write(f"{path}: {count} exchanges; run it again with: envreward replay {path}\n")
        return 0
