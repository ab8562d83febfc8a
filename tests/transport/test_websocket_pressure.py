"""WebSocket connections of clients that read too slowly, and the number of writes for the others."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from typing import TYPE_CHECKING

import pytest

from msanic_core import OfflineReason
from msanic_core.testing import serving
from tests.support.websockets import CLOSE, HELD, PING, PONG, TEXT, UNLIMITED, Ends, echoing, flood, opened

if TYPE_CHECKING:
    from tests.support.raw_clients import MakePlugin, Raw


@pytest.mark.parametrize("kind", ["pings", "small commands", "big commands"])
def test_a_client_that_floods_and_never_reads_is_held_back(raw: Raw, make_plugin: MakePlugin, kind: str) -> None:
    async def main() -> None:
        async with serving({"echo": echoing(make_plugin)}, UNLIMITED) as server, raw(server.port, 4096) as client:
            await opened(server, client)
            session = server.node.registry.all()[0]
            data = {
                "pings": client.frame(PING, b"x" * 125) * 500,
                "small commands": client.frame(TEXT, json.dumps({"cmd": "test.echo", "data": "x" * 40})) * 500,
                "big commands": client.frame(TEXT, json.dumps({"cmd": "test.echo", "data": "x" * 60_000})),
            }[kind]
            await flood(client, data, most=HELD)
            # The replies to one read may exceed the 64 KiB at which the transport pauses writing.
            assert session.socket.buffered() < 1 << 20
            assert not session.closed

    asyncio.run(main())


def test_a_client_that_takes_nothing_is_closed_as_slow(raw: Raw, ends: Ends, make_plugin: MakePlugin) -> None:
    async def main() -> None:
        plugins = {"ends": ends.plugin, "echo": echoing(make_plugin)}
        async with serving(plugins, {"ws": {"outbox_stall": 0.3}}) as server, raw(server.port, 4096) as client:
            await opened(server, client)
            command = client.frame(TEXT, json.dumps({"cmd": "test.echo", "data": "x" * 60_000}))
            await client.send(command * 200)
            assert await ends.next() is OfflineReason.SLOW
            while (frame := await client.next_frame())[0] != CLOSE:
                assert frame[0] == TEXT
            assert frame[1] == (4001).to_bytes(2, "big") + b"reads too slowly"

    asyncio.run(main())


def test_a_client_that_reads_again_in_time_gets_everything(raw: Raw, make_plugin: MakePlugin) -> None:
    async def main() -> None:
        async with serving({"echo": echoing(make_plugin)}, UNLIMITED) as server, raw(server.port, 4096) as client:
            await opened(server, client)
            count = 4000
            frames = b"".join(
                client.frame(TEXT, json.dumps({"cmd": "test.echo", "data": [n, "x" * 2000]})) for n in range(count)
            )
            sending = asyncio.create_task(client.send(frames))
            session = server.node.registry.all()[0]
            async with asyncio.timeout(10):
                while not session.outbox.blocked:
                    await asyncio.sleep(0)
            assert [(await client.next_message())["data"][0] for _ in range(count)] == list(range(count))
            await sending

    asyncio.run(main())


def test_a_full_queue_holds_the_client_back_and_loses_nothing(raw: Raw, make_plugin: MakePlugin) -> None:
    limits = {"ws": {"queue": 4, "rate": 0, "ping_interval": 0.05, "ping_timeout": 0.05}}

    async def main() -> None:
        echo = echoing(make_plugin)
        async with serving({"echo": echo}, limits) as server, raw(server.port, 4096) as client:
            await opened(server, client)
            session = server.node.registry.all()[0]
            frame = client.frame(TEXT, json.dumps({"cmd": "test.wait", "data": "x" * 10_000}))
            sent = await flood(client, frame, most=HELD)
            # Only the messages of the last read before the pause. Silence does not count while reading is paused.
            assert len(session.waiting) < 100
            assert not session.closed
            echo.go_on.set()
            for _ in range(sent // len(frame)):
                while (message := await client.next_frame())[0] == PING:
                    await client.send_frame(PONG, message[1])
                assert json.loads(message[1])["code"] == 0

    asyncio.run(main())


def segments(sock: socket.socket) -> int:
    """How many TCP segments with data have arrived (`tcpi_data_segs_in` of Linux)."""
    info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 160)
    return int(struct.unpack_from("I", info, 152)[0])


def test_commands_of_one_read_are_answered_in_one_write(raw: Raw, make_plugin: MakePlugin) -> None:
    async def main() -> None:
        async with serving({"echo": echoing(make_plugin)}) as server, raw(server.port) as client:
            await opened(server, client)
            before = segments(client.socket)
            commands = [client.frame(TEXT, json.dumps({"cmd": "test.echo", "data": number})) for number in range(16)]
            await client.send(b"".join(commands))
            assert [(await client.next_message())["data"] for _ in range(16)] == list(range(16))
            assert segments(client.socket) - before == 1
            await client.send(commands[0])
            await client.next_message()
            await client.send(commands[0])
            await client.next_message()
            assert segments(client.socket) - before == 3

    asyncio.run(main())


def test_pushes_of_one_turn_of_the_loop_leave_in_one_write(raw: Raw) -> None:
    async def main() -> None:
        async with serving({}) as server, raw(server.port) as client:
            await opened(server, client)
            before = segments(client.socket)
            for number in range(10):
                await server.server.push("ada", "test.news", number)
            assert [(await client.next_message())["data"] for _ in range(10)] == list(range(10))
            assert segments(client.socket) - before == 1

    asyncio.run(main())


def test_not_even_one_read_brings_more_commands_than_may_wait(raw: Raw, make_plugin: MakePlugin) -> None:
    """Many small commands fit into one read. Those beyond the queue stay undecoded and are processed later."""

    async def main() -> None:
        plugins = {"echo": echoing(make_plugin)}
        async with (
            serving(plugins, {"ws": {"rate": 0, "queue": 4}}) as server,
            raw(server.port) as client,
        ):
            await opened(server, client)
            session = server.node.registry.all()[0]
            count = 500
            commands = (json.dumps({"cmd": "test.wait", "data": number}) for number in range(count))
            await client.send(b"".join(client.frame(TEXT, each) for each in commands))
            async with asyncio.timeout(10):
                while not session.reading_paused:
                    await asyncio.sleep(0)
            assert len(session.waiting) == 4
            plugins["echo"].go_on.set()
            assert [(await client.next_message())["data"] for _ in range(count)] == list(range(count))

    asyncio.run(main())
