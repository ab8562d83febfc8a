"""Clients of msanic 1.0, as they are: numbers for commands, a `Timestamp`, no subprotocol, no acknowledgements."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from types import SimpleNamespace
from typing import Any

import msgpack
import pytest
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from msanic_core import CommandError, Context, OfflineReason, ReplyCode, SessionInfo, command, hookimpl
from msanic_core.testing import TestServer, serving

BOUND = 20.0
"""Seconds that anything may take which is expected to happen."""


class Shop:
    """A plugin as a handler of msanic's is moved to one: type 2, with its numbers."""

    def __init__(self) -> None:
        self.lost: asyncio.Queue[str] = asyncio.Queue()
        self.go_on = asyncio.Event()

    def plugin(self) -> SimpleNamespace:
        @command("shop.buy", id=2001)
        async def buy(ctx: Context, data: dict[str, int]) -> dict[str, int]:
            if not data:
                raise CommandError(ReplyCode.NOT_PERMITTED, "nothing to buy")
            return data

        @command("shop.slow", id=2002)
        async def slow(ctx: Context) -> str:
            await self.go_on.wait()
            return "done"

        async def ws_offline(session: SessionInfo, reason: OfflineReason) -> None:
            self.lost.put_nowait(f"{session.user} {reason}")

        return SimpleNamespace(ws_command=hookimpl(lambda: [buy, slow]), ws_offline=hookimpl(ws_offline))


class Client:
    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection

    async def ask(self, cmd: Any, data: Any = None, req: Any = None) -> Any:
        await self.connection.send(json.dumps({"cmd": cmd, "data": data, "req": req}))
        return await self.next()

    async def next(self) -> Any:
        message = await self.connection.recv()
        assert isinstance(message, str)
        return json.loads(message)

    async def refused(self) -> tuple[int, int]:
        """What it is told before it is closed: `cmd` and `code`."""
        told = await self.next()
        with pytest.raises(ConnectionClosed):
            await self.connection.recv()
        return told["cmd"], told["code"]


class BrowserClient(Client):
    """Takes what comes for a Blob, as msanic's messages are in a browser, and sends binary frames too."""

    async def ask(self, cmd: Any, data: Any = None, req: Any = None) -> Any:
        await self.connection.send(json.dumps({"cmd": cmd, "data": data, "req": req}).encode())
        return await self.next()

    async def next(self) -> Any:
        message = await self.connection.recv()
        assert isinstance(message, bytes), "a string has no arrayBuffer()"
        return json.loads(message)


@asynccontextmanager
async def client(
    server: TestServer, user: str = "7", timestamp: int | None = None, kind: type[Client] = Client
) -> AsyncIterator[Client]:
    """Connected at a time, in seconds since the epoch."""
    headers = {"Timestamp": str(timestamp)} if timestamp is not None else {}
    connection = await server.connect(user, additional_headers=headers)
    try:
        yield kind(connection)
    finally:
        await connection.close()


def on_server(test: Callable[[TestServer, Shop], Awaitable[None]], **sections: Any) -> None:
    async def run() -> None:
        shop = Shop()
        async with serving({"shop": shop.plugin()}, sections) as server, asyncio.timeout(BOUND):
            await test(server, shop)

    asyncio.run(run())


def test_envelope_codes_heartbeat_and_reject() -> None:
    async def test(server: TestServer, shop: Shop) -> None:
        async with client(server) as seven:
            for cmd in (2001, "shop.buy"):
                reply = await seven.ask(cmd, {"tea": 2}, req="r-1")
                assert reply == {"cmd": cmd, "data": {"tea": 2}, "code": 0, "req": "r-1", "hint": ""}
            reply = await seven.ask(2001, {}, req=[1])
            assert reply == {"cmd": 2001, "data": None, "code": 16, "req": [1], "hint": "nothing to buy"}
            assert (await seven.ask(2001, {"tea": "two"}))["code"] == 12
            for unknown in (2999, 9001, "no.such"):
                reply = await seven.ask(unknown, req=5)
                assert (reply["cmd"], reply["code"], reply["req"]) == (unknown, 11, 5)
            for data in ({}, {"t": 1}, None):
                assert await seven.ask(1001, data) == {"cmd": 1001, "data": data, "code": 0, "req": None, "hint": ""}
            for nonsense in ("hi", "[]", '{"cmd": null}', '{"data": 1}'):
                await seven.connection.send(nonsense)
                reply = await seven.next()
                assert (reply["cmd"], reply["code"]) == (1002, 12)

    on_server(test)


def test_connections_that_are_not_newer_than_the_last_are_rejected() -> None:
    async def test(server: TestServer, shop: Shop) -> None:
        now = int(time.time())
        async with client(server) as without, client(server, timestamp=now + 1000) as early:
            assert await without.refused() == await early.refused() == (1002, 11)
        async with client(server, timestamp=now - 10) as first:
            assert (await first.ask(1001))["code"] == 0
            async with client(server, timestamp=now - 10) as again, client(server, timestamp=now - 11) as older:
                assert await again.refused() == await older.refused() == (1002, 11)
            assert (await first.ask(1001))["code"] == 0
            async with client(server, timestamp=now - 9) as newer:
                assert (await newer.ask(1001))["code"] == 0
                with pytest.raises(ConnectionClosed):
                    await first.connection.recv()
                assert first.connection.close_code == 4503
                assert await shop.lost.get() == "7 replaced"
                assert (await newer.ask(1001))["code"] == 0

    on_server(test, ws={"handshake_time": "require"})


def test_what_was_sent_to_who_was_away_comes_in_order_and_once() -> None:
    async def test(server: TestServer, shop: Shop) -> None:
        for number in range(3):
            await server.server.push("7", 2005, {"n": number})
        async with client(server) as seven:
            pushes = [await seven.next() for _ in range(3)]
            assert [(each["cmd"], each["data"]["n"], each["code"]) for each in pushes] == [
                (2005, number, 0) for number in range(3)
            ]
            assert (await seven.ask(1001))["code"] == 0
        assert await shop.lost.get() == "7 closed"
        async with client(server) as seven:
            assert (await seven.ask(1001, "first"))["data"] == "first"

    on_server(test)


def test_the_reply_to_who_was_lost_meanwhile_waits() -> None:
    async def test(server: TestServer, shop: Shop) -> None:
        async with client(server) as seven:
            await seven.connection.send(json.dumps({"cmd": 2002, "req": "slow-1"}))
            assert (await seven.ask(1001))["cmd"] == 1001
            seven.connection.transport.abort()
            assert await shop.lost.get() == "7 lost"
        shop.go_on.set()
        async with client(server) as seven:
            reply = await seven.next()
            assert (reply["cmd"], reply["data"], reply["code"], reply["req"]) == (2002, "done", 0, "slow-1")

    on_server(test)


def test_processes_reach_the_users_of_each_other(redis_url: str) -> None:
    """In msanic a process published to the channel of the one that had the user, or to CHANNEL_SYSTEM."""

    async def run() -> None:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(asyncio.timeout(BOUND))
            settings = {"redis": {"url": redis_url}}
            nodes = [await stack.enter_async_context(serving({"shop": Shop().plugin()}, settings)) for _ in range(2)]
            users = [await stack.enter_async_context(client(node, str(n))) for n, node in enumerate(nodes)]
            for user in users:
                assert (await user.ask(1001))["code"] == 0
            await nodes[0].server.push("1", 2005, "to you")
            assert (await users[1].next())["data"] == "to you"
            await nodes[1].server.broadcast(None, 2006, "to all")
            assert [(await user.next())["data"] for user in users] == ["to all"] * 2

    asyncio.run(run())


def test_answers_in_msgpack_are_for_who_asks_in_msgpack() -> None:
    async def test(server: TestServer, shop: Shop) -> None:
        async with client(server) as seven:
            await seven.connection.send(msgpack.packb({"cmd": 2001, "data": {"tea": 1}, "req": 1}))
            answer = msgpack.unpackb(await seven.connection.recv(decode=False))
            assert answer == {"cmd": 2001, "data": {"tea": 1}, "code": 0, "req": 1, "hint": ""}
            await server.server.push("7", 2005, 1)
            assert (await seven.next())["data"] == 1

    on_server(test)


def test_a_client_in_a_browser_that_knows_binary_frames_only() -> None:
    async def test(server: TestServer, shop: Shop) -> None:
        async with client(server, kind=BrowserClient) as seven:
            for cmd in (2001, "shop.buy"):
                reply = await seven.ask(cmd, {"tea": 2}, req="r-1")
                assert reply == {"cmd": cmd, "data": {"tea": 2}, "code": 0, "req": "r-1", "hint": ""}
                assert (await seven.ask(cmd, json.dumps({"tea": 2})))["data"] == {"tea": 2}
                assert (await seven.ask(cmd, {"tea": "two"}))["code"] == 12
                assert (await seven.ask(cmd, {}))["code"] == 16
            assert (await seven.ask(1001, {}))["data"] == {}
            assert (await seven.ask(9001, req=5))["code"] == 11
            assert (await seven.ask(None, req=5))["cmd"] == 1002
            await server.server.broadcast(None, 2006, "to all")
            assert (await seven.next())["data"] == "to all"
            await seven.connection.send(json.dumps({"cmd": 2002, "req": "slow-1"}).encode())
            assert (await seven.ask(1001))["cmd"] == 1001
            seven.connection.transport.abort()
            assert await shop.lost.get() == "7 lost"
        shop.go_on.set()
        async with client(server, kind=BrowserClient) as seven:
            late = await seven.next()
            assert (late["cmd"], late["data"], late["req"]) == (2002, "done", "slow-1")

    on_server(test, ws={"json_frames": "binary"})


def test_a_client_in_a_browser_that_sends_text_is_answered_in_binary_frames() -> None:
    async def test(server: TestServer, shop: Shop) -> None:
        async with client(server, kind=BrowserClient) as seven:
            for request in ({"cmd": 2001, "data": {"tea": 2}}, {"cmd": 9001}, {"cmd": None}):
                await seven.connection.send(json.dumps({**request, "req": 1}))
                answer = await seven.connection.recv()
                assert isinstance(answer, bytes)
                assert json.loads(answer)["code"] in (0, 11, 12)

    on_server(test, ws={"json_frames": "binary"})


def test_a_client_in_a_browser_is_rejected_in_a_binary_frame() -> None:
    async def test(server: TestServer, shop: Shop) -> None:
        async with client(server, kind=BrowserClient) as seven:
            assert await seven.refused() == (1002, 11)

    on_server(test, ws={"json_frames": "binary", "handshake_time": "require"})
