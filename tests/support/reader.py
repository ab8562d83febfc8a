"""A client of a message reader, and the frames it may send."""

from collections.abc import Callable

import pytest

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
from tests.support.peer import frame

MAX_MESSAGE = 100_000
MAX_FRAGMENTS = 4
WHOLE = 1 << 20

Refusal = tuple[int, str]
RESERVED = (1002, "a reserved bit is set and no extension was agreed")
FRAGMENTED_CONTROL = (1002, "a control frame must not be fragmented")
LONG_CONTROL = (1002, "a control frame carries at most 125 bytes")
UNMASKED = (1002, "frames of a client must be masked")
NOT_BEGUN = (1002, "continuation without a message")
NOT_ENDED = (1002, "new message within a message")
NOT_UTF8 = (1007, "a text message is not UTF-8")
FRAGMENT_NOT_UTF8 = (1007, "text is not UTF-8")
TOO_BIG = (1009, f"message of more than {MAX_MESSAGE} bytes")
TOO_MANY = (1009, f"message of more than {MAX_FRAGMENTS} fragments")

DATA = (CONTINUATION, TEXT, BINARY)
CONTROL = (CLOSE, PING, PONG)
UNDEFINED = (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)

Received = str | bytes | tuple[int, bytes]


def ignore(received: Received) -> None: ...


class Client(MessageReceiver):
    """Sends to a reader. `got`: what the reader passed on; for a control frame opcode and payload."""

    def __init__(self, max_message: int = MAX_MESSAGE, max_fragments: int = MAX_FRAGMENTS) -> None:
        self.got: list[Received] = []
        self.at: Callable[[Received], None] = ignore
        """Called from within the callbacks."""
        self.reader = MessageReader(max_message, max_fragments, self, self.control)

    def message(self, payload: str | bytes) -> None:
        assert type(payload) in (str, bytes)
        self.got.append(payload)
        self.at(payload)

    def control(self, opcode: int, payload: bytes) -> None:
        assert type(payload) is bytes
        self.got.append((opcode, payload))
        self.at((opcode, payload))

    def send(self, data: bytes, chop: int = WHOLE) -> None:
        """Send `chop` bytes at a time."""
        for start in range(0, max(1, len(data)), chop):
            self.reader.feed(data[start : start + chop])

    def refused(self, data: bytes, chop: int = WHOLE) -> Refusal:
        with pytest.raises(ProtocolViolation) as caught:
            self.send(data, chop)
        # The text must fit into a close frame: 125 bytes, two of them the code.
        assert len(caught.value.reason.encode()) <= 123
        return caught.value.code, caught.value.reason

    def goes_on(self) -> list[Received]:
        """Send nothing more; returns what the reader passes on then."""
        self.got.clear()
        self.send(b"")
        return self.got


def begun(opcode: int, payload: bytes = b"") -> bytes:
    """The first frame of a fragmented message."""
    return frame(opcode, payload, fin=False)


def header(opcode: int, length: int, extended: int) -> bytes:
    """The header of a frame up to the masking key, with the length in `extended` bytes."""
    return bytes((0x80 | opcode, {2: 0xFE, 8: 0xFF}[extended])) + length.to_bytes(extended, "big")


def hold_at(client: Client, last: Received) -> None:
    """Let the callbacks hold the reader when they are called with `last`."""

    def at(received: Received) -> None:
        client.reader.held = received == last

    client.at = at
