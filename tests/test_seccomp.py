"""Seccomp filters: well-formed programs, and the system-call numbers that they are made of."""

from __future__ import annotations

import re
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from envreward import seccomp

pytestmark = pytest.mark.skipif(seccomp.compute_filter() is None, reason="no filter for this architecture")

HEADERS = {
    0: Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"),
    1: Path("/usr/include/asm-generic/unistd.h"),
}


@pytest.mark.parametrize("column", HEADERS)
def test_numbers_are_the_kernels(column: int) -> None:
    """Every system-call number is the one of the kernel's own headers."""
    if not HEADERS[column].exists():
        pytest.skip("kernel headers are not installed")
    text = HEADERS[column].read_text()
    numbers = {name: int(value) for name, value in re.findall(r"#define __NR(?:3264)?_(\w+)\s+(\d+)", text)}
    numbers |= {"newfstatat": numbers.get("newfstatat", numbers.get("fstatat", -1))}
    ours = {name: pair[column] for name, pair in seccomp._NUMBERS.items() if pair[column] is not None}
    assert ours == {name: numbers.get(name) for name in ours}


@pytest.mark.parametrize("make", [seccomp.compute_filter, seccomp.sandbox_filter])
def test_programs_are_well_formed(make) -> None:  # type: ignore[no-untyped-def]
    """Each jump lands inside the program, and the program ends by deciding."""
    program = make()
    instructions = list(struct.iter_unpack("HBBI", program))
    assert len(instructions) < 4096
    for place, (code, yes, no, _) in enumerate(instructions):
        if code & 0x07 == 0x05:
            assert place + 1 + max(yes, no) < len(instructions)
    assert instructions[-1][0] == 0x06


@pytest.mark.parametrize(
    ("code", "works"),
    [
        ("open('/etc/hostname').read(1)", True),
        ("import json.tool, decimal", True),
        ("bytearray(10**7)", True),
        ("open('/tmp/envreward-seccomp', 'w')", False),
        ("import socket; socket.socket()", False),
        ("import os; os.fork()", False),
        ("import os; os.kill(os.getppid(), 0)", False),
        ("import threading; threading.Thread(target=print).start()", False),
    ],
)
def test_computing_process(code: str, works: bool) -> None:
    """Under the filter for programs a process may read and compute, and nothing that reaches others."""
    script = f"from envreward import seccomp\nseccomp.install(seccomp.compute_filter())\n{code}\n"
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (ended.returncode == 0) is works, ended.stderr
