"""What several sockets bring in one turn of the loop."""

from __future__ import annotations

import asyncio
import fcntl
import json
import logging
import socket
import struct
import termios
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import pytest

from msanic_core import Context, command
from msanic_core.testing import serving
from msanic_core.wire import MessageReceiver
from tests.support.websockets import TEXT, UNLIMITED, opened

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.raw_clients import MakePlugin, Raw, RawClient


def echo_that(look: Callable[[], None], make_plugin: MakePlugin) -> Any:
    @command("test.echo")
    def echo(ctx: Context, data: Any) -> Any:
        look()
        return data

    return make_plugin(ws_command=lambda: [echo])


def send_at_once(clients: list[RawClient], data: str) -> None:
    """Send without a turn of the loop in between: the loop then reads everything in one turn."""
    frame = clients[0].frame(TEXT, json.dumps({"cmd": "test.echo", "data": data}))
    for client in clients:
        assert client.socket.send(frame) == len(frame)


def has_got_something(client: RawClient) -> bool:
    try:
        return client.socket.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) != b""
    except BlockingIOError:
        return False


def unread(server_side: socket.socket) -> int:
    """Bytes that the server has not read yet."""
    (count,) = struct.unpack("i", fcntl.ioctl(server_side.fileno(), termios.FIONREAD, bytes(4)))
    return int(count)


async def several(server: Any, raw: Raw, stack: AsyncExitStack, count: int) -> list[RawClient]:
    clients = []
    for number in range(count):
        client = await stack.enter_async_context(raw(server.port))
        await opened(server, client, f"user-{number}")
        clients.append(client)
    return clients


def test_everything_is_handled_before_anything_is_answered(raw: Raw, make_plugin: MakePlugin) -> None:
    async def main() -> None:
        clients: list[RawClient] = []
        answered: list[bool] = []

        def look() -> None:
            answered.append(any(map(has_got_something, clients)))

        async with serving({"echo": echo_that(look, make_plugin)}, UNLIMITED) as server, AsyncExitStack() as stack:
            clients += await several(server, raw, stack, 5)
            for turn in range(1, 4):
                send_at_once(clients, f"turn {turn}")
                assert [(await client.next_message())["data"] for client in clients] == [f"turn {turn}"] * 5
                assert answered == [False] * 5 * turn

    asyncio.run(main())


def test_much_is_worked_off_before_everything_is_read(raw: Raw, make_plugin: MakePlugin) -> None:
    async def main() -> None:
        sockets: list[socket.socket] = []
        left: list[int] = []

        def look() -> None:
            left.append(sum(map(unread, sockets)))

        async with serving({"echo": echo_that(look, make_plugin)}, UNLIMITED) as server, AsyncExitStack() as stack:
            clients = await several(server, raw, stack, 20)
            for session in server.node.registry.all():
                connection: Any = session.socket
                sockets.append(connection._transport.get_extra_info("socket"))
            send_at_once(clients, "x" * 60_000)
            for client in clients:
                assert (await client.next_message())["data"] == "x" * 60_000
        # About half of the 1.2 MB is in memory when the first message is processed.
        assert len(left) == 20
        assert left[0] > 20 * 60_000 / 2
        assert left[-1] == 0

    asyncio.run(main())


class BrokenReceiver(MessageReceiver):
    def message(self, payload: str | bytes) -> None:
        raise LookupError(f"no room for {payload!r}")


def test_a_connection_that_fails_takes_no_other_with_it(
    raw: Raw, make_plugin: MakePlugin, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with (
            serving({"echo": echo_that(lambda: None, make_plugin)}, UNLIMITED) as server,
            AsyncExitStack() as stack,
        ):
            clients = await several(server, raw, stack, 3)
            connection: Any = server.node.registry.all()[1].socket
            connection._reader.receiver = BrokenReceiver()
            send_at_once(clients, "here")
            assert [(await client.next_message())["data"] for client in (clients[0], clients[2])] == ["here", "here"]
            assert await clients[1].at_end()
            send_at_once([clients[0], clients[2]], "still here")
            assert (await clients[2].next_message())["data"] == "still here"

    with caplog.at_level(logging.ERROR):
        asyncio.run(main())
    (record,) = caplog.records
    assert record.getMessage() == "a connection is cut: what it sent cannot be processed"
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], LookupError)
