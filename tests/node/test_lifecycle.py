"""Start and stop: which work is refused, finished, or cancelled at the deadline."""

import asyncio
import json
import logging
import socket
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from sanic import Blueprint, HTTPResponse, Request, empty
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from msanic_core import Context, Identity, OfflineReason, PluginError, Server, SessionInfo, command, hookimpl
from msanic_core.config import settings_from
from msanic_core.node.lifecycle import RunningNode
from msanic_core.node.node import Node
from msanic_core.plugins.loading import load_plugins
from msanic_core.process.bind import bind
from msanic_core.testing import serving
from tests.support.raw_clients import Raw


def plugin(**functions: Any) -> SimpleNamespace:
    """A plugin of these hook functions."""
    return SimpleNamespace(**{name: hookimpl(function) for name, function in functions.items()})


async def close_code(client: ClientConnection) -> int | None:
    with pytest.raises(ConnectionClosed):
        await client.recv()
    return client.close_code


def test_server_start_comes_before_the_first_connection_and_server_stop_after_the_last_session() -> None:
    events: list[str] = []

    async def run() -> None:
        async def server_start() -> None:
            events.append("start")

        async def ws_online(session: SessionInfo) -> None:
            events.append(f"online {session.user}")

        async def ws_offline(session: SessionInfo, reason: OfflineReason) -> None:
            events.append(f"offline {session.user} {reason}")

        async def server_stop() -> None:
            events.append("stop")

        hooks = plugin(server_start=server_start, ws_online=ws_online, ws_offline=ws_offline, server_stop=server_stop)
        async with serving({"probe": hooks}) as server:
            client = await server.connect("ada")
        assert await close_code(client) == 1012

    asyncio.run(run())
    assert events == ["start", "online ada", "offline ada shutdown", "stop"]


def test_no_request_is_taken_before_listeners_of_blueprints_have_prepared_for_it(raw: Raw) -> None:
    events: list[str] = []
    blueprint = Blueprint("probe", url_prefix="/")

    @blueprint.before_server_start
    async def prepare(_: Any) -> None:
        await asyncio.sleep(0.1)
        events.append("prepared")

    @blueprint.get("/")
    async def ask(_: Request) -> HTTPResponse:
        events.append("asked")
        return empty()

    async def run() -> None:
        settings = settings_from({"plugins": {"load": []}, "db": {"url": "sqlite://:memory:"}})
        hooks = plugin(http_blueprint=lambda: blueprint)
        node = Node(settings, load_plugins(settings, {"probe": hooks}))
        node.app.config.TOUCHUP = False
        with bind("127.0.0.1", 0, 10) as sock:
            async with raw(sock.getsockname()[1]) as client:
                await client.send("GET / HTTP/1.1\r\nHost: server.example\r\n\r\n")
                running = await RunningNode.start(node, sock)
                assert (await client.head())[0] == 204
                await running.stop()

    asyncio.run(run())
    assert events == ["prepared", "asked"]


def test_a_plugin_that_does_not_start_stops_the_start_and_releases_the_port() -> None:
    def server_start(server: Server) -> None:
        raise RuntimeError("no licence")

    async def run() -> None:
        with pytest.raises(PluginError, match="plugin probe: server_start raised RuntimeError: no licence"):
            async with serving({"probe": plugin(server_start=server_start)}):
                pytest.fail("the server must not start")
        async with serving({}) as server, httpx.AsyncClient() as http:
            assert (await http.get(f"{server.url}/livez")).status_code == 200

    asyncio.run(run())


def test_a_handler_that_runs_when_the_server_stops_ends_and_its_session_is_told() -> None:
    async def run() -> None:
        entered, release = asyncio.Event(), asyncio.Event()
        ended: list[str] = []

        @command("probe.slow")
        async def slow(ctx: Context) -> None:
            entered.set()
            await release.wait()
            ended.append(ctx.user)

        async def ws_offline(session: SessionInfo) -> None:
            release.set()

        async with serving({"probe": plugin(ws_command=lambda: [slow], ws_offline=ws_offline)}) as server:
            client = await server.connect("ada")
            await client.send('{"cmd":"probe.slow"}')
            await entered.wait()
        assert ended == ["ada"]
        assert await close_code(client) == 1012

    asyncio.run(run())


def test_what_hangs_is_cancelled_at_the_deadline(caplog: pytest.LogCaptureFixture) -> None:
    cancelled: list[str] = []

    async def hang(name: str) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.append(name)

    async def run() -> None:
        entered = asyncio.Event()

        @command("probe.hang")
        async def handler(ctx: Context) -> None:
            entered.set()
            await hang("handler")

        async def ws_offline(session: SessionInfo) -> None:
            await hang("ws_offline")

        async def server_stop() -> None:
            await hang("server_stop")

        hooks = plugin(ws_command=lambda: [handler], ws_offline=ws_offline, server_stop=server_stop)
        async with serving({"probe": hooks}, {"server": {"drain_timeout": 0.5}}) as server:
            client = await server.connect("ada")
            await client.send('{"cmd":"probe.hang"}')
            await entered.wait()
        assert await close_code(client) == 1012

    with caplog.at_level(logging.WARNING):
        asyncio.run(run())
    assert sorted(cancelled) == ["handler", "server_stop", "ws_offline"]
    assert "cancelled at the deadline: 1 handlers, 2 offline chains and hooks" in caplog.text
    assert "plugin probe: server_stop cancelled" in caplog.text


def test_while_stopping_readiness_is_503_and_no_session_is_opened() -> None:
    async def run() -> None:
        stopping, release = asyncio.Event(), asyncio.Event()

        async def ws_offline(session: SessionInfo) -> None:
            stopping.set()
            await release.wait()

        context = serving({"probe": plugin(ws_offline=ws_offline)})
        server = await context.__aenter__()
        async with httpx.AsyncClient() as http:
            assert (await http.get(f"{server.url}/readyz")).json()["ready"] is True
            client = await server.connect("ada")
            stop = asyncio.create_task(context.__aexit__(None, None, None))
            await stopping.wait()
            # The connection that is kept alive still answers; new ones are refused.
            answer = await http.get(f"{server.url}/readyz")
            assert (answer.status_code, answer.json()["draining"]) == (503, True)
            upgrade = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13"}
            assert (await http.get(f"{server.url}/ws", headers=upgrade)).status_code == 503
            with pytest.raises(OSError, match=r"refused|failed"):
                await server.connect("bob")
            release.set()
            await stop
        assert await close_code(client) == 1012

    asyncio.run(run())


def test_who_has_connected_when_the_server_begins_to_stop_is_heard(raw: Raw) -> None:
    async def run() -> None:
        async with serving({}) as server, raw(server.port) as first, raw(server.port) as second:
            async with httpx.AsyncClient() as http:
                # When a later connection is answered these have been accepted.
                await http.get(f"{server.url}/livez")
            stop = asyncio.create_task(server.running.stop())
            # More time than the stop of a server without sessions takes.
            for _ in range(50):
                await asyncio.sleep(0)
            await first.send(first.handshake("/ws?user=ada"))
            assert (await first.head())[0] == 101
            assert (await first.close_frame())[0] == 1012
            assert (await second.request("GET", "/livez"))[0] == 200
            first.reset()
            await stop
            server.running.stop = nothing  # type: ignore[method-assign]

    async def nothing() -> None: ...

    asyncio.run(run())


def test_who_is_being_accepted_when_the_server_begins_to_stop_is_heard() -> None:
    async def run() -> None:
        async with serving({}) as server:
            sock = socket.create_connection(("127.0.0.1", server.port))
            # In this turn the loop accepts it, in the next one the stop begins, then the connection is made.
            await asyncio.sleep(0)
            stop = asyncio.create_task(server.running.stop())
            reader, writer = await asyncio.open_connection(sock=sock)
            writer.write(b"GET /livez HTTP/1.1\r\nHost: server.example\r\n\r\n")
            assert (await reader.readline()).startswith(b"HTTP/1.1 200 ")
            writer.close()
            await stop
            server.running.stop = nothing  # type: ignore[method-assign]

    async def nothing() -> None: ...

    asyncio.run(run())


def test_a_login_that_ends_while_the_server_stops_is_refused_with_1012() -> None:
    async def run() -> None:
        entered, release = asyncio.Event(), asyncio.Event()
        online: list[str] = []

        async def authenticate() -> Identity:
            entered.set()
            await release.wait()
            return Identity("ada")

        hooks = plugin(authenticate=authenticate, ws_online=lambda session: online.append(session.user))
        async with serving({"probe": hooks}, {"auth": {"mode": "plugin"}}) as server:
            connecting = asyncio.create_task(server.connect())
            await entered.wait()
            asyncio.get_running_loop().call_later(0.1, release.set)
        assert await close_code(await connecting) == 1012
        assert online == []

    asyncio.run(run())


def test_a_session_that_is_being_registered_while_the_server_begins_to_stop_is_closed_too() -> None:
    async def run() -> None:
        entered, release = asyncio.Event(), asyncio.Event()
        offline: list[str] = []

        async def ws_offline(session: SessionInfo, reason: OfflineReason) -> None:
            offline.append(f"{session.user} {reason}")

        async with serving({"probe": plugin(ws_offline=ws_offline)}) as server:
            original = server.node.engine.register

            async def slow_register(*arguments: Any) -> bool:
                entered.set()
                await release.wait()
                return await original(*arguments)

            server.node.engine.register = slow_register  # type: ignore[method-assign, assignment]
            client = await server.connect("ada")
            await entered.wait()
            stop = asyncio.create_task(server.running.stop())
            while server.node.admission.accepting:
                await asyncio.sleep(0)
            release.set()
            assert await close_code(client) == 1012
            await stop
            assert offline == ["ada shutdown"]
            server.running.stop = nothing  # type: ignore[method-assign]

    async def nothing() -> None: ...

    asyncio.run(run())


def test_every_session_of_many_is_closed_with_1012() -> None:
    async def run() -> None:
        async with serving({}) as server:
            clients = [await server.connect(f"user{number}") for number in range(250)]
        codes = await asyncio.gather(*(close_code(client) for client in clients))
        assert set(codes) == {1012}

    asyncio.run(run())


def test_the_reply_of_a_handler_that_outlives_its_connection_waits_in_the_inbox() -> None:
    async def run() -> None:
        entered, release = asyncio.Event(), asyncio.Event()

        @command("probe.slow")
        async def slow(ctx: Context) -> str:
            entered.set()
            await release.wait()
            return "done"

        async with serving({"probe": plugin(ws_command=lambda: [slow])}) as server:
            client = await server.connect("ada")
            await client.send('{"cmd":"probe.slow","req":7}')
            await entered.wait()
            await client.close()
            release.set()
            again = await server.connect("ada")
            reply = json.loads(await again.recv())
            assert (reply["cmd"], reply["data"], reply["req"], reply["id"]) == ("probe.slow", "done", 7, 1)
            await again.close()

    asyncio.run(run())
