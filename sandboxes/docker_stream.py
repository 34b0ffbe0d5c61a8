"""The standard streams of a container, over one connection to the engine.

What is written goes to the container's input as it is. What comes back is cut into frames of eight bytes of header (the
stream's number, three zeros, a length as 32 bits big-endian) and content, as the Engine API's reference describes
under "Attach to a container". When the connection closes, so does the container's input.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from .docker_engine import engine_errors

if TYPE_CHECKING:
    from docker import DockerClient

STDOUT, STDERR = 1, 2
_HEADER = struct.Struct(">BxxxI")
_CHUNK = 1 << 18


class Frame(NamedTuple):
    """What a container wrote at once."""

    stream: int
    """`STDOUT` or `STDERR`."""
    data: bytes


class Stream:
    """Attached to a container; used by one thread at a time, but any may close it."""

    def __init__(self, client: DockerClient, container_id: str) -> None:
        """Attach to a container, best before it starts, so that nothing is missed.

        Raises:
            SandboxError: The engine refused or does not answer.
        """
        params = {"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1}
        with engine_errors("cannot attach to a container"):
            self._file: Any = client.api.attach_socket(container_id, params)
        self._socket = getattr(self._file, "_sock", self._file)  # a raw file over a socket; over TLS the socket itself
        self._buffer = bytearray()
        self._closed = False
        self._in_use = threading.Lock()  # a descriptor must not be closed, and its number used again, under a reader

    def fileno(self) -> int:
        """Return the descriptor to wait on; what `receive` has buffered already is not seen there."""
        return int(self._socket.fileno())

    def send(self, data: bytes, timeout_s: float) -> None:
        """Write to the container's input.

        Raises:
            OSError: The connection is lost, or nothing was taken within ``timeout_s`` (`TimeoutError`).
        """
        with self._in_use:
            self._check_open()
            self._socket.settimeout(timeout_s)
            self._socket.sendall(data)

    def receive(self, deadline: float) -> Frame | None:
        """Return what the container wrote next, or ``None`` once its streams have ended.

        Args:
            deadline: Time of `time.monotonic` after which to give up.

        Raises:
            OSError: The connection is lost, or it is past the deadline (`TimeoutError`).
        """
        if not self._fill(_HEADER.size, deadline):
            return None
        number, length = _HEADER.unpack_from(self._buffer)
        if not self._fill(_HEADER.size + length, deadline):
            return None
        data = bytes(self._buffer[_HEADER.size : _HEADER.size + length])
        del self._buffer[: _HEADER.size + length]
        return Frame(number, data)

    @property
    def buffered(self) -> bool:
        """Whether something was received that `receive` has yet to return."""
        return bool(self._buffer)

    def _fill(self, size: int, deadline: float) -> bool:
        """Have at least ``size`` bytes in the buffer; ``False`` where the stream ends before."""
        while len(self._buffer) < size:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError("the container did not answer in time")
            with self._in_use:
                self._check_open()
                self._socket.settimeout(left)
                data = self._socket.recv(_CHUNK)
            if not data:
                return False
            self._buffer += data
        return True

    def close(self) -> None:
        """Close the connection, and with it the container's input; a thread that waits in `receive` is woken."""
        with contextlib.suppress(OSError, AttributeError):  # lost already, or of a kind that cannot
            self._socket.shutdown(socket.SHUT_RDWR)
        with self._in_use:
            self._closed = True
            with contextlib.suppress(OSError, ValueError, AttributeError):  # the response may be closed already
                self._file._response.close()
            with contextlib.suppress(OSError, ValueError):
                self._file.close()

    def _check_open(self) -> None:
        if self._closed:
            raise ConnectionError("the connection was closed")
