"""RewardWorker: one reward program in a process of its own, fed and read through shared memory.

The trainer writes field values straight into shared tensors, asks for the first n rows, does other work, and collects
total and components from shared memory: a call costs two pipe messages and no copy. The process is forked, so
that torch need not be imported again, and locked up before the program runs (see `jail`): a program that
hangs is killed, one that eats memory dies, and neither reaches the trainer or its neighbours. What comes back over the
pipe is JSON, checked field by field; nothing is unpickled.

A program with memory is run step by step, T times for a rollout. The loop over time is in its process too: what it
remembers and where episodes begin go through shared memory as well, so that a rollout is one message each way all the
same.
"""

from __future__ import annotations

import gc
import json
import mmap
import os
import select
import signal
import struct
import time
import warnings
from collections.abc import Mapping
from types import TracebackType
from typing import Any, NamedTuple

import torch
from torch import Tensor

from envreward.errors import RewardCrashError, RewardError, RewardRuntimeError, RewardTimeoutError
from envreward.fields import Field, resolve, torch_dtype

from .function import RewardOutput
from .jail import lock_up
from .output import MAX_COMPONENTS, MEMORY_SIZE, check_finite, check_memory, check_names
from .program import RewardProgram

_REQUEST = struct.Struct("=qq")
"""Rows, and how many of them are one step's; 0 for a program without memory."""
_REPLY = struct.Struct("=I")
_MAX_REPLY = 64 * 1024
_ALIGNMENT = 64


class RewardWorker:
    """Evaluates one reward program in a forked, locked-up process. Linux and other POSIX systems."""

    inputs: dict[str, Tensor]
    """Shared tensors ``[capacity, *shape]``, one per parameter, in the field's dtype (float32, bool, int64)."""
    first: Tensor
    """For programs with memory: whether a row is its episode's first step, bool ``[capacity]``."""
    memory: Tensor
    """For programs with memory: what it remembers of each world, float32 ``[capacity, 16]``; brought up to date by each
    call that succeeds."""

    def __init__(
        self,
        program: RewardProgram,
        fields: Mapping[str, Field],
        capacity: int,
        *,
        memory_bytes: int | None = None,
    ) -> None:
        """Fork the program's process. Do so before torch starts threads of its own in this process.

        Args:
            program: What to run.
            fields: The task's fields, for shapes and dtypes of the program's parameters.
            capacity: Largest number of rows per call.
            memory_bytes: Memory that the process may add to what it is forked with.
        """
        self.program, self.capacity = program, capacity
        self._shared = _allocate(program, fields, capacity)
        self.inputs, self._outputs = self._shared.inputs, self._shared.outputs
        self.first, self.memory = self._shared.first, self._shared.memory
        self._names: tuple[str, ...] | None = None
        self._rows = self._worlds = 0
        request_read, self._request = os.pipe()
        self._reply, reply_write = os.pipe()
        self._owner = os.getpid()
        with warnings.catch_warnings():
            # Python 3.12 warns of forks beside threads; the child takes no lock that a thread could hold.
            warnings.simplefilter("ignore", DeprecationWarning)
            self._pid: int | None = os.fork()
        if self._pid == 0:
            _serve(program, self._shared, (request_read, reply_write, self._owner), memory_bytes)
        os.close(request_read)
        os.close(reply_write)

    def submit(self, n: int, worlds: int = 0) -> None:
        """Start evaluating the first ``n`` rows of ``inputs``; returns at once. Collect `result` before the next one.

        Args:
            n: Rows.
            worlds: Ignored but for a program with memory: the rows are ``n / worlds`` steps of so many worlds, one step
                after another, the first of which follows on what is in `memory`.

        Raises:
            RewardCrashError: The process is gone.
        """
        if not 0 < n <= self.capacity:
            raise ValueError(f"rows must be in 1..{self.capacity}, got {n}")
        if not self.program.remembers:
            worlds = 0
        elif worlds < 1 or n % worlds:
            raise ValueError(f"{n} rows are no whole number of steps of {worlds} worlds")
        if self._rows:
            raise RuntimeError("the last submit's result has not been collected")
        if self._pid is None:
            raise RewardCrashError("its process has ended.")
        try:
            os.write(self._request, _REQUEST.pack(n, worlds))
        except BrokenPipeError:
            raise self._crash() from None
        self._rows, self._worlds = n, worlds

    def result(self, timeout_s: float) -> RewardOutput:
        """Wait for the rewards of the last `submit`.

        Returns:
            float32 ``[n]`` views of shared memory, all finite, valid until the next `submit`.

        Raises:
            RewardTimeoutError: No answer after ``timeout_s``; the process has been killed.
            RewardCrashError: The process died or answered nonsense.
            RewardRuntimeError: The program raised, or returned something unusable; the worker goes on.
        """
        n, self._rows = self._rows, 0
        if n == 0:
            raise RuntimeError("submit first")
        deadline = time.monotonic() + timeout_s
        (size,) = _REPLY.unpack(self._read(_REPLY.size, deadline, timeout_s))
        if size > _MAX_REPLY:
            raise self._crash("it answered too much.")
        reply = self._read(size, deadline, timeout_s)
        try:
            names = _decode(reply)
        except (ValueError, TypeError, KeyError):
            raise self._crash("it answered nonsense.") from None
        if self._names is None:
            self._names = names
        elif names != self._names:
            raise RewardRuntimeError(
                f"its components changed from {list(self._names)} to {list(names)}.",
                fix="Return the same components, in the same order, in every state.",
            )
        output = RewardOutput(self._outputs[0, :n], {k: self._outputs[i, :n] for i, k in enumerate(names, 1)})
        check_finite(output)
        if self._worlds:
            check_memory(self.memory[: self._worlds])
        return output

    def close(self) -> None:
        """Kill the process, whatever it is doing; may be called twice."""
        if self._pid is not None and os.getpid() == self._owner:  # not from another fork, which has only a copy
            pid, self._pid = self._pid, None
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            os.close(self._request)
            os.close(self._reply)

    def __enter__(self) -> RewardWorker:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def __del__(self) -> None:
        if getattr(self, "_pid", None):
            self.close()

    def _read(self, size: int, deadline: float, timeout_s: float) -> bytes:
        data = b""
        poll = select.poll()
        poll.register(self._reply, select.POLLIN)
        while len(data) < size:
            if not poll.poll(max(deadline - time.monotonic(), 0.0) * 1000):
                self.close()
                raise RewardTimeoutError(
                    f"it did not answer within {timeout_s:.3g} s.",
                    fix="Use tensor operations over all worlds at once instead of loops.",
                )
            chunk = os.read(self._reply, size - len(data))
            if not chunk:
                raise self._crash()
            data += chunk
        return data

    def _crash(self, reason: str = "") -> RewardCrashError:
        """Reap the process and say how it died."""
        if self._pid is None:
            return RewardCrashError("its process has ended.")
        if reason:
            self.close()
            return RewardCrashError(reason)
        pid, self._pid = self._pid, None
        _, status = os.waitpid(pid, 0)
        os.close(self._request)
        os.close(self._reply)
        code = os.waitstatus_to_exitcode(status)
        how = f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        return RewardCrashError(f"its process died ({how}).", fix="Make no tensor larger than [N, k].")


class _Shared(NamedTuple):
    """Tensors in one anonymous shared mapping."""

    inputs: dict[str, Tensor]
    outputs: Tensor
    """Total and components, ``[1 + MAX_COMPONENTS, capacity]``."""
    first: Tensor
    memory: Tensor
    mapping: mmap.mmap


def _allocate(program: RewardProgram, fields: Mapping[str, Field], capacity: int) -> _Shared:
    remembered = capacity if program.remembers else 0
    declared = [resolve(name, fields) for name in program.parameters]
    forms = [(torch_dtype(field.dtype), (capacity, *field.shape)) for field in declared]
    forms += [(torch.bool, (remembered,)), (torch.float32, (remembered, MEMORY_SIZE))]
    forms.append((torch.float32, (1 + MAX_COMPONENTS, capacity)))
    offsets, size = [], 0
    for dtype, shape in forms:
        offsets.append(size)
        size += _padded(torch.Size(shape).numel() * dtype.itemsize)
    mapping = mmap.mmap(-1, size)
    *views, first, memory, outputs = (_view(mapping, *form, at) for form, at in zip(forms, offsets, strict=True))
    return _Shared(dict(zip(program.parameters, views, strict=True)), outputs, first, memory, mapping)


def _view(mapping: mmap.mmap, dtype: torch.dtype, shape: tuple[int, ...], offset: int) -> Tensor:
    count = torch.Size(shape).numel()
    if not count:  # which `frombuffer` refuses
        return torch.empty(shape, dtype=dtype)
    return torch.frombuffer(mapping, dtype=dtype, count=count, offset=offset).view(shape)


def _padded(size: int) -> int:
    return -(-size // _ALIGNMENT) * _ALIGNMENT


def _decode(reply: bytes) -> tuple[str, ...]:
    """Return the component names of a reply, or raise the error that it tells of."""
    message: Any = json.loads(reply)
    if "error" in message:
        error = message["error"]
        line = int(error["line"]) if error["line"] is not None else None
        kind = RewardCrashError if error["crash"] else RewardRuntimeError
        raise kind(_plain(error["reason"]), line=line, fix=_plain(error["fix"]))
    names = tuple(message["components"])
    check_names(names)
    if len(names) > MAX_COMPONENTS or len(set(names)) != len(names):
        raise ValueError("too many components")
    return names


def _plain(text: Any) -> str:
    """Return text that cannot disturb a terminal or fill a prompt."""
    return "".join(c if c.isprintable() else " " for c in str(text)[:600])


def _serve(program: RewardProgram, shared: _Shared, link: tuple[int, int, int], memory_bytes: int | None) -> None:
    """Be the child: answer requests until the parent is gone or kills it. Never returns."""
    request, reply, parent = link
    code = 1
    try:
        gc.freeze()
        torch.set_num_threads(1)
        lock_up(parent, (request, reply), memory_bytes)
        with torch.inference_mode():
            while len(data := os.read(request, _REQUEST.size)) == _REQUEST.size:
                n, worlds = _REQUEST.unpack(data)
                message = json.dumps(_evaluate(program, shared, n, worlds)).encode()
                os.write(reply, _REPLY.pack(len(message)) + message)
        code = 0
    finally:
        os._exit(code)  # whatever happened: never the parent's clean-up in the child


def _evaluate(program: RewardProgram, shared: _Shared, n: int, worlds: int) -> dict[str, Any]:
    """Run the program, put its results into shared memory, and return what to tell the parent."""
    try:
        if worlds:
            return {"components": _evaluate_steps(program, shared, n, worlds)}
        return {"components": _write(shared, program(**{name: value[:n] for name, value in shared.inputs.items()}), 0)}
    except RewardError as error:
        crash = isinstance(error, RewardCrashError)
        return {"error": {"reason": error.reason, "line": error.line, "fix": error.fix, "crash": crash}}


def _evaluate_steps(program: RewardProgram, shared: _Shared, n: int, worlds: int) -> list[str]:
    """Run a program with memory step by step; what it remembers is kept only if all steps succeed."""
    names: list[str] = []
    memory = shared.memory[:worlds].clone()
    for start in range(0, n, worlds):
        rows = slice(start, start + worlds)
        memory = memory.masked_fill(shared.first[rows].unsqueeze(1), 0.0)
        output, memory = program.step(memory, **{name: value[rows] for name, value in shared.inputs.items()})
        found = _write(shared, output, start)
        if start and found != names:
            fix = "Return the same components, in the same order, in every state."
            raise RewardRuntimeError(f"its components changed from {names} to {found}.", fix=fix)
        names = found
    shared.memory[:worlds] = memory
    return names


def _write(shared: _Shared, output: RewardOutput, start: int) -> list[str]:
    """Write the rewards of the rows from ``start`` on; return the names of the components."""
    end = start + len(output.total)
    shared.outputs[0, start:end] = output.total
    for row, values in enumerate(output.components.values(), 1):
        shared.outputs[row, start:end] = values
    return list(output.components)
