"""The read buffer of all WebSockets of an event loop, and the processing of all reads of one turn of the loop.

First every readable socket is read, then every message is processed, then every reply is written. In this order the
kernel's code and ours stay in the processor's caches for a while. Message by message they would replace each other
there, which costs more than most handlers.
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
"""The largest read."""
_GATHERED_BYTES: Final = 512 * 1024
"""When more bytes than this were read in one turn, they are processed before the next read."""


class SocketReader(ABC):
    """A connection whose reads the intake collects."""

    __slots__ = ()

    @abstractmethod
    def process(self, data: bytes) -> None:
        """Process the messages in the bytes that were read."""

    @abstractmethod
    def cut(self) -> None:
        """End the connection at once."""


class Intake:
    """The buffer that all connections share, and their reads in this turn of the event loop."""

    __slots__ = ("_flusher", "_gathered", "_loop", "_reads", "buffer", "context")

    def __init__(self, loop: asyncio.AbstractEventLoop, flusher: Flusher) -> None:
        self.buffer = memoryview(bytearray(READ_BYTES))
        self.context = copy_context()
        """The server's context variables; connections run in copies of them."""
        self._loop = loop
        self._flusher = flusher
        self._reads: list[tuple[SocketReader, bytes]] = []
        self._gathered = 0

    def take(self, connection: SocketReader, size: int) -> None:
        """Copy `size` bytes out of the buffer, for `SocketReader.process` at the end of the turn."""
        if not self._reads:
            self._loop.call_soon(self._process)
        self._reads.append((connection, self.buffer[:size].tobytes()))
        self._gathered += size
        if self._gathered > _GATHERED_BYTES:
            self._process()

    def _process(self) -> None:
        reads, self._reads, self._gathered = self._reads, [], 0
        self._flusher.expected = True
        try:
            for connection, data in reads:
                try:
                    connection.process(data)
                except Exception:
                    log.exception("a connection is cut: what it sent cannot be processed")
                    connection.cut()
        finally:
            self._flusher.flush()
