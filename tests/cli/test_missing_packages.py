"""Where a task's package is not installed, the task is listed, and whoever uses it is told the pip line at once."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

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
    ("package", "env", "extra"),
    [
        ("metaworld", "MetaWorld-drawer-open", "metaworld"),
        ("mani_skill", "ManiSkill-PickCube", "maniskill"),
        ("playwright", "WebShopOne-browser", "web"),
        ("docker", "SWERepo-docker", "docker"),
    ],
)
def test_the_pip_line_is_told(package: str, env: str, extra: str, tmp_path: Path) -> None:
    """Training on a task ends with one line and exit code 2, before anything is started or written."""
    out = tmp_path / "out"
    run = envreward(package, "train", "--env", env, "--reward", "sparse", "--steps", "1000", "--out", str(out))
    assert run.returncode == 2 and run.stdout == "" and not out.exists()
    [line] = run.stderr.splitlines()
    assert line.endswith(f'EnvReward/{env}-v0 needs an optional dependency: pip install "envreward[{extra}]"')


def test_the_task_is_listed() -> None:
    """The list of tasks names the extra that a task needs, and leaves open what only its package can tell."""
    listed = json.loads(envreward("metaworld", "envs", "--json").stdout)
    [row] = [row for row in listed if row["id"] == "EnvReward/MetaWorld-drawer-open-v0"]
    assert row["extra"] == "metaworld" and row["expert"] is None
