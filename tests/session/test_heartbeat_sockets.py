"""Silence, stalls, rates and expired logins over real sockets, with small intervals."""

import asyncio
import base64
import json
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from types import SimpleNamespace
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from msanic_core import Context, Identity, OfflineReason, SessionInfo, command, hookimpl
from msanic_core.testing import TestServer, serving
from msanic_core.wire import Push

BOUND = 20.0
"""The limit in seconds for everything that a test waits for."""

SMALL = {"ping_interval": 0.2, "ping_timeout": 0.2, "close_timeout": 0.2}


class Losses:
    """A plugin that records which sessions were lost, and why; its commands are slow."""

    def __init__(self) -> None:
        self.lost: dict[str, OfflineReason] = {}
        self.gate = asyncio.Event()
        self.changed = asyncio.Event()
        self.identities: dict[str, Identity] = {}

    def plugin(self) -> SimpleNamespace:
        @command("test.wait")
        async def wait(ctx: Context, data: int) -> int:
            await self.gate.wait()
            return data

        def ws_command() -> list[Any]:
            return [wait]

        def ws_offline(session: SessionInfo, reason: OfflineReason) -> None:
            self.lost[session.user] = reason
            self.changed.set()

        def authenticate(request: Any) -> Identity:
            user = request.args.get("user")
            return self.identities.get(user, Identity(user))

        return SimpleNamespace(
            ws_command=hookimpl(ws_command), ws_offline=hookimpl(ws_offline), authenticate=hookimpl(authenticate)
        )

    async def reason(self, user: str) -> OfflineReason:
        """Wait until this user's session is lost."""
        async with asyncio.timeout(BOUND):
            while user not in self.lost:
                self.changed.clear()
                await self.changed.wait()
        return self.lost[user]


def on_server(test: Callable[[TestServer, Losses], Awaitable[None]], **ws: Any) -> None:
    async def run() -> None:
        losses = Losses()
        async with serving({"test": losses.plugin()}, {"ws": {**SMALL, **ws}, "auth": {"mode": "plugin"}}) as server:
            await test(server, losses)

    asyncio.run(run())


async def close_code(client: ClientConnection) -> int | None:
    """Wait until the server has closed this client's connection."""
    async with asyncio.timeout(BOUND):
        with suppress(ConnectionClosed):
            while True:
                await client.recv()
    return client.close_code


@asynccontextmanager
async def silent_client(server: TestServer, user: str) -> AsyncIterator[socket.socket]:
    """A socket after the handshake, that does nothing by itself: it answers no pings and reads nothing."""
    loop = asyncio.get_running_loop()
    with socket.socket() as sock:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        await loop.sock_connect(sock, ("127.0.0.1", server.port))
        key = base64.b64encode(os.urandom(16)).decode()
        await loop.sock_sendall(
            sock,
            f"GET /ws?user={user} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode(),
        )
        answer = b""
        while not answer.endswith(b"\r\n\r\n"):
            answer += await loop.sock_recv(sock, 1)
        assert answer.startswith(b"HTTP/1.1 101")
        yield sock


async def read_to_end(sock: socket.socket) -> bytes:
    received = b""
    async with asyncio.timeout(BOUND):
        with suppress(ConnectionResetError):
            while data := await asyncio.get_running_loop().sock_recv(sock, 65536):
                received += data
    return received


def frame(text: str) -> bytes:
    """A text frame of up to 125 bytes as a client sends it, with the mask 0."""
    return bytes((0x81, 0x80 | len(text))) + bytes(4) + text.encode()


def test_a_client_that_answers_no_ping_is_lost_and_one_that_does_stays() -> None:
    async def test(server: TestServer, losses: Losses) -> None:
        async with silent_client(server, "silent") as sock:
            answering = await server.connect("answering")
            received = await read_to_end(sock)
            assert received == b"\x89\x00" + b"\x88\x14" + (4002).to_bytes(2) + b"no answer to pings"
            assert await losses.reason("silent") == OfflineReason.HEARTBEAT
            await answering.send('{"cmd":"sys.ping","data":"here"}')
            assert json.loads(await answering.recv())["data"] == "here"
            assert "answering" not in losses.lost
            await answering.close()

    on_server(test)


def test_a_slow_handler_with_a_full_queue_is_not_the_clients_silence() -> None:
    async def test(server: TestServer, losses: Losses) -> None:
        # The client's pings and pongs are queued behind its commands, which the server does not read.
        client = await server.connect("busy", ping_interval=None)
        for number in range(50):
            await client.send(json.dumps({"cmd": "test.wait", "data": number}))
        async with silent_client(server, "silent"):
            # It takes longer than a client may be silent.
            await losses.reason("silent")
        async with silent_client(server, "as-silent"):
            await losses.reason("as-silent")
        assert "busy" not in losses.lost
        losses.gate.set()
        assert [json.loads(await client.recv())["data"] for _ in range(50)] == list(range(50))
        await client.close()
        assert await losses.reason("busy") == OfflineReason.CLOSED

    on_server(test, queue=2)


def test_more_than_the_rate_is_too_much() -> None:
    async def test(server: TestServer, losses: Losses) -> None:
        steady, flood = await server.connect("steady"), await server.connect("flood")
        for number in range(20):
            await steady.send('{"cmd":"sys.ping"}')
            await steady.recv()
            await flood.ping(b"%d" % number)
        flood.transport.write(frame('{"cmd":1001}') * 100)
        assert await close_code(flood) == 4003
        assert await losses.reason("flood") == OfflineReason.RATE
        await steady.send('{"cmd":"sys.ping"}')
        await steady.recv()
        await steady.close()

    on_server(test, rate=1, burst=60)


def test_a_login_that_runs_out_closes_the_connection() -> None:
    async def test(server: TestServer, losses: Losses) -> None:
        losses.identities["guest"] = Identity("guest", expires_at=0.0)
        losses.identities["member"] = Identity("member", expires_at=1e12)
        member, guest = await server.connect("member"), await server.connect("guest")
        assert await close_code(guest) == 4005
        assert await losses.reason("guest") == OfflineReason.EXPIRED
        await member.send('{"cmd":"sys.ping"}')
        await member.recv()
        await member.close()

    on_server(test)


@pytest.mark.parametrize("limit", ["bytes", "time"])
def test_a_stalled_reader_is_cut_off_and_delays_nobody(limit: str) -> None:
    """Above the limit of bytes it is closed at once, else after the limit of time. The others get every message."""

    async def test(server: TestServer, losses: Losses) -> None:
        async with silent_client(server, "stalled") as sock:
            reader = await server.connect("reader", max_size=None)
            size = 100_000
            sent = 0
            received: list[int] = []

            async def read() -> None:
                while True:
                    received.append(json.loads(await reader.recv())["data"][0])

            reading = asyncio.create_task(read())
            async with asyncio.timeout(BOUND):
                while "stalled" not in losses.lost:
                    if limit == "bytes" or not server.node.registry.all()[0].outbox.blocked:
                        await server.server.broadcast(None, "test.storm", [sent, "x" * size])
                        sent += 1
                    # The reader has every message before the next is sent.
                    while len(received) < sent:
                        await asyncio.sleep(0)
                    await asyncio.sleep(0)
                    # It answers with data, so it is not silent.
                    with suppress(OSError):
                        sock.send(frame('{"cmd":1001}'))
            assert await losses.reason("stalled") == OfflineReason.SLOW
            await server.server.broadcast(None, "test.storm", [sent, ""])
            async with asyncio.timeout(BOUND):
                while len(received) <= sent:
                    await asyncio.sleep(0)
            assert received == list(range(sent + 1))
            reading.cancel()
            await reader.close()

    on_server(test, outbox_stall=60.0 if limit == "bytes" else 0.2, outbox_bytes=300_000, ping_interval=30.0, rate=0)


def test_a_plain_client_has_a_durable_message_once_it_answers_a_ping() -> None:
    async def test(server: TestServer, losses: Losses) -> None:
        async with silent_client(server, "deaf") as sock:
            hearing = await server.connect("hearing")
            for user in ("deaf", "hearing"):
                await server.server.push(user, "a.b", user)
            assert json.loads(await hearing.recv())["data"] == "hearing"
            # The kernel has taken it from the server, though nobody reads it.
            assert await losses.reason("deaf") == OfflineReason.HEARTBEAT
            assert b'"data":"deaf"' in await read_to_end(sock)
        engine = server.node.engine
        async with asyncio.timeout(BOUND):
            while (await engine.inbox("hearing", "", None, 10)).messages:
                await asyncio.sleep(0.01)
        assert list((await engine.inbox("deaf", "", None, 10)).messages) == [Push("a.b", "deaf", id=1)]
        await hearing.close()

    on_server(test)
