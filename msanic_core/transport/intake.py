"""What all WebSockets of an event loop read into: what comes in one turn of the loop is worked off, then answered.

First every socket that has something is read, then every message is handled, then every answer is written. In this
order the kernel's code and ours stay in the processor's caches for a while; message by message they push each other
out, which costs more than most handlers.
"""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from contextvars import copy_context
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from msanic_core.session.outbox import Flusher

log = logging.getLogger("msanic_core.websocket")

READ_BYTES: Final = 64 * 1024
"""The most that one read can bring."""
_GATHERED_BYTES: Final = 512 * 1024
"""When so much has been read in one turn it is worked off before more is."""


class SocketReader(ABC):
    """A connection whose reads the intake gathers."""

    __slots__ = ()

    @abstractmethod
    def work_off(self, data: bytes) -> None:
        """Handle the messages in what was read."""

    @abstractmethod
    def cut(self) -> None:
        """End the connection at once."""


class Intake:
    """The buffer that connections have in common, and what they have read in this turn of the loop."""

    __slots__ = ("_flusher", "_gathered", "_loop", "_reads", "buffer", "context")

    def __init__(self, loop: asyncio.AbstractEventLoop, flusher: Flusher) -> None:
        self.buffer = memoryview(bytearray(READ_BYTES))
        self.context = copy_context()
        """The server's context variables, of which connections take copies."""
        self._loop = loop
        self._flusher = flusher
        self._reads: list[tuple[SocketReader, bytes]] = []
        self._gathered = 0

    def take(self, connection: SocketReader, size: int) -> None:
        """Take this many bytes out of the buffer, for `SocketReader.work_off` at the end of the turn."""
        if not self._reads:
            self._loop.call_soon(self._work_off)
        self._reads.append((connection, self.buffer[:size].tobytes()))
        self._gathered += size
        if self._gathered > _GATHERED_BYTES:
            self._work_off()

    def _work_off(self) -> None:
        reads, self._reads, self._gathered = self._reads, [], 0
        self._flusher.expected = True
        try:
            for connection, data in reads:
                try:
                    connection.work_off(data)
                except Exception:
                    log.exception("a connection is cut: what it sent cannot be worked off")
                    connection.cut()
        finally:
            self._flusher.flush()
