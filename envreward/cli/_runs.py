"""Finding runs by folder or by name."""

from __future__ import annotations

from pathlib import Path

from envreward.errors import StudyError, UnknownNameError
from envreward.studies.database import FILE_NAME
from envreward.studies.folder import find_runs, runs_root


def find_run(text: str) -> Path:
    """Return the run folder that ``text`` means: a path, or a name in the runs' root.

    Raises:
        StudyError: It is a folder without a study.
        UnknownNameError: No such run; the message lists near matches.
    """
    for folder in (Path(text), runs_root() / text):
        if (folder / FILE_NAME).is_file():
            return folder
    if Path(text).is_dir():
        raise StudyError(f"no study in {text}: it has no {FILE_NAME} (list runs with `envreward runs`)")
    path = Path(text)
    root = path.parent if len(path.parts) > 1 else runs_root()
    known = [folder.name for folder in find_runs(root)]
    raise UnknownNameError("run", text, known, hint=f"(looked in {root}; list them with `envreward runs`)")
