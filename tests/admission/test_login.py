"""Logins: anonymous names, `authenticate` hooks, the replay guard; and no token is logged."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from typing import TYPE_CHECKING, Any

import pytest
from sanic import Blueprint, HTTPResponse, Request
from websockets.exceptions import ConnectionClosed

from msanic_core import AuthenticationError, Context, Identity, OfflineReason, command
from msanic_core.errors import StoreUnavailableError
from msanic_core.testing import TestServer, serving

if TYPE_CHECKING:
    from collections.abc import Callable

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


@command("test.who")
def who(ctx: Context) -> dict[str, Any]:
    return {"user": ctx.user, "claims": ctx.identity.claims, "client": ctx.session.client}


async def user_of(ws: ClientConnection) -> Any:
    await ws.send('{"cmd": "test.who"}')
    async with asyncio.timeout(10):
        return json.loads(await ws.recv())["data"]["user"]


@pytest.mark.parametrize("user", ["ada", "Ада Лавлейс", "a" * 255, "a&b=c"])
def test_anonymous_users_choose_their_name(make_plugin: MakePlugin, user: str) -> None:
    async def main() -> None:
        async with serving({"test": make_plugin(ws_command=lambda: [who])}) as server, await server.connect(user) as ws:
            assert await user_of(ws) == user

    asyncio.run(main())


def test_anonymous_users_without_a_name_are_guests(make_plugin: MakePlugin) -> None:
    async def main() -> None:
        async with serving({"test": make_plugin(ws_command=lambda: [who])}) as server:
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


def test_the_client_id_is_part_of_the_session(make_plugin: MakePlugin) -> None:
    async def main() -> None:
        hooks = make_plugin(ws_command=lambda: [who])
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
        ({"zeta": waiting, "alpha": plain}, "plain-t0"),
        ({"zeta": plain, "alpha": waiting}, "waiting-t1"),
        ({"zeta": waiting, "alpha": passes}, "waiting-t1"),
    ],
    ids=["plain", "async", "first answers", "other first answers", "first has no opinion"],
)
def test_authenticate(raw: Raw, make_plugin: MakePlugin, hooks: dict[str, Callable[..., Any]], user: str) -> None:
    """Plugins are asked in start order, here by name; the first answer wins."""

    async def main() -> None:
        plugins = {name: make_plugin(authenticate=hook) for name, hook in hooks.items()}
        plugins["test"] = make_plugin(ws_command=lambda: [who])
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
        ({"one": refuses, "two": plain}, "this token has expired", False),
        ({"one": fails}, "the login failed", True),
        ({"one": fails, "two": plain}, "the login failed", True),
        ({"one": fails_with_a_value}, "the login failed", True),
        ({"one": fails_with_its_own_timeout}, "the login failed", True),
        ({"one": lambda: {"user": "ada"}}, "the login failed", True),
        ({"one": lambda: Identity("a\nb")}, "the login failed", True),
        ({"one": hangs}, "the login took too long", False),
        ({"one": hangs, "two": plain}, "the login took too long", False),
    ],
)
def test_a_login_that_fails(
    make_plugin: MakePlugin,
    caplog: pytest.LogCaptureFixture,
    hooks: dict[str, Callable[..., Any]],
    reason: str,
    logged: bool,
) -> None:
    async def main() -> None:
        plugins = {name: make_plugin(authenticate=hook) for name, hook in hooks.items()}
        timeout = 0.1 if hangs in hooks.values() else 10.0
        async with serving(plugins, {"auth": {"mode": "plugin", "timeout": timeout}}) as server:
            assert await closed(await server.connect("ada")) == (4501, reason)
            assert not server.node.registry.all()

    with caplog.at_level(logging.ERROR):
        asyncio.run(main())
    first = min(hooks, default="")
    assert [record.getMessage() for record in caplog.records] == [f"plugin {first}: authenticate raised"] * logged


def test_without_a_word_nobody_gets_in() -> None:
    """The mode of login is `plugin` by default, and there is no plugin."""

    async def main() -> None:
        async with serving({}, {"auth": {}}) as server:
            assert await closed(await server.connect("ada")) == (4501, "not authenticated")

    asyncio.run(main())


def test_a_reason_is_cut_to_what_a_close_frame_holds(make_plugin: MakePlugin) -> None:
    def authenticate() -> None:
        raise AuthenticationError("ö" * 100)

    async def main() -> None:
        async with serving({"login": make_plugin(authenticate=authenticate)}, PLUGIN_LOGIN) as server:
            assert await closed(await server.connect()) == (4501, "ö" * 61)

    asyncio.run(main())


def test_a_login_ends_when_its_identity_expires(make_plugin: MakePlugin) -> None:
    reasons = []

    async def main() -> None:
        hooks = make_plugin(
            authenticate=lambda: Identity("ada", expires_at=time.time() - 1),
            ws_offline=lambda reason: reasons.append(reason),
        )
        settings = {**PLUGIN_LOGIN, "ws": {"ping_interval": 0.1}}
        async with serving({"login": hooks}, settings) as server:
            assert await closed(await server.connect()) == (4005, "login expired")

    asyncio.run(main())
    assert reasons == [OfflineReason.EXPIRED]


@pytest.mark.parametrize("error", [StoreUnavailableError, ConnectionRefusedError])
def test_a_store_that_is_away_is_no_wrong_login(
    make_plugin: MakePlugin, caplog: pytest.LogCaptureFixture, error: Callable[[str], Exception]
) -> None:
    async def authenticate() -> Identity:
        raise error("10.0.0.7 is away")

    async def main() -> None:
        async with serving({"login": make_plugin(authenticate=authenticate)}, PLUGIN_LOGIN) as server:
            assert await closed(await server.connect()) == (1013, "nobody can be logged in now")

    with caplog.at_level(logging.WARNING):
        asyncio.run(main())
    (record,) = caplog.records
    assert record.getMessage().startswith("plugin login: authenticate: ")
    assert "10.0.0.7" in record.getMessage()


REPLAY_GUARD = {"ws": {"handshake_time": "require"}}


async def guarded(raw: Raw, server: TestServer, path: str = "/ws?user=ada", **headers: str) -> str:
    """The replay guard's error for a handshake, in its reject and in the close frame; "" if it is accepted."""
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


def texts(record: logging.LogRecord) -> str:
    return logging.Formatter().format(record) + repr(record.args) + repr(record.__dict__.get("request"))


def test_tokens_never_reach_the_log(raw: Raw, make_plugin: MakePlugin, caplog: pytest.LogCaptureFixture) -> None:
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

        plugins = {"pages": make_plugin(authenticate=authenticate, http_blueprint=lambda: blueprint)}
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
