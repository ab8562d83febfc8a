"""Messages and control frames that are right: their lengths, fragments, pings and pongs."""

import pytest

from tests.support.peer import BINARY, CONTINUATION, PING, PONG, TEXT, Answer, Peer, fragments, frame


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
