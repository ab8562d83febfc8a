import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from websockets.asyncio.client import ClientConnection

from msanic_core import Context, OfflineReason, Server, SessionInfo, command, hookimpl
from msanic_core.testing import TestServer, serving
from msanic_core.wire import WireEncodeError

BOUND = 20.0
"""Seconds that anything may take which is expected to happen."""

BAD_NAMES = ["", "a\nb", "x" * 256, "\ud800", 7, None]


class Greeting(msgspec.Struct):
    text: str = "hello"


class Bench:
    """A plugin that hands out the contexts of its commands."""

    def __init__(self) -> None:
        self.contexts: dict[str, Context] = {}
        self.lost: list[tuple[SessionInfo, OfflineReason]] = []

    def plugin(self, prefix: str = "test", **settings: Any) -> SimpleNamespace:
        @command(f"{prefix}.hello")
        async def hello(ctx: Context) -> str:
            self.contexts[f"{prefix}:{ctx.user}"] = ctx
            return ctx.session.id

        def ws_command() -> list[Any]:
            return [hello]

        def ws_offline(session: SessionInfo, reason: OfflineReason) -> None:
            self.lost.append((session, reason))

        def plugin_settings() -> type[Greeting]:
            return Greeting

        return SimpleNamespace(
            ws_command=hookimpl(ws_command),
            ws_offline=hookimpl(ws_offline),
            plugin_settings=hookimpl(plugin_settings),
        )


class Client:
    def __init__(self, connection: ClientConnection, ctx: Context) -> None:
        self.connection = connection
        self.ctx = ctx

    async def next(self) -> tuple[Any, Any]:
        """`cmd` and `data` of the next message."""
        message = json.loads(await self.connection.recv())
        return message["cmd"], message["data"]

    async def nothing_more(self) -> None:
        await self.connection.send('{"cmd":"sys.ping","data":"end"}')
        assert await self.next() == ("sys.ping", "end")


class Home:
    """A server with the plugin, and clients with their contexts."""

    def __init__(self, server: TestServer, bench: Bench) -> None:
        self.bench = bench
        self.node = server.node
        self.server: Server = server.server
        self._test_server = server
        self._clients: list[Client] = []

    async def client(self, user: str = "ada", **options: Any) -> Client:
        connection = await self._test_server.connect(user, **options)
        await connection.send('{"cmd":"test.hello"}')
        await connection.recv()
        client = Client(connection, self.bench.contexts[f"test:{user}"])
        self._clients.append(client)
        return client

    async def close(self) -> None:
        for client in self._clients:
            await client.connection.close()


def at_home(test: Callable[[Home], Awaitable[None]], **settings: Any) -> None:
    async def run() -> None:
        bench = Bench()
        plugins = {"test": bench.plugin(), "other": bench.plugin("other")}
        async with serving(plugins, settings) as server, asyncio.timeout(BOUND):
            home = Home(server, bench)
            await test(home)
            await home.close()

    asyncio.run(run())


@contextmanager
def refused(match: str) -> Iterator[None]:
    with pytest.raises(ValueError, match=match):
        yield


# Who it is


def test_what_a_handler_knows_of_the_session() -> None:
    async def test(home: Home) -> None:
        ctx = (await home.client("ada", client="phone")).ctx
        [session] = await home.server.sessions("ada")
        assert ctx.session == session
        assert (session.user, session.client, session.address) == ("ada", "phone", "127.0.0.1")
        assert session.node == home.server.node == ctx.server.node
        assert ctx.user == ctx.identity.user == "ada"
        assert ctx.server is home.server
        assert ctx.db is home.server.db

    at_home(test)


def test_settings_and_log_are_the_plugins_own(caplog: pytest.LogCaptureFixture) -> None:
    async def test(home: Home) -> None:
        client = await home.client()
        await client.connection.send('{"cmd":"other.hello"}')
        await client.next()
        other = home.bench.contexts["other:ada"]
        assert client.ctx.settings == Greeting("good morning")
        assert other.settings == Greeting("hello")
        assert home.server.settings_of("test") == Greeting("good morning")
        assert home.server.settings_of("no such plugin") is None
        client.ctx.log.info("one")
        other.log.info("two")

    with caplog.at_level(logging.INFO):
        at_home(test, plugins={"test": {"text": "good morning"}})
    assert [each.name for each in caplog.records if each.getMessage() in ("one", "two")] == [
        "msanic_core.plugin.test",
        "msanic_core.plugin.other",
    ]


def test_a_session_has_one_context_per_plugin() -> None:
    async def test(home: Home) -> None:
        first = (await home.client()).ctx
        [session] = home.node.registry.all()
        assert session.contexts == {"test": first}

    at_home(test)


# Messages


def test_push_reaches_every_session_of_the_user_and_nobody_else() -> None:
    async def test(home: Home) -> None:
        ada, again, bob = await home.client("ada"), await home.client("ada"), await home.client("bob")
        assert await bob.ctx.push("ada", "test.said", {"n": 1}, durable=False) is None
        assert await bob.ctx.push("ada", 2001, {"n": 2}) == 1
        assert await home.server.push("ada", "test.said", {"n": 3}) == 2
        for client in (ada, again):
            assert await client.next() == ("test.said", {"n": 1})
            assert await client.next() == (2001, {"n": 2})
            assert await client.next() == ("test.said", {"n": 3})
        await bob.nothing_more()

    at_home(test, ws={"sessions": "multi"})


def test_a_durable_push_waits_and_another_does_not() -> None:
    async def test(home: Home) -> None:
        assert await home.server.push("ada", "test.said", "durable") == 1
        assert await home.server.push("ada", "test.said", "passing", durable=False) is None
        connection = await home._test_server.connect("ada")
        assert json.loads(await connection.recv())["data"] == "durable"
        await connection.send('{"cmd":"sys.ping","data":"end"}')
        assert json.loads(await connection.recv())["data"] == "end"
        await connection.close()

    at_home(test)


def test_a_push_with_a_key_can_be_tried_again() -> None:
    async def test(home: Home) -> None:
        ada = await home.client()
        assert [await ada.ctx.push("ada", "test.said", n, key="order 7") for n in (1, 2)] == [1, 1]
        assert await home.server.push("ada", "test.said", 3, key="x" * 255) == 2
        assert await ada.next() == ("test.said", 1)
        assert await ada.next() == ("test.said", 3)
        bad_keys: list[Any] = [name for name in BAD_NAMES if name is not None]
        for key in bad_keys:
            with refused("key"):
                await home.server.push("ada", "test.said", key=key)
        with refused("key 'order 8': only a durable message"):
            await ada.ctx.push("ada", "test.said", durable=False, key="order 8")
        await ada.nothing_more()

    at_home(test)


def test_broadcast_reaches_the_group_or_everybody() -> None:
    async def test(home: Home) -> None:
        ada, bob, eve = await home.client("ada"), await home.client("bob"), await home.client("eve")
        await ada.ctx.join("red")
        await bob.ctx.join("red")
        await eve.ctx.broadcast("red", "test.said", "to red")
        await eve.ctx.broadcast("blue", "test.said", "to nobody")
        await home.server.broadcast(None, "test.said", "to all")
        for client in (ada, bob):
            assert await client.next() == ("test.said", "to red")
        for client in (ada, bob, eve):
            assert await client.next() == ("test.said", "to all")

    at_home(test)


def test_what_cannot_be_encoded_is_the_senders_error() -> None:
    async def test(home: Home) -> None:
        ada = await home.client()
        for data in (object(), {"x": {1j}}, {None: 1}):
            for durable in (True, False):
                with pytest.raises(WireEncodeError):
                    await ada.ctx.push("ada", "test.said", data, durable=durable)
            with pytest.raises(WireEncodeError):
                await ada.ctx.broadcast(None, "test.said", data)
        await ada.nothing_more()

    at_home(test)


# Groups and presence


def test_groups() -> None:
    async def test(home: Home) -> None:
        ada, again, bob = await home.client("ada"), await home.client("ada"), await home.client("bob")
        for client in (bob, ada, again):
            await client.ctx.join("red")
            await client.ctx.join("red")
        await ada.ctx.join("blue")
        assert await bob.ctx.members("red") == ["ada", "bob"]
        assert (ada.ctx.groups, again.ctx.groups) == (["blue", "red"], ["red"])
        await ada.ctx.leave("red")
        await ada.ctx.leave("green")
        assert await home.server.members("red") == ["ada", "bob"]
        await again.ctx.leave("red")
        assert await home.server.members("red") == ["bob"]
        assert await home.server.members("empty") == []
        assert (await home.server.count(), await bob.ctx.count("red"), await bob.ctx.count("empty")) == (3, 1, 0)

    at_home(test, ws={"sessions": "multi"})


def test_groups_end_with_their_session() -> None:
    async def test(home: Home) -> None:
        ada = await home.client()
        await ada.ctx.join("red")
        await ada.connection.close()
        while await home.server.online("ada"):
            await asyncio.sleep(0)
        assert await home.server.members("red") == []
        # A handler that still runs harms nothing.
        await ada.ctx.join("red")
        await ada.ctx.leave("red")
        assert await home.server.members("red") == []
        while not home.bench.lost:
            await asyncio.sleep(0)
        session, reason = home.bench.lost[0]
        assert (session.groups, reason) == (("red",), OfflineReason.CLOSED)
        assert not home.node.registry._groups

    at_home(test)


def test_online_and_sessions() -> None:
    async def test(home: Home) -> None:
        assert not await home.server.online("ada")
        first, second = await home.client(), await home.client()
        assert await first.ctx.online("ada")
        assert not await first.ctx.online("bob")
        ids = [session.id for session in await home.server.sessions("ada")]
        assert ids == [first.ctx.session.id, second.ctx.session.id]
        assert await home.server.sessions("bob") == []

    at_home(test, ws={"sessions": "multi"})


def test_kick() -> None:
    async def test(home: Home) -> None:
        first, second, bob = await home.client(), await home.client(), await home.client("bob")
        assert await home.server.kick("ada", bob.ctx.session.id) == 0
        assert await home.server.kick("ada", first.ctx.session.id) == 1
        await first.connection.wait_closed()
        assert first.connection.close_code == 4504
        await second.nothing_more()
        assert await home.server.kick("ada") == 1
        await second.connection.wait_closed()
        assert await home.server.kick("ada") == 0
        await bob.nothing_more()
        while len(home.bench.lost) < 4:
            await asyncio.sleep(0)
        assert {(session.user, reason) for session, reason in home.bench.lost} == {("ada", OfflineReason.KICKED)}

    at_home(test, ws={"sessions": "multi"})


def test_a_lock_is_one_for_everybody() -> None:
    async def test(home: Home) -> None:
        ada, bob = (await home.client("ada")).ctx, (await home.client("bob")).ctx
        async with ada.lock("settle:2024") as lock:
            assert lock.name == "settle:2024"
            for other in (bob, home.server):
                with pytest.raises(TimeoutError, match="lock 'settle:2024' was not free within 0 s"):
                    async with other.lock("settle:2024", wait=0):
                        raise AssertionError("two hold it")
        async with bob.lock("settle:2024", wait=5) as later:
            assert later.fence > lock.fence

    at_home(test)


def test_who_waits_for_a_lock_gets_it_when_it_is_released() -> None:
    async def test(home: Home) -> None:
        ada, bob = (await home.client("ada")).ctx, (await home.client("bob")).ctx
        order: list[str] = []

        async def wait() -> None:
            async with bob.lock("x"):
                order.append("bob")

        async with ada.lock("x"):
            waiting = asyncio.create_task(wait())
            await home.server.online("ada")
            await asyncio.sleep(0)
            order.append("ada")
        await waiting
        assert order == ["ada", "bob"]

    at_home(test)


@pytest.mark.parametrize("name", BAD_NAMES, ids=repr)
def test_names_are_checked_before_anything_happens(name: Any) -> None:
    async def test(home: Home) -> None:
        ada = await home.client()
        for call in (home.server.push, home.server.online, home.server.sessions, home.server.kick):
            with refused("user"):
                await call(name, *(["test.said"] if call == home.server.push else []))
        for group_call in (ada.ctx.join, ada.ctx.leave, ada.ctx.members):
            with refused("group"):
                await group_call(name)
        for lock in (ada.ctx.lock, home.server.lock):
            with refused("lock"):
                lock(name)
        if name is not None:
            with refused("group"):
                await ada.ctx.broadcast(name, "test.said")
        assert ada.ctx.groups == []
        await ada.connection.close()
        while await home.server.online("ada"):
            await asyncio.sleep(0)
        with refused("group"):
            await ada.ctx.join(name)

    at_home(test)
