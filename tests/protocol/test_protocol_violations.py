"""Frames that break a rule: reserved bits, opcodes, masks, lengths, fragments out of order."""

import itertools

import pytest

from tests.support.peer import (
    AFTERMATH,
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    Peer,
    close_payload,
    fragments,
    frame,
)

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
    assert answers == [(TEXT, b"%d" % number) for number in range(3)]
    assert payload[:2] == close_payload(1002)
