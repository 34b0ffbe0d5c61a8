"""Output of a command, clipped while it streams, so that a flood fills neither memory nor disk.

Needs the standard library alone: it also runs inside containers.
"""

from __future__ import annotations


class Clip:
    """Collects bytes and keeps the first and the last half of what was allowed."""

    def __init__(self, limit: int) -> None:
        """Keep up to ``limit`` bytes."""
        self._half = limit // 2
        self._head = bytearray()
        self._tail = bytearray()
        self._dropped = 0

    def add(self, data: bytes) -> None:
        """Take what came next."""
        room = self._half - len(self._head)
        if room > 0:
            self._head += data[:room]
            data = data[room:]
        self._tail += data
        if len(self._tail) > 2 * self._half:  # seldom enough that a flood costs no copying of the tail per chunk
            self._trim()

    def _trim(self) -> None:
        extra = len(self._tail) - self._half
        if extra > 0:
            self._dropped += extra
            del self._tail[:extra]

    def result(self) -> tuple[bytes, bool]:
        """Return what is kept, with a line in the place of what is not, and whether anything was left out."""
        self._trim()
        if not self._dropped:
            return bytes(self._head + self._tail), False
        note = b"\n[... %d bytes left out ...]\n"
        longest = len(note) + 20
        tail = self._tail[longest:]
        return bytes(self._head + note % (self._dropped + len(self._tail) - len(tail)) + tail), True
