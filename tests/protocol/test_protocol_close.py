"""Closing: codes, reasons, what comes after a close frame, and TCP that ends without one."""

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
    frame,
    meeting,
)


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
