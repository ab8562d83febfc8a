"""WebSocket connections of clients that answer too late, vanish, break the protocol, or behave well."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from websockets.exceptions import ConnectionClosed

from msanic_core import Context, Identity, OfflineReason, command
from msanic_core.testing import serving
from tests.support.websockets import CLOSE, HELD, PING, PONG, TEXT, Ends, echoing, flood, opened

if TYPE_CHECKING:
    from tests.support.raw_clients import MakePlugin, Raw


def test_a_client_that_never_answers_the_close_frame_is_cut(raw: Raw, ends: Ends) -> None:
    async def main() -> None:
        async with serving({"ends": ends.plugin}, {"ws": {"close_timeout": 0.1}}) as server, raw(server.port) as client:
            await opened(server, client)
            assert await server.server.kick("ada") == 1
            assert await client.close_frame() == (4504, "kicked")
            assert await client.at_end()
            assert await ends.next() is OfflineReason.KICKED

    asyncio.run(main())


def test_a_client_that_does_not_even_read_is_cut(raw: Raw, ends: Ends, make_plugin: MakePlugin) -> None:
    """The close frame waits behind data that the client does not read."""

    async def main() -> None:
        server_ = serving(
            {"ends": ends.plugin, "echo": echoing(make_plugin)}, {"ws": {"rate": 0, "close_timeout": 0.1}}
        )
        async with server_ as server, raw(server.port, 4096) as client:
            await opened(server, client)
            connection = server.node.registry.all()[0].socket
            await flood(client, client.frame(TEXT, json.dumps({"cmd": "test.echo", "data": "x" * 60_000})), most=HELD)
            await server.server.kick("ada")
            async with asyncio.timeout(10):
                while connection.buffered():
                    await asyncio.sleep(0.01)

    asyncio.run(main())


def test_only_the_first_close_counts(raw: Raw) -> None:
    async def main() -> None:
        async with serving({}) as server, raw(server.port) as client:
            await opened(server, client)
            connection = server.node.registry.all()[0].socket
            connection.close(4000, "ä" * 100)
            connection.close(1000, "")
            connection.write(b"late")
            connection.ping()
            # A reason has at most 123 bytes, and ends with a whole character.
            assert await client.close_frame() == (4000, "ä" * 61)
            await client.send_frame(CLOSE, (4000).to_bytes(2, "big"))
            assert await client.at_end()
            connection.close(1000, "")
            connection.write(b"late")
            connection.ping()
            connection.pause_reading()
            connection.resume_reading()

    asyncio.run(main())


@pytest.mark.parametrize("code", [1000, 1001, 3000, 4321])
def test_a_close_of_the_client_is_answered_with_its_code(ends: Ends, code: int) -> None:
    async def main() -> None:
        async with serving({"ends": ends.plugin}) as server:
            ws = await server.connect("ada")
            await ws.close(code, "bye")
            assert ws.protocol.close_rcvd is not None
            assert ws.protocol.close_rcvd.code == code
            assert await ends.next() is OfflineReason.CLOSED

    asyncio.run(main())


@pytest.mark.parametrize("way", ["reset", "end of stream", "half a frame, then end of stream"])
def test_a_connection_that_ends_without_a_close_frame(raw: Raw, ends: Ends, way: str) -> None:
    async def main() -> None:
        async with serving({"ends": ends.plugin}) as server, raw(server.port) as client:
            await opened(server, client)
            if way == "reset":
                client.reset()
            else:
                await client.send(client.frame(TEXT, "abc")[:-1] if way.startswith("half") else b"")
                client.half_close()
                assert await client.at_end()
            assert await ends.next() is OfflineReason.LOST
            assert not server.node.registry.all()

    asyncio.run(main())


def test_a_connection_that_ends_before_the_session_begins_is_no_session(
    raw: Raw, ends: Ends, make_plugin: MakePlugin
) -> None:
    async def main() -> None:
        logging_in, cancelled = asyncio.Event(), asyncio.Event()

        async def authenticate() -> Identity:
            logging_in.set()
            try:
                await asyncio.Event().wait()
            finally:
                cancelled.set()
            raise AssertionError

        plugins = {"ends": ends.plugin, "login": make_plugin(authenticate=authenticate)}
        async with serving(plugins, {"auth": {"mode": "plugin"}}) as server, raw(server.port) as client:
            await client.send(client.handshake())
            await logging_in.wait()
            client.reset()
            async with asyncio.timeout(10):
                await cancelled.wait()
        assert ends.none_yet()

    asyncio.run(main())


def test_a_client_that_vanished_is_found_by_a_ping(raw: Raw, ends: Ends) -> None:
    async def main() -> None:
        limits = {"ws": {"ping_interval": 0.1, "ping_timeout": 0.1}}
        async with serving({"ends": ends.plugin}, limits) as server, raw(server.port) as client:
            await opened(server, client)
            for _ in range(2):
                assert await client.next_frame() == (PING, b"")
                await client.send_frame(PONG)
            assert ends.none_yet()
            assert await client.next_frame() == (PING, b"")
            assert await client.close_frame() == (4002, "no answer to pings")
            assert await ends.next() is OfflineReason.HEARTBEAT

    asyncio.run(main())


@pytest.mark.parametrize(
    ("violation", "code"),
    [
        (b"\x81\x81\0\0\0\0\xff", 1007),
        (b"\x83\x80\0\0\0\0", 1002),
        (b"\xc1\x80\0\0\0\0", 1002),
        (b"\x80\x80\0\0\0\0", 1002),
        (b"\x82\xff" + (1 << 40).to_bytes(8, "big"), 1009),
    ],
    ids=["UTF-8", "opcode", "reserved bit", "continuation", "size"],
)
def test_a_violation_ends_the_session_with_its_reason(raw: Raw, ends: Ends, violation: bytes, code: int) -> None:
    async def main() -> None:
        async with serving({"ends": ends.plugin}) as server, raw(server.port) as client:
            await opened(server, client)
            await client.send(violation)
            assert (await client.close_frame())[0] == code
            assert await ends.next() is OfflineReason.PROTOCOL

    asyncio.run(main())


def test_nothing_is_pushed_after_the_close_frame_of_a_violation(raw: Raw, make_plugin: MakePlugin) -> None:
    async def main() -> None:
        async with serving({"echo": echoing(make_plugin)}) as server, raw(server.port) as client:
            await opened(server, client)
            echo = client.frame(TEXT, '{"cmd": "test.echo"}')
            await client.send(echo + echo + b"\x83\x80\0\0\0\0")
            # Before the client has answered the close frame.
            await asyncio.sleep(0)
            await server.server.push("ada", "test.news", durable=False)
            while (frame := await client.next_frame())[0] == TEXT:
                pass
            assert frame == (CLOSE, frame[1])
            assert await client.at_end()

    asyncio.run(main())


@pytest.mark.parametrize(
    "refused", [b"\x88\x82\0\0\0\0\x03\xe7", b"\x88\x81\0\0\0\0\x03"], ids=["close code", "half a close code"]
)
def test_nothing_is_worked_on_after_the_close_frame_of_a_violation(
    raw: Raw, make_plugin: MakePlugin, refused: bytes
) -> None:
    worked_on = []

    @command("test.work")
    def work(ctx: Context, data: Any) -> None:
        worked_on.append(data)

    async def main() -> None:
        async with serving({"test": make_plugin(ws_command=lambda: [work])}) as server, raw(server.port) as client:
            await opened(server, client)
            await client.send(refused)
            assert (await client.close_frame())[0] == 1002
            # The server reads on, so that no reset destroys the close frame.
            await client.send_frame(TEXT, '{"cmd": "test.work"}')
            assert await client.at_end()

    asyncio.run(main())
    assert worked_on == []


def test_too_many_requests(ends: Ends) -> None:
    async def main() -> None:
        async with serving({"ends": ends.plugin}, {"ws": {"rate": 1, "burst": 20}}) as server:
            ws = await server.connect("ada")
            for _ in range(30):
                await ws.ping()
            with pytest.raises(ConnectionClosed):
                await ws.recv()
            assert (ws.close_code, ws.close_reason) == (4003, "too many requests")
            assert await ends.next() is OfflineReason.RATE

    asyncio.run(main())
