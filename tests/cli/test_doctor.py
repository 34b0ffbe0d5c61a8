"""doctor tells what works by trying it, and what to run where it does not."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from envreward.cli.doctor import Check, _physx, available_cores, missing_requirements, show


def doctor(*options: str, **environment: str) -> tuple[int, str]:
    """Run the command; return its exit code and all it wrote."""
    command = [sys.executable, "-m", "envreward.cli.main", "doctor", *options]
    run = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, timeout=120)
    return run.returncode, run.stdout + run.stderr


def checks(text: str) -> dict[str, dict[str, Any]]:
    """Return the checks of ``--json`` by name."""
    return {check["name"]: check for check in json.loads(text)["checks"]}


def test_a_working_machine_is_called_ready(tmp_path: Path) -> None:
    """Everything a run needs was tried and works; keys are named, never shown; the exit code is 0."""
    secret = "sk-very-secret-0123456789"
    code, text = doctor("--json", ENVREWARD_RUNS=str(tmp_path), OPENAI_API_KEY=secret)
    assert code == 0, text
    found = checks(text)
    assert json.loads(text)["ready"] is True
    assert found["MuJoCo Warp"]["state"] == found["GPU"]["state"] and "mujoco-warp" in found["MuJoCo Warp"]["detail"]
    for name in ("Python", "packages", "torch", "MuJoCo", "sandbox", "runs folder", "baseline cache", "video encoder"):
        assert found[name]["state"] == "ok", found[name]
    assert "ok" in (found["rendering, EGL"]["state"], found["rendering, OSMesa"]["state"])
    assert found["sandbox"]["detail"] == "bubblewrap ran a program"
    assert "OPENAI_API_KEY" in found["language-model keys"]["detail"] and secret not in text
    assert [p.name for p in tmp_path.iterdir()] == []


def test_what_is_missing_comes_with_its_fix(tmp_path: Path) -> None:
    """No bubblewrap, an unwritable run folder, a broken OpenGL: named, with the fix; the exit code says so."""
    for program in ("sh", "ls"):  # a PATH without bwrap
        (tmp_path / program).symlink_to(shutil.which(program) or "")
    broken = {
        "PATH": str(tmp_path),
        "ENVREWARD_RUNS": "/proc/runs",
        "__EGL_VENDOR_LIBRARY_FILENAMES": "/nonexistent.json",
    }
    code, text = doctor("--json", **broken)
    assert code == 1
    found = checks(text)
    assert (
        found["sandbox"]["state"] == "missing" and "bubblewrap" in found["sandbox"]["fix"] + found["sandbox"]["detail"]
    )
    assert found["runs folder"]["state"] == "missing" and "ENVREWARD_RUNS" in found["runs folder"]["fix"]
    assert found["rendering, EGL"]["state"] == "optional" and "libegl1" in found["rendering, EGL"]["fix"]
    assert found["torch"]["state"] == "ok"


def test_the_table_is_readable(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal: a mark, a name and a detail a line, the fix below, and last what it comes to."""
    monkeypatch.setenv("COLUMNS", "100")
    found = [Check("torch", "ok", "2.15"), Check("sandbox", "missing", "no bwrap", "apt-get install bubblewrap")]
    show(found, ready=False)
    text = capsys.readouterr().out
    assert [line.split() for line in text.splitlines()[:2]] == [
        ["ok", "torch", "2.15"],
        ["MISSING", "sandbox", "no", "bwrap"],
    ]
    assert "-> apt-get install bubblewrap" in text and text.strip().endswith("Not ready: sandbox must be mended first.")
    show(found[:1], ready=True)
    assert "Ready: everything a design run needs works." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("files", "limit"),
    [
        ({"cpu.max": "150000 100000\n"}, 1.5),
        ({"cpu.max": "50000 100000\n"}, 0.5),
        ({"cpu/cpu.cfs_quota_us": "100000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 1.0),
        ({"cpu.max": "max 100000\n"}, None),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, None),
        ({}, None),
    ],
)
def test_a_containers_quota_counts(tmp_path: Path, files: dict[str, str], limit: float | None) -> None:
    """Cores are those of the affinity, cut by the control group's quota, in both versions of its files."""
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    own = len(os.sched_getaffinity(0))
    assert available_cores(tmp_path) == (own if limit is None else min(own, limit))


def test_missing_packages_are_found() -> None:
    """What the installed metadata asks for is looked up; nothing is missing of the core here."""
    assert missing_requirements(None) == []
    assert missing_requirements("track") in ([], ["wandb>=0.17"])


def test_what_maniskill_needs_to_draw(tmp_path: Path) -> None:
    """With ManiSkill, SAPIEN's search for a Vulkan device is tried; no driver: what is lost, and the fix."""
    (tmp_path / "none.json").write_text("{}")
    hidden = {name: str(tmp_path / "none.json") for name in ("VK_ICD_FILENAMES", "VK_DRIVER_FILES")}
    code, text = doctor("--json", ENVREWARD_RUNS=str(tmp_path), **hidden)
    found = checks(text)
    assert code == 0, text
    drawing = found["rendering, ManiSkill"]
    assert drawing["state"] == "optional" and "mesa-vulkan-drivers" in drawing["fix"]
    assert "rendering device" in drawing["detail"] and "physics" in drawing["detail"]


@pytest.mark.parametrize(
    ("cuda", "library", "state", "words"),
    [
        (False, True, "optional", "no CUDA device"),
        (True, False, "optional", "downloads it to ~/.sapien"),
        (True, True, "ok", "105.1-physx-5.3.1"),
    ],
)
def test_what_maniskill_needs_on_a_gpu(
    cuda: bool, library: bool, state: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether there is a CUDA device, and PhysX's library for it, and how to get that."""
    if library:
        folder = tmp_path / ".sapien" / "physx" / "105.1-physx-5.3.1"
        folder.mkdir(parents=True)
        (folder / "libPhysXGpu_64.so").touch()
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    [check] = _physx()
    assert check.state == state and words in check.detail
    assert ("enable_gpu" in (check.fix or "")) == (cuda and not library)
