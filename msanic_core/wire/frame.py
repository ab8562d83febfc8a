"""Frames from the server to the client (RFC 6455 section 5.2). A server does not mask; this one does not fragment."""

import struct
from collections.abc import Mapping
from typing import Final

CONTINUATION: Final = 0x0
TEXT: Final = 0x1
BINARY: Final = 0x2
CLOSE: Final = 0x8
PING: Final = 0x9
PONG: Final = 0xA

MAX_CONTROL_PAYLOAD: Final = 125
"""The most bytes in a close, ping or pong frame (RFC 6455 section 5.5)."""

_FINAL: Final = 0x80
_LENGTH_16: Final = 126
_LENGTH_64: Final = 127

SHORT_HEADERS: Final[Mapping[int, tuple[bytes, ...]]] = {
    opcode: tuple(bytes((_FINAL | opcode, length)) for length in range(_LENGTH_16))
    for opcode in (CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG)
}
"""Headers by opcode, then by length. A lookup takes half the time of building a header, and most frames are short."""
_header_16: Final = struct.Struct("!BBH").pack
_header_64: Final = struct.Struct("!BBQ").pack


def server_frame(opcode: int, payload: bytes) -> bytes:
    """Make one final, unmasked frame, ready for the socket.

    Raises `KeyError` for an opcode that RFC 6455 does not define, and `ValueError` for a control frame of more than
    `MAX_CONTROL_PAYLOAD` bytes.
    """
    headers = SHORT_HEADERS[opcode]
    length = len(payload)
    if length < _LENGTH_16:
        return headers[length] + payload
    if opcode >= CLOSE:
        raise ValueError(f"a control frame carries at most {MAX_CONTROL_PAYLOAD} bytes, not {length}")
    if length <= 0xFFFF:
        return _header_16(_FINAL | opcode, _LENGTH_16, length) + payload
    return _header_64(_FINAL | opcode, _LENGTH_64, length) + payload
