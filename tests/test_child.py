"""Modules as processes of their own."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from envreward import child

MODULE = """
import gc, json, sys
at_import = gc.isenabled()
def main(*arguments):
    print(json.dumps([at_import, gc.isenabled(), gc.get_freeze_count() > 1000, *arguments]))
    if not arguments:
        raise RuntimeError("nothing to do")
"""


def _run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    (folder / "a_module.py").write_text(MODULE)
    paths = {**os.environ, "PYTHONPATH": str(folder)}
    return subprocess.run(child.command("a_module", *arguments), env=paths, capture_output=True, text=True, check=False)


def test_the_collector_waits_for_the_import_alone(tmp_path: Path) -> None:
    """It is off while the module is loaded and on when its ``main`` runs, without what was there before."""
    run = _run(tmp_path, "one", "--two three")
    assert (run.returncode, run.stdout) == (0, '[false, true, true, "one", "--two three"]\n')


def test_an_error_ends_the_process_with_its_traceback(tmp_path: Path) -> None:
    """Whoever started it sees a code that is not zero, and can read why."""
    run = _run(tmp_path)
    assert run.returncode == 1 and run.stderr.splitlines()[-1] == "RuntimeError: nothing to do"
