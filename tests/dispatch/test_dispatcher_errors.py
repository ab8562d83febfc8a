"""Commands over real sockets: every kind of error."""

import asyncio
import json
import logging
from types import SimpleNamespace
from typing import Any

import pytest

from msanic_core import Context, ReplyCode, command, hookimpl
from msanic_core.testing import TestServer, serving
from tests.support.dispatch import Bench, client, each_encoding, frame, on_server

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
    "JSON behind a space in a binary frame": b' {"cmd":"test.echo"}',
    "an array of JSON in a binary frame": b'[{"cmd":"test.echo"}]',
}


@pytest.mark.parametrize("message", GARBAGE.values(), ids=GARBAGE)
def test_what_is_no_request_is_answered_and_harms_nobody(message: str | bytes) -> None:
    async def test(server: TestServer, bench: Bench) -> None:
        encoding = "msgpack" if isinstance(message, bytes) else "json"
        async with client(server, encoding=encoding) as ada, client(server, "bob") as bob:
            await ada.connection.send(message)
            reply = await ada.next()
            if reply["cmd"] == "test.echo":
                assert reply["code"] == ReplyCode.INVALID
            else:
                assert (reply["cmd"], reply["code"], reply["data"]) == (1002, ReplyCode.INVALID, None)
            assert reply["hint"]
            assert (await ada.ask("test.echo", 1))["data"] == 1
            assert (await bob.ask("test.echo", 2))["data"] == 2

    on_server(test)


@pytest.mark.parametrize(
    ("message", "hint"),
    [
        (b"{", "message: not valid JSON: it is cut off"),
        (b'{"cmd":"test.echo"}}', "message: not valid JSON: trailing characters (byte 20)"),
        (b'{"data":1}', "message: missing required field cmd"),
        (b'{"cmd":"test.\xff"}', "message: text is not UTF-8"),
        (b'{"cmd":"test.echo","data":"\xed\xa0\x80"}', "message: text is not UTF-8"),
        (b'{"cmd":2001,"data":1,"req":"\xff"}', "message: text is not UTF-8"),
        (b'{"cmd":"test.plain","data":"\xff"}', "message: text is not UTF-8"),
        (b'{"cmd":"test.echo","data":1,"zz":"\xff"}', "message: text is not UTF-8"),
        (b'{"cmd":"test.echo","data":' + b"[" * 20_000, "message: nested too deeply"),
    ],
)
def test_json_in_a_binary_frame_that_is_none_is_answered_in_json(message: bytes, hint: str) -> None:
    """Also bytes that are not UTF-8: close code 1007 is only for text frames, where the protocol requires UTF-8."""

    async def test(server: TestServer, bench: Bench) -> None:
        async with client(server, encoding="binary-json") as ada:
            for _ in range(2):
                await ada.connection.send(message)
                assert await ada.next() == {"cmd": 1002, "data": None, "code": 12, "req": None, "hint": hint}
                assert (await ada.ask("test.echo", 1))["data"] == 1
            await ada.connection.send([b"", message[:1], message[1:]])
            assert (await ada.next())["hint"] == hint

    on_server(test)


BAD_INPUT = {
    **GARBAGE,
    "unknown command": '{"cmd":"test.nothing"}',
    "wrong type": '{"cmd":"test.point","data":{"x":"one","y":2}}',
    "missing field": '{"cmd":"test.point","data":{}}',
}


@pytest.mark.parametrize("message", BAD_INPUT.values(), ids=BAD_INPUT)
def test_bad_input_leaves_one_line_in_the_log(message: str | bytes, caplog: pytest.LogCaptureFixture) -> None:
    async def test(server: TestServer, bench: Bench) -> None:
        async with client(server, encoding="msgpack" if isinstance(message, bytes) else "json") as ada:
            await ada.connection.send(message)
            hint = (await ada.next())["hint"]
            [record] = [each for each in caplog.records if each.name == "msanic_core.commands"]
            assert "of ada: " in record.getMessage()
            assert hint in record.getMessage()

    with caplog.at_level(logging.INFO):
        on_server(test)


def test_a_request_without_a_usable_cmd_gets_its_req_back() -> None:
    async def test(server: TestServer, bench: Bench) -> None:
        for encoding in ("json", "binary-json", "msgpack"):
            async with client(server, encoding=encoding) as ada:
                reply = await ada.ask([], None, {"r": 1})  # type: ignore[arg-type]
                assert (reply["cmd"], reply["req"]) == (1002, {"r": 1})
                assert "message.cmd" in reply["hint"]

    on_server(test)


@each_encoding
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
                assert reply == {"cmd": cmd, "data": None, "code": ReplyCode.FAILED, "req": "r", "hint": hint}
            long = await ada.ask("x" * 10_000)
            assert len(long["hint"]) < 200
            assert (await ada.ask("test.echo", 1))["data"] == 1
            assert (await bob.ask("test.echo", 2))["data"] == 2

    on_server(test)


@each_encoding
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
                assert reply == {"cmd": cmd, "data": None, "code": ReplyCode.INVALID, "req": 1, "hint": reply["hint"]}
                assert reply["hint"].lower().replace("`", "") == hint
            assert (await ada.ask("test.echo", 1))["data"] == 1
            assert (await bob.ask("test.echo", 2))["data"] == 2

    on_server(test)


@each_encoding
@pytest.mark.parametrize("later", [False, True], ids=["at once", "later"])
@pytest.mark.parametrize("cmd", ["fail.raise", 3001, "fail.plain", "fail.cancelled", "fail.cancel", "fail.group"])
def test_a_handler_that_raises(encoding: str, cmd: str | int, later: bool, caplog: pytest.LogCaptureFixture) -> None:
    session_ids: list[str] = []

    async def test(server: TestServer, bench: Bench) -> None:
        async with client(server, encoding=encoding) as ada, client(server, "bob") as bob:
            [session] = server.node.registry.of_user("ada")
            session_ids.append(session.info.id)
            reply = await ada.ask(cmd, later, 5)
            assert reply == {"cmd": cmd, "data": None, "code": ReplyCode.FAILED, "req": 5, "hint": "the command failed"}
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


@each_encoding
@pytest.mark.parametrize("later", [False, True], ids=["at once", "later"])
@pytest.mark.parametrize("cmd", ["fail.object", 3006, "fail.data"])
def test_an_answer_that_cannot_be_encoded(
    encoding: str, cmd: str | int, later: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async def test(server: TestServer, bench: Bench) -> None:
        async with client(server, encoding=encoding) as ada:
            reply = await ada.ask(cmd, later, 5)
            hint = "the answer could not be encoded"
            assert reply == {"cmd": cmd, "data": None, "code": ReplyCode.FAILED, "req": 5, "hint": hint}
            assert (await ada.ask("test.echo", 1))["data"] == 1

    with caplog.at_level(logging.WARNING):
        on_server(test)
    [record] = caplog.records
    assert record.getMessage().startswith("plugin test: the answer to fail.")


@each_encoding
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
            # Messages without a command are answered when they are read.
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
