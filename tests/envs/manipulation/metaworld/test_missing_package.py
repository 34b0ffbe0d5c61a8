"""Where Meta-World is not installed, its tasks are listed and whoever uses one is told the pip line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

WITHOUT = """
import sys

sys.modules[sys.argv.pop(1)] = None  # as if it were not installed
from envreward.cli.main import main

sys.exit(main())
"""


def envreward(package: str, *args: str) -> subprocess.CompletedProcess[str]:
    """Run the command line where ``package`` is not installed."""
    command = [sys.executable, "-c", WITHOUT, package, *args]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_the_pip_line_is_told(tmp_path: Path) -> None:
    """Training on a task ends with one line and exit code 2; the list of tasks names the extra that it needs."""
    run = envreward("metaworld", "train", "--env", "MetaWorld-drawer-open", "--steps", "1000", "--out", str(tmp_path))
    assert run.returncode == 2 and run.stdout == ""
    assert run.stderr.splitlines()[-1].endswith('needs an optional dependency: pip install "envreward[metaworld]"')
    assert "Traceback" not in run.stderr
    listed = json.loads(envreward("metaworld", "envs", "--json").stdout)
    [row] = [row for row in listed if row["id"] == "EnvReward/MetaWorld-drawer-open-v0"]
    assert row["extra"] == "metaworld" and row["expert"] is None
