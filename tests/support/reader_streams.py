"""Arbitrary streams of frames, and a reference encoder of them."""

import struct
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from msanic_core.wire import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    MessageReader,
    MessageReceiver,
    ProtocolViolation,
)

# Hypothesis draws the length and a seed; a generator makes the stream, 20 times as fast as a draw for each frame.
many_streams = given(random=st.randoms(use_true_random=True), length=st.integers(0, 4))
unhurried = settings(deadline=None, max_examples=300)

NO_LIMIT = 1 << 63
MEGABYTE = 1 << 20
KEY = b"\x0a\x1b\x2c\x3d"

Received = str | bytes | tuple[int, bytes]
Outcome = tuple[list[Received], str]
"""The messages that were passed on, and the violation after them; "" if there was none."""


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


class Client(MessageReceiver):
    """Sends to a reader. `holds`: after how many calls it is held."""

    def __init__(self, max_message: int = NO_LIMIT, max_fragments: int = NO_LIMIT, holds: frozenset[int] = frozenset()):
        self.got: list[Received] = []
        self.reader = MessageReader(max_message, max_fragments, self, self.control)
        self._holds = holds

    def received(self, message: Received) -> None:
        assert not self.reader.held
        self.got.append(message)
        self.reader.held = len(self.got) in self._holds

    def message(self, payload: str | bytes) -> None:
        self.received(payload)

    def control(self, opcode: int, payload: bytes) -> None:
        self.received((opcode, payload))

    def send(self, data: bytes) -> None:
        self.reader.feed(data)

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
    """Valid frames, and what they mean: fragmented messages with control frames in between."""
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
    """A valid stream in which a few bytes are changed, mostly in headers."""
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
