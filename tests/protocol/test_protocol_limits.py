"""The limits of a message, and of the patience with a client that does not close."""

import pytest

from tests.support.peer import (
    AFTERMATH,
    BINARY,
    CONTINUATION,
    MAX_FRAGMENTS,
    MAX_MESSAGE,
    PONG,
    TEXT,
    Peer,
    fragments,
    frame,
)

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
