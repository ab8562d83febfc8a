"""What a session still has to send: bounded in bytes, written once per turn of the event loop.

Nobody who sends ever waits for a socket. Frames gather here and leave together at the end of the loop's turn, answers
and pushes alike: each write costs more than most messages, and writes of many sockets in a row cost less than the same
writes with reads in between. When the socket takes no more, frames wait here up to a bound.
"""

import asyncio
from collections.abc import Callable

from msanic_core.session.socket import Socket


class Flusher:
    """Writes out, once per turn of the loop, every outbox that got something in that turn."""

    __slots__ = ("_dirty", "_loop", "expected")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._dirty: list[Outbox] = []
        self.expected = False
        """Whether somebody is going to call `flush` within this turn, as who works off what was read does."""

    def add(self, outbox: "Outbox") -> None:
        """Have this outbox written out at the end of the turn."""
        if not self._dirty and not self.expected:
            self._loop.call_soon(self.flush)
        self._dirty.append(outbox)

    def flush(self) -> None:
        """Write out every outbox that was added; the loop calls it, at the end of the turn."""
        self.expected = False
        dirty, self._dirty = self._dirty, []
        for outbox in dirty:
            outbox.dirty = False
            outbox.flush()


class Outbox:
    """The frames one session has yet to send.

    `limit` is in bytes. While the socket takes no more it covers what waits here plus what the transport holds; beyond
    it `on_overflow` is called once. While the socket takes data every frame is accepted, however long, and what exceeds
    the limit is written at once.
    """

    __slots__ = ("_drained", "_first", "_flusher", "_limit", "_on_overflow", "_rest", "_size", "_socket", "blocked",
                 "dirty", "written_id")  # fmt: skip

    def __init__(self, socket: Socket, flusher: Flusher, limit: int, on_overflow: Callable[[], None]) -> None:
        self._socket = socket
        self._flusher = flusher
        self._limit = limit
        self._on_overflow: Callable[[], None] | None = on_overflow
        # One frame for each turn is the usual case, and needs no list.
        self._first: bytes | None = None
        self._rest: list[bytes] | tuple[()] = ()
        self._size = 0
        self._drained: asyncio.Future[None] | None = None
        self.blocked = False
        self.dirty = False
        self.written_id = 0
        """Highest durable id among the frames sent so far; see `settled_id`."""

    def send(self, frame: bytes) -> None:
        """Queue a complete frame. Never blocks, never raises; nothing happens once the outbox is closed."""
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
        """Write what waits in one call, unless the socket takes no more."""
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
        """Give a future for there being room, or the outbox being closed. For one waiter: the replay of an inbox."""
        drained: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self._on_overflow is None or self.has_room():
            drained.set_result(None)
        else:
            self._drained = drained
        return drained

    def settled_id(self) -> int:
        """`written_id` once everything up to it has left this process, else 0."""
        return self.written_id if self._first is None and not self._socket.buffered() else 0

    def block(self, blocked: bool) -> None:
        """The socket takes no more, or takes again."""
        self.blocked = blocked
        if not blocked:
            self.flush()

    def close(self) -> None:
        """Write what waits (into the transport's buffer if need be) and take nothing more."""
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
