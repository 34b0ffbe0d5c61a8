"""``envreward replay``: run a finished search again from its record, and see whether the same comes out."""

from __future__ import annotations

import dataclasses
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from envreward.errors import ConfigError, StudyError

from ._options import MaybeFolder
from ._session import run_study


@dataclass(frozen=True)
class Command:
    """Run a search again with the answers that its language model and its people gave, and compare the outcomes.

    The search is that of a run on this machine, or of a file that `envreward share` wrote. No language model is
    asked, no key is needed, nothing is charged; all trainings are done anew. On the machine and versions of the
    original the same candidates get the same scores, to the last digit, and the same one is selected; every difference
    is listed, and the exit code is then 1.
    """

    search: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="RUN|FILE")]
    """A run's folder, its name as `envreward runs` lists it, or a file of `envreward share`."""
    out: MaybeFolder = None
    """Folder of the new run; `<name>-replay` in the runs' folder unless given."""
    video: bool = True
    """Film the winner's policy, and judge its reward on episodes, for the report."""

    def run(self) -> int:
        """Replay, compare, say what differs."""
        from envreward.studies.budget import Spent
        from envreward.studies.crew import assemble, versions
        from envreward.studies.replay import differences, read_shared, result_of, share
        from envreward.studies.store import StudyStore

        source = Path(self.search)
        folder = self._folder(source)
        recording = folder / "recording.jsonl"
        if (folder / "study.db").exists():
            raise StudyError(f"{folder} already holds a study: name another folder with --out")
        if source.is_file():
            read_shared(source)  # before anything is written
            folder.mkdir(parents=True, exist_ok=True)
            recording.write_bytes(source.read_bytes())
        else:
            from ._runs import find_run

            with StudyStore.open(find_run(self.search)) as original:
                share(original, recording)
        expected = read_shared(recording)
        config = expected.config
        if config.llm is not None:
            config = dataclasses.replace(config, llm=f"replay:{recording.resolve()}")
        crew = assemble(config, Spent())
        code = run_study(StudyStore.create(folder, config, versions()), crew, video=self.video)
        with StudyStore.open(folder) as replayed:
            found = result_of(replayed)
        if code:
            return code
        told = differences(expected, found)
        for line in told:
            sys.stdout.write(f"differs: {line}\n")
        if told:
            now = found.versions
            changed = [f"{n} {v} -> {now.get(n)}" for n, v in expected.versions.items() if now.get(n) != v]
            why = f"versions or machine differ: {', '.join(changed)}" if changed else "same versions, same machine"
            sys.stdout.write(f"{len(told)} differences from the original ({why})\n")
            return 1
        judged = (
            "; the winner's reward judged alike"
            if expected.judgement and found.judgement
            else "; the winner's reward was not judged both times"
        )
        sys.stdout.write(
            f"the same as the original: {len(found.candidates)} candidates, selected {found.winner}, "
            f"{len(found.report)} policies in the comparison{judged}\n"
        )
        return 0

    def _folder(self, source: Path) -> Path:
        from envreward.studies.folder import runs_root

        if self.out is not None:
            return self.out
        name = source.stem if source.is_file() else source.name
        if not name:
            raise ConfigError("name the new run's folder with --out")
        free = (runs_root() / (f"{name}-replay" + (f"-{n}" if n else "")) for n in range(1000))
        return next(folder for folder in free if not folder.exists())
