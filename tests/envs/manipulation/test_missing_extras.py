"""Where a family's package is not installed, its tasks are listed and whoever uses one is told the pip line."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

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


@pytest.mark.parametrize(
    ("package", "extra", "env"),
    [("metaworld", "metaworld", "MetaWorld-drawer-open"), ("mani_skill", "maniskill", "ManiSkill-PickCube")],
)
def test_the_pip_line_is_told(package: str, extra: str, env: str, tmp_path) -> None:
    """Training on the task ends with one line and exit code 2; the list of tasks names the extra that it needs."""
    run = envreward(package, "train", "--env", env, "--steps", "1000", "--out", str(tmp_path / "run"))
    assert run.returncode == 2 and run.stdout == ""
    assert run.stderr.splitlines()[-1].endswith(f'needs an optional dependency: pip install "envreward[{extra}]"')
    assert "Traceback" not in run.stderr
    listed = json.loads(envreward(package, "envs", "--json").stdout)
    [row] = [row for row in listed if row["id"] == f"EnvReward/{env}-v0"]
    assert row["extra"] == extra and row["expert"] is None
