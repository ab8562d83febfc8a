"""RFC 6455 as a client sees it on the wire: the adapter under a raw TCP socket that may break every rule.

In the spirit of the Autobahn test suite and in its order: framing, pings, reserved bits, opcodes, fragmentation, UTF-8,
closing, limits. Each test runs on asyncio's own loop, on uvloop, and on uvloop with aiofastnet, as `serve` does. A case
that ends the connection asserts the exact close code, that nothing follows the close frame, and that the server closed
TCP; each test asserts that the next client is served.
"""

import base64
import hashlib
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
BOUND = 4.0
"""Seconds a peer waits for anything; less than the 5 s after which the server cuts a client that does not answer."""
MAX_MESSAGE = 1000
MAX_FRAGMENTS = 8

Answer = tuple[int, bytes]


def frame(
    opcode: int, payload: bytes = b"", *, fin: bool = True, rsv: int = 0, masked: bool = True, length: int | None = None
) -> bytes:
    """A client's frame, right or wrong; `length`: bytes of the extended payload length, by default the fewest."""
    size = len(payload)
    if length is None:
        length = 0 if size < 126 else 2 if size < 65536 else 8
    marker = {0: size, 2: 126, 8: 127}[length]
    head = bytes((fin << 7 | rsv << 4 | opcode, masked << 7 | marker))
    head += size.to_bytes(length, "big") if length else b""
    if not masked:
        return head + payload
    key = b"\x5a\x17\xe3\x08"
    pad = (key * (size // 4 + 1))[:size]
    return head + key + (int.from_bytes(payload, "big") ^ int.from_bytes(pad, "big")).to_bytes(size, "big")


def fragments(opcode: int, *payloads: bytes) -> bytes:
    """A whole message in as many frames as there are payloads."""
    last = len(payloads) - 1
    return b"".join(frame(CONTINUATION if i else opcode, part, fin=i == last) for i, part in enumerate(payloads))


def octets(opcode: int, payload: bytes) -> bytes:
    """A whole message in frames of one octet."""
    return fragments(opcode, *(payload[i : i + 1] for i in range(len(payload))))


def close_payload(code: int, reason: bytes = b"") -> bytes:
    return code.to_bytes(2, "big") + reason


class Peer:
    """A client that sends whatever it is told to and reads answers strictly."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=BOUND)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        key = base64.b64encode(os.urandom(16))
        self.send(
            b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + key + b"\r\n\r\n"
        )
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += self._read(1)
        accept = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
        status, *headers = head.split(b"\r\n")
        assert status == b"HTTP/1.1 101 Switching Protocols"
        assert b"sec-websocket-accept: " + accept.lower() in [each.lower() for each in headers]

    def send(self, data: bytes, chop: int | None = None) -> None:
        """Send in one write, or in writes of `chop` bytes, until the server has closed."""
        with suppress(BrokenPipeError, ConnectionResetError):
            for start in range(0, len(data), chop or len(data)):
                self._socket.sendall(data[start : start + chop] if chop else data)

    def answer(self) -> Answer:
        """The next frame of the server, which must be final, unmasked, unextended and of minimal length encoding."""
        first, size = self._read(2)
        assert first & 0xF0 == 0x80, f"server frame starts with {first:#x}"
        assert size < 128, "server frame is masked"
        if size == 126:
            size = int.from_bytes(self._read(2), "big")
            assert size > 125
        elif size == 127:
            size = int.from_bytes(self._read(8), "big")
            assert size > 65535
        return first & 0xF, self._read(size)

    def answers(self) -> list[Answer]:
        """Everything up to and including the close frame; it must be the last thing before the end of the stream."""
        found = [self.answer()]
        while found[-1][0] != CLOSE:
            found.append(self.answer())
        assert self.at_end(), "there is something after the close frame"
        return found

    def refused(self, code: int, *before: Answer) -> None:
        """Assert that the server sent only these answers, then closed with this code and a reason."""
        *others, (_, payload) = self.answers()
        assert others == list(before)
        assert int.from_bytes(payload[:2], "big") == code
        assert payload[2:].decode()
        assert len(payload) <= 125

    def leaves(self) -> None:
        """Close cleanly: the server answers with the same code and closes TCP."""
        self.send(frame(CLOSE, close_payload(1000)))
        assert self.answers() == [(CLOSE, close_payload(1000))]

    def half_close(self) -> None:
        self._socket.shutdown(socket.SHUT_WR)

    def at_end(self) -> bool:
        """Whether the server closes TCP without sending more. A client that still sends gets a reset."""
        with suppress(ConnectionResetError):
            return self._socket.recv(1) == b""
        return True

    def drop(self) -> None:
        self._socket.close()

    def _read(self, size: int) -> bytes:
        parts = []
        while size:
            part = self._socket.recv(min(size, 1 << 16))
            assert part, "the server closed the connection"
            parts.append(part)
            size -= len(part)
        return b"".join(parts)


@contextmanager
def meeting(port: int) -> Iterator[Peer]:
    peer = Peer(port)
    yield peer
    peer.drop()
    following = Peer(port)
    following.send(frame(TEXT, b"next"))
    assert following.answer() == (TEXT, b"next")
    following.leaves()
    following.drop()


# After a violation the server answers none of this; the close frame makes it end the connection at once.
AFTERMATH = frame(PING, b"no") + frame(TEXT, b"no") + frame(CLOSE, close_payload(1000))
