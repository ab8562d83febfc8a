"""What the tests of the msgpack codec have in common: messages to send, and a reader that is not the codec."""

from typing import Any

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.uri import parse_uri

from msanic_core.wire import EnvelopeError, MsgpackCodec, Request

unhurried = settings(deadline=None)
codec = MsgpackCodec()

integers = st.integers(-(2**63), 2**64 - 1)
scalars = st.none() | st.booleans() | integers | st.floats(allow_nan=False) | st.text() | st.binary()
keys = st.text(max_size=8) | integers | st.binary(max_size=8)
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=5) | st.dictionaries(keys, inner, max_size=5))
commands = st.text(max_size=20) | integers

HEAD = b"\x82\xa3cmd\x01\xa4data"
"""A request up to its `data`."""


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
