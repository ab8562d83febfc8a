"""RFC 6455 as a client sees it on the wire: the adapter under a raw TCP socket that may break every rule.

In the spirit of the Autobahn test suite and in its order: framing, pings, reserved bits, opcodes, fragmentation, UTF-8,
closing, limits. Each test runs on asyncio's own loop and on uvloop. A case that ends the connection asserts the exact
close code, that nothing follows the close frame, and that the server closed TCP; each test asserts that the next client
is served.
"""

import base64
import hashlib
import itertools
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

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
        """The server closed with this code, after no other answers than these, and gave a reason in words."""
        *others, (_, payload) = self.answers()
        assert others == list(before)
        assert int.from_bytes(payload[:2], "big") == code
        assert payload[2:].decode()
        assert len(payload) <= 125

    def leaves(self) -> None:
        """Close in order: the server answers with the same code and closes TCP."""
        self.send(frame(CLOSE, close_payload(1000)))
        assert self.answers() == [(CLOSE, close_payload(1000))]

    def half_close(self) -> None:
        self._socket.shutdown(socket.SHUT_WR)

    def at_end(self) -> bool:
        """Whether the server closes TCP and sends nothing more; who still sends then is told so by a reset."""
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
def echo_server(errors: Path, *options: str) -> Iterator[int]:
    """Run the server in a process of its own; at the end it must be alive and have had nothing to complain about."""
    command = [sys.executable, "-W", "error", str(Path(__file__).with_name("echo_server.py")), "0", *options]
    with errors.open("wb") as stderr:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr)
    try:
        assert process.stdout is not None
        ready, _, port = process.stdout.readline().decode().partition(" ")
        assert ready == "ready", errors.read_text()
        yield int(port)
        assert process.poll() is None
    finally:
        process.kill()
        process.communicate()
    assert errors.read_text() == ""


@pytest.fixture(scope="module", params=["asyncio", "uvloop"])
def port(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A server that takes big messages."""
    with echo_server(tmp_path_factory.mktemp("echo") / "stderr", "--loop", request.param) as listening:
        yield listening


@pytest.fixture(scope="module", params=["asyncio", "uvloop"])
def limited_port(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A server with small limits and little patience."""
    limits = {"--max-message": MAX_MESSAGE, "--max-fragments": MAX_FRAGMENTS, "--close-timeout": 0.2}
    options = [str(part) for pair in limits.items() for part in pair]
    with echo_server(tmp_path_factory.mktemp("echo") / "stderr", "--loop", request.param, *options) as listening:
        yield listening


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


@pytest.fixture
def peer(port: int) -> Iterator[Peer]:
    with meeting(port) as connected:
        yield connected


@pytest.fixture
def limited(limited_port: int) -> Iterator[Peer]:
    with meeting(limited_port) as connected:
        yield connected


# After a violation nothing of this is answered; the close frame lets the server end the connection at once.
AFTERMATH = frame(PING, b"no") + frame(TEXT, b"no") + frame(CLOSE, close_payload(1000))


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 128, 65535, 65536, 65537, 1 << 20, 4 << 20])
def test_messages_of_every_length_encoding(peer: Peer, opcode: int, size: int) -> None:
    pattern = b"*" if opcode == TEXT else bytes(range(256))
    payload = (pattern * (size // len(pattern) + 1))[:size]
    peer.send(frame(opcode, payload))
    assert peer.answer() == (opcode, payload)
    peer.leaves()


@pytest.mark.parametrize(("size", "chop"), [(0, 1), (125, 1), (126, 1), (300, 1), (300, 3), (65535, 997), (65536, 997)])
def test_frames_in_small_writes(peer: Peer, size: int, chop: int) -> None:
    payload = "κόσμε ".encode() * size
    payload = payload[: size - size % 11]
    peer.send(frame(TEXT, payload) + frame(PING, b"here") + fragments(BINARY, payload, b"", payload), chop)
    assert [peer.answer() for _ in range(3)] == [(TEXT, payload), (PONG, b"here"), (BINARY, payload * 2)]
    peer.leaves()


def test_many_messages_in_one_write(peer: Peer) -> None:
    messages = [(TEXT if number % 3 else BINARY, b"%d" % number) for number in range(2000)]
    peer.send(b"".join(frame(opcode, payload) for opcode, payload in messages))
    assert [peer.answer() for _ in messages] == messages
    peer.leaves()


@pytest.mark.parametrize("size", [64, 1024, 65536])
def test_big_message_in_fragments(peer: Peer, size: int) -> None:
    payload = bytes(range(256)) * 4096
    parts = [payload[start : start + size] for start in range(0, len(payload), size)]
    peer.send(fragments(BINARY, *parts))
    assert peer.answer() == (BINARY, payload)
    peer.leaves()


ANSWERED: dict[str, tuple[bytes, list[Answer]]] = {
    "ping without payload": (frame(PING), [(PONG, b"")]),
    "ping with text": (frame(PING, b"Hello"), [(PONG, b"Hello")]),
    "ping with octets": (frame(PING, b"\x00\xff\xfe\xfd\xfc\x00"), [(PONG, b"\x00\xff\xfe\xfd\xfc\x00")]),
    "ping with 125 bytes": (frame(PING, b"\xfe" * 125), [(PONG, b"\xfe" * 125)]),
    "ten pings": (b"".join(frame(PING, b"%d" % i) for i in range(10)), [(PONG, b"%d" % i) for i in range(10)]),
    "pong nobody asked for": (frame(PONG) + frame(TEXT, b"a"), [(TEXT, b"a")]),
    "pong with payload, then ping": (frame(PONG, b"x" * 125) + frame(PING, b"p"), [(PONG, b"p")]),
    "text in two fragments": (fragments(TEXT, b"frag", b"ment"), [(TEXT, b"fragment")]),
    "binary in three fragments": (fragments(BINARY, b"\xff", b"", b"\x00"), [(BINARY, b"\xff\x00")]),
    "empty fragments": (fragments(TEXT, b"", b"", b""), [(TEXT, b"")]),
    "only the middle has text": (fragments(TEXT, b"", b"middle", b""), [(TEXT, b"middle")]),
    "ping between fragments": (
        frame(TEXT, b"frag", fin=False) + frame(PING, b"p") + frame(CONTINUATION, b"ment"),
        [(PONG, b"p"), (TEXT, b"fragment")],
    ),
    "pong between fragments": (
        frame(TEXT, b"frag", fin=False) + frame(PONG, b"p") + frame(CONTINUATION, b"ment"),
        [(TEXT, b"fragment")],
    ),
    "pings between the fragments of two messages": (
        frame(TEXT, b"1", fin=False) + frame(CONTINUATION, b"2", fin=False) + frame(PING, b"p")
        + frame(CONTINUATION, b"3") + frame(BINARY, b"4", fin=False) + frame(PING, b"q")
        + frame(CONTINUATION, b"5") + frame(TEXT, b"6"),
        [(PONG, b"p"), (TEXT, b"123"), (PONG, b"q"), (BINARY, b"45"), (TEXT, b"6")],
    ),
    "invalid UTF-8 in a binary message": (fragments(BINARY, b"\xff", b"\xc0"), [(BINARY, b"\xff\xc0")]),
    "mask of zeros": (b"\x81\x85\x00\x00\x00\x00Hello", [(TEXT, b"Hello")]),
}  # fmt: skip


@pytest.mark.parametrize("chop", [None, 1], ids=["whole", "octets"])
@pytest.mark.parametrize("name", ANSWERED)
def test_answered(peer: Peer, name: str, chop: int | None) -> None:
    sent, expected = ANSWERED[name]
    peer.send(sent, chop)
    assert [peer.answer() for _ in expected] == expected
    peer.leaves()


VIOLATIONS: dict[str, bytes] = {
    **{
        f"reserved bits {rsv:03b} on opcode {opcode}": frame(opcode, payload, rsv=rsv)
        for opcode, payload, rsv in [
            *((TEXT, b"x", rsv) for rsv in range(1, 8)),
            *itertools.product((BINARY, PING, PONG), (b"", b"x"), (1, 2, 4)),
            (CLOSE, close_payload(1000), 4),
        ]
    },
    "reserved bit on a continuation": frame(TEXT, b"a", fin=False) + frame(CONTINUATION, b"b", rsv=4),
    **{
        f"opcode {opcode} with {len(payload)} bytes": frame(opcode, payload)
        for opcode, payload in itertools.product([3, 4, 5, 6, 7, 11, 12, 13, 14, 15], [b"", b"x" * 10])
    },
    **{f"opcode {opcode} unmasked": frame(opcode, b"", masked=False) for opcode in (TEXT, BINARY, CLOSE, PING, PONG)},
    "text unmasked": frame(TEXT, b"Hello", masked=False),
    "text of 300 bytes unmasked": frame(TEXT, b"x" * 300, masked=False),
    **{f"control frame {opcode} in fragments": frame(opcode, b"", fin=False) for opcode in (CLOSE, PING, PONG)},
    "ping in two fragments": fragments(PING, b"a", b"b"),
    "ping of 126 bytes": frame(PING, b"x" * 126),
    "pong of 126 bytes": frame(PONG, b"x" * 126),
    "close of 126 bytes": frame(CLOSE, close_payload(1000, b"x" * 124)),
    "ping with a length in 8 bytes": frame(PING, b"x", length=8),
    "length 125 in 2 bytes": frame(TEXT, b"x" * 125, length=2),
    "length 125 in 8 bytes": frame(TEXT, b"x" * 125, length=8),
    "length 65535 in 8 bytes": frame(BINARY, b"x" * 65535, length=8),
    "length with the highest bit": bytes((0x82, 0xFF)) + (1 << 63).to_bytes(8, "big") + bytes(4),
    "continuation of nothing": frame(CONTINUATION, b"x"),
    "continuation of nothing, to be continued": frame(CONTINUATION, b"x", fin=False),
    "empty continuation of nothing": frame(CONTINUATION),
    "text within text": frame(TEXT, b"a", fin=False) + frame(TEXT, b"b"),
    "binary within text": frame(TEXT, b"a", fin=False) + frame(BINARY, b"b"),
    "text within binary": frame(BINARY, b"a", fin=False) + frame(TEXT, b"b", fin=False),
    "text within text after a ping": frame(TEXT, b"a", fin=False) + frame(PONG) + frame(TEXT, b"b"),
}


@pytest.mark.parametrize("chop", [None, 1], ids=["whole", "octets"])
@pytest.mark.parametrize("name", VIOLATIONS)
def test_violation(peer: Peer, name: str, chop: int | None) -> None:
    peer.send(frame(TEXT, b"one") + frame(PING, b"two"))
    assert [peer.answer(), peer.answer()] == [(TEXT, b"one"), (PONG, b"two")]
    peer.send(VIOLATIONS[name] + AFTERMATH, chop if len(VIOLATIONS[name]) < 1000 else None)
    peer.refused(1002)


def test_continuation_after_a_whole_message(peer: Peer) -> None:
    peer.send(fragments(TEXT, b"a", b"b"))
    assert peer.answer() == (TEXT, b"ab")
    peer.send(frame(CONTINUATION, b"c") + AFTERMATH)
    peer.refused(1002)


@pytest.mark.parametrize("name", VIOLATIONS)
def test_violation_between_messages_in_one_write(peer: Peer, name: str) -> None:
    peer.send(b"".join(frame(TEXT, b"%d" % number) for number in range(3)) + VIOLATIONS[name] + AFTERMATH)
    *answers, (_, payload) = peer.answers()
    # The parser looks one frame ahead: messages that come right before a broken frame may be lost with it.
    assert answers == [(TEXT, b"%d" % number) for number in range(3)][: len(answers)]
    assert payload[:2] == close_payload(1002)


def code_point(number: int) -> bytes:
    return chr(number).encode("utf-8", "surrogatepass")


VALID_TEXTS = [
    "Hello-µ@ßöäüàá-UTF-8!!".encode(),
    "κόσμε".encode(),
    "𐍈𝄞🙂".encode(),
    b"\xef\xbb\xbfwith a byte order mark",
    *(
        code_point(number)
        for number in [
            0x00, 0x7F, 0x80, 0x7FF, 0x800, 0xD7FF, 0xE000, 0xFDD0, 0xFFFD, 0xFFFE, 0xFFFF, 0x10000, 0x1FFFE, 0x1FFFF,
            0xFFFFF, 0x10FFFE, 0x10FFFF,
        ]
    ),
]  # fmt: skip
INVALID_TEXTS = {
    "continuation byte alone": b"\x80",
    "last continuation byte alone": b"\xbf",
    "six continuation bytes": b"\x80\xbf" * 3,
    "two-byte start and a space": b"\xc3 ",
    "three-byte start and a space": b"\xe1\x80 ",
    "four-byte start and a space": b"\xf1\x80\x80 ",
    "byte fe": b"\xfe",
    "byte ff": b"\xff",
    "overlong slash in two bytes": b"\xc0\xaf",
    "overlong slash in three bytes": b"\xe0\x80\xaf",
    "overlong slash in four bytes": b"\xf0\x80\x80\xaf",
    "overlong slash in five bytes": b"\xf8\x80\x80\x80\xaf",
    "overlong NUL": b"\xc0\x80",
    "overlong U+007F": b"\xc1\xbf",
    "overlong U+07FF": b"\xe0\x9f\xbf",
    "overlong U+FFFF": b"\xf0\x8f\xbf\xbf",
    "first surrogate": code_point(0xD800),
    "last surrogate": code_point(0xDFFF),
    "surrogate pair": code_point(0xD834) + code_point(0xDD1E),
    "U+110000": b"\xf4\x90\x80\x80",
    "five bytes": b"\xf8\x88\x80\x80\x80",
    "six bytes": b"\xfc\x84\x80\x80\x80\x80",
    "in the middle": "κόσμε".encode() + b"\xed\xa0\x80" + b"edited",
}
CUT_OFF_TEXTS = [b"\xc3", b"\xce\xba\xe1", b"\xce\xba\xe1\xbd", b"\xf0\x9f\x99", "κόσμε".encode()[:-1]]


@pytest.mark.parametrize("text", VALID_TEXTS)
def test_valid_utf8(peer: Peer, text: bytes) -> None:
    peer.send(frame(TEXT, text) + octets(TEXT, text))
    assert [peer.answer(), peer.answer()] == [(TEXT, text), (TEXT, text)]
    peer.leaves()


@pytest.mark.parametrize("name", INVALID_TEXTS)
def test_invalid_utf8(port: int, name: str) -> None:
    text = INVALID_TEXTS[name]
    for sent in (
        frame(TEXT, text),
        octets(TEXT, text),
        fragments(TEXT, b"good ", text),
        fragments(TEXT, b"", text, b""),
    ):
        with meeting(port) as peer:
            peer.send(sent + AFTERMATH)
            peer.refused(1007)


@pytest.mark.parametrize("name", INVALID_TEXTS)
def test_invalid_utf8_is_refused_before_the_message_ends(peer: Peer, name: str) -> None:
    peer.send(frame(TEXT, b"good ", fin=False) + frame(CONTINUATION, INVALID_TEXTS[name], fin=False) + AFTERMATH)
    peer.refused(1007)


@pytest.mark.parametrize("text", CUT_OFF_TEXTS)
def test_cut_off_utf8(port: int, text: bytes) -> None:
    for sent in (frame(TEXT, text), octets(TEXT, text), fragments(TEXT, text, b"")):
        with meeting(port) as peer:
            peer.send(sent + AFTERMATH)
            peer.refused(1007)


@pytest.mark.parametrize(
    "code", [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1014, 3000, 3999, 4000, 4999]
)
def test_close_is_answered_with_its_code(port: int, code: int) -> None:
    for reason in (b"", "κόσμε".encode(), b"*" * 123):
        with meeting(port) as peer:
            peer.send(frame(CLOSE, close_payload(code, reason)))
            assert peer.answers() == [(CLOSE, close_payload(code))]


def test_close_without_code(peer: Peer) -> None:
    peer.send(frame(CLOSE))
    assert peer.answers() == [(CLOSE, close_payload(1000))]


@pytest.mark.parametrize("chop", [None, 1], ids=["whole", "octets"])
@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535])
def test_close_with_a_code_nobody_may_send(peer: Peer, code: int, chop: int | None) -> None:
    peer.send(frame(CLOSE, close_payload(code)) + AFTERMATH, chop)
    peer.refused(1002)


def test_close_with_half_a_code(peer: Peer) -> None:
    peer.send(frame(CLOSE, b"\x03") + AFTERMATH)
    peer.refused(1002)


@pytest.mark.parametrize("reason", [b"\xff", b"ok \xed\xa0\x80", "κ".encode()[:1]])
def test_close_with_a_reason_that_is_not_utf8(peer: Peer, reason: bytes) -> None:
    peer.send(frame(CLOSE, close_payload(1000, reason)) + AFTERMATH)
    peer.refused(1007)


@pytest.mark.parametrize(
    "after",
    [
        frame(TEXT, b"late"),
        frame(PING, b"late"),
        frame(CLOSE, close_payload(1001)),
        frame(CONTINUATION),
        frame(3),
        b"\0",
    ],
    ids=["text", "ping", "close", "continuation", "violation", "garbage"],
)
def test_nothing_after_close_is_answered(peer: Peer, after: bytes) -> None:
    peer.send(frame(TEXT, b"last") + frame(CLOSE, close_payload(1000)) + after)
    answers = peer.answers()
    assert answers[-1][0] == CLOSE
    assert answers[:-1] in ([(TEXT, b"last")], [])


def test_close_within_a_fragmented_message(peer: Peer) -> None:
    peer.send(frame(TEXT, b"unfinished", fin=False) + frame(CLOSE, close_payload(1000)) + frame(CONTINUATION, b"never"))
    assert peer.answers() == [(CLOSE, close_payload(1000))]


def test_close_right_after_a_big_message(peer: Peer) -> None:
    peer.send(frame(BINARY, b"x" * 300_000) + frame(CLOSE, close_payload(1000)))
    assert peer.answers() == [(BINARY, b"x" * 300_000), (CLOSE, close_payload(1000))]


@pytest.mark.parametrize("before", [b"", frame(TEXT, b"a", fin=False), frame(TEXT, b"abc")[:-1], b"\x81"])
def test_half_closed_without_a_close_frame(peer: Peer, before: bytes) -> None:
    peer.send(frame(PING, b"p") + before)
    assert peer.answer() == (PONG, b"p")
    peer.half_close()
    assert peer.at_end()


@pytest.mark.parametrize("before", [b"", frame(TEXT, b"a", fin=False), b"\x81"])
def test_tcp_closed_without_a_close_frame(peer: Peer, before: bytes) -> None:
    peer.send(frame(PING, b"p") + before)
    assert peer.answer() == (PONG, b"p")
    peer.drop()


LIMIT = b"x" * MAX_MESSAGE
TOO_BIG = {
    "frame of one byte too many": frame(TEXT, LIMIT + b"x") + AFTERMATH,
    "frame that is only announced": frame(BINARY, LIMIT + b"x")[:8],
    "huge frame that is only announced": bytes((0x82, 0xFF)) + (1 << 62).to_bytes(8, "big"),
    "two fragments": fragments(TEXT, LIMIT, b"x") + AFTERMATH,
    "fragments with a pong between": frame(BINARY, LIMIT, fin=False) + frame(PONG) + frame(CONTINUATION, b"x"),
    "fragments without an end": frame(TEXT, LIMIT, fin=False) + frame(CONTINUATION, b"x", fin=False) + AFTERMATH,
    "too many fragments": fragments(TEXT, *[b"x"] * (MAX_FRAGMENTS + 1)) + AFTERMATH,
    "too many empty fragments": fragments(TEXT, *[b""] * (MAX_FRAGMENTS + 1)) + AFTERMATH,
}  # fmt: skip


@pytest.mark.parametrize("name", TOO_BIG)
def test_too_big(limited: Peer, name: str) -> None:
    limited.send(TOO_BIG[name])
    limited.refused(1009)


def test_limits_are_those_of_one_message(limited: Peer) -> None:
    for _ in range(3):
        limited.send(frame(TEXT, LIMIT) + fragments(BINARY, LIMIT[1:], b"x") + fragments(TEXT, *[b"x"] * MAX_FRAGMENTS))
        assert [limited.answer() for _ in range(3)] == [(TEXT, LIMIT), (BINARY, LIMIT), (TEXT, b"x" * MAX_FRAGMENTS)]
    limited.leaves()


def test_client_that_does_not_answer_a_close_frame_is_cut(limited: Peer) -> None:
    limited.send(frame(TEXT, b"\xff"))
    limited.refused(1007)


def test_client_that_goes_on_after_a_close_frame_is_cut(limited: Peer) -> None:
    limited.send(frame(TEXT, b"\xff") + frame(TEXT, b"and on"))
    limited.refused(1007)
