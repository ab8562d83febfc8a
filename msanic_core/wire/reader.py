"""Reads messages from the bytes of a client: splits them into frames, checks and unmasks these (RFC 6455 section 5).

It goes over the bytes once and makes no object per frame. Most of a message's cost before decoding is here.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Final

from mypy_extensions import mypyc_attr

from msanic_core.wire.assembler import Assembler, ProtocolViolation
from msanic_core.wire.frame import BINARY, CLOSE, CONTINUATION, MAX_CONTROL_PAYLOAD, PING, PONG, TEXT

try:
    # The compiled function. websockets has it on all usual platforms, and the same in Python for the others.
    from websockets.speedups import apply_mask
except ImportError:
    from websockets.utils import apply_mask

_FINAL: Final = 0x80
_RESERVED: Final = 0x70
_OPCODE: Final = 0x0F
_MASKED: Final = 0x80
_LENGTH_16: Final = 126
_LENGTH_64: Final = 127
_KEY_BYTES: Final = 4
_SHORT_HEADER: Final = 2 + _KEY_BYTES

_FINAL_TEXT: Final = _FINAL | TEXT
_DATA: Final = frozenset({CONTINUATION, TEXT, BINARY})
_CONTROL: Final = frozenset({CLOSE, PING, PONG})

_PROTOCOL_ERROR: Final = 1002
_INVALID_TEXT: Final = 1007
_TOO_BIG: Final = 1009


@mypyc_attr(allow_interpreted_subclasses=True)
class MessageReceiver(ABC):
    """The consumer to which a `MessageReader` gives messages."""

    @abstractmethod
    def message(self, payload: str | bytes) -> None:
        """Take a complete message: text is a str, binary is bytes."""


class MessageReader:
    """The reading half of one connection, on the server's side.

    `receiver` gets each complete message; while it is None, messages are dropped. `control` is called with opcode and
    payload of each close, ping and pong frame. `feed` calls both, in the order of the bytes. While it does, they may
    set `held`, `receiver` or `control`. `max_message`: bytes of a message. `max_fragments`: frames of a message.
    """

    __slots__ = ("_assembler", "_kept", "_longest_short", "_max_fragments", "_max_message", "_wanted", "control",
                 "held", "receiver")  # fmt: skip

    def __init__(
        self,
        max_message: int,
        max_fragments: int,
        receiver: MessageReceiver | None,
        control: Callable[[int, bytes], None],
    ) -> None:
        self._max_message = max_message
        self._max_fragments = max_fragments
        self.control = control
        self._longest_short = _MASKED + min(_LENGTH_16 - 1, max_message)
        self._assembler: Assembler | None = None
        self._kept: bytearray | None = None
        self._wanted = 0
        self.receiver = receiver
        self.held = False
        """While it is True, bytes are kept and nothing is given on; the first `feed` afterwards continues."""

    @property
    def waiting(self) -> bool:
        """Whether bytes were kept because the reader is `held`."""
        return self._kept is not None and self._wanted == 0

    def feed(self, data: bytes) -> None:
        """Process bytes from the socket. The beginning of an unfinished frame is kept.

        Raises `ProtocolViolation` at the first invalid frame, after the messages before it were given on. Do not use
        the reader after that. 1002: a frame against the rules. 1007: text that is not UTF-8. 1009: a message that is
        too big, or has too many fragments.
        """
        kept = self._kept
        if kept is not None:
            kept += data
            if self.held:
                self._wanted = 0
                return
            if len(kept) < self._wanted:
                return
            data, self._kept = bytes(kept), None
        end = len(data)
        self._wanted = position = 0
        while position < end and not self.held:
            # Fast path for the usual case: a short text message in one complete frame.
            if data[position] == _FINAL_TEXT and end - position > _SHORT_HEADER and self._assembler is None:
                length = data[position + 1]
                start = position + _SHORT_HEADER
                stop = start + length - _MASKED
                if _MASKED < length <= self._longest_short and stop <= end:
                    position = stop
                    payload = apply_mask(data[start:stop], data[start - _KEY_BYTES : start])
                    try:
                        text = payload.decode()
                    except UnicodeDecodeError:
                        raise _not_text() from None
                    if self.receiver is not None:
                        self.receiver.message(text)
                    continue
            behind = self._frame(data, position, end)
            if behind is None:
                break
            position = behind
        if position < end:
            self._kept = bytearray(data[position:end])

    def _frame(self, data: bytes, position: int, end: int) -> int | None:
        """Process the frame at `position`. Returns where it ends, or None if it is not complete yet.

        The header is checked as soon as it is complete, before the payload arrives.
        """
        if end - position < 2:
            self._wanted = 2
            return None
        first, length = data[position], data[position + 1] - _MASKED
        _check_header(first, length)
        start = position + _SHORT_HEADER
        if length >= _LENGTH_16:
            extended = 2 if length == _LENGTH_16 else 8
            start += extended
            if end < position + 2 + extended:
                self._wanted = 2 + extended
                return None
            length = _extended_length(data[position + 2 : position + 2 + extended])
        if first & _OPCODE in _DATA and length > self._max_message:
            raise ProtocolViolation(_TOO_BIG, f"message of more than {self._max_message} bytes")
        stop = start + length
        if stop > end:
            self._wanted = stop - position
            return None
        payload = apply_mask(data[start:stop], data[start - _KEY_BYTES : start])
        if first & _OPCODE in _CONTROL:
            self.control(first & _OPCODE, payload)
        else:
            self._data(first, payload)
        return stop

    def _data(self, first: int, payload: bytes) -> None:
        message: str | bytes | None
        if self._assembler is None and first == _FINAL_TEXT:
            message = _text(payload)
        elif self._assembler is None and first == _FINAL | BINARY:
            message = payload
        else:
            if self._assembler is None:
                self._assembler = Assembler(self._max_message, self._max_fragments)
            message = self._assembler.feed(first & _OPCODE, first >= _FINAL, payload)
            if message is None:
                return
            self._assembler = None
        if self.receiver is not None:
            self.receiver.message(message)


def _text(payload: bytes) -> str:
    try:
        return payload.decode()
    except UnicodeDecodeError:
        raise _not_text() from None


def _not_text() -> ProtocolViolation:
    return ProtocolViolation(_INVALID_TEXT, "a text message is not UTF-8")


def _check_header(first: int, length: int) -> None:
    """Check the first two bytes. `length` is negative if the frame is not masked."""
    opcode = first & _OPCODE
    if first & _RESERVED:
        raise ProtocolViolation(_PROTOCOL_ERROR, "a reserved bit is set and no extension was agreed")
    if opcode in _CONTROL:
        if first < _FINAL:
            raise ProtocolViolation(_PROTOCOL_ERROR, "a control frame must not be fragmented")
        if length > MAX_CONTROL_PAYLOAD:
            raise ProtocolViolation(_PROTOCOL_ERROR, f"a control frame carries at most {MAX_CONTROL_PAYLOAD} bytes")
    elif opcode not in _DATA:
        raise ProtocolViolation(_PROTOCOL_ERROR, f"opcode {opcode} is not defined")
    if length < 0:
        raise ProtocolViolation(_PROTOCOL_ERROR, "frames of a client must be masked")


def _extended_length(encoded: bytes) -> int:
    """Read a length of two or eight bytes. It must use the shortest encoding, and its highest bit must be 0."""
    length = int.from_bytes(encoded, "big")
    least = _LENGTH_16 if len(encoded) == 2 else 1 << 16
    if not least <= length < 1 << 63:
        raise ProtocolViolation(_PROTOCOL_ERROR, f"a length of {length} in {len(encoded)} bytes")
    return length
