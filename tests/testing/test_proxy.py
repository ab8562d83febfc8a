"""Each way to break or slow a connection, with a real echo server behind the proxy."""

import asyncio
import socket
import struct
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest

from msanic_core.testing import Proxy, tcp_proxy

Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]
QUIET = 0.2
"""Seconds in which nothing must happen."""


class Echo:
    """An echo server. `ends`: how each of its connections ended, b"" or the error."""

    def __init__(self) -> None:
        self.received = 0
        self.ends: asyncio.Queue[object] = asyncio.Queue()
        self.reading = asyncio.Event()
        self.reading.set()
        self.connections = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while data := await reader.read(65536):
                self.received += len(data)
                await self.reading.wait()
                writer.write(data)
                await writer.drain()
            self.ends.put_nowait(b"")
        except OSError as error:
            self.ends.put_nowait(error)
        finally:
            writer.close()


@asynccontextmanager
async def echo_behind_proxy() -> AsyncIterator[tuple[Echo, Proxy]]:
    echo = Echo()
    server = await asyncio.start_server(echo.serve, "127.0.0.1", 0)
    try:
        async with tcp_proxy("127.0.0.1", server.sockets[0].getsockname()[1]) as proxy:
            yield echo, proxy
    finally:
        server.close()


@asynccontextmanager
async def connected(proxy: Proxy) -> AsyncIterator[Stream]:
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    try:
        yield reader, writer
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


async def ask(stream: Stream, question: bytes) -> bytes:
    stream[1].write(question)
    return await stream[0].readexactly(len(question))


def reset(stream: Stream) -> None:
    sock = stream[1].transport.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    stream[1].transport.abort()


def with_proxy(test: Callable[[Echo, Proxy], Awaitable[None]]) -> None:
    async def run() -> None:
        async with echo_behind_proxy() as (echo, proxy):
            await test(echo, proxy)

    asyncio.run(run())


async def assert_silent(stream: Stream) -> None:
    """Check that neither bytes nor an end arrive."""
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(stream[0].read(1), QUIET)


def test_what_is_sent_arrives_and_so_does_the_end() -> None:
    async def test(echo: Echo, proxy: Proxy) -> None:
        data = bytes(range(256)) * 4096
        async with connected(proxy) as (reader, writer):
            answer = asyncio.create_task(reader.readexactly(len(data)))
            writer.write(data)
            assert await answer == data
            assert proxy.connections == 1
            writer.write_eof()
            assert await reader.read() == b""
            assert await echo.ends.get() == b""

    with_proxy(test)


def test_cut_resets_both_sides_and_the_next_connection_works() -> None:
    async def test(echo: Echo, proxy: Proxy) -> None:
        async with connected(proxy) as stream, connected(proxy) as another:
            assert await ask(stream, b"one") == b"one"
            assert await ask(another, b"two") == b"two"
            await proxy.cut()
            assert proxy.connections == 0
            for each in (stream, another):
                with pytest.raises(ConnectionResetError):
                    await each[0].read(1)
                assert isinstance(await echo.ends.get(), ConnectionResetError)
        async with connected(proxy) as stream:
            assert await ask(stream, b"three") == b"three"

    with_proxy(test)


def test_a_reset_of_one_side_becomes_a_reset_of_the_other() -> None:
    async def test(echo: Echo, proxy: Proxy) -> None:
        async with connected(proxy) as stream:
            await ask(stream, b"one")
            reset(stream)
            assert isinstance(await echo.ends.get(), ConnectionResetError)

    with_proxy(test)


def test_a_black_hole_swallows_everything_and_closes_nothing() -> None:
    async def test(echo: Echo, proxy: Proxy) -> None:
        async with connected(proxy) as stream:
            await ask(stream, b"one")
            proxy.black_hole(True)
            received = echo.received
            for _ in range(64):
                stream[1].write(bytes(65536))
                await stream[1].drain()
            await assert_silent(stream)
            async with connected(proxy) as new:
                new[1].write(b"hello?")
                await assert_silent(new)
            assert (echo.received, echo.connections) == (received, 1)
            proxy.black_hole(False)
            stream[1].write(b"are you there?")
            await assert_silent(stream)
            assert (echo.received, echo.connections) == (received, 1)
            async with connected(proxy) as new:
                assert await ask(new, b"back") == b"back"
        assert echo.ends.qsize() <= 1, "only the new connection has ended: the other end of the old one knows nothing"

    with_proxy(test)


def test_the_server_does_not_learn_of_a_client_that_vanishes_in_a_black_hole() -> None:
    async def test(echo: Echo, proxy: Proxy) -> None:
        async with connected(proxy) as stream:
            await ask(stream, b"one")
            proxy.black_hole(True)
            reset(stream)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(echo.ends.get(), QUIET)
        assert proxy.connections == 1
        await proxy.cut()
        assert isinstance(await echo.ends.get(), ConnectionResetError)

    with_proxy(test)


def test_delay_holds_up_each_direction_and_lets_many_messages_be_under_way() -> None:
    async def test(echo: Echo, proxy: Proxy) -> None:
        async with connected(proxy) as (reader, writer):
            proxy.delay(0.1)
            began = time.monotonic()
            for number in range(15):
                writer.write(bytes([65 + number]))
                await asyncio.sleep(0.005)
            assert await reader.readexactly(15) == b"ABCDEFGHIJKLMNO"
            took = time.monotonic() - began
            assert took >= 0.2
            assert took < 15 * 0.1, "one after the other"
            proxy.delay(0)
            assert await ask((reader, writer), b"soon") == b"soon"

    with_proxy(test)


def test_throttle_lets_that_many_bytes_through_and_holds_the_sender_up() -> None:
    async def test(echo: Echo, proxy: Proxy) -> None:
        async with connected(proxy) as (reader, writer):
            proxy.throttle(20_000)
            began = time.monotonic()
            writer.write(bytes(10_000))
            await reader.readexactly(10_000)
            assert time.monotonic() - began >= 0.4
            proxy.throttle(1)
            # The sender's kernel may buffer megabytes of it; the proxy and the receiver hold little.
            writer.write(bytes(16 * 1024 * 1024))
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(writer.drain(), QUIET)
            assert echo.received < 11_000
            writer.transport.abort()

    with_proxy(test)


def test_a_receiver_that_does_not_read_holds_the_sender_up() -> None:
    async def test(echo: Echo, proxy: Proxy) -> None:
        async with connected(proxy) as (_, writer):
            echo.reading.clear()
            writer.write(bytes(64 * 1024 * 1024))
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(writer.drain(), QUIET)
            writer.transport.abort()
            echo.reading.set()

    with_proxy(test)


def test_refused_connections_and_the_open_one_that_goes_on() -> None:
    async def test(echo: Echo, proxy: Proxy) -> None:
        async with connected(proxy) as stream:
            await ask(stream, b"one")
            port = proxy.port
            await proxy.refuse(True)
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection("127.0.0.1", port)
            assert await ask(stream, b"two") == b"two"
            await proxy.refuse(False)
            assert proxy.port == port
            async with connected(proxy) as new:
                assert await ask(new, b"three") == b"three"

    with_proxy(test)


def test_a_target_that_refuses_resets_the_client() -> None:
    async def run() -> None:
        server = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        server.close()
        async with tcp_proxy("127.0.0.1", port) as proxy, connected(proxy) as (reader, _):
            with pytest.raises(ConnectionResetError):
                await reader.read(1)

    asyncio.run(run())


def test_nothing_listens_and_nothing_is_open_after_the_block() -> None:
    async def run() -> None:
        server = await asyncio.start_server(Echo().serve, "127.0.0.1", 0)
        async with tcp_proxy("127.0.0.1", server.sockets[0].getsockname()[1]) as proxy:
            stream = await asyncio.open_connection("127.0.0.1", proxy.port)
            assert await ask(stream, b"one") == b"one"
        with pytest.raises(ConnectionResetError):
            await stream[0].read(1)
        stream[1].close()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", proxy.port)
        assert proxy.connections == 0
        server.close()

    asyncio.run(run())
