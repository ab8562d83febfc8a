"""A TCP proxy that breaks or slows connections: between a client and a server, or a server and its Redis."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from msanic_core.testing.ports import HOST, free_port

_CHUNK = 4096
_CHUNKS_UNDER_WAY = 16
_KERNEL_BUFFER = 64 * 1024
"""Bytes in the kernel's buffer, per direction. The default is megabytes, with which a slow link would seem fast."""
_PIECES_PER_SECOND = 20
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
_BACKLOG = 1024


class Proxy:
    """A running proxy. Clients connect to `port` of 127.0.0.1. Its settings also affect open connections.

    The proxy buffers at most 64 KiB per connection and direction, and so does each kernel buffer. A side that sends
    faster than the other side reads must then wait.
    """

    def __init__(self, target: tuple[str, int], port: int) -> None:
        self.port = port
        self._target = target
        self._impairment = _Impairment()
        self._swallowing = False
        self._connections: dict[asyncio.Task[None], _ProxiedConnection] = {}
        self._listener: asyncio.Task[None] | None = None

    @property
    def connections(self) -> int:
        """The number of open connections."""
        return len(self._connections)

    async def cut(self) -> None:
        """Reset every open connection (RST to both sides). New connections are accepted."""
        tasks = list(self._connections)
        for task, connection in self._connections.items():
            connection.reset_on_close()
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def black_hole(self, on: bool) -> None:
        """Drop all bytes from both sides, and close nothing, as after a broken cable.

        New connections are accepted, but not connected to the target. After switching off, only new connections work:
        the open ones stay silent, because bytes are missing in them.
        """
        self._swallowing = on
        if on:
            for connection in self._connections.values():
                connection.silent = True

    def delay(self, seconds: float) -> None:
        """Delay all bytes in both directions; 0 ends the delay."""
        self._impairment.delay = seconds

    def throttle(self, bytes_per_second: float | None) -> None:
        """Limit the rate per connection and direction; None ends the limit."""
        self._impairment.rate = bytes_per_second

    async def refuse(self, on: bool) -> None:
        """Refuse new connections, as if no server were running; open ones stay. Off: listen on the same port again.

        Raises `OSError` if another process has taken the port.
        """
        if self._listener is not None:
            self._listener.cancel()
            with suppress(asyncio.CancelledError):
                await self._listener
            self._listener = None
        if not on:
            self._listener = asyncio.create_task(self._accept(_listen(self.port)))

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        with listener:
            while True:
                client, _ = await loop.sock_accept(listener)
                connection = _ProxiedConnection(client, self._impairment, silent=self._swallowing)
                task = asyncio.create_task(connection.run(self._target))
                self._connections[task] = connection
                task.add_done_callback(self._end)

    def _end(self, task: asyncio.Task[None]) -> None:
        # The task cannot do this itself: it may be cancelled before it begins.
        self._connections.pop(task).close()


@dataclass
class _Impairment:
    """The impairment of all connections: delay in seconds, rate in bytes per second."""

    delay: float = 0.0
    rate: float | None = None


class _ProxiedConnection:
    """A connection of a client, with its connection to the target. `silent`: all bytes are dropped, for good."""

    def __init__(self, client: socket.socket, impairment: _Impairment, *, silent: bool) -> None:
        self.silent = silent
        self._client = client
        self._server = _make_socket()
        self._impairment = impairment

    async def run(self, target: tuple[str, int]) -> None:
        """Forward both directions until they end. If one side is reset, reset the other."""
        try:
            async with asyncio.TaskGroup() as group:
                if not self.silent:
                    await asyncio.get_running_loop().sock_connect(self._server, target)
                    group.create_task(self._carry(self._server, self._client))
                group.create_task(self._carry(self._client, self._server))
        except* OSError:
            self.reset_on_close()

    def reset_on_close(self) -> None:
        """Make `close` send a reset to both sides."""
        for sock in (self._client, self._server):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)

    def close(self) -> None:
        """Close both sockets. Call it when no task uses them."""
        self._client.close()
        self._server.close()

    async def _carry(self, source: socket.socket, sink: socket.socket) -> None:
        """Forward one direction until it ends, through a queue of chunks with their times of arrival."""
        under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(_CHUNKS_UNDER_WAY)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._read(source, under_way))
            group.create_task(self._write(sink, under_way))

    async def _read(self, source: socket.socket, under_way: asyncio.Queue[tuple[float, bytes]]) -> None:
        loop = asyncio.get_running_loop()
        data = b"-"
        while data:
            try:
                data = await loop.sock_recv(source, _CHUNK)
            except ConnectionError:
                if not self.silent:
                    raise
                data = b""
            await under_way.put((loop.time(), data))

    async def _write(self, sink: socket.socket, under_way: asyncio.Queue[tuple[float, bytes]]) -> None:
        loop = asyncio.get_running_loop()
        while True:
            came_at, data = await under_way.get()
            await asyncio.sleep(came_at + self._impairment.delay - loop.time())
            if not data:
                break
            while data and not self.silent:
                rate = self._impairment.rate
                size = len(data) if rate is None else max(1, int(rate / _PIECES_PER_SECOND))
                piece, data = data[:size], data[size:]
                await loop.sock_sendall(sink, piece)
                if rate is not None:
                    await asyncio.sleep(len(piece) / rate)
        if not self.silent:
            sink.shutdown(socket.SHUT_WR)


@asynccontextmanager
async def tcp_proxy(target_host: str, target_port: int) -> AsyncIterator[Proxy]:
    """Run a proxy on a free port of 127.0.0.1. At the end of the block its connections are reset.

    It connects to the target over IPv4, once per client. If the target refuses, the client is reset.
    """
    proxy = Proxy((target_host, target_port), free_port())
    try:
        await proxy.refuse(False)
        yield proxy
    finally:
        await proxy.refuse(True)
        await proxy.cut()


def _make_socket() -> socket.socket:
    sock = socket.socket()
    sock.setblocking(False)
    for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
        sock.setsockopt(socket.SOL_SOCKET, option, _KERNEL_BUFFER)
    return sock


def _listen(port: int) -> socket.socket:
    sock = _make_socket()
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((HOST, port))
        sock.listen(_BACKLOG)
    except OSError:
        sock.close()
        raise
    return sock
