"""The codec on msgpack: the data of requests as types, replies and pushes."""

import contextlib
import datetime
import decimal
import enum
import re
import uuid
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from msanic_core.wire import BINARY, DataError, Push, WireEncodeError
from tests.support.msgpack_messages import (
    codec,
    commands,
    content,
    pack,
    request_with,
    unhurried,
    values,
)


class Say(msgspec.Struct):
    room: str
    text: str = ""


TYPES: list[Any] = [
    Any,
    Say,
    list[Say],
    dict[int, float],
    int | None,
    datetime.datetime,
    decimal.Decimal,
    uuid.UUID,
    bytes,
    set[int],
]


def test_name_and_opcode() -> None:
    assert (codec.name, codec.opcode) == ("msgpack", BINARY)


@pytest.mark.parametrize("type_", TYPES, ids=str)
def test_any_data_is_decoded_or_refused(type_: Any) -> None:
    decode = codec.data_decoder(type_)

    @unhurried
    @given(values)
    def check(data: Any) -> None:
        with contextlib.suppress(DataError):
            decode(request_with(data).data)

    check()


def test_data_decoder() -> None:
    decode = codec.data_decoder(Say)
    assert decode(request_with({"room": "a", "text": "b"}).data) == Say("a", "b")
    for data, hint in (
        ({"room": "a", "text": 5}, "data.text: expected str, got int"),
        ({}, "data: missing required field room"),
        (None, "data: expected object, got null"),
    ):
        with pytest.raises(DataError) as caught:
            decode(request_with(data).data)
        assert caught.value.hint == hint


class Count(msgspec.Struct):
    n: int


def test_data_decoder_does_not_guess() -> None:
    for type_, data, hint in (
        (Count, {"n": "5"}, "data.n: expected int, got str"),
        (Count, {"n": 5.0}, "data.n: expected int, got float"),
        (int, "5", "data: expected int, got str"),
        (list[Count], [{"n": True}], "data[0].n: expected int, got bool"),
    ):
        with pytest.raises(DataError) as caught:
            codec.data_decoder(type_)(request_with(data).data)
        assert caught.value.hint == hint


def test_data_decoder_of_types_that_are_no_struct() -> None:
    decode = codec.data_decoder(list[Say] | None)
    assert decode(request_with([{"room": "a"}]).data) == [Say("a")]
    assert decode(codec.decode(pack({"cmd": 1})).data) is None
    with pytest.raises(DataError, match=r"^data\[1\]\.room: expected str, got int$"):
        decode(request_with([{"room": "a"}, {"room": 1}]).data)
    assert codec.data_decoder(bytes)(request_with(b"\xff").data) == b"\xff"
    assert codec.data_decoder(datetime.date)(request_with("2025-01-02").data) == datetime.date(2025, 1, 2)


def test_integer_keys_may_be_sent_as_strings() -> None:
    decode = codec.data_decoder(dict[int, str])
    assert decode(request_with({1: "a"}).data) == {1: "a"}
    assert decode(request_with({"1": "a"}).data) == {1: "a"}
    with pytest.raises(DataError, match=r"^a key of data: expected int, got str$"):
        decode(request_with({"x": "a"}).data)


def test_data_decoder_of_an_impossible_type() -> None:
    with pytest.raises(TypeError):
        codec.data_decoder(list[int] | set[int])


@unhurried
@given(cmd=commands, data=values, code=st.integers(0, 9999), req=values, hint=st.text())
def test_reply_is_read_as_it_was_meant(cmd: str | int, data: Any, code: int, req: Any, hint: str) -> None:
    decoded = codec.decode(pack({"cmd": cmd, "req": req}))
    reply = content(codec.reply(decoded.cmd, data, code, decoded.req, hint))
    assert reply == {"cmd": cmd, "data": data, "code": code, "req": req, "hint": hint}
    assert list(reply) == ["cmd", "data", "code", "req", "hint"]


@unhurried
@given(cmd=commands, data=values, code=st.integers(0, 9999), hint=st.text(), id_=st.none() | st.integers(0, 2**63))
def test_push_is_read_as_it_was_meant(cmd: str | int, data: Any, code: int, hint: str, id_: int | None) -> None:
    push = content(codec.push(Push(cmd, data, code, hint, id=id_)))
    expected = {"cmd": cmd, "data": data, "code": code, "hint": hint}
    assert push == (expected if id_ is None else {**expected, "id": id_})


def test_push_with_everything() -> None:
    push = Push("a.b", 1, 0, "", req={"n": 1}, id=5, lost=2)
    assert content(codec.push(push)) == {
        "cmd": "a.b",
        "data": 1,
        "code": 0,
        "hint": "",
        "id": 5,
        "lost": 2,
        "req": {"n": 1},
    }


class Color(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


@dataclass
class Point:
    x: bytes


def test_types_beyond_msgpack() -> None:
    data = {
        "struct": Say("a", "b"),
        "dataclass": Point(b"\xff"),
        "datetime": datetime.datetime(2025, 1, 2, 3, 4, 5, tzinfo=datetime.UTC),
        "uuid": uuid.UUID(int=1),
        "decimal": decimal.Decimal("1.50"),
        "bytes": [b"a", bytearray(b"b"), memoryview(b"c"), {b"d"}],
        "enum": [Color.RED, Level.HIGH],
        "set": {1},
        "tuple": (1, 2),
    }
    reply = content(codec.reply("a.b", data, Level.HIGH, None, ""))
    assert reply["code"] == 3
    assert reply["data"] == {
        "struct": {"room": "a", "text": "b"},
        "dataclass": {"x": b"\xff"},
        "datetime": "2025-01-02T03:04:05Z",
        "uuid": "00000000-0000-0000-0000-000000000001",
        "decimal": "1.50",
        "bytes": [b"a", b"b", b"c", [b"d"]],
        "enum": ["red", 3],
        "set": [1],
        "tuple": [1, 2],
    }


def _loop() -> list[Any]:
    loop: list[Any] = []
    loop.append(loop)
    return loop


class Node(msgspec.Struct):
    next: Any = None


def _struct_loop() -> Node:
    node = Node()
    node.next = node
    return node


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (object(), "objects of type object"),
        ({"a": [lambda: 1]}, "objects of type function"),
        (Node(object()), "objects of type object"),
        (_loop(), "contains itself"),
        (_struct_loop(), "contains itself"),
        (2**64, "Integer value out of range"),
        (-(2**63) - 1, "Integer value out of range"),
        ("\ud800", "half of a surrogate pair"),
    ],
    ids=["object", "function", "in-struct", "loop", "struct-loop", "big", "small", "surrogate"],
)
def test_what_cannot_be_encoded_leaves_the_codec_as_it_was(data: Any, why: str) -> None:
    match = f"^message 'chat.say' cannot be encoded as msgpack: .*{re.escape(why)}"
    with pytest.raises(WireEncodeError, match=match):
        codec.reply("chat.say", data, 0, None, "")
    with pytest.raises(WireEncodeError, match=match):
        codec.push(Push("chat.say", data))
    assert content(codec.reply("a.b", 1, 0, None, "")) == {"cmd": "a.b", "data": 1, "code": 0, "req": None, "hint": ""}
