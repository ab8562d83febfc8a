"""Puts fragments from a client together to messages, and reads code and reason of a close frame.

`reader.py` splits the bytes into frames and unmasks them. This module has the rules that span several frames.
"""

import codecs
from typing import Final

from msanic_core.wire.frame import BINARY, CONTINUATION, TEXT

_PROTOCOL_ERROR: Final = 1002
_INVALID_TEXT: Final = 1007
_TOO_BIG: Final = 1009

_new_text_decoder: Final = codecs.getincrementaldecoder("utf-8")


class ProtocolViolation(Exception):  # noqa: N818 - a client's breach of the protocol, not a failure of the program
    """The client broke the protocol or exceeded a limit. Close the connection with `code` and `reason`.

    `code` is 1002, 1007 or 1009 (RFC 6455 section 7.4.1); `reason` fits a close frame.
    """

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"{code} {reason}")
        self.code = code
        self.reason = reason


class Assembler:
    """Puts the fragmented messages of one connection together (RFC 6455 section 5.4).

    `max_message`: bytes of a message, all fragments together. `max_fragments`: frames of a message, empty ones too. Do
    not use the assembler after a violation, which ends the connection.
    """

    __slots__ = ("_binary", "_decoder", "_fragments", "_max_fragments", "_max_message", "_size", "_text")

    def __init__(self, max_message: int, max_fragments: int) -> None:
        self._max_message = max_message
        self._max_fragments = max_fragments
        self._decoder = _new_text_decoder()
        self._text: list[str] | None = None
        self._binary: list[bytes] | None = None
        self._size = 0
        self._fragments = 0

    @property
    def open(self) -> bool:
        """Whether a message has begun and not ended."""
        return self._fragments > 0

    def feed(self, opcode: int, final: bool, payload: bytes) -> str | bytes | None:
        """Take the next data frame. Returns the message that it completes, or None.

        Do not feed control frames, which may come between fragments. Raises `ProtocolViolation`: 1002 for a
        continuation without a message, a new message within a message, or an opcode of no data frame; 1007 as soon as
        a fragment cannot be UTF-8; 1009 when the message is too big or has too many fragments.
        """
        if opcode == CONTINUATION:
            if not self._fragments:
                raise ProtocolViolation(_PROTOCOL_ERROR, "continuation without a message")
        elif opcode not in (TEXT, BINARY):
            raise ProtocolViolation(_PROTOCOL_ERROR, f"opcode {opcode} is not a data frame")
        elif self._fragments:
            raise ProtocolViolation(_PROTOCOL_ERROR, "new message within a message")
        elif opcode == TEXT:
            self._text = []
        else:
            self._binary = []
        self._count(payload)
        if self._text is not None:
            self._text.append(self._decode(payload, final))
        elif self._binary is not None:
            self._binary.append(payload)
        return self._finish() if final else None

    def _count(self, payload: bytes) -> None:
        self._size += len(payload)
        self._fragments += 1
        if self._size > self._max_message:
            raise ProtocolViolation(_TOO_BIG, f"message of more than {self._max_message} bytes")
        if self._fragments > self._max_fragments:
            raise ProtocolViolation(_TOO_BIG, f"message of more than {self._max_fragments} fragments")

    def _decode(self, payload: bytes, final: bool) -> str:
        try:
            return self._decoder.decode(payload, final)
        except UnicodeDecodeError:
            raise ProtocolViolation(_INVALID_TEXT, "text is not UTF-8") from None

    def _finish(self) -> str | bytes:
        message = "".join(self._text) if self._text is not None else b"".join(self._binary or ())
        self._text = self._binary = None
        self._size = self._fragments = 0
        return message


def parse_close(payload: bytes) -> tuple[int | None, str]:
    """Read code and reason of a client's close frame (RFC 6455 sections 5.5.1, 7.4). The code is None if it has none.

    A client may send the codes 1000-1003, 1007-1014 (1012-1014 by IANA's registry) and 3000-4999. Raises
    `ProtocolViolation`: 1002 for one byte, or for a code that must not be sent; 1007 for a reason that is not UTF-8.
    """
    if not payload:
        return None, ""
    if len(payload) == 1:
        raise ProtocolViolation(_PROTOCOL_ERROR, "close frame with half a code")
    code = int.from_bytes(payload[:2], "big")
    if not (1000 <= code <= 1003 or 1007 <= code <= 1014 or 3000 <= code <= 4999):
        raise ProtocolViolation(_PROTOCOL_ERROR, f"close code {code} must not be sent")
    try:
        return code, payload[2:].decode()
    except UnicodeDecodeError:
        raise ProtocolViolation(_INVALID_TEXT, "close reason is not UTF-8") from None
