"""Commands over real sockets: replies do not depend on whether envelope and data are decoded in one pass."""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any

import msgpack
import msgspec
import pytest
from websockets.asyncio.client import ClientConnection

from msanic_core import CommandError, Context, command, hookimpl
from msanic_core.session.session import Session
from msanic_core.testing import serving
from tests.support.dispatch import BOUND, Point, each_encoding

checked: list[int] = []


class Checked(msgspec.Struct):
    """Counts its instances: two for one message if the quick decoder was tried and failed."""

    n: int

    def __post_init__(self) -> None:
        checked.append(self.n)
        if self.n < 0:
            raise ValueError("n must not be negative")
        if self.n == 100:
            raise CommandError(100, "no hundreds")
        if self.n == 101:
            raise LookupError("a plugin's own")


class Limits(msgspec.Struct, rename="kebab"):
    at_most: int = 10
    name: str | None = None


def commands() -> list[Any]:
    @command("quick.checked", id=2001)
    def check(ctx: Context, data: Checked) -> int:
        return data.n

    @command("quick.point", id=2002)
    async def point(ctx: Context, data: Point) -> Point:
        await asyncio.sleep(0)
        return Point(data.y, data.x)

    @command("quick.list", id=2003)
    async def add(ctx: Context, data: list[int]) -> int:
        return sum(data)

    @command("quick.any", id=2004)
    def echo(ctx: Context, data: Any) -> Any:
        return data

    @command("quick.none", id=2005)
    def user(ctx: Context) -> str:
        return ctx.user

    @command("quick.limits", id=2006)
    def limits(ctx: Context, data: Limits | None) -> Limits | None:
        return data

    @command("quick.raw", id=2007)
    def raw(ctx: Context, data: msgspec.Raw) -> str:
        return bytes(data).decode()

    @command("quick.text", id=2008)
    async def text(ctx: Context, data: str) -> str:
        return data * 2

    return [check, point, add, echo, user, limits, raw, text]


Test = Callable[[ClientConnection, Session], Awaitable[None]]


def on_connection(test: Test) -> None:
    async def run() -> None:
        async with serving({"quick": SimpleNamespace(ws_command=hookimpl(commands))}, {"ws": {"rate": 0}}) as server:
            async with asyncio.timeout(BOUND):
                connection = await server.connect("ada")
                [session] = server.node.registry.of_user("ada")
                checked.clear()
                await test(connection, session)
                await connection.close()

    asyncio.run(run())


def encoded(message: Any, encoding: str) -> str | bytes:
    if encoding == "msgpack":
        return message if isinstance(message, bytes) else msgpack.packb(message)
    text = message if isinstance(message, str) else json.dumps(message)
    return text if encoding == "json" else text.encode()


async def ask(connection: ClientConnection, message: Any, encoding: str = "json") -> dict[str, Any]:
    await connection.send(encoded(message, encoding))
    answer = await connection.recv()
    assert isinstance(answer, bytes) is (encoding != "json")
    reply: dict[str, Any] = msgpack.unpackb(answer) if encoding == "msgpack" else json.loads(answer)
    return reply


MESSAGES: list[Any] = [
    *[
        {"cmd": cmd, "data": data, "req": req}
        for cmd, data in (
            ("quick.checked", {"n": 5}),
            ("quick.checked", {"n": -1}),
            ("quick.checked", {"n": "5"}),
            ("quick.checked", '{"n":5}'),
            ("quick.checked", None),
            ("quick.point", {"x": 1, "y": 2, "z": [{}]}),
            ("quick.point", {"y": 2}),
            ("quick.point", [1, 2]),
            ("quick.list", [1, 2]),
            ("quick.list", [1, "2"]),
            ("quick.any", {"a": [1, None, {"b": 1.5}]}),
            ("quick.any", '{"n":5}'),
            ("quick.none", {"ignored": True}),
            ("quick.limits", {"at-most": 3}),
            ("quick.limits", {"at_most": 3, "name": None}),
            ("quick.limits", None),
            ("quick.raw", {"a": [1, 2]}),
            ("quick.text", "5"),
            ("quick.text", "ä" * 200),
            ("sys.ping", {"at": 1}),
            ("sys.ack", {"id": 0}),
            ("sys.ack", {"id": -1}),
            ("sys.resume", {"id": 1}),
            ("quick.nothing", 1),
            ("", 1),
            ("\0", {"a": 1}),
            ("\0\0", None),
            (2001, {"n": 5}),
            (2001, {"n": -1}),
            (1001, 1),
            (9999, 1),
        )
        for req in (None, 7, "seven", True, 1.5, [1, {"a": None}], {"a": {"b": 1}})
    ],
    {"req": 7, "data": {"n": 5}, "cmd": "quick.checked"},
    {"data": {"n": 5}, "zz": [1], "cmd": "quick.checked"},
    {"cmd": "quick.any"},
    {"cmd": "quick.none"},
    {"cmd": "quick.limits"},
    {"cmd": "quick.checked"},
    {"cmd": "sys.ping"},
    {"cmd": None, "req": 7},
    {"data": {"n": 5}, "req": 7},
    {"cmd": ["quick.none"]},
    [],
    "",
    '{"cmd":"quick.checked","data":{"n":5}',
    '{"cmd":"quick.checked","data":{"n":5},"cmd":"quick.any","req": [ 1.0, 1e2 ]}',
    '{"cmd":"quick.checked","data":{"n":5},"cmd":2004}',
    '{"cmd":"quick.point","data":{"x":1},"data":{"x":2,"y":1},"req":"\\u00e4"}',
    '{"cmd":"quick\\u002etext","data":"\\ud800"}',
    '{"\\u0063md":"quick.text","data":"\\u00e4"}',
    '{"cmd":"quick.any","data":' + "[" * 50_000,
    '{"cmd":"quick.any","data":' + "[" * 5_000 + "]" * 5_000 + "}",
    b"\xc1",
    b"\x82\xa3cmd\xabquick.point\xa4data\x81\xa1x\xd4\x05\x00",
    b"\x82\xa3cmd\xaaquick.text\xa4data\xa1\xff",
    b"\x82\xa3cmd\xaaquick.text\xa4data\xc4\x01a",
    b"\x83\xa3cmd\xabquick.point\xa4data\x81\xa1x\x01\x01\x02",
    b"\x83\xa3cmd\xabquick.point\xa4data\x81\xa1x\x01\xa3cmd\xcd\x07\xd4",
    b"\x82\xa3cmd\xabquick.point\xa4data\xdd\xff\xff\xff\xff",
    b"\x82\xa3cmd\xabquick.point\xa4data\x81\xa1x\x01\x00",
]


@each_encoding
def test_the_same_answers_byte_for_byte(encoding: str) -> None:
    async def test(connection: ClientConnection, session: Session) -> None:
        codes = []
        for message in MESSAGES:
            if isinstance(message, str | bytes) and isinstance(message, bytes) is not (encoding == "msgpack"):
                continue
            payload = encoded(message, encoding)
            if encoding == "binary-json" and payload[:1] != b"{":
                continue  # taken for msgpack
            answers = []
            for quick in (True, False):
                session.quick = quick
                await connection.send(payload)
                answers.append(await connection.recv(decode=False))
            assert answers[0] == answers[1], message
            codes.append((msgpack.unpackb if encoding == "msgpack" else json.loads)(answers[0])["code"])
        assert {0, 11, 12} == set(codes)
        assert codes.count(0) > 100

    on_connection(test)


@each_encoding
def test_a_client_that_calls_by_number_is_spared_the_attempt_until_it_comes_back_to_names(encoding: str) -> None:
    async def test(connection: ClientConnection, session: Session) -> None:
        assert session.quick
        for _ in range(3):
            assert (await ask(connection, {"cmd": 2001, "data": {"n": 5}, "req": 1}, encoding))["data"] == 5
            assert not session.quick
        for _ in range(3):
            # The first is decoded in two steps; after it the quick decoder is tried again.
            assert (await ask(connection, {"cmd": "quick.checked", "data": {"n": 6}, "req": 1}, encoding))["data"] == 6
            assert session.quick
        assert checked == [5, 5, 5, 6, 6, 6]

    on_connection(test)


@each_encoding
def test_the_quick_way_is_what_a_client_that_calls_by_name_gets(encoding: str) -> None:
    async def test(connection: ClientConnection, session: Session) -> None:
        # The two ways differ for `data` that is given twice: the quick one checks both, the other only the last.
        twice: str | bytes = '{"cmd":"quick.checked","data":{"n":1},"data":{"n":2}}'
        if encoding == "msgpack":
            twice = b"\x83\xa3cmd\xadquick.checked\xa4data\x81\xa1n\x01\xa4data\x81\xa1n\x02"
        for cmd, expected in (("quick.checked", [1, 2]), (2001, [2]), ("quick.checked", [1, 2])):
            await ask(connection, {"cmd": cmd, "data": {"n": 0}}, encoding)
            for message in (twice, twice):
                checked.clear()
                assert (await ask(connection, message, encoding))["data"] == 2
                assert checked == expected
                expected = [1, 2]

    on_connection(test)


def test_an_attempt_in_vain_is_not_made_where_it_was_in_vain_before() -> None:
    async def test(connection: ClientConnection, session: Session) -> None:
        # With a list as `req`, which is checked after the data has been decoded.
        odd = {"cmd": "quick.checked", "data": {"n": 1}, "req": [1]}
        for before, times in (
            ({"cmd": "quick.checked", "data": {"n": 0}}, 2),
            ({"cmd": 2001, "data": {"n": 0}}, 1),
            ({"cmd": "quick.list", "data": [0]}, 1),
            ({"cmd": "no.such"}, 1),
        ):
            await ask(connection, before, "msgpack")
            checked.clear()
            assert (await ask(connection, odd, "msgpack"))["req"] == [1]
            assert checked == [1] * times

    on_connection(test)


@each_encoding
def test_what_is_refused_says_nothing_about_the_next_message(encoding: str) -> None:
    async def test(connection: ClientConnection, session: Session) -> None:
        refused: list[Any] = [{"data": 1}, {"cmd": None}, {"cmd": []}]
        for message in refused:
            for quick in (True, False):
                session.quick = quick
                assert (await ask(connection, message, encoding))["code"] == 12
                assert session.quick is quick

    on_connection(test)


def test_data_that_is_not_flat_in_msgpack() -> None:
    async def test(connection: ClientConnection, session: Session) -> None:
        for _ in range(2):
            assert (await ask(connection, {"cmd": "quick.list", "data": [1, 2]}, "msgpack"))["data"] == 3
            assert not session.quick
            assert (await ask(connection, {"cmd": "quick.list", "data": [1, "2"]}, "msgpack"))["code"] == 12
            assert (await ask(connection, {"cmd": "quick.point", "data": {"x": 1}}, "msgpack"))["data"] == {
                "x": 0,
                "y": 1,
            }
            assert session.quick
        assert (await ask(connection, {"cmd": "quick.list", "data": [1, 2]}))["data"] == 3
        assert session.quick, "in JSON it is"

    on_connection(test)


@each_encoding
def test_commands_without_data(encoding: str) -> None:
    async def test(connection: ClientConnection, session: Session) -> None:
        for _ in range(2):
            for message, data in (
                ({"cmd": "sys.ping"}, None),
                ({"cmd": "sys.ping", "data": {"at": 1}}, {"at": 1}),
                ({"cmd": 1001}, None),
                ({"cmd": "quick.none"}, "ada"),
                ({"cmd": "quick.none", "data": [{}]}, "ada"),
                ({"cmd": 2005}, "ada"),
            ):
                reply = await ask(connection, message, encoding)
                assert reply == {"cmd": message["cmd"], "data": data, "code": 0, "req": None, "hint": ""}

    on_connection(test)


def test_every_encoding_on_one_connection() -> None:
    async def test(connection: ClientConnection, session: Session) -> None:
        for encoding in ("json", "msgpack", "msgpack", "binary-json", "json", "json", "binary-json", "msgpack"):
            for cmd in ("quick.checked", 2001, "quick.checked"):
                message = {"cmd": cmd, "data": {"n": 3}, "req": encoding}
                reply = {"cmd": cmd, "data": 3, "code": 0, "req": encoding, "hint": ""}
                assert await ask(connection, message, encoding) == reply

    on_connection(test)


def test_a_command_that_waits_in_line_keeps_what_was_decoded() -> None:
    async def test(connection: ClientConnection, session: Session) -> None:
        for number in range(3):
            await connection.send(encoded({"cmd": "quick.point", "data": {"x": number}, "req": number}, "json"))
            await connection.send(encoded({"cmd": "quick.checked", "data": {"n": number}}, "json"))
            await connection.send(encoded({"cmd": "quick.checked", "data": {"n": "x"}}, "json"))
        replies = [json.loads(await connection.recv()) for _ in range(9)]
        assert [reply["data"] for reply in replies[::3]] == [{"x": 0, "y": number} for number in range(3)]
        assert [reply["data"] for reply in replies[1::3]] == [0, 1, 2]
        assert [reply["hint"] for reply in replies[2::3]] == ["data.n: expected int, got str"] * 3

    on_connection(test)


@each_encoding
@pytest.mark.parametrize(("n", "code", "hint"), [(100, 100, "no hundreds"), (101, 11, "the command failed")])
def test_a_check_that_raises(encoding: str, n: int, code: int, hint: str, caplog: pytest.LogCaptureFixture) -> None:
    async def test(connection: ClientConnection, session: Session) -> None:
        for cmd in (2001, "quick.checked", "quick.checked"):
            reply = await ask(connection, {"cmd": cmd, "data": {"n": n}, "req": 1}, encoding)
            assert reply == {"cmd": cmd, "data": None, "code": code, "req": 1, "hint": hint}

    with caplog.at_level(logging.CRITICAL):
        on_connection(test)


def test_data_that_is_wanted_raw_may_be_missing() -> None:
    async def test(connection: ClientConnection, session: Session) -> None:
        for cmd in (2007, "quick.raw", "quick.raw"):
            assert (await ask(connection, {"cmd": cmd}))["data"] == "null"

    on_connection(test)
