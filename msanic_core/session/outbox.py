"""What a session still has to send: bounded in bytes, written once per turn of the event loop.

A sender never waits for a socket. Frames, replies and pushes alike, are collected here and written together at the end
of the loop's turn: one write costs more than handling most messages, and many writes in a row cost less than the same
writes with reads in between. While the socket takes no data, frames wait here up to a limit.
"""

import asyncio
from collections.abc import Callable

from msanic_core.session.socket import Socket


class Flusher:
    """Writes out, once per turn of the event loop, every outbox that got frames in that turn."""

    __slots__ = ("_dirty", "_loop", "expected")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._dirty: list[Outbox] = []
        self.expected = False
        """Whether a caller, such as the intake, will call `flush` in this turn: then no callback is scheduled."""

    def add(self, outbox: "Outbox") -> None:
        """Write this outbox out at the end of the turn."""
        if not self._dirty and not self.expected:
            self._loop.call_soon(self.flush)
        self._dirty.append(outbox)

    def flush(self) -> None:
        """Write out every outbox that was added. Called at the end of the turn, by the loop or by the intake."""
        self.expected = False
        dirty, self._dirty = self._dirty, []
        for outbox in dirty:
            outbox.dirty = False
            outbox.flush()


class Outbox:
    """The frames that one session has not sent yet.

    `limit` is in bytes. While the socket takes no data it applies to the frames here plus the transport's buffer; above
    it `on_overflow` is called once. While the socket takes data every frame is accepted, whatever its length, and once
    more than the limit waits it is written at once.
    """

    __slots__ = ("_drained", "_first", "_flusher", "_limit", "_on_overflow", "_rest", "_size", "_socket", "blocked",
                 "dirty", "written_id")  # fmt: skip

    def __init__(self, socket: Socket, flusher: Flusher, limit: int, on_overflow: Callable[[], None]) -> None:
        self._socket = socket
        self._flusher = flusher
        self._limit = limit
        self._on_overflow: Callable[[], None] | None = on_overflow
        # One frame in a turn is the usual case: it needs no list.
        self._first: bytes | None = None
        self._rest: list[bytes] | tuple[()] = ()
        self._size = 0
        self._drained: asyncio.Future[None] | None = None
        self.blocked = False
        self.dirty = False
        self.written_id = 0
        """Highest durable id among the frames sent so far; see `settled_id`."""

    def send(self, frame: bytes) -> None:
        """Queue a complete frame. Never blocks and never raises. Does nothing once the outbox is closed."""
        if self._on_overflow is None:
            return
        if self._first is None:
            self._first = frame
        elif self._rest:
            self._rest.append(frame)
        else:
            self._rest = [frame]
        self._size += len(frame)
        if self.blocked:
            if self._size + self._socket.buffered() > self._limit:
                on_overflow, self._on_overflow = self._on_overflow, None
                self._discard()
                on_overflow()
        elif self._size > self._limit:
            self.flush()
        elif not self.dirty:
            self.dirty = True
            self._flusher.add(self)

    def flush(self) -> None:
        """Write all waiting frames in one call, unless the socket takes no data."""
        data = self._first
        if data is not None and not self.blocked:
            if self._rest:
                data += b"".join(self._rest)
            self._clear()
            self._socket.write(data)
        if self._drained is not None and self.has_room():
            self._release()

    def has_room(self) -> bool:
        """Whether the socket takes data and less than half of the limit waits here."""
        return not self.blocked and 2 * self._size < self._limit

    def drained(self) -> "asyncio.Future[None]":
        """Return a future: done when there is room or the outbox is closed. For one waiter, the replay."""
        drained: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self._on_overflow is None or self.has_room():
            drained.set_result(None)
        else:
            self._drained = drained
        return drained

    def settled_id(self) -> int:
        """`written_id` if the kernel has taken everything up to it, else 0."""
        return self.written_id if self._first is None and not self._socket.buffered() else 0

    def block(self, blocked: bool) -> None:
        """Note that the socket takes no data (True), or takes data again (False)."""
        self.blocked = blocked
        if not blocked:
            self.flush()

    def close(self) -> None:
        """Write all waiting frames, if necessary into the transport's buffer, and accept no more."""
        self.blocked = False
        self.flush()
        self._on_overflow = None
        self._discard()

    def _clear(self) -> None:
        self._first = None
        self._rest = ()
        self._size = 0

    def _discard(self) -> None:
        self._clear()
        self._release()

    def _release(self) -> None:
        drained, self._drained = self._drained, None
        if drained is not None and not drained.done():
            drained.set_result(None)
