"""JSON in binary frames works as in text frames, except that its bytes have not been checked before."""

import contextlib
import itertools
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.uri import parse_uri

from msanic_core.wire import BINARY, EnvelopeError, Push, Request, WireEncodeError
from tests.support.typed_kinds import KINDS
from tests.support.typed_messages import QUICK, Fields, codecs, messages, payload_of, seen, seen_quickly

many = settings(max_examples=300, deadline=None)
text, binary = codecs.json, codecs.binary_json


def payload_in(frame: bytes) -> bytes:
    """Decode a binary frame as a client does, with an independent reader."""
    client = ClientProtocol(parse_uri("ws://server/"), state=State.OPEN, max_size=None)
    client.receive_data(frame)
    assert client.parser_exc is None
    [event] = client.events_received()
    assert isinstance(event, Frame)
    assert (event.opcode, event.fin) == (Opcode.BINARY, True)
    return bytes(event.data)


def in_text(outcome: Any) -> Any:
    """The same outcome as with text frames, where only the first byte of the answer, the last part, differs."""
    return outcome and (*outcome[:-1], b"\x81" + outcome[-1][1:])


def test_name_and_opcode() -> None:
    assert (binary.name, binary.opcode) == ("binary-json", BINARY)


@many
@given(messages())
def test_requests_have_the_same_outcome_in_both_frames(message: Fields) -> None:
    in_both = payload_of(message, text.name), payload_of(message, binary.name)
    for see in (seen, seen_quickly):
        as_text, as_binary = see(text, in_both[0]), see(binary, in_both[1])
        assert in_text(as_binary) == as_text


@many
@given(st.binary(max_size=100) | st.text(max_size=100, alphabet='{}[]":,cmdatreqno.\\u0123').map(str.encode))
def test_any_payload_is_a_request_or_refused(rest: bytes) -> None:
    with contextlib.suppress(EnvelopeError):
        assert isinstance(binary.decode(b"{" + rest), Request)
    with pytest.raises(EnvelopeError):
        codecs.msgpack.decode(b"{" + rest)


@pytest.mark.parametrize("name", ["any.thing", "struct.say", "no.data"])
def test_bytes_that_are_not_utf_8_are_found_wherever_they_are(name: str) -> None:
    good = msgspec.json.encode(KINDS[name].good[0]).decode()
    fields = f'"cmd":"{name}"', f'"data":{good}', '"req":"?"', '"zz":["?"]'
    for order in itertools.permutations(fields):
        payload = ("{" + ",".join(order) + "}").encode()
        assert QUICK[binary.name].decode(payload).cmd == name
        for place in (place for place, byte in enumerate(payload) if byte == ord("?")):
            broken = payload[:place] + b"\xff" + payload[place + 1 :]
            assert seen_quickly(binary, broken) is None
            assert seen(binary, broken)[:2] == ("no request", "message: text is not UTF-8")


@many
@given(st.text(max_size=20), st.text(max_size=70_000) | st.integers(), st.integers(0, 9999), st.text())
def test_answers_are_read_as_they_were_meant(cmd: str, data: Any, code: int, hint: str) -> None:
    reply = json.loads(payload_in(binary.reply(cmd, data, code, msgspec.Raw(b'{"n":1 }'), hint)))
    assert reply == {"cmd": cmd, "data": data, "code": code, "req": {"n": 1}, "hint": hint}
    push = json.loads(payload_in(binary.push(Push(cmd, data, code, hint, id=5, lost=2))))
    assert push == {"cmd": cmd, "data": data, "code": code, "hint": hint, "id": 5, "lost": 2}


def test_the_lengths_at_which_the_header_changes() -> None:
    empty = len(binary.reply("a.b", "", 0, None, "")) - 2
    for size in (*range(124 - empty, 130 - empty), *range(65_530 - empty, 65_540 - empty)):
        assert json.loads(payload_in(binary.reply("a.b", "x" * size, 0, None, "")))["data"] == "x" * size
        assert json.loads(payload_in(binary.push(Push("a.b", "x" * size))))["data"] == "x" * size


def test_what_cannot_be_encoded() -> None:
    match = r"^message 'a\.b' cannot be encoded as JSON: "
    with pytest.raises(WireEncodeError, match=match):
        binary.reply("a.b", object(), 0, None, "")
    with pytest.raises(WireEncodeError, match=match):
        binary.push(Push("a.b", object()))
