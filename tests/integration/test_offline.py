"""Each way to lose a session calls every plugin's `ws_offline` exactly once, though one raises and one hangs."""

import asyncio
import base64
import json
import os
import signal
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from msanic_core.testing import ServerProcess, install_plugin, serve_process

PLUGINS = ("raises", "records", "sleeps")

SOURCE = """
import asyncio, json, os
from msanic_core import command, hookimpl

@command("{name}.kick")
async def kick(ctx):
    await ctx.server.kick(ctx.user)

@hookimpl
def ws_command():
    return [kick]

@hookimpl
async def ws_offline(session, reason):
    with open(os.environ["HISTORY"], "a") as history:
        call = ["{name}", session.id, session.user, str(reason), session.last]
        history.write(json.dumps(call) + "\\n")
    {then}
"""

THEN = {"raises": "raise RuntimeError('on purpose')", "records": "pass", "sleeps": "await asyncio.sleep(3600)"}

SETTINGS = {
    "ws.ping_interval": 0.4,
    "ws.ping_timeout": 0.2,
    "offline.yield_after": 0.1,
    "offline.cancel_after": 0.5,
    "server.drain_timeout": 5.0,
}


@asynccontextmanager
async def three_plugins(directory: Path) -> AsyncIterator[tuple[ServerProcess, Path]]:
    for name in PLUGINS:
        install_plugin(directory, name, SOURCE.format(name=name, then=THEN[name]))
    history = directory / "history"
    history.touch()
    async with serve_process(directory, SETTINGS, {"HISTORY": str(history)}) as server:
        yield server, history


async def read_calls(history: Path, count: int) -> list[list[object]]:
    """Wait until the history has that many lines, written by another process."""
    while len(lines := history.read_text().splitlines()) < count:  # noqa: ASYNC240
        await asyncio.sleep(0.02)
    return [json.loads(line) for line in lines]


def assert_called_once(calls: list[list[object]], user: str, reason: str) -> None:
    """All three plugins, each once, all for the same session."""
    assert sorted(call[0] for call in calls if call[2] == user and call[3] == reason) == sorted(PLUGINS)  # type: ignore[type-var]
    assert len({call[1] for call in calls if call[2] == user and call[3] == reason}) == 1


async def close_code(client: ClientConnection) -> int:
    with suppress(ConnectionClosed):
        while True:
            await client.recv()
    assert client.close_code is not None
    return client.close_code


async def raw_client(server: ServerProcess, user: str) -> socket.socket:
    """A socket after the handshake, that does nothing by itself: it answers no pings."""
    loop = asyncio.get_running_loop()
    sock = socket.socket()
    sock.setblocking(False)
    await loop.sock_connect(sock, ("127.0.0.1", server.port))
    key = base64.b64encode(os.urandom(16)).decode()
    head = (
        f"GET /ws?user={user} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n"
    )
    await loop.sock_sendall(sock, head.encode())
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += await loop.sock_recv(sock, 4096)
    assert answer.startswith(b"HTTP/1.1 101")
    return sock


async def until_closed(sock: socket.socket) -> bytes:
    received = b""
    while data := await asyncio.get_running_loop().sock_recv(sock, 4096):
        received += data
    sock.close()
    return received


async def clean_close(server: ServerProcess) -> None:
    client = await connect(server.websocket_url("user=ada"))
    await client.close()


async def tcp_reset(server: ServerProcess) -> None:
    sock = await raw_client(server, "ada")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


async def half_close(server: ServerProcess) -> None:
    sock = await raw_client(server, "ada")
    sock.shutdown(socket.SHUT_WR)
    await until_closed(sock)


async def no_pongs(server: ServerProcess) -> None:
    received = await until_closed(await raw_client(server, "ada"))
    assert received[:2] == b"\x89\x00", "a ping came first"
    assert received[2] == 0x88
    assert int.from_bytes(received[4:6]) == 4002


async def kick(server: ServerProcess) -> None:
    async with connect(server.websocket_url("user=ada")) as client:
        await client.send('{"cmd":"records.kick"}')
        assert await close_code(client) == 4504


async def replacement(server: ServerProcess) -> None:
    async with connect(server.websocket_url("user=ada")) as old:
        new = await connect(server.websocket_url("user=ada"))
        assert await close_code(old) == 4503
        await new.send('{"cmd":"sys.ping","data":1,"req":1}')
        assert json.loads(await new.recv())["data"] == 1
        await new.close()


CAUSES: dict[str, tuple[Callable[[ServerProcess], Awaitable[None]], str, int]] = {
    "clean close": (clean_close, "closed", 1),
    "TCP reset": (tcp_reset, "lost", 1),
    "TCP closed by the client without a close frame": (half_close, "lost", 1),
    "no answer to pings": (no_pongs, "heartbeat", 1),
    "kick": (kick, "kicked", 1),
    "replacement": (replacement, "replaced", 2),
}


@pytest.mark.parametrize("cause", CAUSES)
def test_every_plugin_is_told_once(cause: str, tmp_path: Path) -> None:
    lose, reason, sessions = CAUSES[cause]

    async def run() -> None:
        async with three_plugins(tmp_path) as (server, history):
            await lose(server)
            await read_calls(history, 3 * sessions)
            server.signal(signal.SIGTERM)
            assert await server.exit_code() == 0
            calls = await read_calls(history, 0)
            assert len(calls) == 3 * sessions
            assert_called_once(calls, "ada", reason)
            assert any("plugin raises: ws_offline" in line for line in server.log)
            assert any("plugin sleeps: ws_offline" in line for line in server.log)

    asyncio.run(run())


def test_replacement_says_which_session_was_the_last(tmp_path: Path) -> None:
    async def run() -> None:
        async with three_plugins(tmp_path) as (server, history):
            await replacement(server)
            calls = await read_calls(history, 6)
            assert {(call[3], call[4]) for call in calls} == {("replaced", False), ("closed", True)}

    asyncio.run(run())


def test_sigterm_closes_with_1012_runs_every_chain_and_exits_0(tmp_path: Path) -> None:
    users = [f"user{number}" for number in range(30)]

    async def run() -> None:
        async with three_plugins(tmp_path) as (server, history):
            clients = [await connect(server.websocket_url(f"user={user}")) for user in users]
            stalled = await raw_client(server, "stalled")
            server.signal(signal.SIGTERM)
            assert {await close_code(client) for client in clients} == {1012}
            assert await server.exit_code() == 0
            stalled.close()
            calls = await read_calls(history, 0)
            assert len(calls) == 3 * (len(users) + 1)
            for user in [*users, "stalled"]:
                assert_called_once(calls, user, "shutdown")

    asyncio.run(run())


def test_a_late_close_of_the_old_connection_leaves_the_new_one_alone(tmp_path: Path) -> None:
    async def run() -> None:
        async with three_plugins(tmp_path) as (server, history):
            # The old client never answers the close frame: its TCP connection outlives the session.
            old = await raw_client(server, "ada")
            new = await connect(server.websocket_url("user=ada"))
            await read_calls(history, 3)
            old.close()
            await new.send('{"cmd":"sys.ping","data":"here","req":1}')
            assert json.loads(await new.recv())["data"] == "here"
            other = await connect(server.websocket_url("user=bob"))
            await other.send('{"cmd":"sys.ping","req":1}')
            await other.recv()
            calls = await read_calls(history, 3)
            assert len(calls) == 3
            assert_called_once(calls, "ada", "replaced")
            # Still registered: a kick finds it.
            await new.send('{"cmd":"records.kick"}')
            assert await close_code(new) == 4504
            await other.close()

    asyncio.run(run())
