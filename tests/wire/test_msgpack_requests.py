"""Requests in msgpack, and invalid payloads."""

from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from msanic_core.wire import EnvelopeError, MsgpackCodec, Request
from tests.support.msgpack_messages import (
    HEAD,
    codec,
    commands,
    content,
    pack,
    refusal,
    request_with,
    unhurried,
    values,
)


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
    many = b"\xdc\x03\xe8" + b"\x90" * 999  # so that the exact checks run
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
