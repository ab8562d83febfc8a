"""For tests of WebSocket connections: opened sessions, floods, and reasons of their end."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from msanic_core import Context, OfflineReason, command
from msanic_core.testing import TestServer

if TYPE_CHECKING:
    from types import SimpleNamespace

    from tests.support.raw_clients import MakePlugin, RawClient


TEXT, CLOSE, PING, PONG = 1, 8, 9, 10
UNLIMITED = {"ws": {"rate": 0}}


class Ends:
    """Collects the reasons for which sessions end."""

    def __init__(self, make_plugin: MakePlugin) -> None:
        reasons: asyncio.Queue[OfflineReason] = asyncio.Queue()

        def ws_offline(reason: OfflineReason) -> None:
            reasons.put_nowait(reason)

        self._reasons = reasons
        self.plugin = make_plugin(ws_offline=ws_offline)

    async def next(self) -> OfflineReason:
        async with asyncio.timeout(10):
            return await self._reasons.get()

    def none_yet(self) -> bool:
        return self._reasons.empty()


def echoing(make_plugin: MakePlugin) -> SimpleNamespace:
    """A plugin with `test.echo`, which answers at once, and `test.wait`, which waits for `go_on`."""
    go_on = asyncio.Event()

    @command("test.echo")
    def echo(ctx: Context, data: Any) -> Any:
        return data

    @command("test.wait")
    async def wait(ctx: Context, data: Any) -> Any:
        await go_on.wait()
        return data

    made = make_plugin(ws_command=lambda: [echo, wait])
    made.go_on = go_on
    return made


async def opened(server: TestServer, client: RawClient, user: str = "ada") -> None:
    await client.send(client.handshake(f"/ws?user={user}"))
    assert (await client.head())[0] == 101
    await client.send_frame(PING, b"open")
    assert await client.next_frame() == (PONG, b"open")


async def flood(client: RawClient, data: bytes, most: int) -> int:
    """Send until the server stops reading. Returns the bytes it has taken; fails if they are more than `most`."""
    sent = refused = 0
    while sent < most:
        try:
            sent += client.socket.send(data[sent % len(data) :])
            refused = 0
        except BlockingIOError:
            refused += 1
            if refused == 100:
                # The server, in the same loop, has read nothing in a hundred turns.
                await client.send(data[sent % len(data) :])
                return sent
            await asyncio.sleep(0.001)
    pytest.fail(f"the server took {sent} bytes of a client that does not read")


# The most that a client that does not read can make the kernel buffer, in both directions.
HELD = 16 << 20
