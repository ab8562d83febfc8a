import contextlib
import datetime
import decimal
import enum
import re
import tracemalloc
import uuid
from dataclasses import dataclass
from typing import Any

import msgpack
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.uri import parse_uri

from msanic_core.wire import BINARY, DataError, EnvelopeError, MsgpackCodec, Push, Request, WireEncodeError
from msanic_core.wire.msgpack_codec import MAX_INTEGER_KEYS

unhurried = settings(deadline=None)
codec = MsgpackCodec()

integers = st.integers(-(2**63), 2**64 - 1)
scalars = st.none() | st.booleans() | integers | st.floats(allow_nan=False) | st.text() | st.binary()
keys = st.text(max_size=8) | integers | st.binary(max_size=8)
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=5) | st.dictionaries(keys, inner, max_size=5))
commands = st.text(max_size=20) | integers

HEAD = b"\x82\xa3cmd\x01\xa4data"
"""A request up to its `data`."""


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


def content(frame: bytes) -> Any:
    """What a client gets: an independent reader checks the frame, and another library reads the msgpack."""
    client = ClientProtocol(parse_uri("ws://server/"), state=State.OPEN, max_size=None)
    client.receive_data(frame)
    assert client.parser_exc is None
    [event] = client.events_received()
    assert isinstance(event, Frame)
    assert (event.opcode, event.fin) == (Opcode.BINARY, True)
    return msgspec.msgpack.decode(event.data)


def pack(value: Any) -> bytes:
    return msgspec.msgpack.encode(value)


def request_with(data: Any) -> Request:
    return codec.decode(pack({"cmd": 1, "data": data}))


def refusal(payload: str | bytes, by: MsgpackCodec = codec) -> str:
    with pytest.raises(EnvelopeError) as caught:
        by.decode(payload)
    return caught.value.hint


def test_name_and_opcode() -> None:
    assert (codec.name, codec.opcode) == ("msgpack", BINARY)


@unhurried
@given(cmd=commands, data=values, req=values)
def test_decode_reads_what_another_library_writes(cmd: str | int, data: Any, req: Any) -> None:
    decoded = codec.decode(pack({"cmd": cmd, "data": data, "req": req, 1: "ignored"}))
    assert decoded.cmd == cmd
    assert codec.data_decoder(Any)(decoded.data) == codec.plain(decoded.data) == data
    assert codec.plain(decoded.req) == req


@pytest.mark.parametrize(
    ("payload", "hint"),
    [
        (b"", "message: not valid msgpack: it is cut off"),
        (b"\x81\xa3cmd", "message: not valid msgpack: it is cut off"),
        (b"\xdd\xff\xff\xff\xff", "message: not valid msgpack: it is cut off"),
        (b"\xdf\xff\xff\xff\xff", "message: not valid msgpack: it is cut off"),
        (b"\xdb\xff\xff\xff\xff", "message: not valid msgpack: it is cut off"),
        (b"\xc1", "message: not valid msgpack"),
        (HEAD + b"\xc1", "message: not valid msgpack"),
        (HEAD + b"\x01\x01", "message: not valid msgpack: more follows after its end"),
        (HEAD + b"\xa1\xff", "message: a string is not UTF-8"),
        (b"\x81\xa1\xff\x01", "message: a string is not UTF-8"),
        (b"\x91" * 5000, "message: maps and arrays nested too deeply"),
        ("text", "message: msgpack belongs in a binary frame"),
    ],
)
def test_decode_refuses(payload: str | bytes, hint: str) -> None:
    assert refusal(payload) == hint


@pytest.mark.parametrize(
    "data",
    [
        msgpack.packb(msgpack.ExtType(5, b"abc")),
        msgpack.packb(msgpack.ExtType(5, b"")),
        msgpack.packb(msgpack.ExtType(5, bytes(70_000))),
        msgpack.packb(msgpack.Timestamp(1)),
        msgpack.packb(msgpack.Timestamp(1, 1)),
        msgpack.packb(msgpack.Timestamp(-1, 1)),
        b"\xd4\xff\x00",
        b"\xc7\x00\xff",
        b"\xc8\x00\x00\x05",
        b"\xc9\x00\x00\x00\x00\x05",
    ],
    ids=lambda data: bytes(data[:6]).hex(),
)
def test_extension_types_are_refused(data: bytes) -> None:
    expected = "message: extension types are not accepted, timestamps neither: send a string or a number"
    assert refusal(HEAD + data) == expected
    many = b"\xdc\x03\xe8" + b"\x90" * 999  # so that the message is decoded with care
    assert refusal(HEAD + many + data) == expected


@pytest.mark.parametrize("key", [b"\x90", b"\x91\x01", b"\x80", b"\xc0", b"\xc3", b"\xca\x00\x00\x00\x00"])
def test_keys_of_other_types_are_refused(key: bytes) -> None:
    assert refusal(HEAD + b"\x81" + key + b"\x01") == "message: keys of maps must be strings, integers or bytes"


def test_refused_request_can_be_answered() -> None:
    for message, req in (({"cmd": True, "req": [1]}, [1]), ({"req": "x", 1: 2}, "x"), ({"cmd": []}, None), ([], None)):
        with pytest.raises(EnvelopeError) as caught:
            codec.decode(pack(message))
        reply = content(codec.reply(1002, None, 12, caught.value.req, caught.value.hint))
        assert reply == {"cmd": 1002, "data": None, "code": 12, "req": req, "hint": caught.value.hint}


def test_text_full_of_bytes_that_could_be_headers() -> None:
    for text in ("你好今天过得怎么样" * 10, "ßÜ" * 30_000):
        assert request_with(text).data == text
        assert request_with({1: text}).data == {1: text}


@pytest.mark.parametrize("filler", [b"", b"\xc4\xff" + b"\x80" * 255], ids=["few", "many"])
def test_depth(filler: bytes) -> None:
    """The filler is one binary string, full of bytes that could be headers."""
    limited = MsgpackCodec(max_depth=10, max_containers=1000)
    too_deep = "message: maps and arrays nested too deeply: more than 10 levels"
    extra = b"\xa1f" + filler if filler else b"\xa1f\xc0"

    def nested(levels: int, opening: bytes) -> bytes:
        return b"\x83\xa3cmd\x01" + extra + b"\xa4data" + opening * (levels - 2) + b"\x90"

    for opening in (b"\x91", b"\x81\xa1k", b"\x81\x07", b"\xdc\x00\x01", b"\xdd\x00\x00\x00\x01"):
        assert isinstance(limited.decode(nested(10, opening)), Request)
        assert refusal(nested(11, opening), limited) == too_deep


def test_many_maps_side_by_side_are_not_deep() -> None:
    assert request_with([{"a": [1]}] * 1000).data == [{"a": [1]}] * 1000
    assert request_with({str(n): [{}] for n in range(1000)}).data == {str(n): [{}] for n in range(1000)}


@pytest.mark.parametrize("empty", [b"\x80", b"\x90", b"\xdc\x00\x00", b"\xde\x00\x00", b"\xdf\x00\x00\x00\x00"])
def test_number_of_maps_and_arrays(empty: bytes) -> None:
    limited = MsgpackCodec(max_containers=100)
    assert len(limited.decode(HEAD + b"\xdc\x00\x62" + empty * 98).data) == 98
    assert refusal(HEAD + b"\xdc\x00\x63" + empty * 99, limited) == "message: more than 100 maps and arrays"
    # With integer keys, which are looked at one by one.
    pairs = b"".join(bytes((n,)) + empty for n in range(99))
    assert len(limited.decode(HEAD + b"\xde\x00\x62" + pairs[: 98 * (1 + len(empty))]).data) == 98
    assert refusal(HEAD + b"\xde\x00\x63" + pairs, limited) == "message: more than 100 maps and arrays"


@pytest.mark.parametrize(
    ("payload", "got"),
    [
        (b"\xcb" + b"\x80" * 8, "float"),
        (b"\xcf" + b"\x80" * 8, "int"),
        (b"\xc4\xff" + b"\x80" * 255, "bytes"),
        (b"\xd9\xfc" + "\u0400".encode() * 126, "str"),
    ],
    ids=lambda value: str(value)[:8],
)
@pytest.mark.parametrize("limits", [(10_000, 4), (4, 4), (4, 10_000)], ids=str)
def test_a_single_value_full_of_bytes_that_could_be_headers(payload: bytes, got: str, limits: tuple[int, int]) -> None:
    by = MsgpackCodec(max_containers=limits[0], max_depth=limits[1])
    assert refusal(payload, by) == f"message: expected object, got {got}"


def test_number_of_integer_keys() -> None:
    most = dict.fromkeys(range(MAX_INTEGER_KEYS), 0)
    assert request_with(most).data == most
    strings = {str(n): 0 for n in range(5000)}
    assert request_with(strings).data == strings
    assert request_with([strings, {1: 1}]).data == [strings, {1: 1}]
    hint = f"message: a map with integer keys and more than {MAX_INTEGER_KEYS} entries"
    assert refusal(pack({"cmd": 1, "data": {**most, MAX_INTEGER_KEYS: 0}})) == hint
    assert refusal(pack({"cmd": 1, "data": {**most, "one": 0}})) == hint


def _peak_of_refusal(payload: bytes) -> int:
    tracemalloc.start()
    try:
        refusal(payload)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_empty_maps_do_not_become_memory() -> None:
    count = 1 << 20
    payload = HEAD + b"\xdd" + count.to_bytes(4, "big") + b"\x80" * count
    assert _peak_of_refusal(payload) < 16 * len(payload)  # 64 times without the limit
    payload = HEAD + b"\xdf" + (count // 2).to_bytes(4, "big") + b"\x01\x80" * (count // 2)
    assert _peak_of_refusal(payload) < 16 * len(payload)


def test_promised_elements_do_not_become_memory() -> None:
    for size in (4096, 1 << 20):
        opening = b"\xdd" + (size - 5 * 60).to_bytes(4, "big")
        payload = (opening * 60).ljust(size, b"\x00")
        assert _peak_of_refusal(payload) < 4 * size + (2 << 20)  # 480 times without the check


@unhurried
@given(st.binary(max_size=200))
def test_any_payload_is_a_request_or_refused(payload: bytes) -> None:
    _request_or_refused(payload)


@unhurried
@given(st.data())
def test_any_damaged_request_is_a_request_or_refused(data: st.DataObject) -> None:
    payload = bytearray(pack({"cmd": data.draw(commands), "data": data.draw(values), "req": 1}))
    for _ in range(data.draw(st.integers(0, 3))):
        payload[data.draw(st.integers(0, len(payload) - 1))] = data.draw(st.integers(0, 255))
    _request_or_refused(bytes(payload[: data.draw(st.integers(0, len(payload)))]) or bytes(payload))
    _request_or_refused(bytes(payload))


def _request_or_refused(payload: bytes) -> None:
    for by in (codec, MsgpackCodec(max_containers=4, max_depth=3)):
        try:
            decoded = by.decode(payload)
        except EnvelopeError as error:
            content(by.reply(1002, None, 12, error.req, error.hint))
        else:
            assert isinstance(decoded, Request)
            content(by.reply(decoded.cmd, decoded.data, 0, decoded.req, ""))


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
