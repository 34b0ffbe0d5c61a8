"""Trainings from outside: results, resume after a kill, racing, what cannot start and what dies."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors.torch import load_file

from envreward.errors import ConfigError, SandboxError, UnknownNameError
from envreward.training.config import MemberResult, RacingConfig, TrainingJob
from envreward.training.metrics import read_rows
from envreward.training.runner import TrainingHandle, check_job, run_training, start_training

FOUR = {"a-s0": "expert", "a-s1": "expert", "b-s0": "sparse", "b-s1": "sparse"}


def weights(folder: Path, key: str) -> dict[str, list[float]]:
    return {name: t.tolist() for name, t in load_file(folder / "members" / key / "policy.safetensors").items()}


def wait_for(condition: Callable[[], object], timeout_s: float = 60.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def children(pid: int) -> list[int]:
    """Return all descendants of a process."""
    found = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    pairs = [tuple(map(int, line.split())) for line in found.splitlines()]
    own = [child for child, parent in pairs if parent == pid]
    return own + [grandchild for child in own for grandchild in children(child)]


def test_whole_training(make_job, process_sandbox, write_program, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    """Each member ends with a result, a policy and a full curve; a bad one with its reason; progress adds up."""
    rewards = {
        "a-s0": "expert",
        "b-s0": write_program("b"),
        "c-s0": write_program("c", ("x_velocity +", "x_velocity / 0 +")),
    }
    job = make_job(rewards, processes=2, tensorboard=True)
    seen = []
    results = run_training(job, tmp_path, process_sandbox, seen.extend)
    assert {key: r.status for key, r in results.items()} == {"a-s0": "trained", "b-s0": "trained", "c-s0": "failed"}
    assert "not finite" in results["c-s0"].reason
    assert results["a-s0"].steps == 1280 and results["c-s0"].steps == 128
    assert [row.step for row in seen if row.key == "a-s0"] == [*range(128, 1281, 128)]
    assert seen == read_rows(tmp_path)
    assert weights(tmp_path, "a-s0") and (tmp_path / "tensorboard" / "b-s0").is_dir()
    assert not (tmp_path / "checkpoint").exists()
    again = start_training(job, tmp_path, process_sandbox)  # nothing is left to do, and nothing is started
    assert again.poll() and again.results() == results
    assert again.steps_done == again.steps_total == 2 * 1280 + 128


def test_killed_and_resumed(make_job, process_sandbox, tmp_path: Path, timeless) -> None:  # type: ignore[no-untyped-def]
    """Killed with SIGKILL in the middle, and again, a training ends with the weights and curves of one left alone."""
    job = make_job(FOUR, processes=2, total_steps=12_800, checkpoint_every_s=0.2)
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    expected = run_training(job, whole, process_sandbox)
    for share in (0.3, 0.6):
        handle = start_training(job, broken, process_sandbox)
        wait_for(lambda: handle.steps_done > share * handle.steps_total)  # noqa: B023
        handle.kill()
        assert handle.results() == {} or share > 0.3  # what was stopped has no result
    results = run_training(job, broken, process_sandbox)
    assert {k: (r.status, r.steps) for k, r in results.items()} == {k: (r.status, r.steps) for k, r in expected.items()}
    for key in FOUR:
        assert weights(broken, key) == weights(whole, key)
    assert timeless(read_rows(broken)) == timeless(read_rows(whole))


def test_split_changes_nothing(make_job, process_sandbox, tmp_path: Path, timeless) -> None:  # type: ignore[no-untyped-def]
    """One process or three, and any neighbours: the same weights and curves."""
    job = make_job(FOUR, processes=1)
    run_training(job, tmp_path / "one", process_sandbox)
    run_training(dataclasses.replace(job, processes=3), tmp_path / "three", process_sandbox)
    for key in FOUR:
        assert weights(tmp_path / "one", key) == weights(tmp_path / "three", key)
    assert timeless(read_rows(tmp_path / "one")) == timeless(read_rows(tmp_path / "three"))


def test_racing(make_job, process_sandbox, tmp_path: Path, timeless) -> None:  # type: ignore[no-untyped-def]
    """Losers end at the rung where they lost, with a policy; winners train on as if there had been no race."""
    rewards = {f"{group}-s{i}": "expert" for group in "abcd" for i in range(2)}
    job = make_job(rewards, processes=2, total_steps=5120, racing=RacingConfig(rungs=2))
    results = run_training(job, tmp_path / "race", process_sandbox)
    ends = sorted((r.status, r.steps) for r in results.values())
    assert ends == [("pruned", 1280)] * 4 + [("pruned", 2560)] * 2 + [("trained", 5120)] * 2
    assert len({key[0] for key, r in results.items() if r.status == "trained"}) == 1  # both seeds of one candidate
    for key, result in results.items():
        assert weights(tmp_path / "race", key)
        if result.status == "pruned":
            assert f"pruned at {result.steps} of 5120 steps: " in result.reason
    run_training(dataclasses.replace(job, racing=None), tmp_path / "all", process_sandbox)
    (winner, *_) = [key for key, r in results.items() if r.status == "trained"]
    assert weights(tmp_path / "race", winner) == weights(tmp_path / "all", winner)
    everything = timeless(read_rows(tmp_path / "all"))
    raced = timeless(read_rows(tmp_path / "race"))
    assert [row for row in everything if row in raced] == raced


def test_shard_that_dies_is_started_again(make_job, process_sandbox, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    """A shard killed once goes on from its checkpoint; killed twice it loses its own members, and only those."""
    job = make_job(FOUR, processes=2, total_steps=25_600, checkpoint_every_s=0.2)
    handle = start_training(job, tmp_path, process_sandbox)
    for _ in range(2):
        before = handle.steps_done
        wait_for(lambda: handle.steps_done > before + 2000)  # noqa: B023
        os.kill(max(_shards(handle)), signal.SIGKILL)  # the second time the one that was started again
    wait_for(handle.poll)
    results = handle.results()
    statuses = sorted(r.status for r in results.values())
    assert statuses == ["crashed", "crashed", "trained", "trained"]
    lost = [r for r in results.values() if r.status == "crashed"]
    assert all("SIGKILL" in r.reason for r in lost)


def _shards(handle: TrainingHandle) -> list[int]:
    """Return the shards' process ids: of the processes with the training's command line those without children."""
    found = subprocess.run(["ps", "-ww", "-eo", "pid=,ppid=,args="], capture_output=True, text=True, check=True).stdout
    own = [line.split()[:2] for line in found.splitlines() if str(handle.folder) in line]
    parents = {parent for _, parent in own}
    return [int(pid) for pid, _ in own if pid not in parents]


def test_training_that_dies_whole(make_job, process_sandbox, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    """When the training ends before its members have, they are crashed and the reason is the end of its log."""
    job = make_job()
    handle = start_training(job, tmp_path, process_sandbox)
    (tmp_path / "job.json").write_text("{")  # read by the process that is just starting
    wait_for(handle.poll)
    (result,) = handle.results().values()
    assert result.status == "crashed"
    assert "exit code 1" in result.reason and "JSONDecodeError" in result.reason


def test_nothing_is_left_running(make_job, process_sandbox, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    """After a kill no process of the training is left, a reward program that hangs included."""
    (tmp_path / "hang.py").write_text(
        "import torch\ndef compute_reward(x_velocity: torch.Tensor):\n"
        "    for i in range(10**15):\n        x = i\n    return x_velocity, {'x': x_velocity}\n"
    )
    job = make_job({"a": "expert", "b": "hang.py"}, processes=2)
    before = set(children(os.getpid()))
    handle = start_training(job, tmp_path, process_sandbox)
    wait_for(lambda: handle.steps_done > 0)
    started = set(children(os.getpid())) - before
    assert len(started) >= 4  # coordinator, two shards, the program
    handle.kill()
    wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in started), 10.0)


def test_what_cannot_work_is_refused_before_it_starts(make_job, process_sandbox, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    """Settings that cannot work are refused with what is wrong, and no process is started."""
    job: TrainingJob = make_job()
    member = job.members[0]
    with pytest.raises(UnknownNameError, match="Hopper"):
        check_job(dataclasses.replace(job, env_id="Hoppr"))
    with pytest.raises(ConfigError, match="at least one member"):
        check_job(dataclasses.replace(job, members=()))
    with pytest.raises(ConfigError, match="unique"):
        check_job(dataclasses.replace(job, members=(member, member)))
    with pytest.raises(ConfigError, match="file name"):
        check_job(dataclasses.replace(job, members=(dataclasses.replace(member, key="../m"),)))
    with pytest.raises(ConfigError, match="no published expert"):
        check_job(dataclasses.replace(job, env_id="HopperFrontFlip"))
    with pytest.raises(ConfigError, match=r"ppo\.epochs"):
        check_job(dataclasses.replace(job, ppo=dataclasses.replace(job.ppo, epochs=0)))
    with pytest.raises(ConfigError, match="target_kl"):
        check_job(dataclasses.replace(job, ppo=dataclasses.replace(job.ppo, lr_schedule="adaptive")))
    missing = dataclasses.replace(job, members=(dataclasses.replace(member, reward="rewards/x.py"),))
    with pytest.raises(ConfigError, match=r"rewards/x\.py"):
        start_training(missing, tmp_path, process_sandbox)


def test_folder_belongs_to_one_job_and_one_process(make_job, process_sandbox, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    """A folder with another training, or one that is running, is refused and left as it is."""
    job = make_job(total_steps=10**7)
    handle = start_training(job, tmp_path, process_sandbox)
    try:
        with pytest.raises(ConfigError, match="another process"):
            start_training(job, tmp_path, process_sandbox)
    finally:
        handle.kill()
    with pytest.raises(ConfigError, match="another training"):
        start_training(make_job(total_steps=5), tmp_path, process_sandbox)


def test_results_survive_the_trip(tmp_path: Path) -> None:
    """A result written is read back equal; none is none."""
    result = MemberResult(key="a", status="pruned", reason="why", steps=5, wall_s=1.25)
    assert MemberResult.load(tmp_path, "a") is None
    result.save(tmp_path)
    assert MemberResult.load(tmp_path, "a") == result


def test_the_sandbox_limits_a_training(make_job, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    """A training is never started without limits on its processes and its files."""
    asked = {}

    class Recorder:
        name = "recorder"

        def start(self, argv, **settings):  # type: ignore[no-untyped-def]
            asked.update(settings)
            raise SandboxError("stop here")

    with pytest.raises(SandboxError, match="stop here"):
        start_training(make_job({"a-s0": "expert"}), tmp_path, Recorder())
    assert asked["limits"].processes and asked["limits"].file_bytes
    assert asked["workdir"] == tmp_path.resolve()
