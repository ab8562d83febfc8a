"""A server with commands of all kinds, and clients that send them."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import msgpack
import msgspec
import pytest
from websockets.asyncio.client import ClientConnection

from msanic_core import CommandError, Context, OfflineReason, ReplyCode, SessionInfo, command, hookimpl
from msanic_core.testing import TestServer, serving

BOUND = 30.0
"""The limit in seconds for everything that a test waits for."""

SECRET = "nobody must see this"


class Point(msgspec.Struct):
    x: int
    y: int = 0


class Bench:
    """A plugin with commands of all kinds, and what they have seen."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.begun: list[Any] = []
        self.ended: list[Any] = []
        self.running = 0
        self.most_running = 0
        self.most_waiting = 0
        self.lost: list[OfflineReason] = []

    async def _wait(self, number: Any, seconds: float) -> None:
        self.begun.append(number)
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        await asyncio.sleep(seconds)
        self.running -= 1
        self.ended.append(number)

    def commands(self) -> list[Any]:
        return [*answering_commands(), *self._waiting_commands(), *failing_commands()]

    def _waiting_commands(self) -> list[Any]:
        @command("test.turns")
        async def turns(ctx: Context, data: tuple[int, float]) -> int:
            number, seconds = data
            if seconds < 0:
                self.begun.append(number)
                self.ended.append(number)
            else:
                await self._wait(number, seconds)
            return number

        @command("test.overlap", concurrent=True)
        async def overlap(ctx: Context, data: tuple[int, float]) -> int:
            await self._wait(*data)
            return data[0]

        @command("test.together", concurrent=True)
        async def together(ctx: Context, data: int) -> int:
            self.begun.append(data)
            await self.gate.wait()
            return data

        @command("test.gate")
        async def wait_at_gate(ctx: Context, data: Any) -> Any:
            self.begun.append(data)
            await self.gate.wait()
            self.ended.append(data)
            return data

        @command("test.slow")
        async def slow(ctx: Context, data: int) -> int:
            session = ctx._session
            self.most_waiting = max(self.most_waiting, len(session.waiting))
            await asyncio.sleep(0)
            return data

        @command("test.refusal")
        async def refusal(ctx: Context, data: str) -> None:
            self.begun.append(data)
            await self.gate.wait()
            raise CommandError(100, data)

        return [turns, overlap, together, wait_at_gate, slow, refusal]

    def plugin(self) -> SimpleNamespace:
        def ws_command() -> list[Any]:
            return self.commands()

        def ws_offline(session: SessionInfo, reason: OfflineReason) -> None:
            self.lost.append(reason)

        return SimpleNamespace(ws_command=hookimpl(ws_command), ws_offline=hookimpl(ws_offline))


def answering_commands() -> list[Any]:
    """Each answers at once."""

    @command("test.echo", id=2001)
    async def echo(ctx: Context, data: Any) -> Any:
        return data

    @command("test.plain", id=2002)
    def plain(ctx: Context) -> str:
        return ctx.user

    @command("test.point", id=2003)
    async def point(ctx: Context, data: Point) -> Point:
        return Point(data.y, data.x)

    @command("test.large")
    async def large(ctx: Context) -> str:
        return "x" * 20_000

    @command("test.large_concurrent", concurrent=True)
    async def large_concurrent(ctx: Context) -> str:
        return "x" * 20_000

    return [echo, plain, point, large, large_concurrent]


def failing_commands() -> list[Any]:
    """Each fails in its own way, at once or after a wait as `data` says."""

    async def delay(later: bool) -> None:
        if later:
            await asyncio.sleep(0)

    @command("fail.raise", id=3001)
    async def raise_(ctx: Context, data: bool) -> None:
        await delay(data)
        raise LookupError(SECRET)

    @command("fail.plain", id=3002)
    def raise_in_def(ctx: Context, data: bool) -> None:
        raise LookupError(SECRET)

    @command("fail.cancelled", id=3003)
    async def await_cancelled(ctx: Context, data: bool) -> None:
        await delay(data)
        future = asyncio.get_running_loop().create_future()
        future.cancel(SECRET)
        await future

    @command("fail.cancel", id=3004)
    async def cancel_itself(ctx: Context, data: bool) -> None:
        await delay(data)
        task = asyncio.current_task()
        assert task is not None
        task.cancel(SECRET)
        await asyncio.sleep(60)

    @command("fail.group", id=3005)
    async def group(ctx: Context, data: bool) -> None:
        await delay(data)
        raise BaseExceptionGroup(SECRET, [LookupError(SECRET), asyncio.CancelledError()])

    @command("fail.object", id=3006)
    async def return_object(ctx: Context, data: bool) -> object:
        await delay(data)
        return {"secret": object()}

    @command("fail.answer", id=3007)
    async def answer(ctx: Context, data: bool) -> None:
        await delay(data)
        raise CommandError(123, "no luck", {"left": 2})

    @command("fail.code", id=3008)
    async def code_only(ctx: Context, data: bool) -> None:
        await delay(data)
        raise CommandError(ReplyCode.FORBIDDEN)

    @command("fail.data", id=3009)
    async def answer_object(ctx: Context, data: bool) -> None:
        await delay(data)
        raise CommandError(123, "no luck", object())

    refusals = [answer, code_only, answer_object]
    return [raise_, raise_in_def, await_cancelled, cancel_itself, group, return_object, *refusals]


def on_server(test: Callable[[TestServer, Bench], Awaitable[None]], **ws: Any) -> None:
    async def run() -> None:
        bench = Bench()
        # Tests of 10,000 commands do not test the rate limit.
        async with serving({"test": bench.plugin()}, {"ws": {"rate": 0, **ws}}) as server:
            async with asyncio.timeout(BOUND):
                await test(server, bench)

    asyncio.run(run())


class Client:
    """A client that speaks one encoding, in one kind of frames."""

    def __init__(self, connection: ClientConnection, encoding: str) -> None:
        self.connection = connection
        self._packed = encoding == "msgpack"
        self._binary = encoding != "json"

    async def send(self, cmd: str | int, data: Any = None, req: Any = None) -> None:
        message = {"cmd": cmd, "data": data, "req": req}
        payload = msgpack.packb(message) if self._packed else json.dumps(message).encode()
        await self.connection.send(payload, text=not self._binary)

    async def next(self) -> dict[str, Any]:
        received = await self.connection.recv()
        assert isinstance(received, bytes) is self._binary, "the answer has the form of the question"
        message: dict[str, Any] = msgpack.unpackb(received) if self._packed else json.loads(received)
        return message

    async def ask(self, cmd: str | int, data: Any = None, req: Any = None) -> dict[str, Any]:
        await self.send(cmd, data, req)
        return await self.next()


@asynccontextmanager
async def client(server: TestServer, user: str = "ada", encoding: str = "json") -> AsyncIterator[Client]:
    connection = await server.connect(user)
    try:
        yield Client(connection, encoding)
    finally:
        await connection.close()


def frame(text: str) -> bytes:
    """A text frame of up to 65,535 bytes as a client sends it, with the mask 0."""
    size = len(text)
    length = bytes([0x80 | size]) if size < 126 else b"\xfe" + size.to_bytes(2)
    return b"\x81" + length + bytes(4) + text.encode()


each_encoding = pytest.mark.parametrize("encoding", ["json", "binary-json", "msgpack"])
