"""A client of a real server: its arguments, its start and its end."""

import asyncio
import socket
import subprocess
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from msanic_core import hookimpl
from msanic_core.client import Client, RefusedError, conversation
from msanic_core.client.watched_connection import CLOSE_TIMEOUT
from msanic_core.codes import OfflineReason
from msanic_core.errors import MsanicError
from msanic_core.testing import TestServer, serving
from tests.support.client_servers import Plugin, push
from tests.support.clients import Peer, in_loop, scripted


@pytest.mark.parametrize(
    ("end", "code"),
    [
        (lambda server: server.server.kick("ada"), 4504),
        (lambda server: server.connect("ada"), 4503),
    ],
)
def test_the_server_ends_it_for_good(end: Callable[[TestServer], Any], code: int) -> None:
    @in_loop
    async def test() -> None:
        plugin = Plugin()
        async with serving({"t": plugin}) as server, Client(server.websocket_url(), user="ada") as client:
            call = asyncio.ensure_future(client.call("t.wait"))
            await plugin.waits.wait()
            other = await end(server)
            with pytest.raises(RefusedError, match=str(code)):
                async for _ in client.pushes():
                    pass
            with pytest.raises(RefusedError, match=str(code)):
                await call
            plugin.go_on.set()
            if hasattr(other, "close"):
                await other.close()

    test()


@in_loop
async def test_a_login_that_is_refused() -> None:
    async with serving({}, {"auth": {"mode": "plugin"}}) as server:
        with pytest.raises(RefusedError, match=r"^4501 not authenticated$"):
            async with Client(server.websocket_url()):
                pass


@in_loop
async def test_closing_ends_the_iteration_of_another_task() -> None:
    async def collect(client: Client) -> list[Any]:
        return [each.data async for each in client.pushes()]

    async with serving({}) as server:
        async with Client(server.websocket_url(), user="ada") as client:
            collecting = asyncio.ensure_future(collect(client))
            await push(server, 1, 2)
            while client.position is None or client.position.id < 2:
                await asyncio.sleep(0)
        assert await collecting == [1, 2]
        assert [each async for each in client.pushes()] == []
        with pytest.raises(MsanicError, match="the client is closed"):
            await client.call("sys.ping")
        await client.close()
        with pytest.raises(RuntimeError, match="entered once"):
            await client.__aenter__()


@in_loop
async def test_the_server_sees_an_orderly_close() -> None:
    reasons: asyncio.Queue[OfflineReason] = asyncio.Queue()

    @hookimpl
    def ws_offline(reason: OfflineReason) -> None:
        reasons.put_nowait(reason)

    async with serving({"t": SimpleNamespace(ws_offline=ws_offline)}) as server:
        async with Client(server.websocket_url(), user="ada"):
            pass
        assert await reasons.get() == OfflineReason.CLOSED


@in_loop
async def test_a_task_that_is_cancelled_while_it_closes_leaves_nothing_behind() -> None:
    async def welcome(peer: Peer) -> None:
        await peer.welcome()

    async with scripted(welcome) as server:
        client = Client(server.url)
        await client.__aenter__()
        server.peers[0].connection.transport.pause_reading()
        closing = asyncio.ensure_future(client.close())
        await asyncio.sleep(0)
        closing.cancel()
        await asyncio.wait([closing], timeout=CLOSE_TIMEOUT / 2)
        assert closing.cancelled()
        server.peers[0].connection.transport.abort()


def test_closing_does_not_wait_for_a_socket_that_takes_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversation, "CLOSE_TIMEOUT", 0.1)

    @in_loop
    async def test() -> None:
        async def deaf(peer: Peer) -> None:
            await peer.welcome(max_message=1 << 26)
            peer.connection.transport.pause_reading()

        async with scripted(deaf) as server, Client(server.url) as client:
            with pytest.raises(TimeoutError):
                await client.call("a.b", "x" * (1 << 25), timeout=0.1)
            await asyncio.wait_for(client.close(), CLOSE_TIMEOUT / 2)
            server.peers[0].connection.transport.abort()

    test()


@in_loop
async def test_a_task_that_is_cancelled_while_it_connects() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        client = Client(f"ws://127.0.0.1:{mute.getsockname()[1]}/ws")
        entering = asyncio.ensure_future(client.__aenter__())
        await asyncio.sleep(0.01)
        entering.cancel()
        await asyncio.wait([entering])
        assert entering.cancelled()


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (([],), "urls is empty"),
        (("http://host/?token=s3cret",), "'http://host/' is no address"),
    ],
)
def test_arguments_that_cannot_be(arguments: Any, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        Client(*arguments)
    with pytest.raises(ValueError, match="max_waiting must be at least 1, not 0"):
        Client("ws://host/ws", max_waiting=0)


@in_loop
async def test_a_client_that_was_not_entered() -> None:
    client = Client("ws://127.0.0.1:1/ws")
    with pytest.raises(RuntimeError, match="async with"):
        await client.call("a.b")
    with pytest.raises(RuntimeError, match="async with"):
        client.pushes()
    await client.close()


def test_it_brings_nothing_of_the_server() -> None:
    code = "import sys, msanic_core.client; print(*{name.split('.')[0] for name in sys.modules})"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"sanic", "tortoise", "redis", "pluggy", "uvloop"} & set(result.stdout.split())
