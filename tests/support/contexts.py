"""A server whose plugin hands out the contexts of its commands."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from websockets.asyncio.client import ClientConnection

from msanic_core import Context, OfflineReason, Server, SessionInfo, command, hookimpl
from msanic_core.testing import TestServer, serving

BOUND = 20.0
"""The limit in seconds for everything that a test waits for."""
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
