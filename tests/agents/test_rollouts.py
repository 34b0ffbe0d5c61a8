"""Rollouts files: what is written is what is read; a crash costs one line at most; damage is named."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from envreward.agents.rollout_file import RolloutFile
from envreward.agents.rollouts import Header, join, read_rollouts
from envreward.errors import ConfigError, UnknownNameError
from envreward.fields import Field
from envreward.llm import Usage

FIELDS = {
    "action": Field("The action.", shape=(2,), role="action"),
    "speed": Field("Speed.", unit="m/s", frame="world"),
    "pose": Field("Pose.", shape=(3,), unit="m", names=("x", "y", "z"), role="position"),
    "page": Field("What the page says.", dtype="str"),
    "count": Field("A count.", dtype="int64"),
    "success": Field("Done.", dtype="bool", role="flag", private=True),
    "failure": Field("Over.", dtype="bool", role="flag", private=True),
    "fitness": Field("Score.", private=True),
}
STORED: dict[str, Any] = {
    "action": "float32",
    "speed": "float32",
    "pose": "float64",
    "page": "str",
    "count": "int64",
    "success": "bool",
    "failure": "bool",
    "fitness": "float32",
}


def header(**changes: Any) -> Header:
    plain: dict[str, Any] = {
        "env_id": "T-v0",
        "actor": "me",
        "settings": {"x": [1]},
        "horizon": 9,
        "fitness_reduce": "last",
    }
    return Header(**{**plain, "fields": FIELDS, "stored": STORED, **changes})


def facts(i: int, **changes: Any) -> dict[str, Any]:
    pose = [i + 1 / 3, -1e-300, 1e17 + i]
    values = {"action": [0.5, -0.25], "speed": float(np.float32(i / 7)), "pose": pose, "page": f"Page {i} ✓ \ud83d\n"}
    return {**values, "count": 2**60 + i, "success": False, "failure": False, "fitness": i / 4, **changes}


def write(file: RolloutFile, seed: int, steps: int = 3, *, end: bool = True, success: int | None = None) -> None:
    log = file.begin(seed, instruction=f"Do {seed}.", facts={k: v for k, v in facts(0).items() if k != "action"})
    for t in range(1, steps + 1):
        last = t == steps
        usage = Usage(calls=1, prompt_tokens=10, completion_tokens=t, cost_usd=0.5)
        now = facts(t, success=t == success)
        log.step(facts=now, action=[0.5, -0.25], terminated=False, truncated=last, state_hash=f"h{t}", usage=usage)
    if end:
        log.end()


def test_what_is_written_is_what_is_read(tmp_path: Path) -> None:
    """Numbers come back exactly, in the type they were recorded in; text, hashes, usage and declarations too."""
    with RolloutFile(tmp_path / "r.jsonl", header()) as file:
        write(file, 4, success=2)
    rollouts = read_rollouts(tmp_path / "r.jsonl")
    assert rollouts.header.fields == FIELDS and rollouts.header.stored == STORED
    assert rollouts.header.settings == {"x": [1]} and rollouts.header.package
    (episode,) = rollouts.episodes
    assert episode.facts["speed"].equal(torch.tensor([0, 1 / 7, 2 / 7, 3 / 7]))  # type: ignore[union-attr]
    expected = torch.tensor([facts(i)["pose"] for i in range(4)], dtype=torch.float64)
    assert episode.facts["pose"].equal(expected)  # type: ignore[union-attr]
    assert episode.facts["count"].tolist() == [2**60 + i for i in range(4)]  # type: ignore[union-attr]
    assert episode.facts["page"] == [f"Page {i} ✓ \ud83d\n" for i in range(4)]
    assert episode.facts["action"].tolist() == [[0, 0]] + [[0.5, -0.25]] * 3  # type: ignore[union-attr]
    assert list(episode.state_hash) == ["", "h1", "h2", "h3"]
    assert episode.usage == Usage(calls=3, prompt_tokens=30, completion_tokens=6, cost_usd=1.5) == rollouts.usage
    assert (episode.outcome, episode.success, episode.fitness, episode.steps) == ("success", True, 0.75, 3)


def test_previous_values(tmp_path: Path) -> None:
    """A ``prev_`` name reads the value one step earlier, and in the first step that after the reset."""
    with RolloutFile(tmp_path / "r.jsonl", header()) as file:
        write(file, 4)
        write(file, 5, steps=2)
    rollouts = read_rollouts(tmp_path / "r.jsonl")
    joined = join(rollouts.episodes, ["fitness", "prev_fitness", "prev_page"], rollouts.header.fields)
    assert joined.state["fitness"].tolist() == [0.25, 0.5, 0.75, 0.25, 0.5]  # type: ignore[union-attr]
    assert joined.state["prev_fitness"].tolist() == [0, 0.25, 0.5, 0, 0.25]  # type: ignore[union-attr]
    assert [text[:6] for text in joined.state["prev_page"]] == ["Page 0", "Page 1", "Page 2", "Page 0", "Page 1"]  # type: ignore[union-attr]
    assert joined.flow.first[:, 0].tolist() == [True, False, False, True, False]
    assert joined.flow.truncated[:, 0].tolist() == [False, False, True, False, True]
    for wrong in ("sped", "prev_action"):
        with pytest.raises(UnknownNameError, match=f"unknown field '{wrong}'"):
            join(rollouts.episodes, [wrong], rollouts.header.fields)


def test_an_episode_that_was_lost_between_steps_ends_with_its_last(tmp_path: Path) -> None:
    """Whatever the flags of its last step say, no episode flows into the next one."""
    with RolloutFile(tmp_path / "r.jsonl", header()) as file:
        log = file.begin(1, instruction="Go.", facts=facts(0))
        for t in (1, 2):
            log.step(facts=facts(t), action=[0.0, 0.0], terminated=False, truncated=False)
        log.end(lost="no answer")
        write(file, 2, steps=1)
    rollouts = read_rollouts(tmp_path / "r.jsonl")
    flow = join(rollouts.episodes, ["fitness"], rollouts.header.fields).flow
    assert flow.last[:, 0].tolist() == [False, True, True] and flow.first[:, 0].tolist() == [True, False, True]
    assert not rollouts.episodes[0].truncated.any()


@pytest.mark.parametrize(("how", "expected"), [("sum", 1.5), ("mean", 0.5), ("max", 0.75), ("last", 0.75)])
def test_fitness_of_an_episode(tmp_path: Path, how: str, expected: float) -> None:
    """The fitness of steps becomes an episode's as the task says."""
    with RolloutFile(tmp_path / "r.jsonl", header(fitness_reduce=how)) as file:
        write(file, 1)
    assert read_rollouts(tmp_path / "r.jsonl").episodes[0].fitness == expected


def test_numbers_that_are_not_finite_are_strict_json(tmp_path: Path) -> None:
    """NaN and infinities, which JSON has no way to write, are written as text and read as what they are."""
    with RolloutFile(tmp_path / "r.jsonl", header()) as file:
        log = file.begin(0, instruction="Go.", facts=facts(0))
        log.step(
            facts=facts(1, speed=float("nan"), pose=[1.0, float("inf"), float("-inf")]),
            action=[0.0, 0.0],
            terminated=True,
            truncated=False,
        )
        log.end()

    def refuse(name: str) -> Any:
        raise AssertionError(name)

    for line in (tmp_path / "r.jsonl").read_text().splitlines():
        json.loads(line, parse_constant=refuse)
    values = read_rollouts(tmp_path / "r.jsonl").episodes[0].facts
    assert torch.isnan(values["speed"][1])  # type: ignore[arg-type]
    assert values["pose"][1].tolist() == [1.0, float("inf"), float("-inf")]  # type: ignore[union-attr]


def test_killed_in_the_middle(tmp_path: Path) -> None:
    """After kill -9 at any moment, all whole lines are there; a torn last line is left out, and writing goes on."""
    path = tmp_path / "r.jsonl"
    code = (
        "import sys; sys.path.insert(0, sys.argv[2])\n"
        "from pathlib import Path\nfrom test_rollouts import *\n"
        "with RolloutFile(Path(sys.argv[1]), header()) as file:\n"
        "    for seed in range(10**6):\n        write(file, seed)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(path), str(Path(__file__).parent)]) as process:
        while process.poll() is None and (not path.exists() or path.stat().st_size < 50_000):
            pass
        process.send_signal(signal.SIGKILL)
    before = read_rollouts(path)
    assert len(before.episodes) > 5 and len(before.unfinished) <= 1
    with path.open("ab") as file:  # as a kill in the middle of a write leaves it
        file.write(b'{"kind": "begin", "seed": 77, "instr')
    assert read_rollouts(path).torn
    with RolloutFile(path, header()) as again:
        assert again.before is not None and len(again.before.episodes) == len(before.episodes)
        write(again, 10**7)
    after = read_rollouts(path)
    assert not after.torn and len(after.episodes) == len(before.episodes) + 1


def test_unfinished_episodes_are_played_anew_and_stay_paid_for(tmp_path: Path) -> None:
    """An episode without an end is no episode, but what it has cost is counted; its second beginning replaces it."""
    path = tmp_path / "r.jsonl"
    with RolloutFile(path, header()) as file:
        write(file, 1)
        write(file, 2, end=False)
    rollouts = read_rollouts(path)
    assert [e.seed for e in rollouts.episodes] == [1] and rollouts.unfinished == (2,) and rollouts.usage.calls == 6
    with RolloutFile(path, header()) as file:
        write(file, 2, steps=1)
    rollouts = read_rollouts(path)
    assert [e.steps for e in rollouts.episodes] == [3, 1] and rollouts.unfinished == () and rollouts.usage.calls == 7


def test_threads_write_whole_lines(tmp_path: Path) -> None:
    """Episodes that run side by side do not tear each other's lines."""
    with RolloutFile(tmp_path / "r.jsonl", header()) as file:
        threads = [threading.Thread(target=write, args=(file, seed, 30)) for seed in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert [e.steps for e in read_rollouts(tmp_path / "r.jsonl").episodes] == [30] * 8


def test_a_full_disk_leaves_the_file_whole(tmp_path: Path) -> None:
    """A line that does not fit is an error that names the file, and no part of it stays."""
    path = tmp_path / "r.jsonl"
    with RolloutFile(path, header()) as file:
        write(file, 1)
        size = path.stat().st_size
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        previous = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + 100, hard))
        try:
            with pytest.raises(OSError, match="File too large") as caught:
                write(file, 2)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
            signal.signal(signal.SIGXFSZ, previous)
        assert caught.value.filename == str(path) and path.stat().st_size == size
        write(file, 2)
    assert [e.seed for e in read_rollouts(path).episodes] == [1, 2]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"env_id": "U-v0"}, "env_id 'T-v0', not 'U-v0'"),
        ({"actor": "you"}, "actor 'me', not 'you'"),
        ({"settings": {}}, "settings"),
        ({"horizon": 8}, "horizon 9, not 8"),
        ({"fields": {k: v for k, v in FIELDS.items() if k != "page"}}, "with other fields"),
    ],
)
def test_unlike_rollouts_are_not_mixed(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    """A file takes episodes of one task, actor and setting; what differs is said, and nothing is written."""
    path = tmp_path / "r.jsonl"
    with RolloutFile(path, header()) as file:
        write(file, 1)
    before = path.read_bytes()
    with pytest.raises(ConfigError, match=words):
        RolloutFile(path, header(**changes))
    assert path.read_bytes() == before


def test_two_writers_are_one_too_many(tmp_path: Path) -> None:
    """A file that is being written is not opened a second time."""
    with (
        RolloutFile(tmp_path / "r.jsonl", header()),
        pytest.raises(ConfigError, match="is being written by another process"),
    ):
        RolloutFile(tmp_path / "r.jsonl", header())


def _damage(lines: list[str], number: int, **changes: Any) -> None:
    lines[number] = json.dumps({**json.loads(lines[number]), **changes})


DAMAGES: dict[str, tuple[Any, str]] = {
    "not JSON": (lambda x: x.__setitem__(2, "{"), "line 3: not a line of rollouts"),
    "NaN": (lambda x: x.__setitem__(2, '{"kind": "step", "seed": NaN}'), "line 3: .*NaN is not JSON"),
    "a list": (lambda x: x.__setitem__(2, "[]"), "line 3: not a line of rollouts"),
    "kind": (lambda x: _damage(x, 2, kind="stop"), "line 3: .*unknown kind 'stop'"),
    "step left out": (lambda x: x.pop(2), "line 3: .*step 1 where step 0 was to come"),
    "no beginning": (lambda x: x.pop(1), "line 2: .*no episode of seed 1 is running"),
    "outcome": (lambda x: _damage(x, 5, outcome="won"), "seed 1: unknown outcome 'won'"),
    "field left out": (lambda x: _damage(x, 2, facts={}), "seed 1: 'action' is missing"),
    "shape": (lambda x: _damage(x, 2, facts=facts(1, pose=[1.0])), "seed 1: field pose: its values differ in shape"),
    "type": (lambda x: _damage(x, 2, facts=facts(1, count=1.5)), "seed 1: field count: not int64"),
    "flag": (lambda x: _damage(x, 2, facts=facts(1, success=1)), "seed 1: field success: not bool"),
    "text": (lambda x: _damage(x, 2, facts=facts(1, page=3)), "seed 1: field page: not all values are text"),
    "number": (lambda x: _damage(x, 2, facts=facts(1, speed="fast")), "seed 1: field speed: not float32"),
    "version": (lambda x: _damage(x, 0, version=2), "rollouts of version 2; version 1 can be read"),
    "format": (lambda x: _damage(x, 0, format="other"), "is not a rollouts file"),
    "header": (lambda x: _damage(x, 0, fields={"a": {}}), "line 1: not the header"),
}


@pytest.mark.parametrize("kind", DAMAGES)
def test_damage_is_named(tmp_path: Path, kind: str) -> None:
    """A damaged file is refused in one line that says where and what."""
    path = tmp_path / "r.jsonl"
    with RolloutFile(path, header()) as file:
        write(file, 1)
    lines = path.read_text().splitlines()
    change, words = DAMAGES[kind]
    change(lines)
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(ConfigError, match=words) as caught:
        read_rollouts(path)
    assert "\n" not in str(caught.value) and str(path) in str(caught.value)


def test_files_that_are_none(tmp_path: Path) -> None:
    """A missing file, a folder, an empty and a binary file are one-line errors."""
    (tmp_path / "empty").touch()
    (tmp_path / "binary").write_bytes(os.urandom(100) + b"\n")
    for name in ("missing", "", "empty", "binary"):
        with pytest.raises(ConfigError, match=r"no such file|is not a rollouts file"):
            read_rollouts(tmp_path / name)
