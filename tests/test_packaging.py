"""Packaging: what is on disk is what is installed, under one import name each."""

from __future__ import annotations

import importlib.metadata
import os
import re
import subprocess
import sys
import sysconfig
import tomllib
import venv
from pathlib import Path

import pytest

from envreward.registry import task_specs

ROOT = Path(__file__).resolve().parents[1]
MAPPED = ("envs", "designers", "sandboxes")


def _package_dirs() -> set[str]:
    found = set()
    for top in ("envreward", *MAPPED):
        for init in (ROOT / top).rglob("__init__.py"):
            parts = init.parent.relative_to(ROOT).parts
            if top == "envreward" and len(parts) > 1 and parts[1] in MAPPED:
                continue  # reached through a symlink
            found.add(".".join(parts if top == "envreward" else ("envreward", *parts)))
    return found


def test_every_package_on_disk_is_listed() -> None:
    """A new folder cannot be forgotten in pyproject.toml and so be missing from the wheel."""
    config = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert set(config["tool"]["setuptools"]["packages"]) == _package_dirs()


def test_links_for_editors_and_type_checkers() -> None:
    """The three links inside `envreward/` are relative and lead to the mapped folders."""
    for name in MAPPED:
        link = ROOT / "envreward" / name
        assert link.is_symlink() and os.readlink(link) == f"../{name}"


@pytest.mark.parametrize("name", MAPPED)
def test_mapped_folders_refuse_their_bare_name(name: str) -> None:
    """`import envs` from the checkout fails loudly instead of loading everything twice."""
    run = subprocess.run([sys.executable, "-c", f"import {name}"], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode != 0 and f"envreward.{name}" in run.stderr


def test_extras_bring_the_packages_of_their_tasks() -> None:
    """What a task's worlds import is what its extra installs, so that the pip line it is refused with helps."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    distributions = importlib.metadata.packages_distributions()
    needed = {(spec.extra, name) for spec in task_specs().values() for name in spec.packages}
    assert {extra for extra, _ in needed} == {"metaworld", "maniskill", "web", "docker"}
    for extra, name in needed:
        required = {re.split(r"[^\w-]", line)[0].replace("_", "-") for line in extras[extra]}
        assert required & {found.replace("_", "-") for found in distributions[name]}, (extra, name)


def test_import_is_light() -> None:
    """Importing envreward, as `--help` does, loads neither torch, nor physics, nor the language-model client."""
    heavy = ("torch", "mujoco", "litellm")
    code = f"import sys, envreward, envreward.cli.main; print([m for m in {heavy} if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_wheel_works_without_the_checkout(tmp_path: Path) -> None:
    """The built wheel, without the checkout, holds every module and data file and finds its plugins."""
    wheel_dir = tmp_path / "wheel"
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(wheel_dir), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True, cwd=tmp_path)
    (wheel,) = wheel_dir.glob("*.whl")
    venv.create(tmp_path / "venv", with_pip=False, symlinks=True)
    site = next((tmp_path / "venv" / "lib").glob("python3*/site-packages"))
    subprocess.run([sys.executable, "-m", "zipfile", "-e", str(wheel), str(site)], check=True)
    # Dependencies come from this environment; a plain path entry does not run its editable-install hooks.
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    python = tmp_path / "venv" / "bin" / "python"
    code = (
        "import gymnasium as gym, envreward\n"
        "from envreward import registry\n"
        "assert 'venv' in envreward.__file__, envreward.__file__\n"
        "env = gym.make_vec('EnvReward/Hopper-v0', num_envs=2)\n"
        "env.reset(seed=0)\n"
        "print(registry.names('designers'), registry.names('sandboxes'))\n"
        "[registry.find('designers', n) for n in registry.names('designers')]\n"
        "from importlib.resources import files\n"
        "assert any(files('envreward.designers').joinpath('prompts').iterdir())\n"
        "assert files('envreward').joinpath('py.typed').is_file()\n"
    )
    run = subprocess.run([str(python), "-P", "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert "eureka" in run.stdout and "bubblewrap" in run.stdout
