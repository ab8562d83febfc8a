"""Text that is UTF-8 and text that is not."""

import pytest

from tests.support.peer import AFTERMATH, CONTINUATION, TEXT, Peer, fragments, frame, meeting, octets


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
