import enum
from typing import Annotated, Any, Literal

import msgspec
import pytest

from msanic_core.wire import Codec, JsonCodec, MsgpackCodec
from msanic_core.wire.envelope import (
    DECODE_ERRORS,
    DataError,
    EnvelopeError,
    Push,
    Request,
    WireEncodeError,
    decode_hint,
    encode_error,
    push_fields,
)


class Color(enum.Enum):
    RED = "red"


class Point(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    x: int
    color: Color = Color.RED
    size_of_it: Annotated[int, msgspec.Meta(ge=3)] = 3
    others: list["Point"] = []
    tags: dict[int, str] = {}

    def __post_init__(self) -> None:
        if self.x == 13:
            raise ValueError("Bad luck: `13` is taken")


@pytest.mark.parametrize(
    ("type_", "text", "hint"),
    [
        (Point, '{"x": "a"}', "data.x: expected int, got str"),
        (Point, "{}", "data: missing required field x"),
        (Point, '{"x": 1, "y": 2}', "data: unknown field y"),
        (Point, '{"x": 1, "others": [{"x": 1}, {}]}', "data.others[1]: missing required field x"),
        (Point, '{"x": 1, "others": [{"x": 1, "z": 1}]}', "data.others[0]: unknown field z"),
        (Point, '{"x": 1, "color": "blue"}', "data.color: invalid enum value 'blue'"),
        (Point, '{"x": 1, "sizeOfIt": 2}', "data.sizeOfIt: expected int >= 3"),
        (Point, '{"x": 1, "tags": {"a": "b"}}', "a key of data.tags: expected int, got str"),
        (Point, '{"x": 1, "tags": {"1": 2}}', "data.tags[...]: expected str, got int"),
        (Point, '{"x": 13}', "data: Bad luck: `13` is taken"),
        (Point, '{"x": 1, "others": [{"x": 13}]}', "data.others[0]: Bad luck: `13` is taken"),
        (Point, "null", "data: expected object, got null"),
        (int | None, '"a"', "data: expected int | null, got str"),
        (dict[int, int], '{"a": 1}', "a key of data: expected int, got str"),
        (Literal["a"], '"b"', "data: invalid enum value 'b'"),
        (float, "1e999", "data: number out of range"),
        (Any, "[1,]", "data: not valid JSON: trailing comma in array (byte 3)"),
        (Any, "[1", "data: not valid JSON: it is cut off"),
        (Any, "[" * 1_000_000, "data: nested too deeply"),
        (Any, b'"\xff"', "data: text is not UTF-8"),
    ],
)
def test_decode_hint(type_: Any, text: str | bytes, hint: str) -> None:
    with pytest.raises(DECODE_ERRORS) as caught:
        msgspec.json.decode(text, type=type_)
    assert decode_hint(caught.value, "data") == hint


def test_decode_hint_is_short_however_long_the_input() -> None:
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.json.decode(b'{"x": 1, "%b": 2}' % (b"y" * 10_000), type=Point)
    hint = decode_hint(caught.value, "data")
    assert hint.startswith("data: unknown field yyy")
    assert len(hint) == 300


def test_encode_error_says_which_message_and_why() -> None:
    assert str(encode_error(TypeError("no form for X"), "chat.say", "JSON")) == (
        "message 'chat.say' cannot be encoded as JSON: no form for X"
    )
    assert str(encode_error(KeyError(), 2001, "msgpack")) == "message 2001 cannot be encoded as msgpack: KeyError"
    assert isinstance(encode_error(TypeError(), 1, "JSON"), WireEncodeError)
    assert issubclass(WireEncodeError, ValueError)


def test_push_fields() -> None:
    assert push_fields(Push("a.b")) == {"cmd": "a.b", "data": None, "code": 0, "hint": ""}
    full = Push(2001, [1], 100, "why", {"n": 1}, 7, 3)
    assert push_fields(full) == {
        "cmd": 2001,
        "data": [1],
        "code": 100,
        "hint": "why",
        "id": 7,
        "lost": 3,
        "req": {"n": 1},
    }


def test_push_fields_leaves_out_only_what_is_not_there() -> None:
    assert "id" in push_fields(Push("a.b", id=0))
    assert "req" in push_fields(Push("a.b", req=0))
    assert "lost" not in push_fields(Push("a.b", id=1, lost=0))


def test_push_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        Push("a.b").cmd = "c.d"  # type: ignore[misc]


def test_errors_carry_their_hint() -> None:
    assert DataError("data.x: wrong").hint == str(DataError("data.x: wrong")) == "data.x: wrong"
    assert EnvelopeError("wrong").req is None
    assert (EnvelopeError("wrong", 7).hint, EnvelopeError("wrong", 7).req) == ("wrong", 7)


@pytest.mark.parametrize("codec", [JsonCodec(), MsgpackCodec()], ids=["json", "msgpack"])
def test_codecs_agree_on_what_a_request_is(codec: Codec) -> None:
    encode = msgspec.json.encode if codec.name == "json" else msgspec.msgpack.encode
    for message, hint in (
        ({"cmd": True}, "message.cmd: expected int | str, got bool"),
        ({"cmd": 1.5}, "message.cmd: expected int | str, got float"),
        ({"cmd": None}, "message.cmd: expected int | str, got null"),
        ({"cmd": ["a.b"]}, "message.cmd: expected int | str, got array"),
        ({"data": 1}, "message: missing required field cmd"),
        ([1, 2], "message: expected object, got array"),
        ("cmd", "message: expected object, got str"),
        (None, "message: expected object, got null"),
    ):
        with pytest.raises(EnvelopeError) as caught:
            codec.decode(encode(message))
        assert caught.value.hint == hint
    for cmd in ("a.b", "", 2001, -1, 0):
        request = codec.decode(encode({"cmd": cmd, "other": 1}))
        assert isinstance(request, Request)
        assert request.cmd == cmd
        assert codec.plain(request.data) is None
        assert codec.plain(request.req) is None
