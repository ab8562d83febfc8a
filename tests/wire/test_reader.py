"""The rules for clients, and the messages that the reader gives; test_reader_properties.py has arbitrary streams."""

from itertools import product

import pytest

from msanic_core.wire import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT
from tests.support.peer import AFTERMATH, close_payload, fragments, frame
from tests.support.reader import (
    CONTROL,
    DATA,
    FRAGMENT_NOT_UTF8,
    FRAGMENTED_CONTROL,
    LONG_CONTROL,
    MAX_FRAGMENTS,
    MAX_MESSAGE,
    NOT_BEGUN,
    NOT_ENDED,
    NOT_UTF8,
    RESERVED,
    TOO_BIG,
    TOO_MANY,
    UNDEFINED,
    UNMASKED,
    WHOLE,
    Client,
    Refusal,
    begun,
    header,
)

# Each is refused at its last byte, not before.
VIOLATIONS: dict[str, tuple[Refusal, bytes]] = {
    **{
        f"reserved bits {rsv:03b} on opcode {opcode}, {size} bytes": (RESERVED, frame(opcode, bytes(size), rsv=rsv)[:2])
        for rsv, opcode, size in product(range(1, 8), DATA + CONTROL, (0, 3))
    },
    **{
        f"opcode {opcode}, final {fin}": ((1002, f"opcode {opcode} is not defined"), frame(opcode, b"x", fin=fin)[:2])
        for opcode, fin in product(UNDEFINED, (False, True))
    },
    **{
        f"opcode {opcode} with {size} bytes, unmasked": (UNMASKED, frame(opcode, bytes(size), masked=False)[:2])
        for opcode, size in [*product(DATA + CONTROL, (0, 1, 125)), *product(DATA, (126, 65536))]
    },
    **{
        f"opcode {opcode} with {size} bytes, to be continued": (FRAGMENTED_CONTROL, begun(opcode, bytes(size))[:2])
        for opcode, size in product(CONTROL, (0, 3))
    },
    **{
        f"opcode {opcode} with a length in {extended} bytes": (LONG_CONTROL, header(opcode, 126, extended)[:2])
        for opcode, extended in product(CONTROL, (2, 8))
    },
    **{
        f"opcode {opcode}, length {length} in {extended} bytes": (
            (1002, f"a length of {length} in {extended} bytes"),
            (begun(TEXT) if opcode == CONTINUATION else b"") + header(opcode, length, extended),
        )
        for opcode in DATA
        for extended, lengths in {2: (0, 1, 125), 8: (0, 125, 126, 65535, 1 << 63, (1 << 64) - 1)}.items()
        for length in lengths
    },
    **{
        f"opcode {opcode}, length {length}": (
            TOO_BIG,
            (begun(TEXT) if opcode == CONTINUATION else b"") + header(opcode, length, 8),
        )
        for opcode, length in product(DATA, (MAX_MESSAGE + 1, (1 << 63) - 1))
    },
    "too big, to be continued": (TOO_BIG, begun(TEXT, bytes(MAX_MESSAGE + 1))[:10]),
    **{
        f"text {payload!r} after {before} bytes": (NOT_UTF8, frame(TEXT, b"x" * before + payload))
        for payload in (b"\xff", b"\x80", b"\xed\xa0\x80", b"\xc0\xaf", b"\xf4\x90\x80\x80", b"\xc3", b"\xf0\x9f\x98")
        for before in (0, 125 - len(payload), 126 - len(payload), 300)
    },
    "fragment not UTF-8": (FRAGMENT_NOT_UTF8, begun(TEXT, b"\xff")),
    "second fragment not UTF-8": (FRAGMENT_NOT_UTF8, begun(TEXT, b"gr\xc3") + begun(CONTINUATION, b"u")),
    "surrogate over two fragments": (FRAGMENT_NOT_UTF8, fragments(TEXT, b"\xed\xa0", b"\x80")),
    "last fragment ends in a character": (FRAGMENT_NOT_UTF8, fragments(TEXT, b"gr", b"\xc3")),
}  # fmt: skip

# Refused when the last frame is complete.
OUT_OF_ORDER: dict[str, tuple[Refusal, bytes]] = {
    "continuation of nothing": (NOT_BEGUN, frame(CONTINUATION, b"x")),
    "empty continuation of nothing": (NOT_BEGUN, frame(CONTINUATION)),
    "continuation of nothing, to be continued": (NOT_BEGUN, begun(CONTINUATION, b"x")),
    "continuation of a text that has ended": (NOT_BEGUN, fragments(TEXT, b"a", b"b") + frame(CONTINUATION, b"x")),
    "continuation of a binary message that has ended": (NOT_BEGUN, frame(BINARY, b"a") + frame(CONTINUATION)),
    **{
        f"opcode {inner} of {size} bytes within {outer}, final {fin}": (
            NOT_ENDED,
            begun(outer) + frame(inner, b"x" * size, fin=fin),
        )
        for outer, inner, size, fin in product((TEXT, BINARY), (TEXT, BINARY), (0, 1, 126), (False, True))
    },
    "text after a ping within a text": (NOT_ENDED, begun(TEXT, b"a") + frame(PING) + frame(TEXT, b"b")),
    "two frames over the limit": (TOO_BIG, fragments(TEXT, b"a" * MAX_MESSAGE, b"b")),
    "two frames over the limit, no end": (TOO_BIG, begun(BINARY, bytes(MAX_MESSAGE)) + begun(CONTINUATION, b"b")),
    "too many fragments": (TOO_MANY, fragments(TEXT, *[b"a"] * (MAX_FRAGMENTS + 1))),
    "too many empty fragments, without end": (TOO_MANY, begun(BINARY) + begun(CONTINUATION) * MAX_FRAGMENTS),
}  # fmt: skip


@pytest.mark.parametrize("name", VIOLATIONS)
def test_a_violation_is_refused_as_soon_as_it_is_seen(name: str) -> None:
    refusal, data = VIOLATIONS[name]
    for chop in (WHOLE, 1):
        client = Client()
        client.send(data[:-1], chop)
        assert client.refused(data[-1:]) == refusal
        assert client.got == []


@pytest.mark.parametrize("name", [*VIOLATIONS, *OUT_OF_ORDER])
def test_what_came_before_a_violation_is_handed_over(name: str) -> None:
    refusal, data = (VIOLATIONS | OUT_OF_ORDER)[name]
    client = Client()
    before = frame(TEXT, b"one") + frame(PING, b"two") + frame(BINARY, b"three") + fragments(TEXT, b"fo", b"ur")
    assert client.refused(before + data + AFTERMATH) == refusal
    assert client.got[:4] == ["one", (PING, b"two"), b"three", "four"]
    assert (PING, b"no") not in client.got


@pytest.mark.parametrize("name", OUT_OF_ORDER)
def test_frames_out_of_order_are_refused_in_pieces_too(name: str) -> None:
    refusal, data = OUT_OF_ORDER[name]
    assert Client().refused(data, 1 if len(data) < 1000 else 999) == refusal


@pytest.mark.parametrize("chop", [WHOLE, 1000, 1])
@pytest.mark.parametrize("size", [0, 1, 2, 3, 4, 5, 124, 125, 126, 127, 128, 129, 65535, 65536, MAX_MESSAGE])
def test_messages_of_each_size(size: int, chop: int) -> None:
    client = Client()
    payload = bytes(ord("a") + index % 26 for index in range(size))
    client.send((frame(TEXT, payload) + frame(BINARY, payload)) * 2, chop if size < 1000 else max(chop, 1000))
    assert client.got == [payload.decode(), payload] * 2


@pytest.mark.parametrize("chop", [WHOLE, 1])
@pytest.mark.parametrize("opcode", [CLOSE, PING, PONG])
@pytest.mark.parametrize("size", [0, 1, 124, 125])
def test_control_frames(opcode: int, size: int, chop: int) -> None:
    client = Client()
    payload = bytes(range(size))
    client.send(frame(opcode, payload) * 2, chop)
    assert client.got == [(opcode, payload)] * 2


@pytest.mark.parametrize("chop", [WHOLE, 1])
def test_fragments(chop: int) -> None:
    client = Client()
    client.send(fragments(TEXT, b"gr\xc3", b"", b"\xbc\xc3", b"\x9f") + fragments(BINARY, b"\xc3", b""), chop)
    client.send(fragments(TEXT, b"", b"") + fragments(BINARY, b"", b"") + fragments(TEXT, b"a" * 126, b"b"), chop)
    assert client.got == ["grüß", b"\xc3", "", b"", "a" * 126 + "b"]


@pytest.mark.parametrize("text", ["\ufeff", "\ufeff\0a", "\ufeff" + "😀" * 40])
def test_a_byte_order_mark_is_part_of_the_text(text: str) -> None:
    client = Client()
    payload = text.encode()
    client.send(frame(TEXT, payload) + fragments(TEXT, payload[:1], payload[1:]))
    assert client.got == [text, text]


@pytest.mark.parametrize("chop", [WHOLE, 1])
def test_control_frames_between_fragments(chop: int) -> None:
    client = Client()
    first, second, third = frame(TEXT, b"a", fin=False), frame(CONTINUATION, b"b", fin=False), frame(CONTINUATION, b"c")
    client.send(first + frame(PING, b"1") + second + frame(PONG) + frame(CLOSE, close_payload(1000)) + third, chop)
    assert client.got == [(PING, b"1"), (PONG, b""), (CLOSE, close_payload(1000)), "abc"]


def test_control_frames_are_no_fragments() -> None:
    client = Client(max_message=4, max_fragments=4)
    ping = frame(PING, bytes(125))
    client.send(ping + ping.join(frame(CONTINUATION if i else BINARY, b"x", fin=i == 3) for i in range(4)))
    assert client.got == [(PING, bytes(125))] * 4 + [b"xxxx"]


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
@pytest.mark.parametrize("limit", [1, 124, 125, 126, 65535, 65536])
def test_the_limit_is_that_of_one_message_in_bytes(limit: int, opcode: int) -> None:
    client = Client(max_message=limit)
    largest = b"x" * limit
    client.send((frame(opcode, largest) + fragments(opcode, largest[1:], b"x")) * 2)
    assert client.got == [largest.decode() if opcode == TEXT else largest] * 4
    over = frame(opcode, largest + b"x")
    only_announced = over[: len(over) - len(largest) - 1 - 4]
    assert client.refused(only_announced) == (1009, f"message of more than {limit} bytes")


@pytest.mark.parametrize("chop", [WHOLE, 1])
@pytest.mark.parametrize("opcode", [TEXT, BINARY])
@pytest.mark.parametrize(("limit", "payload"), [(1, "ü"), (10, "x" * 11), (10, "x" * 125), (124, "x" * 125)])
def test_short_messages_over_a_small_limit(limit: int, payload: str, opcode: int, chop: int) -> None:
    client = Client(max_message=limit)
    too_big = (1009, f"message of more than {limit} bytes")
    assert client.refused(frame(opcode, payload.encode()), chop) == too_big
    assert client.got == []


def test_the_limit_of_fragments_is_that_of_one_message() -> None:
    client = Client()
    client.send(fragments(BINARY, *[b"x"] * MAX_FRAGMENTS) * 2 + frame(TEXT, b"x") * (MAX_FRAGMENTS + 1))
    assert client.got == [b"x" * MAX_FRAGMENTS] * 2 + ["x"] * (MAX_FRAGMENTS + 1)
    client = Client(max_fragments=1)
    client.send(frame(TEXT, b"x") + frame(BINARY, b"y") + frame(TEXT, b"z" * 126))
    assert client.got == ["x", b"y", "z" * 126]
