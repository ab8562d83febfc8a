"""Our reader compared with the independent parser of websockets: what each reads and refuses."""

from random import Random

import pytest
from hypothesis import settings
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.server import ServerProtocol

from msanic_core.wire import (
    CLOSE,
    PING,
    TEXT,
    parse_close,
)
from tests.support.reader_streams import (
    KEY,
    NO_LIMIT,
    Client,
    Outcome,
    Received,
    any_broken_stream,
    any_stream,
    frame,
    many_streams,
    unhurried,
)


def read_by_us(data: bytes, max_message: int = NO_LIMIT) -> Outcome:
    """As the transport does it: a close frame is parsed, and ends the reading."""
    client = Client(max_message)

    def control(opcode: int, payload: bytes) -> None:
        if opcode == CLOSE:
            parse_close(payload)
        client.control(opcode, payload)
        client.reader.held = opcode == CLOSE

    client.reader.control = control
    return client.outcome([data])


HALF_SURROGATES = {bytes((0xED, second)) for second in range(0xA0, 0xC0)}


def is_no_text(payload: bytes, final: bool) -> bool:
    try:
        payload.decode()
    except UnicodeDecodeError as error:
        # The first two of three bytes of a surrogate: Python's incremental decoder waits for the third to refuse them.
        begun = error.reason == "unexpected end of data" or payload[error.start :] in HALF_SURROGATES
        return final or not begun
    return False


def read_by_websockets(data: bytes, max_message: int | None = None) -> Outcome:
    """websockets parses the frames; this class puts messages together, which websockets leaves to its callers."""
    server = ServerProtocol(state=State.OPEN, max_size=max_message)
    server.receive_data(data)
    got: list[Received] = []
    payload, text = b"", False
    for event in server.events_received():
        assert isinstance(event, Frame)
        if event.opcode >= Opcode.CLOSE:
            got.append((int(event.opcode), bytes(event.data)))
            continue
        payload += event.data
        text = text if event.opcode is Opcode.CONT else event.opcode is Opcode.TEXT
        if text and is_no_text(payload, event.fin):
            return got, "1007 a text message is not UTF-8"
        if event.fin:
            got.append(payload.decode() if text else payload)
            payload = b""
    if server.parser_exc is None:
        return got, ""
    assert server.close_sent is not None
    return got, f"{server.close_sent.code:d} {server.close_sent.reason}"


def code(outcome: Outcome) -> str:
    return outcome[1][:4]


REFUSED_FROM_THE_HEADER = {
    "1002 a reserved bit is set and no extension was agreed",
    "1002 a control frame must not be fragmented",
    "1002 a control frame carries at most 125 bytes",
}


def is_explained(ours: Outcome, theirs: Outcome) -> bool:
    """Whether this difference is expected."""
    messages, violation = ours
    if violation.startswith("1002 a length of "):
        # Section 5.2: "the minimal number of bytes MUST be used", "the most significant bit MUST be 0". Not checked
        # by websockets, which continues.
        return theirs[0][: len(messages)] == messages
    if theirs[1] == "1002 incomplete fragmented message":
        # Section 5.4: "Control frames MAY be injected in the middle of a fragmented message", and a close frame is one.
        closes = [got for got in messages if isinstance(got, tuple) and got[0] == CLOSE]
        return ours == (theirs[0] + closes[:1], "")
    if violation in REFUSED_FROM_THE_HEADER:
        # websockets checks these only when the payload has come.
        return theirs == (messages, "")
    # A code that must not be sent, with a reason that is not UTF-8: the two parsers check them in different order.
    return messages == theirs[0] and violation.startswith("1002 close code ") and code(theirs) == "1007"


DIFFERENCES = {
    "length in more bytes than needed": b"\x82\xfe\x00\x01" + KEY + b"a",
    "length with the highest bit": b"\x82\xff\x80" + bytes(7) + KEY,
    "close within a message": frame(TEXT, False, b"a", KEY) + frame(CLOSE, True, b"", KEY),
    "reserved bit": b"\xc1\x83",
    "control frame, to be continued": frame(PING, False, b"abc", KEY)[:-1],
    "long control frame": frame(PING, True, bytes(126), KEY)[:-1],
    "close with a wrong code and a wrong reason": frame(CLOSE, True, b"\x00\x00\xff", KEY),
}


@pytest.mark.parametrize("name", DIFFERENCES)
def test_where_websockets_differs(name: str) -> None:
    ours, theirs = read_by_us(DIFFERENCES[name]), read_by_websockets(DIFFERENCES[name])
    assert (ours[0], code(ours)) != (theirs[0], code(theirs))
    assert is_explained(ours, theirs)


@settings(unhurried, max_examples=500)
@many_streams
def test_websockets_reads_and_refuses_the_same(random: Random, length: int) -> None:
    sent = any_broken_stream(random, length)
    ours, theirs = read_by_us(sent), read_by_websockets(sent)
    assert (ours[0], code(ours)) == (theirs[0], code(theirs)) or is_explained(ours, theirs)


@unhurried
@many_streams
def test_websockets_reads_what_was_sent(random: Random, length: int) -> None:
    frames, meaning = any_stream(random, length)
    for close in random.choice([[], [b""], [b"\x03\xe8"], [b"\x0f\xa0bye"]]):
        frames.append(frame(CLOSE, True, close, KEY))
        meaning.append((CLOSE, close))
    sent = b"".join(frames)
    assert read_by_us(sent) == read_by_websockets(sent) == (meaning, "")


@unhurried
@many_streams
def test_websockets_has_the_same_limit(random: Random, length: int) -> None:
    """The number of data frames; websockets also counts control frames."""
    sent = b"".join(any_stream(random, length, controls=0)[0])
    limit = random.choice([1, 5, 20, 124, 125, 126, 299])
    ours, theirs = read_by_us(sent, limit), read_by_websockets(sent, limit)
    assert (ours[0], code(ours)) == (theirs[0], code(theirs))
    assert code(ours) in ("", "1009")
