"""Server-to-client frames of RFC 6455, section 5.2. A server does not mask and, here, does not fragment."""

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
"""Bytes a close, ping or pong frame may carry (RFC 6455 section 5.5)."""

_FINAL: Final = 0x80
_LENGTH_16: Final = 126
_LENGTH_64: Final = 127

SHORT_HEADERS: Final[Mapping[int, tuple[bytes, ...]]] = {
    opcode: tuple(bytes((_FINAL | opcode, length)) for length in range(_LENGTH_16))
    for opcode in (CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG)
}
"""By opcode, then by length: looking a header up takes half the time of building it, and most frames are short."""
_header_16: Final = struct.Struct("!BBH").pack
_header_64: Final = struct.Struct("!BBQ").pack


def server_frame(opcode: int, payload: bytes) -> bytes:
    """One final, unmasked frame, ready for the socket.

    Raises `KeyError` for an opcode RFC 6455 does not define and `ValueError` for a control frame of more than
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
