"""Commands over real sockets: all frames of a session in one turn of the loop are written in one write."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any

from msanic_core import Context, command, hookimpl
from msanic_core.session.session import Session
from msanic_core.testing import TestServer, serving
from tests.support.dispatch import BOUND, Client, frame


def commands() -> list[Any]:
    @command("write.echo", id=2001)
    def echo(ctx: Context, data: Any) -> Any:
        return data

    @command("write.soon")
    async def soon(ctx: Context, data: int) -> int:
        await asyncio.sleep(0)
        return data

    @command("write.push")
    async def push(ctx: Context, data: str) -> None:
        for user in data.split():
            await ctx.push(user, "write.pushed", ctx.user, durable=False)

    @command("write.large")
    async def large(ctx: Context, data: int) -> str:
        return "x" * data

    return [echo, soon, push, large]


class Tap:
    """What is written to a session's socket, write by write."""

    def __init__(self, session: Session) -> None:
        socket: Any = session.socket
        self._write: Callable[[bytes], None] = socket.write
        self.writes: list[bytes] = []
        socket.write = self.write

    def write(self, data: bytes) -> None:
        self.writes.append(data)
        self._write(data)


Test = Callable[[TestServer, Client, Tap, Client, Tap], Awaitable[None]]


def on_two_connections(test: Test, **ws: Any) -> None:
    async def run() -> None:
        plugin = SimpleNamespace(ws_command=hookimpl(commands))
        async with serving({"write": plugin}, {"ws": {"rate": 0, **ws}}) as server, asyncio.timeout(BOUND):
            parts: list[Any] = []
            for user in ("ada", "bob"):
                client = Client(await server.connect(user), "json")
                [session] = server.node.registry.of_user(user)
                parts += [client, Tap(session)]
            await test(server, *parts)
            await parts[0].connection.close()
            await parts[2].connection.close()

    asyncio.run(run())


def frames(*requests: dict[str, Any]) -> bytes:
    return b"".join(frame(json.dumps(request)) for request in requests)


def test_answers_to_what_came_in_one_read() -> None:
    async def test(server: TestServer, ada: Client, tap: Tap, bob: Client, other: Tap) -> None:
        for times in range(1, 4):
            ada.connection.transport.write(
                frames(
                    {"cmd": "write.echo", "data": 1},
                    {"cmd": 2001, "data": 2},
                    {"cmd": "write.echo", "data": "3", "req": [3]},
                    {"cmd": "no.such"},
                    {"cmd": None},
                    {"cmd": "write.soon", "data": "x"},
                    {"cmd": "sys.ping", "data": 7},
                )
            )
            replies = [await ada.next() for _ in range(7)]
            assert [reply["data"] for reply in replies] == [1, 2, "3", None, None, None, 7]
            assert [reply["code"] for reply in replies] == [0, 0, 0, 11, 12, 12, 0]
            assert len(tap.writes) == times
            assert not other.writes

    on_two_connections(test)


def test_pushes_and_the_answer_of_the_same_turn() -> None:
    async def test(server: TestServer, ada: Client, tap: Tap, bob: Client, other: Tap) -> None:
        ada.connection.transport.write(
            frames({"cmd": "write.push", "data": "ada bob bob ada"}, {"cmd": "write.push", "data": "bob"})
        )
        assert [(await ada.next())["cmd"] for _ in range(4)] == ["write.pushed"] * 2 + ["write.push"] * 2
        assert [(await bob.next())["data"] for _ in range(3)] == ["ada"] * 3
        assert (len(tap.writes), len(other.writes)) == (1, 1)

    on_two_connections(test)


def test_answers_of_a_later_turn_go_with_that_turn() -> None:
    async def test(server: TestServer, ada: Client, tap: Tap, bob: Client, other: Tap) -> None:
        ada.connection.transport.write(
            frames(
                {"cmd": "write.echo", "data": 1},
                {"cmd": "write.soon", "data": 2},
                {"cmd": "write.echo", "data": 3},
                {"cmd": "write.echo", "data": 4},
            )
        )
        assert [(await ada.next())["data"] for _ in range(4)] == [1, 2, 3, 4]
        # The two commands that waited are answered in the next turn, in one write.
        assert [write.count(b"write.") for write in tap.writes] in ([1, 1, 2], [1, 3])

    on_two_connections(test)


def test_more_than_the_outbox_holds_is_not_kept_for_the_end_of_the_turn() -> None:
    async def test(server: TestServer, ada: Client, tap: Tap, bob: Client, other: Tap) -> None:
        ada.connection.transport.write(
            frames(*[{"cmd": "write.large", "data": 30_000}] * 2, *[{"cmd": "write.echo", "data": 1}] * 2)
        )
        assert [len(str((await ada.next())["data"])) for _ in range(4)] == [30_000, 30_000, 1, 1]
        assert [write.count(b"write.") for write in tap.writes] == [2, 2]

    on_two_connections(test, outbox_bytes=50_000)


def test_answers_go_before_the_close_frame_of_a_client_that_ends() -> None:
    async def test(server: TestServer, ada: Client, tap: Tap, bob: Client, other: Tap) -> None:
        closing = b"\x88\x82" + bytes(4) + (1000).to_bytes(2)
        ada.connection.transport.write(
            frames({"cmd": "write.echo", "data": 1}, {"cmd": "write.echo", "data": 2}) + closing
        )
        assert [(await ada.next())["data"] for _ in range(2)] == [1, 2]
        await ada.connection.wait_closed()
        assert ada.connection.close_code == 1000
        assert [write[:1] for write in tap.writes] == [b"\x81", b"\x88"]

    on_two_connections(test)
