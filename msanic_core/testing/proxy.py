"""A TCP proxy that spoils connections: between a client and a server, or a server and its Redis."""

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
"""Bytes that the kernel holds in each direction: of its own it takes megabytes, and a slow link would seem fast."""
_PIECES_PER_SECOND = 20
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
_BACKLOG = 1024


class Proxy:
    """A running proxy; clients connect to `port` of 127.0.0.1. What is set holds for open connections too.

    At most 64 KiB of each direction of a connection are under way in it, and as much again in each kernel buffer: who
    sends faster than the other side reads is held up.
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
        """How many connections are open."""
        return len(self._connections)

    async def cut(self) -> None:
        """Reset every open connection (RST to both sides); new ones are accepted."""
        tasks = list(self._connections)
        for task, connection in self._connections.items():
            connection.reset_on_close()
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def black_hole(self, on: bool) -> None:
        """Swallow whatever comes, from both sides, and close nothing: as if somebody had pulled the plug.

        New connections are accepted and get no further. Those that were open meanwhile stay silent afterwards too, for
        the bytes that were swallowed are missing in them; only new ones work again.
        """
        self._swallowing = on
        if on:
            for connection in self._connections.values():
                connection.silent = True

    def delay(self, seconds: float) -> None:
        """Deliver everything that much later, in both directions; 0 ends it."""
        self._impairment.delay = seconds

    def throttle(self, bytes_per_second: float | None) -> None:
        """Let no more through, of each connection and direction; None ends it."""
        self._impairment.rate = bytes_per_second

    async def refuse(self, on: bool) -> None:
        """Refuse new connections, as when no server runs; open ones go on. Off: listen on the same port again.

        Raises `OSError` when another process has taken the port meanwhile.
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
        # Not by the task itself, which may be cancelled before it begins.
        self._connections.pop(task).close()


@dataclass
class _Impairment:
    """What is done to all connections: seconds of delay, bytes per second."""

    delay: float = 0.0
    rate: float | None = None


class _ProxiedConnection:
    """One client, and one connection to the target. `silent`: what comes is swallowed, for good."""

    def __init__(self, client: socket.socket, impairment: _Impairment, *, silent: bool) -> None:
        self.silent = silent
        self._client = client
        self._server = _make_socket()
        self._impairment = impairment

    async def run(self, target: tuple[str, int]) -> None:
        """Carry both directions to their ends; when one side is reset, so will be the other."""
        try:
            async with asyncio.TaskGroup() as group:
                if not self.silent:
                    await asyncio.get_running_loop().sock_connect(self._server, target)
                    group.create_task(self._carry(self._server, self._client))
                group.create_task(self._carry(self._client, self._server))
        except* OSError:
            self.reset_on_close()

    def reset_on_close(self) -> None:
        """Have both sides told by a reset."""
        for sock in (self._client, self._server):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)

    def close(self) -> None:
        """Close both sockets, once nothing uses them."""
        self._client.close()
        self._server.close()

    async def _carry(self, source: socket.socket, sink: socket.socket) -> None:
        """One direction, to its end. In between, what was read is in a queue with the time at which it came."""
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
    """Run a proxy on a free port of 127.0.0.1; at the end of the block its connections are reset.

    The target is reached by IPv4, anew for each client; a client is reset when the target refuses.
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
