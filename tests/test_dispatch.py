"""Commands over real sockets: their order, their bounds, and every way in which one can go wrong."""

import asyncio
import json
import logging
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
"""Seconds that anything may take which is expected to happen."""

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
        @command("test.echo", id=2001)
        async def echo(ctx: Context, data: Any) -> Any:
            return data

        @command("test.plain", id=2002)
        def plain(ctx: Context) -> str:
            return ctx.user

        @command("test.point", id=2003)
        async def point(ctx: Context, data: Point) -> Point:
            return Point(data.y, data.x)

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

        @command("test.large")
        async def large(ctx: Context) -> str:
            return "x" * 20_000

        @command("test.large_concurrent", concurrent=True)
        async def large_concurrent(ctx: Context) -> str:
            return "x" * 20_000

        own = [echo, plain, point, turns, overlap, together, wait_at_gate, slow, refusal, large, large_concurrent]
        return [*own, *failing_commands()]

    def plugin(self) -> SimpleNamespace:
        def ws_command() -> list[Any]:
            return self.commands()

        def ws_offline(session: SessionInfo, reason: OfflineReason) -> None:
            self.lost.append(reason)

        return SimpleNamespace(ws_command=hookimpl(ws_command), ws_offline=hookimpl(ws_offline))


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
        raise CommandError(ReplyCode.FORBID)

    @command("fail.data", id=3009)
    async def answer_object(ctx: Context, data: bool) -> None:
        await delay(data)
        raise CommandError(123, "no luck", object())

    refusals = [answer, code_only, answer_object]
    return [raise_, raise_in_def, await_cancelled, cancel_itself, group, return_object, *refusals]


def on_server(test: Callable[[TestServer, Bench], Awaitable[None]], **ws: Any) -> None:
    async def run() -> None:
        bench = Bench()
        # In a run of 10,000 commands the rate is not what is looked at.
        async with serving({"test": bench.plugin()}, {"ws": {"rate": 0, **ws}}) as server:
            async with asyncio.timeout(BOUND):
                await test(server, bench)

    asyncio.run(run())


class Client:
    """A client that speaks one encoding."""

    def __init__(self, connection: ClientConnection, encoding: str) -> None:
        self.connection = connection
        self._packed = encoding == "msgpack"

    async def send(self, cmd: str | int, data: Any = None, req: Any = None) -> None:
        message = {"cmd": cmd, "data": data, "req": req}
        await self.connection.send(msgpack.packb(message) if self._packed else json.dumps(message))

    async def next(self) -> dict[str, Any]:
        received = await self.connection.recv()
        assert isinstance(received, bytes) is self._packed, "the answer has the form of the question"
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


both_encodings = pytest.mark.parametrize("encoding", ["json", "msgpack"])


# Answers


@both_encodings
def test_an_answer_has_the_form_of_its_question(encoding: str) -> None:
    async def test(server: TestServer, bench: Bench) -> None:
        async with client(server, encoding=encoding) as ada:
            cases: list[tuple[str | int, Any, Any]] = [
                ("test.echo", {"a": [1, None]}, {"a": [1, None]}),
                (2001, "ä", "ä"),
                ("test.plain", {"ignored": True}, "ada"),
                (2002, None, "ada"),
                ("test.point", {"x": 1, "y": 2}, {"x": 2, "y": 1}),
                (2003, {"x": 1}, {"x": 0, "y": 1}),
                ("test.turns", [7, 0], 7),
            ]
            for cmd, data, answer in cases:
                for req in (None, 1, "one", {"deep": [1]}):
                    reply = await ada.ask(cmd, data, req)
                    assert reply == {"cmd": cmd, "data": answer, "code": 0, "req": req, "hint": ""}

    on_server(test)


def test_both_encodings_on_one_connection() -> None:
    async def test(server: TestServer, bench: Bench) -> None:
        connection = await server.connect("ada")
        for encoding in ("json", "msgpack", "json"):
            assert (await Client(connection, encoding).ask("test.echo", encoding))["data"] == encoding
        await connection.close()

    on_server(test)


# Order


def test_commands_of_a_session_run_one_at_a_time_and_in_order() -> None:
    async def test(server: TestServer, bench: Bench) -> None:
        async with client(server) as ada:
            # Some wait long, some for a turn of the loop, some not at all.
            waits = [0.02, 0.0, -1, 0.001, 0.0, 0.01, -1, -1, 0.0, 0.005] * 3
            ada.connection.transport.write(
                b"".join(
                    frame(json.dumps({"cmd": "test.turns", "data": [number, wait], "req": number}))
                    for number, wait in enumerate(waits)
                )
            )
            replies = [(await ada.next())["req"] for _ in waits]
            assert replies == bench.begun == bench.ended == list(range(len(waits)))
            assert bench.most_running == 1

    on_server(test)


def test_concurrent_commands_overlap() -> None:
    async def test(server: TestServer, bench: Bench) -> None:
        async with client(server) as ada:
            for number in range(20):
                await ada.send("test.together", number, number)
            while len(bench.begun) < 20:
                await asyncio.sleep(0)
            bench.gate.set()
            assert sorted([(await ada.next())["req"] for _ in range(20)]) == list(range(20))

    on_server(test)


def test_a_concurrent_command_overtakes_one_that_waits() -> None:
    async def test(server: TestServer, bench: Bench) -> None:
        async with client(server) as ada:
            await ada.send("test.gate", "first", 1)
            await ada.send("test.echo", "second", 2)
            await ada.send("test.overlap", [3, 0.0], 3)
            await ada.send("sys.ping", "fourth", 4)
            assert {(await ada.next())["req"] for _ in range(2)} == {3, 4}
            bench.gate.set()
            assert [(await ada.next())["req"] for _ in range(2)] == [1, 2]

    on_server(test)


def test_concurrent_commands_are_bounded_too() -> None:
    async def test(server: TestServer, bench: Bench) -> None:
        async with client(server) as ada:
            commands = [{"cmd": "test.overlap", "data": [number, 0.001], "req": number} for number in range(100)]
            ada.connection.transport.write(b"".join(frame(json.dumps(each)) for each in commands))
            assert sorted([(await ada.next())["req"] for _ in range(100)]) == list(range(100))
            assert bench.most_running == 4
            assert bench.begun == list(range(100))

    on_server(test, queue=4)


def test_sessions_do_not_wait_for_each_other() -> None:
    async def test(server: TestServer, bench: Bench) -> None:
        async with client(server) as ada, client(server, "bob") as bob:
            await ada.send("test.gate", 1)
            for number in range(100):
                assert (await bob.ask("test.turns", [number, 0]))["data"] == number
            assert bench.ended == list(range(100))
            bench.gate.set()
            await ada.next()

    on_server(test)


# Bounds


def test_a_client_that_sends_too_fast_is_held_back_and_loses_nothing() -> None:
    count, size = 10_000, 500

    async def test(server: TestServer, bench: Bench) -> None:
        async with client(server) as ada:
            padding = "x" * size
            ada.connection.transport.write(
                b"".join(
                    frame(json.dumps({"cmd": "test.slow", "data": number, "req": padding})) for number in range(count)
                )
            )
            for number in range(count):
                assert (await ada.next())["data"] == number
            # One read can bring more than the queue holds; the rest stays with the kernel, and with the client.
            assert bench.most_waiting <= 64 + 256 * 1024 / size

    on_server(test)


def test_answers_wait_for_a_client_that_reads_as_fast_as_it_can() -> None:
    """Far more than an outbox holds, asked for in one write: no command begins while the answers have nowhere to go."""
    count = 600

    async def test(server: TestServer, bench: Bench) -> None:
        async with client(server) as ada:
            for cmd in ("test.large", "test.large_concurrent"):
                ada.connection.transport.write(
                    b"".join(frame(json.dumps({"cmd": cmd, "req": number})) for number in range(count))
                )
                assert [(await ada.next())["req"] for _ in range(count)] == list(range(count))

    on_server(test, outbox_bytes=50_000)


def test_a_held_back_client_holds_back_no_other() -> None:
    async def test(server: TestServer, bench: Bench) -> None:
        async with client(server) as ada, client(server, "bob") as bob:
            flood = [{"cmd": "test.gate", "data": number, "req": "x" * 1000} for number in range(1000)]
            ada.connection.transport.write(b"".join(frame(json.dumps(each)) for each in flood))
            [session] = server.node.registry.of_user("ada")
            while not session.held_back:
                await asyncio.sleep(0)
            assert (await bob.ask("test.echo", 1))["data"] == 1
            bench.gate.set()
            assert [(await ada.next())["data"] for _ in range(1000)] == list(range(1000))
            assert not session.held_back
            assert not session.waiting

    on_server(test, queue=2)


# Lost sessions


@both_encodings
def test_the_reply_to_a_lost_session_waits_in_the_inbox(encoding: str) -> None:
    async def test(server: TestServer, bench: Bench) -> None:
        async with client(server, encoding=encoding) as ada:
            await ada.send("test.gate", {"n": 1}, {"r": 2})
            await ada.send("test.gate", {"n": 2})
            while not bench.begun:
                await asyncio.sleep(0)
        while not bench.lost:
            await asyncio.sleep(0)
        bench.gate.set()
        async with client(server) as again:
            late = await again.next()
            assert late.pop("id")
            assert late == {"cmd": "test.gate", "data": {"n": 1}, "code": 0, "hint": "", "req": {"r": 2}}
            assert (await again.ask("test.echo", 1))["data"] == 1
        assert bench.begun == [{"n": 1}], "what had not begun does not begin"
        assert bench.ended == [{"n": 1}]

    on_server(test)


def test_the_reply_finds_the_connection_that_took_the_place() -> None:
    async def test(server: TestServer, bench: Bench) -> None:
        old = Client(await server.connect("ada"), "json")
        await old.send("test.gate", 1, "from the old one")
        while not bench.begun:
            await asyncio.sleep(0)
        async with client(server) as new:
            bench.gate.set()
            assert (await new.next())["req"] == "from the old one"
        await old.connection.close()
        assert bench.lost[0] == OfflineReason.REPLACED

    on_server(test)


def test_an_error_for_a_lost_session_waits_as_well() -> None:
    async def test(server: TestServer, bench: Bench) -> None:
        async with client(server) as ada:
            await ada.send("test.refusal", "no", 1)
            while not bench.begun:
                await asyncio.sleep(0)
        bench.gate.set()
        async with client(server) as again:
            late = await again.next()
            assert (late["code"], late["hint"], late["req"]) == (100, "no", 1)

    on_server(test)


# What goes wrong


GARBAGE: dict[str, str | bytes] = {
    "no JSON": "garbage",
    "nothing": "",
    "half of JSON": '{"cmd":"test.echo","data":',
    "an array": "[]",
    "no cmd": '{"data":1,"req":5}',
    "cmd null": '{"cmd":null}',
    "cmd a fraction": '{"cmd":1.5}',
    "deep JSON": '{"cmd":"test.echo","data":' + "[" * 20_000 + "]" * 20_000 + "}",
    "half a surrogate": '{"cmd":"\\ud800"}',
    "no msgpack": b"\xc1",
    "empty msgpack": b"",
    "msgpack that is cut off": b"\x82\xa3cmd",
    "msgpack extension": b"\x82\xa3cmd\xa9test.echo\xa4data\xd4\x01\x00",
    "msgpack with more than it has": b"\xdf\xff\xff\xff\xff",
    "JSON in a binary frame": b'{"cmd":"test.echo"}',
}


@pytest.mark.parametrize("message", GARBAGE.values(), ids=GARBAGE)
def test_what_is_no_request_is_answered_and_harms_nobody(message: str | bytes) -> None:
    async def test(server: TestServer, bench: Bench) -> None:
        encoding = "msgpack" if isinstance(message, bytes) else "json"
        async with client(server, encoding=encoding) as ada, client(server, "bob") as bob:
            await ada.connection.send(message)
            reply = await ada.next()
            if reply["cmd"] == "test.echo":
                assert reply["code"] == ReplyCode.ERR_ARG
            else:
                assert (reply["cmd"], reply["code"], reply["data"]) == (1002, ReplyCode.ERR_ARG, None)
            assert reply["hint"]
            assert (await ada.ask("test.echo", 1))["data"] == 1
            assert (await bob.ask("test.echo", 2))["data"] == 2

    on_server(test)


def test_a_request_without_a_usable_cmd_gets_its_req_back() -> None:
    async def test(server: TestServer, bench: Bench) -> None:
        for encoding in ("json", "msgpack"):
            async with client(server, encoding=encoding) as ada:
                reply = await ada.ask([], None, {"r": 1})  # type: ignore[arg-type]
                assert (reply["cmd"], reply["req"]) == (1002, {"r": 1})
                assert "message.cmd" in reply["hint"]

    on_server(test)


@both_encodings
def test_an_unknown_command(encoding: str) -> None:
    async def test(server: TestServer, bench: Bench) -> None:
        async with client(server, encoding=encoding) as ada, client(server, "bob") as bob:
            cases: list[tuple[str | int, str]] = [
                ("test.ecko", "unknown command 'test.ecko', did you mean 'test.echo'?"),
                ("quite.other", "unknown command 'quite.other'"),
                ("", "unknown command ''"),
                (9999, "unknown command 9999"),
                (-1, "unknown command -1"),
                ("new\nline", "unknown command 'new\\nline'"),
            ]
            for cmd, hint in cases:
                reply = await ada.ask(cmd, {"x": 1}, "r")
                assert reply == {"cmd": cmd, "data": None, "code": ReplyCode.FAIL, "req": "r", "hint": hint}
            long = await ada.ask("x" * 10_000)
            assert len(long["hint"]) < 200
            assert (await ada.ask("test.echo", 1))["data"] == 1
            assert (await bob.ask("test.echo", 2))["data"] == 2

    on_server(test)


@both_encodings
@pytest.mark.parametrize(
    ("data", "hint"),
    [
        ({"x": "1"}, "data.x: expected int, got str"),
        ({"y": 1}, "data: missing required field x"),
        (None, "data: expected object, got null"),
        ([1, 2], "data: expected object, got array"),
        ({"x": 1, "y": None}, "data.y: expected int, got null"),
    ],
)
def test_data_that_does_not_fit(encoding: str, data: Any, hint: str) -> None:
    async def test(server: TestServer, bench: Bench) -> None:
        async with client(server, encoding=encoding) as ada, client(server, "bob") as bob:
            for cmd in ("test.point", 2003):
                reply = await ada.ask(cmd, data, 1)
                assert reply == {"cmd": cmd, "data": None, "code": ReplyCode.ERR_ARG, "req": 1, "hint": reply["hint"]}
                assert reply["hint"].lower().replace("`", "") == hint
            assert (await ada.ask("test.echo", 1))["data"] == 1
            assert (await bob.ask("test.echo", 2))["data"] == 2

    on_server(test)


@both_encodings
@pytest.mark.parametrize("later", [False, True], ids=["at once", "later"])
@pytest.mark.parametrize("cmd", ["fail.raise", 3001, "fail.plain", "fail.cancelled", "fail.cancel", "fail.group"])
def test_a_handler_that_raises(encoding: str, cmd: str | int, later: bool, caplog: pytest.LogCaptureFixture) -> None:
    session_ids: list[str] = []

    async def test(server: TestServer, bench: Bench) -> None:
        async with client(server, encoding=encoding) as ada, client(server, "bob") as bob:
            [session] = server.node.registry.of_user("ada")
            session_ids.append(session.info.id)
            reply = await ada.ask(cmd, later, 5)
            assert reply == {"cmd": cmd, "data": None, "code": ReplyCode.FAIL, "req": 5, "hint": "the command failed"}
            for _ in range(3):
                assert (await ada.ask("test.turns", [1, 0]))["data"] == 1
                assert (await bob.ask("test.turns", [2, 0]))["data"] == 2
            assert not session.busy

    with caplog.at_level(logging.WARNING):
        on_server(test)
    [record] = caplog.records
    name = "fail.raise" if cmd == 3001 else cmd
    assert record.getMessage() == f"plugin test: {name} raised for session {session_ids[0]} of ada"
    assert record.exc_info, "with its traceback"


@both_encodings
@pytest.mark.parametrize("later", [False, True], ids=["at once", "later"])
@pytest.mark.parametrize("cmd", ["fail.object", 3006, "fail.data"])
def test_an_answer_that_cannot_be_encoded(
    encoding: str, cmd: str | int, later: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async def test(server: TestServer, bench: Bench) -> None:
        async with client(server, encoding=encoding) as ada:
            reply = await ada.ask(cmd, later, 5)
            hint = "the answer could not be encoded"
            assert reply == {"cmd": cmd, "data": None, "code": ReplyCode.FAIL, "req": 5, "hint": hint}
            assert (await ada.ask("test.echo", 1))["data"] == 1

    with caplog.at_level(logging.WARNING):
        on_server(test)
    [record] = caplog.records
    assert record.getMessage().startswith("plugin test: the answer to fail.")


@both_encodings
@pytest.mark.parametrize("later", [False, True], ids=["at once", "later"])
def test_a_handler_that_says_no(encoding: str, later: bool, caplog: pytest.LogCaptureFixture) -> None:
    async def test(server: TestServer, bench: Bench) -> None:
        async with client(server, encoding=encoding) as ada:
            for cmd in ("fail.answer", 3007):
                reply = await ada.ask(cmd, later, 5)
                assert reply == {"cmd": cmd, "data": {"left": 2}, "code": 123, "req": 5, "hint": "no luck"}
            reply = await ada.ask("fail.code", later)
            assert reply == {"cmd": "fail.code", "data": None, "code": 15, "req": None, "hint": "forbidden"}

    with caplog.at_level(logging.WARNING):
        on_server(test)
    assert not caplog.records


def test_pipelined_failures_do_not_stop_the_line() -> None:
    async def test(server: TestServer, bench: Bench) -> None:
        async with client(server) as ada:
            names = ["raise", "cancelled", "cancel", "group", "object", "answer", "plain"]
            commands: list[tuple[str, Any]] = [("test.turns", [0, 0.001])]
            commands += [(f"fail.{name}", later) for name in names for later in (True, False)]
            commands += [("test.point", None), ("no.such", None), ("test.echo", "end")]
            ada.connection.transport.write(
                b"".join(
                    frame(json.dumps({"cmd": cmd, "data": data, "req": number}))
                    for number, (cmd, data) in enumerate(commands * 3)
                )
            )
            answered = [(await ada.next())["req"] for _ in commands * 3]
            # Those that name no command are answered when they are read.
            in_line = [number for number in answered if commands[number % len(commands)][0] != "no.such"]
            assert in_line == sorted(in_line)
            assert sorted(answered) == list(range(3 * len(commands)))

    on_server(test)


def test_a_handler_that_ends_its_own_session() -> None:
    @command("kick.me")
    async def kick(ctx: Context) -> str:
        await ctx.server.kick(ctx.user)
        return "done"

    async def run() -> None:
        async with serving({"kick": SimpleNamespace(ws_command=hookimpl(lambda: [kick]))}) as server:
            connection = await server.connect("ada")
            await connection.send('{"cmd":"kick.me","req":1}')
            await connection.wait_closed()
            assert connection.close_code == 4504
            async with client(server) as again:
                assert (await again.next())["data"] == "done"

    asyncio.run(run())
