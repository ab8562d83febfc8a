"""What tests of the client do with real servers."""

import asyncio
from typing import Any

import msgspec

from msanic_core import Context, command, hookimpl
from msanic_core.client import Client
from msanic_core.errors import CommandError
from msanic_core.testing import TestServer


class Said(msgspec.Struct):
    text: str


class Plugin:
    """`t.say` answers with its data, `t.fail` with an error, `t.wait` when the test lets it."""

    def __init__(self) -> None:
        self.go_on = asyncio.Event()
        self.waits = asyncio.Event()
        self.calls: list[Any] = []

    @hookimpl
    def ws_command(self) -> list[Any]:
        @command("t.say", id=2001)
        def say(ctx: Context, data: Said) -> Said:
            self.calls.append(data.text)
            return data

        @command("t.fail")
        def fail(ctx: Context) -> None:
            raise CommandError(123, "not today", {"when": "tomorrow"})

        @command("t.wait")
        async def wait(ctx: Context, data: Any) -> Any:
            self.calls.append(data)
            self.waits.set()
            await self.go_on.wait()
            return data

        return [say, fail, wait]


async def push(server: TestServer, *numbers: int, user: str = "ada") -> None:
    for number in numbers:
        await server.server.push(user, "n.n", number, durable=True)


def drop(server: TestServer) -> None:
    """Cut every connection, as a failing network does."""
    for connection in list(server.node.admission.connections):
        connection.cut()


async def lost(client: Client) -> None:
    while client.connected:
        await asyncio.sleep(0)
