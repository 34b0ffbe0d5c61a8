"""Workers: values through shared memory, and programs that misbehave alone."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import torch
from torch import Tensor

from envreward.errors import RewardCrashError, RewardRuntimeError, RewardTimeoutError
from envreward.fields import Field
from envreward.rewards.function import RewardOutput
from envreward.rewards.worker import RewardWorker

MakeWorker = Callable[..., RewardWorker]

HANG = """
def compute_reward(torso_height):
    x = torso_height
    for i in range(10000):
        for j in range(10000):
            x = x + 1.0
    return x, {}
"""
HOG = """
def compute_reward(torso_height):
    hoard = [torch.zeros(10000000) for i in range(1000)]
    return torso_height, {}
"""
SIMPLE = 'def compute_reward(torso_height):\n    return 2.0 * torso_height, {"height": torso_height}\n'


def test_values_and_dtypes(make_worker: MakeWorker) -> None:
    """Each parameter has a shared tensor of its field's shape and dtype; results are float32 and by hand."""
    worker = make_worker(
        """
def compute_reward(torso_pos, foot_contact, steps_in_air, prev_torso_height):
    total = torso_pos.sum(-1) + foot_contact.sum(-1) + steps_in_air
    return total.double(), {"old": prev_torso_height, "steps": steps_in_air, "foot": foot_contact[:, 0]}
""",
        capacity=8,
    )
    shapes = {name: (tuple(value.shape), value.dtype) for name, value in worker.inputs.items()}
    assert shapes == {
        "torso_pos": ((8, 3), torch.float32),
        "foot_contact": ((8, 2), torch.bool),
        "steps_in_air": ((8,), torch.int64),
        "prev_torso_height": ((8,), torch.float32),
    }
    worker.inputs["torso_pos"][:2] = torch.tensor([[1.0, 2.0, 3.0], [0.5, 0.0, 0.0]])
    worker.inputs["foot_contact"][:2] = torch.tensor([[True, True], [False, True]])
    worker.inputs["steps_in_air"][:2] = torch.tensor([10, 20])
    worker.inputs["prev_torso_height"][:2] = torch.tensor([0.1, 0.2])
    worker.submit(2)
    output = worker.result(10.0)
    assert output.total.dtype == torch.float32
    assert output.total.tolist() == [18.0, 21.5]
    assert output.components["steps"].tolist() == [10.0, 20.0]
    assert output.components["foot"].tolist() == [1.0, 0.0]
    assert output.components["old"].tolist() == pytest.approx([0.1, 0.2])


def test_many_calls_of_different_sizes(make_worker: MakeWorker) -> None:
    """A worker answers any number of calls, each with the rows asked for."""
    worker = make_worker(SIMPLE, capacity=1000)
    worker.inputs["torso_height"][:] = torch.arange(1000.0)
    for n in (1, 1000, 3, 500):
        worker.submit(n)
        assert torch.equal(worker.result(10.0).total, 2.0 * torch.arange(float(n)))


def test_programs_run_side_by_side(make_worker: MakeWorker) -> None:
    """A hanging program is killed at its time limit, and its neighbours never notice."""
    bad, good = make_worker(HANG), make_worker(SIMPLE)
    bad.submit(4)
    good.inputs["torso_height"][:4] = 1.0
    good.submit(4)
    assert good.result(10.0).total.tolist() == [2.0] * 4
    start = time.monotonic()
    with pytest.raises(RewardTimeoutError, match=r"within 0\.3 s") as info:
        bad.result(0.3)
    assert time.monotonic() - start < 5.0
    assert "tensor operations" in info.value.fix
    with pytest.raises(RewardCrashError):
        bad.submit(4)
    good.submit(4)
    good.result(10.0)


def test_memory_limit(make_worker: MakeWorker) -> None:
    """A program that hoards memory is stopped at its limit, here 256 MiB, and the worker's parent stays small."""
    worker = make_worker(HOG, memory_bytes=2**28)
    worker.submit(1)
    with pytest.raises(RewardCrashError, match="memory"):
        worker.result(20.0)


def test_failures_leave_the_worker_running(make_worker: MakeWorker) -> None:
    """A call that fails on some states says so, and the next call works."""
    worker = make_worker("def compute_reward(torso_height):\n    return torch.log(torso_height), {}\n")
    worker.inputs["torso_height"][:4] = torch.tensor([1.0, -1.0, 0.0, 1.0])
    worker.submit(4)
    with pytest.raises(RewardRuntimeError, match=r"total is not finite .* in 2 of 4 states"):
        worker.result(10.0)
    worker.submit(1)
    assert worker.result(10.0).total.tolist() == [0.0]


def test_non_finite_component_is_named(make_worker: MakeWorker) -> None:
    """The component to blame is named, not merely the total."""
    worker = make_worker('def compute_reward(torso_height):\n    return torso_height, {"bad": 1.0 / torso_height}\n')
    worker.submit(3)
    with pytest.raises(RewardRuntimeError, match=r"`bad` is not finite .* in 3 of 3"):
        worker.result(10.0)


def test_large_finite_values_pass(make_worker: MakeWorker) -> None:
    """Values near the end of float32's range are finite, also when their sum is not."""
    worker = make_worker(SIMPLE)
    worker.inputs["torso_height"][:] = 1.5e38
    worker.submit(64)
    assert worker.result(10.0).total[0] == pytest.approx(3e38)


def test_components_must_not_change(make_worker: MakeWorker) -> None:
    """A program whose components depend on the states is refused, as curves would break."""
    worker = make_worker(
        """
def compute_reward(torso_height):
    if torso_height.sum() > 0:
        return torso_height, {"up": torso_height}
    return torso_height, {"down": torso_height}
"""
    )
    worker.submit(1)
    worker.result(10.0)
    worker.inputs["torso_height"][:] = 1.0
    worker.submit(1)
    with pytest.raises(RewardRuntimeError, match="components changed"):
        worker.result(10.0)


def test_killed_process_is_a_crash(make_worker: MakeWorker) -> None:
    """A process that dies is reported with the signal that ended it."""
    worker = make_worker(SIMPLE)
    assert worker._pid is not None
    os.kill(worker._pid, signal.SIGKILL)
    with pytest.raises(RewardCrashError, match="SIGKILL"):
        worker.submit(1)
        worker.result(10.0)


def test_close_ends_the_process(make_worker: MakeWorker) -> None:
    """Closing kills the process at once, whatever it does, and may be repeated."""
    worker = make_worker(HANG)
    pid = worker._pid
    worker.submit(4)
    start = time.monotonic()
    worker.close()
    worker.close()
    assert time.monotonic() - start < 2.0
    assert not Path(f"/proc/{pid}").exists()


def test_misuse_is_a_programming_error(make_worker: MakeWorker) -> None:
    """Rows beyond the capacity, and calls out of turn, are the trainer's mistakes."""
    worker = make_worker(SIMPLE, capacity=4)
    with pytest.raises(ValueError, match=r"1\.\.4"):
        worker.submit(5)
    with pytest.raises(RuntimeError):
        worker.result(1.0)
    worker.submit(1)
    with pytest.raises(RuntimeError):
        worker.submit(1)


class Hostile:
    """Stands for a program that has got past every static rule: its call may run any Python."""

    parameters = ("torso_height",)
    remembers = False
    source = ""

    def __init__(self, attempt: Callable[[], object]) -> None:
        self.attempt = attempt

    def __call__(self, **state: Tensor) -> RewardOutput:
        """Answer 1 if the attempt was refused by the system, 0 if it succeeded."""
        try:
            self.attempt()
        except (OSError, ValueError):  # setrlimit raises ValueError
            return RewardOutput(torch.ones(1), {})
        return RewardOutput(torch.zeros(1), {})


PARENT = os.getpid()
ATTEMPTS: dict[str, Callable[[], object]] = {
    "write a file": lambda: Path("/tmp/envreward-escape").write_text("x"),
    "create by low-level open": lambda: os.open("/tmp/envreward-escape", os.O_CREAT | os.O_WRONLY),
    "open a socket": lambda: socket.socket(),
    "open a local socket": lambda: socket.socket(socket.AF_UNIX),
    "fork": lambda: os._exit(0) if os.fork() == 0 else None,
    "run a command": lambda: subprocess.run(["true"], check=True),
    "exec": lambda: os.execv("/bin/true", ["true"]),
    "kill the trainer": lambda: os.kill(PARENT, signal.SIGCONT),
    "delete": lambda: os.unlink(__file__ + ".none"),
    "make a folder": lambda: os.mkdir("/tmp/envreward-escape-dir"),
    "raise its limits": lambda: __import__("resource").setrlimit(4, (1, 1)),
    "write to an inherited file": lambda: os.write(LEAKED[1], b"x"),
    "make a pipe": lambda: os.pipe(),
    "change mode": lambda: os.chmod(__file__, 0o777),
}
LEAKED = os.pipe()


@pytest.mark.skipif(sys.platform != "linux", reason="system-call filters are Linux's")
@pytest.mark.parametrize("name", ATTEMPTS)
def test_hostile_program_is_locked_up(name: str, fields: Mapping[str, Field]) -> None:
    """Even arbitrary Python in a worker can neither write, connect, start, signal nor change anything."""
    with RewardWorker(Hostile(ATTEMPTS[name]), fields, 1) as worker:  # type: ignore[arg-type]
        worker.submit(1)
        assert worker.result(10.0).total.tolist() == [1.0]


def test_garbage_from_the_process_is_a_crash(fields: Mapping[str, Field]) -> None:
    """A process that answers for itself, past the protocol, is ended."""

    def forge() -> None:
        for descriptor in range(3, 200):
            try:
                os.write(descriptor, b"\x05\x00\x00\x00hello")
            except OSError:
                continue

    with RewardWorker(Hostile(forge), fields, 1) as worker:  # type: ignore[arg-type]
        worker.submit(1)
        with pytest.raises(RewardCrashError, match="nonsense"):
            worker.result(10.0)


@pytest.mark.parametrize(
    "made", ["p.new_tensor([0.0, 0.1])", "torch.tensor([0.0, 0.1])", "torch.as_tensor([0.0, 0.1])"]
)
def test_tensors_made_of_numbers_in_a_young_process(made: str) -> None:
    """The first tensor of numbers that a process ever makes may be a program's: what torch imports for it is there."""
    code = f"""
from envreward.fields import Field
from envreward.rewards.program import RewardProgram
from envreward.rewards.worker import RewardWorker
fields = {{"p": Field("A place.", shape=(2,))}}
source = "import torch\\ndef compute_reward(p):\\n    r = (p + {made}).sum(-1)\\n    return r, {{'r': r}}"
program = RewardProgram.from_source(source, fields)
worker = RewardWorker(program, fields, 4)
worker.submit(4, 4)
print(worker.result(20.0).total.tolist())
worker.close()
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.count("0.1") == 4, ran.stdout


def test_workers_die_with_their_trainer(tmp_path: Path) -> None:
    """When the trainer is killed, no program's process stays behind, not even a busy one."""
    script = f"""
import os, sys, time
from envreward.fields import Field
from envreward.rewards.program import RewardProgram
from envreward.rewards.worker import RewardWorker
fields = {{"torso_height": Field("Height.")}}
worker = RewardWorker(RewardProgram.from_source({HANG!r}, fields), fields, 4)
worker.submit(4)
print(worker._pid, flush=True)
time.sleep(60)
"""
    trainer = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert trainer.stdout is not None
    pid = int(trainer.stdout.readline())
    trainer.kill()
    trainer.wait()
    trainer.stdout.close()
    deadline = time.monotonic() + 5.0
    while _alive(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not _alive(pid)


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
