"""Stopping anywhere loses nothing: a study killed again and again ends as one that was never stopped."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import pytest

from envreward.errors import StudyError
from envreward.studies.store import StudyStore

COMMAND = [sys.executable, "-m", "envreward.cli.main"]
GOOD = "```python\ndef compute_reward(pole_angle):\n    r = 1 - pole_angle.square()\n    return r, {'upright': r}\n```"
STILL = (
    "```python\ndef compute_reward(cart_velocity):\n    r = -cart_velocity.square()\n    return r, {'still': r}\n```"
)
ANSWERS = {
    "iteration-0/samples#0": GOOD,
    "iteration-0/samples#1": "I cannot write code today.",
    "iteration-1/samples#0": STILL,
    "iteration-1/samples#1": "```python\ndef compute_reward(pole_angel):\n    return pole_angel, {}\n```",
}
DESIGN = [
    *("design", "--env", "InvertedPendulum", "--designer", "eureka", "--samples", "2", "--iterations", "2"),
    *("--steps", "12288", "--final-seeds", "1", "--episodes", "4", "--sandbox", "process", "--processes", "1"),
    *("--ppo.num-worlds", "8", "--ppo.rollout-steps", "32", "--ppo.minibatch-size", "64", "--ppo.epochs", "4"),
    "--no-video",
]


class Stop(NamedTuple):
    """Where to stop a study, and how."""

    when: Callable[[Path], bool]
    how: signal.Signals


def _asked(folder: Path) -> bool:
    with contextlib.suppress(StudyError, OSError), StudyStore.open(folder) as store:
        return bool(store.exchanges())
    return False


def _training(key: str) -> Callable[[Path], bool]:
    return lambda folder: (folder / "trainings" / key / "metrics.jsonl").exists()


STOPS = [
    Stop(_asked, signal.SIGKILL),
    Stop(_training("i000"), signal.SIGKILL),
    Stop(_training("i001"), signal.SIGINT),
    Stop(_training("final-0"), signal.SIGTERM),
]


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """Recorded answers: one good program, one text without any, another program, one that names no field."""
    lines = [{"format": "envreward-llm-recording", "version": 1}]
    for key, text in ANSWERS.items():
        usage = {"calls": 1, "prompt_tokens": 100, "completion_tokens": 10, "cost_usd": 0.01}
        lines.append({"key": key, "model": "recorded", "answer": {"text": text}, "usage": usage})
    path = tmp_path / "answers.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def _environment(tmp_path: Path, name: str) -> dict[str, str]:
    # Each study has its own kept baselines, or the second would have less to do than the first.
    own = {"ENVREWARD_RUNS": str(tmp_path / "runs"), "ENVREWARD_CACHE": str(tmp_path / f"cache-{name}")}
    return {**os.environ, **own, "OMP_NUM_THREADS": "1"}


def _result(folder: Path) -> Mapping[str, Any]:
    """Return what a study found, without the times it took."""
    out = subprocess.run([*COMMAND, "show", str(folder), "--json"], capture_output=True, text=True, check=True).stdout
    data = json.loads(out)
    for row in [*data["candidates"], *data["comparison"]]:
        del row["wall_s"]
    del data["spent"]["wall_s"]
    return {name: data[name] for name in ("winner", "candidates", "comparison", "spent", "state")}


def _processes_in(folder: Path) -> list[psutil.Process]:
    return [p for p in psutil.process_iter(["cmdline"]) if any(str(folder) in a for a in p.info["cmdline"] or [])]


def _stop(argv: list[str], environment: dict[str, str], folder: Path, stop: Stop) -> tuple[int, str]:
    process = subprocess.Popen(argv, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while not stop.when(folder):
        assert process.poll() is None, f"it ended before it could be stopped: {process.communicate()[1]}"
        assert time.monotonic() < deadline, "it never came to where it is to be stopped"
        time.sleep(0.02)
    time.sleep(random.uniform(0, 0.2))
    process.send_signal(stop.how)
    err = process.communicate(timeout=60)[1]
    deadline = time.monotonic() + 20
    while left := _processes_in(folder):  # a training that outlived its study would write beside the resumed one
        assert time.monotonic() < deadline, f"still there after {stop.how.name}: {[p.cmdline() for p in left]}"
        time.sleep(0.1)
    return process.returncode, err


def test_killed_anywhere_resumed_the_same(tmp_path: Path, recording: Path) -> None:
    """Kill -9, Ctrl-C and SIGTERM while verifying, training and comparing: the result is that of an unbroken study.

    Nothing finished is done twice: answers, trainings and steps add up to the same numbers.
    """
    runs = tmp_path / "runs"
    whole = [*COMMAND, *DESIGN, "--llm", f"replay:{recording}", "--name", "whole"]
    done = subprocess.run(whole, env=_environment(tmp_path, "whole"), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    expected = _result(runs / "whole")
    assert [c["status"] for c in expected["candidates"]] == ["evaluated", "unparsed", "evaluated", "rejected"]
    assert expected["spent"]["llm_calls"] == 4 and expected["spent"]["usd"] == pytest.approx(0.04)

    environment = _environment(tmp_path, "broken")
    argv = [*COMMAND, *DESIGN, "--llm", f"replay:{recording}", "--name", "broken"]
    for stop in STOPS:
        code, err = _stop(argv, environment, runs / "broken", stop)
        if stop.how is signal.SIGKILL:
            assert code == -signal.SIGKILL
        else:
            assert code == 130 and f"envreward resume {runs / 'broken'}" in err and "Traceback" not in err
        argv = [*COMMAND, "resume", "broken", "--no-video"]
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert _result(runs / "broken") == expected
    assert (runs / "broken" / "report.html").is_file()
