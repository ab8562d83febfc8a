"""The non-public parts of Sanic 25.12 and websockets that the server relies on.

If one of these tests fails after an upgrade, read what changed there, then the docstrings of
`msanic_core.transport.upgrade.take_over` and of `msanic_core.transport.http_connection`. Mend those first.
"""

from __future__ import annotations

import asyncio
import base64
import gc
import hashlib
import json
from importlib.metadata import requires, version
from typing import TYPE_CHECKING, Any

import pytest
from packaging.requirements import Requirement
from sanic import Request
from sanic.http.constants import Stage
from sanic.server.protocols.http_protocol import HttpProtocol
from websockets import speedups, utils

from msanic_core import AuthenticationError, Identity, SessionInfo
from msanic_core.engine.base import SessionPolicy
from msanic_core.testing import serving
from msanic_core.transport.http_connection import HttpConnection
from msanic_core.transport.websocket import WebSocketConnection
from msanic_core.wire import reader

if TYPE_CHECKING:
    from tests.support.raw_clients import MakePlugin, Raw

UPGRADE = "an upgrade moved something that is not public: see the docstring of this file"
KEY = "AAECAwQFBgcICQoLDA0ODw=="
TEXT, PONG = 1, 10
TINY_TIMEOUTS = {"KEEP_ALIVE_TIMEOUT": 0.05, "REQUEST_TIMEOUT": 0.05, "RESPONSE_TIMEOUT": 0.05}


@pytest.mark.parametrize(("package", "checked"), [("sanic", "25.12")])
def test_versions_are_those_that_were_checked(package: str, checked: str) -> None:
    installed = version(package)
    assert installed.startswith(f"{checked}."), f"{package} {installed} is new here: {UPGRADE}"
    pins = [Requirement(line) for line in requires("msanic-core") or []]
    pin = next(each for each in pins if each.name == package)
    major, minor = map(int, checked.split("."))
    assert installed in pin.specifier
    assert f"{major}.{minor + 1}" not in pin.specifier, f"{pin} lets versions in that were not checked"


@pytest.mark.parametrize(
    ("owner", "names"),
    [
        (HttpProtocol, ["data_received", "close", "abort", "connection_lost", "http"]),
        (HttpProtocol, ["recv_buffer", "connections", "transport", "loop", "app", "_callback_check_timeouts"]),
        (Stage, ["IDLE", "REQUEST", "HANDLER"]),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else "",
)
def test_names_exist(owner: type, names: list[str]) -> None:
    missing = [name for name in names if not hasattr(owner, name)]
    assert not missing, f"{owner.__name__} has no {missing}: {UPGRADE}"


def test_the_mask_is_applied_in_compiled_code() -> None:
    """websockets has it in C and in Python; neither is in its documentation."""
    assert speedups.apply_mask(b"abcdef", b"\1\2\3\4") == b"````dd", UPGRADE
    assert utils.apply_mask(b"abcdef", b"\1\2\3\4") == b"````dd", UPGRADE
    assert vars(reader)["apply_mask"] is speedups.apply_mask, UPGRADE


def test_what_sanic_keeps_of_a_connection_that_was_taken_over(make_plugin: MakePlugin) -> None:
    async def main() -> None:
        seen: list[tuple[Any, asyncio.Task[Any]]] = []

        async def authenticate(request: Request) -> Identity:
            task = asyncio.current_task()
            assert task is not None
            protocol = request.transport.get_protocol()
            assert type(protocol) is HttpConnection, UPGRADE
            assert protocol in protocol.connections, UPGRADE
            seen.append((protocol, task))
            return Identity("ada")

        settings = {"auth": {"mode": "plugin"}}
        async with (
            serving({"login": make_plugin(authenticate=authenticate)}, settings) as server,
            await server.connect() as ws,
        ):
            protocol, task = seen.pop()
            async with asyncio.timeout(10):
                await asyncio.wait({task})
            assert not protocol.connections, f"a WebSocket is still in Sanic's connections: {UPGRADE}"
            await ws.send('{"cmd": "sys.ping", "data": 1}')
            assert json.loads(await ws.recv())["data"] == 1

    asyncio.run(main())


def test_an_open_connection_does_not_keep_its_request() -> None:
    """An idle connection costs a third less memory without it, and its headers may hold secrets."""

    async def main() -> None:
        async with serving({}) as server, await server.connect() as ws:
            await ws.send('{"cmd": "sys.ping"}')
            await ws.recv()
            gc.collect()
            left = [each for each in gc.get_objects() if isinstance(each, HttpConnection | Request)]
            assert not left, f"{gc.get_referrers(*left)} keeps Sanic's side of an upgraded connection: {UPGRADE}"

    asyncio.run(main())


def test_an_ended_connection_is_freed_without_the_garbage_collector(raw: Raw, make_plugin: MakePlugin) -> None:
    async def main() -> None:
        lost = asyncio.Event()
        hooks = make_plugin(ws_offline=lambda: lost.set())
        async with serving({"hooks": hooks}, {"ws": {"close_timeout": 0.01}}) as server:
            ws = await server.connect("ada")
            session = server.node.registry.all()[0]
            assert isinstance(session.socket, WebSocketConnection)
            # Compiled objects do not support weak references.
            identity = id(session.socket)
            del session
            gc.collect()
            gc.disable()
            try:
                await ws.close()
                await lost.wait()
                async with asyncio.timeout(10):
                    while any(
                        id(each) == identity and isinstance(each, WebSocketConnection) for each in gc.get_objects()
                    ):
                        await asyncio.sleep(0.01)
            finally:
                gc.enable()

    asyncio.run(main())


def test_no_timer_of_sanic_closes_a_websocket(raw: Raw, make_plugin: MakePlugin) -> None:
    async def main() -> None:
        logging_in, go_on = asyncio.Event(), asyncio.Event()

        async def authenticate() -> Identity:
            logging_in.set()
            await go_on.wait()
            return Identity("ada")

        settings = {"auth": {"mode": "plugin"}}
        async with serving({"login": make_plugin(authenticate=authenticate)}, settings) as server:
            server.node.app.config.update(TINY_TIMEOUTS)
            async with raw(server.port) as client:
                await client.send(client.handshake())
                await logging_in.wait()
                await keep_alive_runs_out(server.port)
                go_on.set()
                assert (await client.head())[0] == 101, f"Sanic's response timeout hit a login: {UPGRADE}"
                await keep_alive_runs_out(server.port)
                await client.send_frame(TEXT, '{"cmd": "sys.ping", "data": 2}')
                assert (await client.next_message())["data"] == 2

    async def keep_alive_runs_out(port: int) -> None:
        """The same timers, seen on a connection that they apply to."""
        for _ in range(2):
            async with raw(port) as plain:
                assert (await plain.request("GET", "/livez"))[0] == 200
                assert await plain.at_end()

    asyncio.run(main())


@pytest.mark.parametrize("count", [1, 40, 400])
def test_what_came_with_the_handshake_is_not_lost(raw: Raw, make_plugin: MakePlugin, count: int) -> None:
    async def main() -> None:
        async with serving({}) as server, raw(server.port) as client:
            commands = (json.dumps({"cmd": 1001, "data": ["x" * 150, number]}) for number in range(count))
            await client.send(client.handshake().encode() + b"".join(client.frame(TEXT, each) for each in commands))
            assert (await client.head())[0] == 101
            assert [(await client.next_message())["data"][1] for _ in range(count)] == list(range(count))

    asyncio.run(main())


@pytest.mark.parametrize("count", [1, 40, 2000])
def test_what_comes_during_the_login_is_not_lost(raw: Raw, make_plugin: MakePlugin, count: int) -> None:
    async def main() -> None:
        logging_in, go_on = asyncio.Event(), asyncio.Event()

        async def authenticate() -> Identity:
            logging_in.set()
            await go_on.wait()
            return Identity("ada")

        settings = {"auth": {"mode": "plugin"}, "ws": {"rate": 0}}
        async with (
            serving({"login": make_plugin(authenticate=authenticate)}, settings) as server,
            raw(server.port) as client,
        ):
            commands = (json.dumps({"cmd": 1001, "data": ["x" * 150, number]}) for number in range(count))
            await client.send(client.handshake())
            await logging_in.wait()
            sending = asyncio.create_task(client.send(b"".join(client.frame(TEXT, each) for each in commands)))
            # When a later connection is served, the server has read everything that was sent here before.
            async with raw(server.port) as plain:
                assert (await plain.request("GET", "/livez"))[0] == 200
            go_on.set()
            assert (await client.head())[0] == 101
            assert [(await client.next_message())["data"][1] for _ in range(count)] == list(range(count))
            await sending

    asyncio.run(main())


def test_what_comes_before_the_session_begins_is_not_lost(raw: Raw, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the upgrade the engine may be slow; nothing is read until it has answered."""

    async def main() -> None:
        go_on = asyncio.Event()
        async with serving({}) as server, raw(server.port) as client:
            register = server.node.engine.register

            async def slow(session: SessionInfo, policy: SessionPolicy) -> bool:
                await go_on.wait()
                return await register(session, policy)

            monkeypatch.setattr(server.node.engine, "register", slow)
            await client.send(client.handshake().encode() + client.frame(TEXT, '{"cmd": 1001, "data": 1}'))
            assert (await client.head())[0] == 101
            await client.send_frame(TEXT, '{"cmd": 1001, "data": 2}')
            async with raw(server.port) as plain:
                assert (await plain.request("GET", "/livez"))[0] == 200
            go_on.set()
            assert [(await client.next_message())["data"] for _ in range(2)] == [1, 2]

    asyncio.run(main())


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Connection": "Upgrade", "Upgrade": "WebSocket"},
        {"Connection": "keep-alive,upgrade", "Content-Length": "0"},
        {"Sec-WebSocket-Protocol": "chat, msanic.v1.json", "Origin": "http://server.example"},
    ],
    ids=["firefox", "mixed case", "empty body", "subprotocol"],
)
def test_handshakes_of_browsers(raw: Raw, headers: dict[str, str]) -> None:
    async def main() -> None:
        async with serving({}) as server, raw(server.port) as client:
            await client.send(client.handshake(**headers))
            status, answer = await client.head()
            assert status == 101, UPGRADE
            assert answer["upgrade"] == "websocket"
            assert answer["connection"] == "upgrade"
            accept = hashlib.sha1(f"{KEY}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode()).digest()
            assert answer["sec-websocket-accept"] == base64.b64encode(accept).decode().lower()
            assert "sec-websocket-extensions" not in answer, "compression was offered and must not be agreed to"
            await client.send_frame(9, b"there?")
            while (frame := await client.next_frame())[0] == TEXT:
                assert json.loads(frame[1])["cmd"] == "sys.welcome"
            assert frame == (PONG, b"there?")

    asyncio.run(main())


def test_the_handler_answers_over_http_when_it_does_not_upgrade(raw: Raw, make_plugin: MakePlugin) -> None:
    """The route's handler may return a response or None: Sanic allows None if the handler has `is_websocket`."""

    async def main() -> None:
        def authenticate() -> Identity:
            raise AuthenticationError("no")

        settings = {"auth": {"mode": "plugin"}}
        async with (
            serving({"login": make_plugin(authenticate=authenticate)}, settings) as server,
            raw(server.port) as client,
        ):
            assert (await client.request("GET", "/ws"))[0] == 426
            assert (await client.request("GET", "/livez"))[0] == 200
            await client.send(client.handshake(Sec_WebSocket_Version="8"))
            assert (await client.response())[0] == 426

    asyncio.run(main())
