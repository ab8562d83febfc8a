"""Any stream, in any pieces, held at any time; what reading costs; and the parser of websockets beside ours."""

import importlib.util
import struct
import sys
import tracemalloc
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.server import ServerProtocol

from msanic_core.wire import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    MessageReader,
    ProtocolViolation,
    parse_close,
)

# Hypothesis says how long a stream is, and a generator with its seed the rest, twenty times as fast as a draw for each.
many_streams = given(random=st.randoms(use_true_random=True), length=st.integers(0, 4))
unhurried = settings(deadline=None, max_examples=300)

NO_LIMIT = 1 << 63
MEGABYTE = 1 << 20
KEY = b"\x0a\x1b\x2c\x3d"

Received = str | bytes | tuple[int, bytes]
Outcome = tuple[list[Received], str]
"""What was handed over, and the violation after it, "" for none."""


def frame(opcode: int, final: bool, payload: bytes, key: bytes) -> bytes:
    """A client's frame as section 5.2 draws it."""
    size = len(payload)
    first = final << 7 | opcode
    if size < 126:
        head = struct.pack("!BB", first, 0x80 | size)
    elif size < 1 << 16:
        head = struct.pack("!BBH", first, 0x80 | 126, size)
    else:
        head = struct.pack("!BBQ", first, 0x80 | 127, size)
    return head + key + bytes(byte ^ key[index % 4] for index, byte in enumerate(payload))


class Client:
    """Sends to a reader out of one buffer that is used again and again. `holds`: after how many calls it is held."""

    def __init__(self, max_message: int = NO_LIMIT, max_fragments: int = NO_LIMIT, holds: frozenset[int] = frozenset()):
        self.got: list[Received] = []
        self.reader = MessageReader(max_message, max_fragments, self.received, self.control)
        self._holds = holds
        self._buffer = bytearray()

    def received(self, message: Received) -> None:
        assert not self.reader.held
        self.got.append(message)
        self.reader.held = len(self.got) in self._holds

    def control(self, opcode: int, payload: bytes) -> None:
        self.received((opcode, payload))

    def send(self, data: bytes) -> None:
        self._buffer[:] = read = data + b"\x81\x81"
        self.reader.feed(self._buffer, len(data))
        assert self._buffer == read
        self._buffer[:] = b"\xaa" * len(self._buffer)
        self._buffer.clear()  # a BufferError if somebody still looks at it

    def outcome(self, pieces: list[bytes]) -> Outcome:
        try:
            for piece in pieces:
                self.send(piece)
        except ProtocolViolation as violation:
            return self.got, str(violation)
        return self.got, ""


def any_payload(random: Random) -> bytes:
    return random.randbytes(random.choice([0, 1, random.randrange(20), 124, 125, 126, 127, 300]))


def any_text(random: Random) -> str:
    return "".join(random.choices("ax\0ß€\ufeff😀", k=random.choice([0, 1, random.randrange(20), 31, 125, 126])))


def any_stream(random: Random, length: int, controls: float = 0.3) -> tuple[list[bytes], list[Received]]:
    """Frames in keeping with the rules, and what they mean: messages in fragments, control frames between them."""
    frames: list[bytes] = []
    meaning: list[Received] = []

    def perhaps_control() -> None:
        while random.random() < controls:
            opcode, payload = random.choice([PING, PONG]), any_payload(random)[:125]
            frames.append(frame(opcode, True, payload, random.randbytes(4)))
            meaning.append((opcode, payload))

    for _ in range(length):
        message = any_text(random) if random.random() < 0.5 else any_payload(random)
        payload, opcode = (message.encode(), TEXT) if isinstance(message, str) else (message, BINARY)
        cuts = sorted(random.randint(0, len(payload)) for _ in range(random.choice([0, 0, 1, 3])))
        for start, stop in zip([0, *cuts], [*cuts, None], strict=True):
            perhaps_control()
            frames.append(frame(opcode, stop is None, payload[start:stop], random.randbytes(4)))
            opcode = CONTINUATION
        meaning.append(message)
        perhaps_control()
    return frames, meaning


def any_pieces(random: Random, data: bytes) -> list[bytes]:
    """The data in pieces, some of which may be empty."""
    cuts = sorted(random.randint(0, len(data)) for _ in range(random.choice([0, 1, 5, 20, 2 * len(data)])))
    return [data[start:stop] for start, stop in zip([0, *cuts], [*cuts, len(data)], strict=True)]


def any_broken_stream(random: Random, length: int) -> bytes:
    """A stream in keeping with the rules, except for a few bytes, most often of headers."""
    frames, _ = any_stream(random, length)
    if random.random() < 0.5:
        payload = random.choice([b"", b"\x03", b"\x03\xe8", b"\x03\xedno", b"\x03\xe8\xff", b"\x0f\xa0yes"])
        frames.insert(random.randint(0, len(frames)), frame(CLOSE, True, payload, random.randbytes(4)))
    for _ in range(random.choice([0, 1, 1, 2])):
        which = random.randint(0, len(frames))
        changed = bytearray(b"".join(frames[which : which + 1]))
        if changed:
            place = min(random.choice([0, 0, 0, 1, 1, 1, 2, 3, 6, random.randrange(20)]), len(changed) - 1)
            match random.choice(["flip", "flip", "flip", "set", "drop", "repeat", "lose"]):
                case "flip":
                    changed[place] ^= 1 << random.randrange(8)
                case "set":
                    changed[place] = random.randrange(256)
                case "drop":
                    del changed[place]
                case "repeat":
                    changed *= 2
                case "lose":
                    changed.clear()
            frames[which] = bytes(changed)
    return b"".join(frames) + random.randbytes(random.choice([0, 0, 1, 3]))


@unhurried
@many_streams
def test_any_pieces_give_what_was_sent(random: Random, length: int) -> None:
    frames, meaning = any_stream(random, length)
    pieces = any_pieces(random, b"".join(frames))
    assert Client().outcome(pieces) == (meaning, "")
    sizes = [len(got.encode() if isinstance(got, str) else got) for got in meaning if not isinstance(got, tuple)]
    assert Client(max_message=max([1, *sizes]), max_fragments=4).outcome(pieces) == (meaning, "")


@unhurried
@many_streams
def test_pieces_are_refused_as_the_whole_is(random: Random, length: int) -> None:
    sent = any_broken_stream(random, length)
    max_message, max_fragments = random.choice([1, 10, 124, 125, 126, 300]), random.randint(1, 4)
    whole = Client(max_message, max_fragments).outcome([sent])
    assert Client(max_message, max_fragments).outcome(any_pieces(random, sent)) == whole


@unhurried
@many_streams
def test_nothing_is_lost_when_it_is_held(random: Random, length: int) -> None:
    """`received` asserts that nothing comes while it is held."""
    frames, meaning = any_stream(random, length)
    client = Client(holds=frozenset(random.choices(range(1, 10), k=3)))
    for piece in any_pieces(random, b"".join(frames)):
        held = client.reader.held = random.choice([client.reader.held, True, False])
        before = len(client.got)
        client.send(piece)
        if held:
            assert len(client.got) == before
            assert client.reader.waiting or not piece
        elif not client.reader.held:
            assert not client.reader.waiting
        assert client.got == meaning[: len(client.got)]
    client.reader.held = False
    while client.reader.waiting:
        client.send(b"")
        client.reader.held = False
    assert client.got == meaning


@pytest.mark.parametrize("size", [*range(10), 124, 125, 126, 65535, 65536])
@pytest.mark.parametrize("key", [bytes(4), b"\x01\x02\x03\x04", b"\xff\x00\x80\x7f", b"\xff" * 4], ids=bytes.hex)
def test_masking_keys(key: bytes, size: int) -> None:
    payload = bytes(index * 7 % 256 for index in range(size))
    text = bytes(byte & 0x7F for byte in payload)
    frames = [frame(BINARY, True, payload, key), frame(TEXT, True, text, key), frame(PING, True, payload[:125], key)]
    assert Client().outcome([b"".join(frames)]) == ([payload, text.decode(), (PING, payload[:125])], "")


def test_without_the_compiled_mask(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "websockets.speedups", None)
    spec = importlib.util.find_spec("msanic_core.wire.reader")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.apply_mask.__module__ == "websockets.utils"
    client = Client()
    reader = module.MessageReader(NO_LIMIT, 1, client.received, client.control)
    sent = bytearray(frame(TEXT, True, b"short", KEY) + frame(BINARY, True, bytes(300), KEY))
    reader.feed(sent, len(sent))
    assert client.got == ["short", bytes(300)]


# What reading costs


class CountingReader(MessageReader):
    """Counts how often it looks at a frame."""

    __slots__ = ("looks",)

    looks: int

    def _frame(self, data: bytearray, position: int, end: int) -> int | None:
        self.looks += 1
        return super()._frame(data, position, end)


def test_a_short_text_is_read_without_a_look_at_its_frame() -> None:
    """It is the usual case, and this is most of what it costs."""
    messages: list[str | bytes] = []
    reader = CountingReader(125, 1, messages.append, lambda opcode, payload: None)
    reader.looks = 0
    for size in (1, 2, 124, 125):
        sent = bytearray(frame(TEXT, True, b"x" * size, KEY) * 2)
        reader.feed(sent, len(sent))
    assert [len(message) for message in messages] == [1, 1, 2, 2, 124, 124, 125, 125]
    assert reader.looks == 0


def test_a_frame_in_single_bytes_is_looked_at_only_when_there_is_something_to_see() -> None:
    messages: list[str | bytes] = []
    reader = CountingReader(MEGABYTE, 1, messages.append, lambda opcode, payload: None)
    reader.looks = 0
    byte = bytearray(1)
    for byte[0] in struct.pack("!BBQ", 0x81, 0xFF, MEGABYTE) + bytes(4 + MEGABYTE):
        reader.feed(byte, 1)
    assert [len(message) for message in messages] == [MEGABYTE]
    # One byte, the header of two bytes, the length, the whole.
    assert reader.looks <= 4


def test_what_is_kept_of_a_frame_is_not_copied_for_each_byte() -> None:
    """A copy would be a second one, for a moment."""
    client = Client()
    data = frame(BINARY, True, bytes(MEGABYTE), bytes(4))
    tracemalloc.start()
    try:
        client.reader.feed(bytearray(data[:10]), 10)
        assert tracemalloc.get_traced_memory()[1] < 10_000  # nothing is set aside for what is only announced
        half = len(data) // 2
        client.reader.feed(bytearray(data[10:half]), half - 10)
        byte = bytearray(1)
        tracemalloc.reset_peak()
        for _ in range(1000):
            client.reader.feed(byte, 1)
        assert tracemalloc.get_traced_memory()[1] < 1.4 * half
        rest = bytearray(data[half + 1000 :] + data[:10])
        client.reader.feed(rest, len(rest))
        del rest
        assert client.got == [bytes(MEGABYTE)]
        client.got.clear()
        assert tracemalloc.get_traced_memory()[0] < 10_000  # the beginning of the next one keeps nothing of the first
    finally:
        tracemalloc.stop()


# Beside websockets


def read_by_us(data: bytes, max_message: int = NO_LIMIT) -> Outcome:
    """As the socket adapter does it: a close frame is parsed, and ends the reading."""
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
    """The frames are websockets' work; messages are put together here, since it leaves that to its callers."""
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
    """Whether this is one of the differences there should be."""
    messages, violation = ours
    if violation.startswith("1002 a length of "):
        # Section 5.2: "the minimal number of bytes MUST be used", "the most significant bit MUST be 0". Not checked
        # by websockets, which goes on.
        return theirs[0][: len(messages)] == messages
    if theirs[1] == "1002 incomplete fragmented message":
        # Section 5.4: "Control frames MAY be injected in the middle of a fragmented message", and a close frame is one.
        closes = [got for got in messages if isinstance(got, tuple) and got[0] == CLOSE]
        return ours == (theirs[0] + closes[:1], "")
    if violation in REFUSED_FROM_THE_HEADER:
        # websockets waits for the payload before it looks at these.
        return theirs == (messages, "")
    # A code that must not be sent with a reason that is not UTF-8: each of us looks at another one first.
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
    """Of data frames: websockets counts control frames too."""
    sent = b"".join(any_stream(random, length, controls=0)[0])
    limit = random.choice([1, 5, 20, 124, 125, 126, 299])
    ours, theirs = read_by_us(sent, limit), read_by_websockets(sent, limit)
    assert (ours[0], code(ours)) == (theirs[0], code(theirs))
    assert code(ours) in ("", "1009")
