"""Admission: refusals with an HTTP status before the upgrade, and with a close code after it."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from typing import TYPE_CHECKING, Any

import pytest
from sanic import Request
from websockets.exceptions import ConnectionClosed

from msanic_core import Identity, OfflineReason, SessionInfo
from msanic_core.testing import serving

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

    from tests.support.raw_clients import MakePlugin, Raw

TEXT, CLOSE = 1, 8
PLUGIN_LOGIN = {"auth": {"mode": "plugin"}}


async def closed(ws: ClientConnection) -> tuple[int | None, str | None]:
    """How the server closed this connection, without a message before."""
    async with asyncio.timeout(10):
        with pytest.raises(ConnectionClosed):
            await ws.recv()
    return ws.close_code, ws.close_reason


@pytest.mark.parametrize(
    ("headers", "status", "code", "field", "hint"),
    [
        ({"Upgrade": None}, 426, 11, ("upgrade", "websocket"), "this address is a WebSocket"),
        ({"Upgrade": "h2c"}, 426, 11, ("upgrade", "websocket"), "this address is a WebSocket"),
        ({"Connection": "keep-alive"}, 426, 11, ("upgrade", "websocket"), "this address is a WebSocket"),
        ({"Connection": None}, 426, 11, ("upgrade", "websocket"), "this address is a WebSocket"),
        ({"Sec-WebSocket-Version": "8"}, 426, 11, ("sec-websocket-version", "13"), "version 13"),
        ({"Sec-WebSocket-Version": None}, 426, 11, ("sec-websocket-version", "13"), "version 13"),
        ({"Sec-WebSocket-Key": None}, 400, 11, ("content-type", "application/json"), "Sec-WebSocket-Key"),
        ({"Sec-WebSocket-Key": "AAAA"}, 400, 11, ("content-type", "application/json"), "16 bytes in base64"),
        ({"Sec-WebSocket-Key": "?" * 24}, 400, 11, ("content-type", "application/json"), "16 bytes in base64"),
        ({"Content-Length": "5"}, 400, 11, ("content-type", "application/json"), "a handshake has no body"),
        ({"Transfer-Encoding": "chunked"}, 400, 11, ("content-type", "application/json"), "a handshake has no body"),
        ({"Origin": "http://evil.example"}, 403, 15, ("content-type", "application/json"), "[ws] origins"),
    ],
)
def test_refused_before_the_upgrade(
    raw: Raw, headers: dict[str, Any], status: int, code: int, field: tuple[str, str], hint: str
) -> None:
    async def main() -> None:
        async with serving({}) as server, raw(server.port) as client:
            await client.send(client.handshake(**headers))
            answer, fields, body = await client.response()
            assert answer == status
            assert fields[field[0]] == field[1]
            assert {**body, "hint": ""} == {"code": code, "data": None, "hint": ""}
            assert hint in body["hint"]
            assert not server.node.admission.connections

    asyncio.run(main())


def test_other_methods_are_not_the_handshake(raw: Raw) -> None:
    async def main() -> None:
        async with serving({}) as server, raw(server.port) as client:
            await client.send(client.handshake().replace("GET", "POST", 1))
            assert (await client.response())[0] == 405

    asyncio.run(main())


@pytest.mark.parametrize(
    ("origins", "origin", "allowed"),
    [
        ([], None, True),
        ([], "http://server.example", True),
        ([], "https://SERVER.example", True),
        ([], "http://server.example:8080", False),
        ([], "http://evil.example", False),
        ([], "http://server.example.evil.example", False),
        ([], "http://evil.example/server.example", False),
        ([], "http://server.example@evil.example", False),
        ([], "null", False),
        ([], "", False),
        ([], "http://[server.example", False),
        (["https://app.example"], "https://app.example", True),
        (["https://app.example"], "http://app.example", False),
        (["https://app.example"], "https://app.example:444", False),
        (["https://app.example"], "http://server.example", True),
        (["https://app.example", "null"], "null", True),
        (["*"], "http://anywhere.example", True),
        (["*"], "null", True),
    ],
)
def test_origin(
    raw: Raw, caplog: pytest.LogCaptureFixture, origins: list[str], origin: str | None, allowed: bool
) -> None:
    async def main() -> None:
        async with serving({}, {"ws": {"origins": origins}}) as server, raw(server.port) as client:
            await client.send(client.handshake(Origin=origin))
            assert (await client.head())[0] == (101 if allowed else 403)

    with caplog.at_level(logging.WARNING):
        asyncio.run(main())
    assert len(caplog.records) == (0 if allowed else 1)
    assert all("Origin" in record.getMessage() and record.exc_info is None for record in caplog.records)


def test_the_host_may_have_a_port(raw: Raw) -> None:
    async def main() -> None:
        async with serving({}) as server, raw(server.port) as client:
            await client.send(client.handshake(Host="[::1]:8800", Origin="http://[::1]:8800"))
            assert (await client.head())[0] == 101

    asyncio.run(main())


def test_what_a_refused_client_sends_is_ignored(raw: Raw, caplog: pytest.LogCaptureFixture) -> None:
    """Also bytes that came with the handshake and end inside a frame."""

    async def main() -> None:
        async with serving({}, PLUGIN_LOGIN) as server, raw(server.port) as client:
            early = client.frame(TEXT, "no") + client.frame(TEXT, "x" * 50_000)
            await client.send(client.handshake().encode() + early[:30_000])
            assert (await client.head())[0] == 101
            assert await client.close_frame() == (4501, "not authenticated")
            await client.send(early[30_000:] + client.frame(9, b"no"))
            await client.send_frame(CLOSE, (4501).to_bytes(2, "big"))
            assert await client.at_end()

    with caplog.at_level(logging.INFO, "msanic_core.websocket"):
        asyncio.run(main())
    assert not [record for record in caplog.records if record.name == "msanic_core.websocket"]


def test_max_connections(make_plugin: MakePlugin) -> None:
    async def main() -> None:
        async with serving({}, {"ws": {"max_connections": 2}}) as server:
            first, _ = await server.connect("ada"), await server.connect("bob")
            assert await closed(await server.connect("eve")) == (1013, "server is full, try later")
            await first.close()
            async with asyncio.timeout(10):
                while len(server.node.registry) > 1:
                    await asyncio.sleep(0)
            await (await server.connect("eve")).ping()
            assert sorted(session.info.user for session in server.node.registry.all()) == ["bob", "eve"]

    asyncio.run(main())


@pytest.mark.parametrize(
    ("limit", "refusal"),
    [
        ("max_connections", (1013, "server is full, try later")),
        ("max_connections_per_address", (4505, "too many connections from this address")),
    ],
)
def test_logins_under_way_count_as_connections(make_plugin: MakePlugin, limit: str, refusal: tuple[int, str]) -> None:
    async def main() -> None:
        logging_in, go_on = asyncio.Semaphore(0), asyncio.Event()

        async def authenticate(request: Request) -> Identity:
            logging_in.release()
            await go_on.wait()
            return Identity(request.args.get("user"))

        settings = {**PLUGIN_LOGIN, "ws": {limit: 3}}
        async with serving({"login": make_plugin(authenticate=authenticate)}, settings) as server:
            under_way = [asyncio.create_task(server.connect(user)) for user in ("ada", "bob", "eve")]
            for _ in under_way:
                await logging_in.acquire()
            assert await closed(await server.connect("mallory")) == refusal
            go_on.set()
            for each in await asyncio.gather(*under_way):
                await each.ping()
            assert len(server.node.registry) == 3
            assert await closed(await server.connect("mallory")) == refusal

    asyncio.run(main())


def test_single_session_replaces_the_older(make_plugin: MakePlugin) -> None:
    lost: list[tuple[SessionInfo, OfflineReason]] = []

    async def main() -> None:
        hooks = make_plugin(ws_offline=lambda session, reason: lost.append((session, reason)))
        async with serving({"test": hooks}) as server:
            older = await server.connect("ada")
            newer = await server.connect("ada")
            assert await closed(older) == (4503, "replaced by a newer connection")
            await newer.ping()
            assert len(await server.server.sessions("ada")) == 1
            assert [(session.last, reason) for session, reason in lost] == [(False, OfflineReason.REPLACED)]

    asyncio.run(main())


def test_multiple_sessions_have_a_limit(make_plugin: MakePlugin) -> None:
    lost: list[SessionInfo] = []

    async def main() -> None:
        hooks = make_plugin(ws_offline=lambda session: lost.append(session))
        settings = {"ws": {"sessions": "multi", "max_sessions_per_user": 2}}
        async with serving({"test": hooks}, settings) as server:
            first, second = await server.connect("ada"), await server.connect("ada")
            assert await closed(await server.connect("ada")) == (4505, "too many connections of this user")
            assert lost == [], "a connection that was refused was a session"
            await (await server.connect("bob")).ping()
            for each in (first, second):
                await each.ping()
            await first.close()
            async with asyncio.timeout(10):
                while not lost:
                    await asyncio.sleep(0)
            assert not lost[0].last
            third = await server.connect("ada")
            await third.ping()
            assert len(await server.server.sessions("ada")) == 2

    asyncio.run(main())


def test_a_limit_of_one_refuses_the_second_where_single_would_replace_the_first() -> None:
    async def main() -> None:
        async with serving({}, {"ws": {"sessions": "multi", "max_sessions_per_user": 1}}) as server:
            first = await server.connect("ada")
            assert await closed(await server.connect("ada")) == (4505, "too many connections of this user")
            await (await first.ping())
            await first.close()

    asyncio.run(main())


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        (None, None),
        ("chat", None),
        ("msanic.v1.json", "msanic.v1.json"),
        ("chat, msanic.v1.msgpack , msanic.v1.json", "msanic.v1.msgpack"),
        ("MSANIC.V1.JSON", None),
        ("", None),
    ],
)
def test_subprotocol(raw: Raw, offered: str | None, chosen: str | None) -> None:
    async def main() -> None:
        async with serving({}) as server, raw(server.port) as client:
            await client.send(client.handshake(Sec_WebSocket_Protocol=offered))
            assert (await client.head())[1].get("sec-websocket-protocol") == chosen
            await client.send_frame(TEXT, '{"cmd": 1001, "data": 5}')
            opcode, payload = await client.next_frame()
            if chosen is None:
                # Clients of msanic do not know `sys.welcome`.
                assert json.loads(payload)["data"] == 5
            else:
                assert opcode == (1 if chosen.endswith("json") else 2)
                assert b"sys.welcome" in payload

    asyncio.run(main())


def test_subprotocols_in_two_header_lines(raw: Raw) -> None:
    """RFC 6455 section 11.3.4 allows it."""

    async def main() -> None:
        async with serving({}) as server, raw(server.port) as client:
            second = "Sec-WebSocket-Protocol: msanic.v1.json\r\n\r\n"
            await client.send(client.handshake(Sec_WebSocket_Protocol="chat").removesuffix("\r\n") + second)
            assert (await client.head())[1]["sec-websocket-protocol"] == "msanic.v1.json"

    asyncio.run(main())


def test_welcome() -> None:
    async def main() -> None:
        settings = {"ws": {"max_message": 1000, "ping_interval": 7.0, "ping_timeout": 3.0}}
        async with serving({}, settings) as server, await server.connect("ada", subprotocol="msanic.v1.json") as ws:
            welcome = json.loads(await ws.recv())
            (session,) = await server.server.sessions("ada")
            epoch = welcome["data"].pop("epoch")
            assert epoch
            assert isinstance(epoch, str)
            assert welcome == {
                "cmd": "sys.welcome",
                "data": {
                    "session": session.id,
                    "user": "ada",
                    "node": server.node.id,
                    "max_message": 1000,
                    "ping_interval": 7.0,
                    "ping_timeout": 3.0,
                },
                "code": 0,
                "hint": "",
            }

    asyncio.run(main())


def test_a_store_that_fails_during_the_opening_ends_the_connection(
    raw: Raw, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """An upgraded connection without a session would never be closed."""

    async def broken(*arguments: object) -> object:
        raise ConnectionError("the store is away")

    async def main() -> None:
        now = int(time.time())
        for method in ("newer_handshake", "register", "inbox"):
            async with serving({}, {"ws": {"handshake_time": "require"}}) as server, raw(server.port) as client:
                monkeypatch.setattr(server.node.engine, method, broken)
                await client.send(client.handshake(Timestamp=str(now)))
                assert (await client.head())[0] == 101
                code, _ = await client.close_frame()
                assert code == 1013
                assert not server.node.registry.all()
                await client.send_frame(CLOSE, (1013).to_bytes(2, "big"))
                assert await client.at_end()
                monkeypatch.undo()

    with caplog.at_level(logging.ERROR):
        asyncio.run(main())
    assert len(caplog.records) == 3


def test_no_handshake_while_draining(raw: Raw) -> None:
    async def main() -> None:
        async with serving({}) as server, raw(server.port) as client:
            assert (await client.request("GET", "/livez"))[0] == 200
            server.node.admission.accepting = False
            await client.send(client.handshake())
            status, _, body = await client.response()
            assert (status, body["code"], body["hint"]) == (503, 10, "the server is stopping")

    asyncio.run(main())
