"""Connections that only listen: thousands of them cost a test little, and each knows when it was told what."""

import asyncio
import itertools
import socket
from collections.abc import Callable, Iterable

import msgspec

from msanic_core.wire import CLOSE, PING, PONG
from tests.faults.history import History

_numbers = itertools.count(1)
_AT_ONCE = 100
_RECEIVE_BUFFER = 4096
_SEGMENT = 536
"""Bytes in one packet: the kernel of the server keeps less for a connection of small ones."""


class Listener(asyncio.Protocol):
    """One connection. It answers pings and close frames, counts messages, and writes the history as a client does."""

    def __init__(self, history: History, user: str) -> None:
        self.name = f"{user}/listener/{next(_numbers)}"
        self.user = user
        self.session = ""
        self.messages = 0
        """How many came after the welcome."""
        self.on_message: Callable[[], None] | None = None
        """Called for each of them."""
        self.code: int | None = None
        """The close code, if the server has sent one."""
        self._history = history
        self._data = bytearray()
        self._upgraded = False
        self._recorded = False
        loop = asyncio.get_running_loop()
        self._welcomed: asyncio.Future[None] = loop.create_future()
        self._ended: asyncio.Future[None] = loop.create_future()
        self._transport: asyncio.Transport

    async def open(self, port: int, *, narrow: bool = False) -> None:
        """Connect and wait for the welcome. Raises `ConnectionError` when there is none.

        `narrow`: both kernels hold little for it, as for one that is far away.
        """
        self._history.record("opening", connection=self.name, user=self.user, client="listener")
        sock = socket.socket()
        sock.setblocking(False)
        if narrow:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, _SEGMENT)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(sock, ("127.0.0.1", port))
        self._transport, _ = await loop.create_connection(lambda: self, sock=sock)
        self._transport.write(
            f"GET /ws?user={self.user}&client=listener HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
            "Sec-WebSocket-Protocol: msanic.v1.json\r\n\r\n".encode()
        )
        await self._welcomed

    async def until_closed(self) -> int | None:
        """Wait for the end of the connection; returns the close code, None if there was none."""
        await asyncio.shield(self._ended)
        return self.code

    def stall(self) -> None:
        """Read no more."""
        self._transport.pause_reading()

    def read_on(self) -> None:
        """Read again."""
        self._transport.resume_reading()

    def abort(self) -> None:
        """End the connection without a word."""
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Take bytes."""
        self._data += data
        if not self._upgraded:
            head, found, rest = self._data.partition(b"\r\n\r\n")
            if not found:
                return
            if not head.startswith(b"HTTP/1.1 101 "):
                self.abort()
                return
            self._upgraded, self._data = True, rest
        self._take_frames()

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        self._record_close()
        self._ended.set_result(None)
        if not self._welcomed.done():
            self._welcomed.set_exception(ConnectionError(f"{self.name} was not welcomed: {bytes(self._data)!r}"))

    def _take_frames(self) -> None:
        data, begin = self._data, 0
        while len(data) - begin >= 2:
            size, start = data[begin + 1], begin + 2
            if size == 126:
                start += 2
            elif size == 127:
                start += 8
            if size >= 126:
                size = int.from_bytes(data[begin + 2 : start], "big")
            # Of a length that is not complete either.
            if len(data) < start + size or len(data) < start:
                break
            self._take(data[begin] & 0x0F, data, start, start + size)
            begin = start + size
        del data[:begin]

    def _take(self, opcode: int, data: bytearray, start: int, end: int) -> None:
        if opcode in (CLOSE, PING):
            payload = bytes(data[start:end])
            # A mask of zeros is one.
            answer = CLOSE if opcode == CLOSE else PONG
            self._transport.write(bytes([0x80 | answer, 0x80 | len(payload)]) + bytes(4) + payload)
            if opcode == CLOSE:
                self.code = int.from_bytes(payload[:2], "big")
                self._record_close()
        elif self._welcomed.done():
            self.messages += 1
            if self.on_message is not None:
                self.on_message()
        else:
            self.session = msgspec.json.decode(data[start:end])["data"]["session"]
            self._history.record("open", connection=self.name, session=self.session)
            self._welcomed.set_result(None)

    def _record_close(self) -> None:
        if not self._recorded:
            self._recorded = True
            self._history.record("close", connection=self.name, code=self.code)


async def open_crowd(history: History, port: int, users: Iterable[str]) -> list[Listener]:
    """Connect them all, a hundred at once."""
    crowd = [Listener(history, user) for user in users]
    for start in range(0, len(crowd), _AT_ONCE):
        await asyncio.gather(*(listener.open(port) for listener in crowd[start : start + _AT_ONCE]))
    return crowd
