"""Who gets in: what is refused over HTTP before the upgrade, what is refused with a close code after it."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from typing import TYPE_CHECKING, Any

import pytest
from sanic import Blueprint, HTTPResponse, Request
from websockets.exceptions import ConnectionClosed

from msanic_core import AuthenticationError, Context, Identity, OfflineReason, SessionInfo, command
from msanic_core.testing import TestServer, serving

if TYPE_CHECKING:
    from collections.abc import Callable

    from websockets.asyncio.client import ClientConnection

    from tests.server.conftest import MakePlugin, Raw

TEXT, CLOSE = 1, 8
PLUGIN_LOGIN = {"auth": {"mode": "plugin"}}


async def closed(ws: ClientConnection) -> tuple[int | None, str | None]:
    """How the server closed this connection, without a message before."""
    async with asyncio.timeout(10):
        with pytest.raises(ConnectionClosed):
            await ws.recv()
    return ws.close_code, ws.close_reason


@command("test.who")
def who(ctx: Context) -> dict[str, Any]:
    return {"user": ctx.user, "claims": ctx.identity.claims, "client": ctx.session.client}


async def user_of(ws: ClientConnection) -> Any:
    await ws.send('{"cmd": "test.who"}')
    async with asyncio.timeout(10):
        return json.loads(await ws.recv())["data"]["user"]


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
            assert not server.node.handshake.connections

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


@pytest.mark.parametrize("user", ["ada", "Ада Лавлейс", "a" * 255, "a&b=c"])
def test_anonymous_users_choose_their_name(plugin: MakePlugin, user: str) -> None:
    async def main() -> None:
        async with serving({"test": plugin(ws_command=lambda: [who])}) as server, await server.connect(user) as ws:
            assert await user_of(ws) == user

    asyncio.run(main())


def test_anonymous_users_without_a_name_are_guests(plugin: MakePlugin) -> None:
    async def main() -> None:
        async with serving({"test": plugin(ws_command=lambda: [who])}) as server:
            names = {await user_of(await server.connect(name)) for name in (None, None, "")}
            assert len(names) == 3
            assert all(name.startswith("guest-") for name in names)

    asyncio.run(main())


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ({"user": "a\nb"}, "user id 'a\\nb' holds a control character"),
        ({"user": "\x7f"}, "user id '\\x7f' holds a control character"),
        ({"user": "a" * 256}, "has 256 bytes"),
        ({"user": "ada", "client": "tab\t"}, "client 'tab\\t' holds a control character"),
    ],
)
def test_names_that_cannot_be(query: dict[str, str], why: str) -> None:
    async def main() -> None:
        async with serving({}) as server:
            code, reason = await closed(await server.connect(**query))
            assert code == 4501
            assert reason is not None
            assert why in reason

    asyncio.run(main())


def test_the_client_id_is_part_of_the_session(plugin: MakePlugin) -> None:
    async def main() -> None:
        hooks = plugin(ws_command=lambda: [who])
        async with serving({"test": hooks}) as server, await server.connect("ada", client="phone") as ws:
            await ws.send('{"cmd": "test.who"}')
            assert json.loads(await ws.recv())["data"]["client"] == "phone"
            assert [session.client for session in await server.server.sessions("ada")] == ["phone"]

    asyncio.run(main())


def plain(request: Request) -> Identity:
    return Identity(f"plain-{request.args.get('token')}", {"role": "admin"})


async def waiting(request: Request) -> Identity:
    await asyncio.sleep(0)
    return Identity(f"waiting-{request.token}")


def passes() -> None:
    return None


@pytest.mark.parametrize(
    ("hooks", "user"),
    [
        ({"one": plain}, "plain-t0"),
        ({"one": waiting}, "waiting-t1"),
        ({"zeta": plain, "alpha": waiting}, "plain-t0"),
        ({"zeta": waiting, "alpha": plain}, "waiting-t1"),
        ({"zeta": passes, "alpha": waiting}, "waiting-t1"),
    ],
    ids=["plain", "async", "first answers", "other first answers", "first has no opinion"],
)
def test_authenticate(raw: Raw, plugin: MakePlugin, hooks: dict[str, Callable[..., Any]], user: str) -> None:
    """Of several plugins the one that comes last in the alphabet is asked first."""

    async def main() -> None:
        plugins = {name: plugin(authenticate=hook) for name, hook in hooks.items()}
        plugins["test"] = plugin(ws_command=lambda: [who])
        async with serving(plugins, PLUGIN_LOGIN) as server, raw(server.port) as client:
            await client.send(client.handshake("/ws?token=t0", Authorization="Bearer t1"))
            assert (await client.head())[0] == 101
            await client.send_frame(TEXT, '{"cmd": "test.who"}')
            data = (await client.next_message())["data"]
            assert data["user"] == user
            assert data["claims"] == ({"role": "admin"} if user == "plain-t0" else {})

    asyncio.run(main())


def refuses() -> Identity:
    raise AuthenticationError("this token has expired")


def fails() -> Identity:
    raise RuntimeError("password=hunter2")


def fails_with_a_value() -> Identity:
    return Identity(str(int("hunter2")))


async def fails_with_its_own_timeout() -> Identity:
    raise TimeoutError("connecting to ldap://hunter2")


async def hangs() -> Identity:
    await asyncio.Event().wait()
    raise AssertionError


@pytest.mark.parametrize(
    ("hooks", "reason", "logged"),
    [
        ({}, "not authenticated", False),
        ({"one": passes, "two": passes}, "not authenticated", False),
        ({"one": refuses}, "this token has expired", False),
        ({"two": refuses, "one": plain}, "this token has expired", False),
        ({"one": fails}, "the login failed", True),
        ({"two": fails, "one": plain}, "the login failed", True),
        ({"one": fails_with_a_value}, "the login failed", True),
        ({"one": fails_with_its_own_timeout}, "the login failed", True),
        ({"one": lambda: {"user": "ada"}}, "the login failed", True),
        ({"one": lambda: Identity("a\nb")}, "the login failed", True),
        ({"one": hangs}, "the login took too long", False),
        ({"two": hangs, "one": plain}, "the login took too long", False),
    ],
)
def test_a_login_that_fails(
    plugin: MakePlugin,
    caplog: pytest.LogCaptureFixture,
    hooks: dict[str, Callable[..., Any]],
    reason: str,
    logged: bool,
) -> None:
    async def main() -> None:
        plugins = {name: plugin(authenticate=hook) for name, hook in hooks.items()}
        timeout = 0.1 if hangs in hooks.values() else 10.0
        async with serving(plugins, {"auth": {"mode": "plugin", "timeout": timeout}}) as server:
            assert await closed(await server.connect("ada")) == (4501, reason)
            assert not server.node.registry.all()

    with caplog.at_level(logging.ERROR):
        asyncio.run(main())
    first = max(hooks, default="")
    assert [record.getMessage() for record in caplog.records] == [f"plugin {first}: authenticate raised"] * logged


def test_without_a_word_nobody_gets_in() -> None:
    """The mode of login is `plugin` by default, and there is no plugin."""

    async def main() -> None:
        async with serving({}, {"auth": {}}) as server:
            assert await closed(await server.connect("ada")) == (4501, "not authenticated")

    asyncio.run(main())


def test_what_a_refused_client_sends_is_ignored(raw: Raw, caplog: pytest.LogCaptureFixture) -> None:
    """Also what came with the handshake and ends within a frame."""

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


def test_a_reason_is_cut_to_what_a_close_frame_holds(plugin: MakePlugin) -> None:
    def authenticate() -> None:
        raise AuthenticationError("ö" * 100)

    async def main() -> None:
        async with serving({"login": plugin(authenticate=authenticate)}, PLUGIN_LOGIN) as server:
            assert await closed(await server.connect()) == (4501, "ö" * 61)

    asyncio.run(main())


def test_a_login_ends_when_its_identity_expires(plugin: MakePlugin) -> None:
    reasons = []

    async def main() -> None:
        hooks = plugin(
            authenticate=lambda: Identity("ada", expires_at=time.time() - 1),
            ws_offline=lambda reason: reasons.append(reason),
        )
        settings = {**PLUGIN_LOGIN, "ws": {"ping_interval": 0.1}}
        async with serving({"login": hooks}, settings) as server:
            assert await closed(await server.connect()) == (4005, "login expired")

    asyncio.run(main())
    assert reasons == [OfflineReason.EXPIRED]


def test_max_connections(plugin: MakePlugin) -> None:
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
def test_logins_under_way_count_as_connections(plugin: MakePlugin, limit: str, refusal: tuple[int, str]) -> None:
    async def main() -> None:
        logging_in, go_on = asyncio.Semaphore(0), asyncio.Event()

        async def authenticate(request: Request) -> Identity:
            logging_in.release()
            await go_on.wait()
            return Identity(request.args.get("user"))

        settings = {**PLUGIN_LOGIN, "ws": {limit: 3}}
        async with serving({"login": plugin(authenticate=authenticate)}, settings) as server:
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


def test_single_session_replaces_the_older(plugin: MakePlugin) -> None:
    lost: list[tuple[SessionInfo, OfflineReason]] = []

    async def main() -> None:
        hooks = plugin(ws_offline=lambda session, reason: lost.append((session, reason)))
        async with serving({"test": hooks}) as server:
            older = await server.connect("ada")
            newer = await server.connect("ada")
            assert await closed(older) == (4503, "replaced by a newer connection")
            await newer.ping()
            assert len(await server.server.sessions("ada")) == 1
            assert [(session.last, reason) for session, reason in lost] == [(False, OfflineReason.REPLACED)]

    asyncio.run(main())


def test_multiple_sessions_have_a_limit(plugin: MakePlugin) -> None:
    lost: list[SessionInfo] = []

    async def main() -> None:
        hooks = plugin(ws_offline=lambda session: lost.append(session))
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
                # Clients of msanic know no welcome.
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


REPLAY_GUARD = {"ws": {"handshake_time": "require"}}


async def guarded(raw: Raw, server: TestServer, path: str = "/ws?user=ada", **headers: str) -> str:
    """What the replay guard has against a handshake: nothing, or the text of its reject and of the close frame."""
    async with raw(server.port) as client:
        await client.send(client.handshake(path, **headers))
        assert (await client.head())[0] == 101
        await client.send_frame(9, b"in?")
        opcode, payload = await client.next_frame()
        if opcode == 10:
            return ""
        reject = json.loads(payload)
        assert await client.close_frame() == (4501, reject["hint"])
        assert {**reject, "hint": ""} == {"cmd": 1002, "data": None, "code": 11, "req": None, "hint": ""}
        return str(reject["hint"])


def test_replay_guard(raw: Raw) -> None:
    async def main() -> None:
        now = int(time.time())
        async with serving({}, REPLAY_GUARD) as server:
            missing = "Timestamp is missing: seconds since the epoch, as header or parameter"
            assert await guarded(raw, server) == missing
            for wrong in ("", "soon", "-5", "1.5", "٣", "0x10"):
                assert await guarded(raw, server, Timestamp=wrong.encode().decode("latin1")) == missing
            for future in (now + 3600, 10**30, "9" * 5000):
                assert await guarded(raw, server, Timestamp=str(future)) == "Timestamp lies in the future"
            repeated = "Timestamp is not newer than that of the last connection"
            assert await guarded(raw, server, Timestamp=str(now - 10)) == ""
            assert await guarded(raw, server, Timestamp=str(now - 10)) == repeated
            assert await guarded(raw, server, Timestamp=str(now - 11)) == repeated
            assert await guarded(raw, server, f"/ws?user=ada&Timestamp={now - 10}") == repeated
            assert await guarded(raw, server, f"/ws?user=ada&Timestamp={now - 9}") == ""
            assert await guarded(raw, server, f"/ws?user=bob&Timestamp={now - 10}") == ""
            assert not await server.server.online("mallory")

    asyncio.run(main())


def test_the_replay_guard_is_off_by_default(raw: Raw) -> None:
    async def main() -> None:
        async with serving({}) as server:
            assert await guarded(raw, server, Timestamp="soon") == ""

    asyncio.run(main())


def test_a_store_that_fails_during_the_opening_ends_the_connection(
    raw: Raw, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A connection that was upgraded and belongs to no session would stay for ever."""

    async def broken(*arguments: object) -> object:
        raise ConnectionError("the store is away")

    async def main() -> None:
        now = int(time.time())
        for method in ("newer_handshake", "register", "inbox"):
            async with serving({}, REPLAY_GUARD) as server, raw(server.port) as client:
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
            server.node.handshake.accepting = False
            await client.send(client.handshake())
            status, _, body = await client.response()
            assert (status, body["code"], body["hint"]) == (503, 10, "the server is stopping")

    asyncio.run(main())


def texts(record: logging.LogRecord) -> str:
    return logging.Formatter().format(record) + repr(record.args) + repr(record.__dict__.get("request"))


def test_tokens_never_reach_the_log(raw: Raw, plugin: MakePlugin, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        hanging = asyncio.Event()
        blueprint = Blueprint("pages")

        @blueprint.get("/fails")
        async def page(request: Request) -> HTTPResponse:
            raise RuntimeError("on purpose")

        async def authenticate(request: Request) -> Identity:
            match request.args.get("user"):
                case "refused":
                    raise AuthenticationError("wrong token")
                case "broken":
                    raise RuntimeError("on purpose")
                case "slow":
                    hanging.set()
                    await asyncio.Event().wait()
            return Identity("ada")

        plugins = {"pages": plugin(authenticate=authenticate, http_blueprint=lambda: blueprint)}
        settings = {**PLUGIN_LOGIN, "http": {"head_timeout": 0.2}, "ws": {"handshake_time": "off"}}
        secret: dict[str, Any] = {"Authorization": "Bearer SECRET", "Cookie": "session=SECRET"}
        async with serving(plugins, settings) as server:
            for user in ("ada", "refused", "broken"):
                async with raw(server.port) as client:
                    await client.send(client.handshake(f"/ws?user={user}&token=SECRET", **secret))
                    assert (await client.head())[0] == 101
                    await client.send_frame(TEXT, '{"cmd": "no.such"}')
                    await client.send_frame(TEXT, "garbage")
                    await client.send_frame(3)
                    while (await client.next_frame())[0] != CLOSE:
                        pass
            async with raw(server.port) as client:
                await client.send(client.handshake("/ws?user=slow&token=SECRET", **secret))
                await hanging.wait()
                client.reset()
            for path, origin, status in [
                ("/pages/fails", None, 500),
                ("/none", None, 404),
                ("/ws", "http://evil", 403),
            ]:
                async with raw(server.port) as client:
                    await client.send(client.handshake(f"{path}?token=SECRET", **secret, Origin=origin))
                    assert (await client.response())[0] == status
            for head in ("GET /livez?token=SECRET HTTP/1.1\r\nX: ", "GET /livez?token=SECRET HTTP/9\r\n\r\n"):
                async with raw(server.port) as client:
                    await client.send(head)
                    while not await client.at_end():
                        pass

    with caplog.at_level(logging.DEBUG):
        asyncio.run(main())
    assert len(caplog.records) > 10
    assert not [text for text in map(texts, caplog.records) if "SECRET" in text]
