import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.uri import parse_uri

from msanic_core.wire.frame import BINARY, CLOSE, CONTINUATION, MAX_CONTROL_PAYLOAD, PING, PONG, TEXT, server_frame

unhurried = settings(deadline=None)


def read_as_client(data: bytes) -> list[object]:
    client = ClientProtocol(parse_uri("ws://server/"), state=State.OPEN, max_size=None)
    client.receive_data(data)
    assert client.parser_exc is None
    return list(client.events_received())


@pytest.mark.parametrize(
    ("length", "header"),
    [
        (0, b"\x81\x00"),
        (125, b"\x81\x7d"),
        (126, b"\x81\x7e\x00\x7e"),
        (65_535, b"\x81\x7e\xff\xff"),
        (65_536, b"\x81\x7f\x00\x00\x00\x00\x00\x01\x00\x00"),
    ],
)
def test_length_takes_the_shortest_form(length: int, header: bytes) -> None:
    payload = b"x" * length
    assert server_frame(TEXT, payload) == header + payload


@pytest.mark.parametrize(
    ("opcode", "expected"),
    [
        (CONTINUATION, 0x80),
        (TEXT, 0x81),
        (BINARY, 0x82),
        (CLOSE, 0x88),
        (PING, 0x89),
        (PONG, 0x8A),
    ],
)
def test_first_byte_is_final_bit_and_opcode(opcode: int, expected: int) -> None:
    assert server_frame(opcode, b"ab") == bytes((expected, 2)) + b"ab"


@unhurried
@given(payload=st.one_of(st.binary(max_size=300), st.integers(65_000, 66_000).map(bytes)))
def test_a_client_reads_what_was_framed(payload: bytes) -> None:
    assert read_as_client(server_frame(BINARY, payload)) == [Frame(Opcode.BINARY, payload)]


def test_a_client_reads_frames_sent_together() -> None:
    data = server_frame(TEXT, b"one") + server_frame(PING, b"two") + server_frame(BINARY, bytes(70_000))
    assert read_as_client(data) == [
        Frame(Opcode.TEXT, b"one"),
        Frame(Opcode.PING, b"two"),
        Frame(Opcode.BINARY, bytes(70_000)),
    ]


@pytest.mark.parametrize("opcode", [CLOSE, PING, PONG])
def test_control_frame_is_limited(opcode: int) -> None:
    largest = bytes(MAX_CONTROL_PAYLOAD)
    assert server_frame(opcode, largest)[2:] == largest
    with pytest.raises(ValueError, match="at most 125 bytes, not 126"):
        server_frame(opcode, largest + b"x")


@pytest.mark.parametrize("payload", [b"", bytes(200)])
def test_undefined_opcode_is_refused(payload: bytes) -> None:
    with pytest.raises(KeyError):
        server_frame(0x3, payload)
