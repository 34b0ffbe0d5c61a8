"""RewardWorker: one reward program in a process of its own, fed and read through shared memory.

The trainer writes field values straight into shared tensors, asks for the first n rows, does other work, and collects
total and components from shared memory: a call costs two pipe messages and no copy. The process is forked, so
that torch need not be imported again, and locked up before the program runs (see `jail`): a program that
hangs is killed, one that eats memory dies, and neither reaches the trainer or its neighbours. What comes back over the
pipe is JSON, checked field by field; nothing is unpickled.
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
from typing import Any

import torch
from torch import Tensor

from envreward.errors import RewardCrashError, RewardError, RewardRuntimeError, RewardTimeoutError
from envreward.fields import Field, resolve, torch_dtype

from .function import RewardOutput
from .jail import lock_up
from .output import MAX_COMPONENTS, check_finite, check_names
from .program import RewardProgram

_REQUEST = struct.Struct("=q")
_REPLY = struct.Struct("=I")
_MAX_REPLY = 64 * 1024
_ALIGNMENT = 64


class RewardWorker:
    """Evaluates one reward program in a forked, locked-up process. Linux and other POSIX systems."""

    inputs: dict[str, Tensor]
    """Shared tensors ``[capacity, *shape]``, one per parameter, in the field's dtype (float32, bool, int64)."""

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
        self.inputs, self._outputs, self._memory = _allocate(program, fields, capacity)
        self._names: tuple[str, ...] | None = None
        self._rows = 0
        request_read, self._request = os.pipe()
        self._reply, reply_write = os.pipe()
        self._owner = os.getpid()
        with warnings.catch_warnings():
            # Python 3.12 warns of forks beside threads; the child takes no lock that a thread could hold.
            warnings.simplefilter("ignore", DeprecationWarning)
            self._pid: int | None = os.fork()
        if self._pid == 0:
            _serve(program, self.inputs, self._outputs, (request_read, reply_write, self._owner), memory_bytes)
        os.close(request_read)
        os.close(reply_write)

    def submit(self, n: int) -> None:
        """Start evaluating the first ``n`` rows of ``inputs``; returns at once. Collect `result` before the next one.

        Raises:
            RewardCrashError: The process is gone.
        """
        if not 0 < n <= self.capacity:
            raise ValueError(f"rows must be in 1..{self.capacity}, got {n}")
        if self._rows:
            raise RuntimeError("the last submit's result has not been collected")
        if self._pid is None:
            raise RewardCrashError("its process has ended.")
        try:
            os.write(self._request, _REQUEST.pack(n))
        except BrokenPipeError:
            raise self._crash() from None
        self._rows = n

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


def _allocate(
    program: RewardProgram, fields: Mapping[str, Field], capacity: int
) -> tuple[dict[str, Tensor], Tensor, mmap.mmap]:
    """Return input tensors and the output tensor ``[1 + MAX_COMPONENTS, capacity]`` in one anonymous shared mapping."""
    plan: list[tuple[str, torch.dtype, tuple[int, ...], int]] = []
    size = 0
    for name in program.parameters:
        field = resolve(name, fields)
        dtype, shape = torch_dtype(field.dtype), (capacity, *field.shape)
        plan.append((name, dtype, shape, size))
        size += _padded(torch.Size(shape).numel() * dtype.itemsize)
    outputs = size
    size += (1 + MAX_COMPONENTS) * capacity * 4
    memory = mmap.mmap(-1, size)
    inputs = {n: _view(memory, dtype, shape, offset) for n, dtype, shape, offset in plan}
    return inputs, _view(memory, torch.float32, (1 + MAX_COMPONENTS, capacity), outputs), memory


def _view(memory: mmap.mmap, dtype: torch.dtype, shape: tuple[int, ...], offset: int) -> Tensor:
    return torch.frombuffer(memory, dtype=dtype, count=torch.Size(shape).numel(), offset=offset).view(shape)


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


def _serve(
    program: RewardProgram,
    inputs: Mapping[str, Tensor],
    outputs: Tensor,
    link: tuple[int, int, int],
    memory_bytes: int | None,
) -> None:
    """Be the child: answer requests until the parent is gone or kills it. Never returns."""
    request, reply, parent = link
    code = 1
    try:
        gc.freeze()
        torch.set_num_threads(1)
        lock_up(parent, (request, reply), memory_bytes)
        with torch.inference_mode():
            while len(data := os.read(request, _REQUEST.size)) == _REQUEST.size:
                (n,) = _REQUEST.unpack(data)
                message = json.dumps(_evaluate(program, inputs, outputs, n)).encode()
                os.write(reply, _REPLY.pack(len(message)) + message)
        code = 0
    finally:
        os._exit(code)  # whatever happened: never the parent's clean-up in the child


def _evaluate(program: RewardProgram, inputs: Mapping[str, Tensor], outputs: Tensor, n: int) -> dict[str, Any]:
    """Run the program once, put its results into ``outputs``, and return what to tell the parent."""
    try:
        result = program(**{name: value[:n] for name, value in inputs.items()})
    except RewardError as error:
        crash = isinstance(error, RewardCrashError)
        return {"error": {"reason": error.reason, "line": error.line, "fix": error.fix, "crash": crash}}
    outputs[0, :n] = result.total
    for row, values in enumerate(result.components.values(), 1):
        outputs[row, :n] = values
    return {"components": list(result.components)}
