import contextlib
import datetime
import decimal
import enum
import json
import re
import uuid
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.uri import parse_uri

from msanic_core.wire import TEXT, DataError, EnvelopeError, JsonCodec, Push, Request, WireEncodeError

unhurried = settings(deadline=None)
codec = JsonCodec()

keys = st.text(max_size=8)
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=5) | st.dictionaries(keys, inner, max_size=5))
commands = st.text(max_size=20) | st.integers(-(2**63), 2**63)


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


def payload_of(frame: bytes) -> bytes:
    """Decode a frame as a client does: an independent reader checks the frame, and that it is UTF-8."""
    client = ClientProtocol(parse_uri("ws://server/"), state=State.OPEN, max_size=None)
    client.receive_data(frame)
    assert client.parser_exc is None
    [event] = client.events_received()
    assert isinstance(event, Frame)
    assert (event.opcode, event.fin) == (Opcode.TEXT, True)
    return bytes(event.data)


def content(frame: bytes) -> Any:
    return json.loads(payload_of(frame).decode())


def request(text: str) -> Request:
    return codec.decode(text)


def test_name_and_opcode() -> None:
    assert (codec.name, codec.opcode) == ("json", TEXT)


@pytest.mark.parametrize("as_bytes", [False, True])
def test_decode(as_bytes: bool) -> None:
    text = '{"cmd": "chat.say", "data": {"room": "grün"}, "req": 7, "token": "ignored"}'
    decoded = codec.decode(text.encode() if as_bytes else text)
    assert decoded.cmd == "chat.say"
    assert codec.plain(decoded.data) == {"room": "grün"}
    assert codec.plain(decoded.req) == 7
    assert codec.plain(None) is None


@unhurried
@given(cmd=commands, data=values, req=values)
def test_decode_reads_what_another_library_writes(cmd: str | int, data: Any, req: Any) -> None:
    decoded = request(json.dumps({"cmd": cmd, "data": data, "req": req}))
    assert decoded.cmd == cmd
    assert codec.data_decoder(Any)(decoded.data) == data
    assert codec.plain(decoded.req) == req


@pytest.mark.parametrize(
    ("payload", "hint"),
    [
        ("", "message: not valid JSON: it is cut off"),
        ('{"cmd":1', "message: not valid JSON: it is cut off"),
        ('{"cmd":1}{', "message: not valid JSON: trailing characters (byte 10)"),
        ('{"cmd":1,"data":nan}', "message: not valid JSON: invalid character (byte 17)"),
        ('{"cmd":1,"data":' + "[" * 1_000_000, "message: nested too deeply"),
        (b'{"cmd":"\xff"}', "message: text is not UTF-8"),
        (b'{"cmd":1,"data":"\xff"}', "message: text is not UTF-8"),
        (b'{"cmd":1,"req":"\xff"}', "message: text is not UTF-8"),
        ('{"cmd":"\ud800"}', "message: text is not UTF-8"),
        ('{"cmd":' + "9" * 5000 + "}", "message.cmd: integer value out of range"),
    ],
)
def test_decode_refuses(payload: str | bytes, hint: str) -> None:
    with pytest.raises(EnvelopeError) as caught:
        codec.decode(payload)
    assert caught.value.hint == hint


def test_refused_request_can_be_answered() -> None:
    for text, req in (
        ('{"req": {"n": 1}, "cmd": true}', {"n": 1}),
        ('{"cmd": null, "req": "x"}', "x"),
        ('{"req": 5}', 5),
        ('{"cmd": []}', None),
        ("[]", None),
        ('{"req": 5', None),
    ):
        with pytest.raises(EnvelopeError) as caught:
            codec.decode(text)
        reply = content(codec.reply(1002, None, 12, caught.value.req, caught.value.hint))
        assert reply == {"cmd": 1002, "data": None, "code": 12, "req": req, "hint": caught.value.hint}


@unhurried
@given(payload=st.binary() | st.text(alphabet='{}[]":,cmdreqat\\u0123 \ud800'))
def test_any_payload_is_a_request_or_refused(payload: str | bytes) -> None:
    try:
        decoded = codec.decode(payload)
    except EnvelopeError:
        return
    assert isinstance(decoded, Request)


@pytest.mark.parametrize("type_", TYPES, ids=str)
def test_any_data_is_decoded_or_refused(type_: Any) -> None:
    decode = codec.data_decoder(type_)

    @unhurried
    @given(st.text(alphabet='{}[]":,-.eE\\u0123 roomtext+TZ') | values.map(json.dumps))
    def check(data: str) -> None:
        try:
            decoded = request(f'{{"cmd":1,"data":{data},"req":{data}}}')
        except EnvelopeError:
            return
        with contextlib.suppress(DataError):
            decode(decoded.data)
        codec.plain(decoded.req)
        payload_of(codec.reply(1, None, 0, decoded.req, ""))

    check()


def test_data_decoder() -> None:
    decode = codec.data_decoder(Say)
    assert decode(request('{"cmd":1,"data":{"room":"a","text":"b"}}').data) == Say("a", "b")
    with pytest.raises(DataError) as caught:
        decode(request('{"cmd":1,"data":{"room":"a","text":5}}').data)
    assert caught.value.hint == "data.text: expected str, got int"
    with pytest.raises(DataError, match=r"^data: expected object, got null$"):
        decode(request('{"cmd":1}').data)


def test_data_decoder_of_an_impossible_type() -> None:
    with pytest.raises(TypeError):
        codec.data_decoder(list[int] | set[int])


def test_data_that_is_a_string_of_json() -> None:
    decode = codec.data_decoder(Say)
    assert decode(request(json.dumps({"cmd": 1, "data": '{"room": "a"}'})).data) == Say("a")
    assert codec.data_decoder(int)(request('{"cmd":1,"data":"5"}').data) == 5
    for type_ in (str, Any, str | int):
        assert codec.data_decoder(type_)(request('{"cmd":1,"data":"5"}').data) == "5"
    for inside in ('{"room": 1}', "{", "", '"{}"', "null", "\\ud800"):
        with pytest.raises(DataError, match=r"^data: expected object, got str$"):
            decode(request(json.dumps({"cmd": 1, "data": inside})).data)


def test_data_nested_too_deeply() -> None:
    with pytest.raises(DataError, match=r"^data: nested too deeply$"):
        codec.data_decoder(Any)(msgspec.Raw(b"[" * 1_000_000 + b"]" * 1_000_000))


def test_req_comes_back_as_it_was_written() -> None:
    for written in ('{ "b" :1.0,"a":[ 1e2 ] }', "12345678901234567890123", "1e999", '"\\u00fc"', "null", '"ü"'):
        decoded = request(f'{{"req": {written} , "cmd": "a.b"}}')
        assert payload_of(codec.reply("a.b", 1, 0, decoded.req, "")) == (
            f'{{"cmd":"a.b","data":1,"code":0,"req":{written},"hint":""}}'.encode()
        )


def test_plain_of_what_python_cannot_hold() -> None:
    assert codec.plain(request('{"cmd":1,"req":1e999}').req) == "1e999"
    assert codec.plain(request('{"cmd":1,"req":[' + "9" * 5000 + "]}").req) == "[" + "9" * 5000 + "]"


@unhurried
@given(cmd=commands, data=values, code=st.integers(0, 9999), req=values, hint=st.text())
def test_reply_is_read_as_it_was_meant(cmd: str | int, data: Any, code: int, req: Any, hint: str) -> None:
    decoded = request(json.dumps({"cmd": cmd, "req": req}))
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


def test_the_lengths_at_which_the_header_changes() -> None:
    empty = len(codec.reply("a.b", "", 0, None, "")) - 2
    for size in (*range(124 - empty, 130 - empty), *range(65_530 - empty, 65_540 - empty)):
        assert content(codec.reply("a.b", "x" * size, 0, None, ""))["data"] == "x" * size
        assert content(codec.push(Push("a.b", "x" * size)))["data"] == "x" * size


class Color(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


@dataclass
class Point:
    x: int


def test_types_beyond_json() -> None:
    data = {
        "struct": Say("a", "b"),
        "dataclass": Point(1),
        "datetime": datetime.datetime(2025, 1, 2, 3, 4, 5, tzinfo=datetime.UTC),
        "uuid": uuid.UUID(int=1),
        "decimal": decimal.Decimal("1.50"),
        "bytes": b"abc",
        "enum": [Color.RED, Level.HIGH],
        "set": {1},
        "tuple": (1, 2),
        "nan": float("nan"),
    }
    reply = content(codec.reply("a.b", data, Level.HIGH, None, ""))
    assert reply["code"] == 3
    assert reply["data"] == {
        "struct": {"room": "a", "text": "b"},
        "dataclass": {"x": 1},
        "datetime": "2025-01-02T03:04:05Z",
        "uuid": "00000000-0000-0000-0000-000000000001",
        "decimal": "1.50",
        "bytes": "YWJj",
        "enum": ["red", 3],
        "set": [1],
        "tuple": [1, 2],
        "nan": None,
    }


def _loop() -> list[Any]:
    loop: list[Any] = []
    loop.append(loop)
    return loop


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (object(), "objects of type object"),
        ({"a": [lambda: 1]}, "objects of type function"),
        (_loop(), "contains itself"),
        ({(1, 2): 3}, "dicts with str-like"),
        ("\ud800", "half of a surrogate pair"),
        ({"\ud800": 1}, "half of a surrogate pair"),
    ],
    ids=["object", "function", "loop", "key", "surrogate", "surrogate-key"],
)
def test_what_cannot_be_encoded(data: Any, why: str) -> None:
    match = f"^message 'chat.say' cannot be encoded as JSON: .*{re.escape(why)}"
    with pytest.raises(WireEncodeError, match=match):
        codec.reply("chat.say", data, 0, None, "")
    with pytest.raises(WireEncodeError, match=match):
        codec.push(Push("chat.say", data))
    assert content(codec.reply("chat.say", 1, 0, None, ""))["data"] == 1
