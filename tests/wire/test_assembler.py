import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.exceptions import ProtocolError
from websockets.frames import Close

from msanic_core.wire.assembler import Assembler, ProtocolViolation, parse_close
from msanic_core.wire.frame import BINARY, CLOSE, CONTINUATION, PING, TEXT

unhurried = settings(deadline=None)


def new_assembler() -> Assembler:
    return Assembler(max_message=100, max_fragments=5)


def violation(assembler: Assembler, opcode: int, final: bool, payload: bytes) -> ProtocolViolation:
    with pytest.raises(ProtocolViolation) as caught:
        assembler.feed(opcode, final, payload)
    # The reason must fit into a close frame: 125 bytes, two of them for the code.
    assert 0 < len(caught.value.reason.encode()) <= 123
    return caught.value


def test_whole_messages() -> None:
    assembler = new_assembler()
    assert assembler.feed(TEXT, True, "grüß dich".encode()) == "grüß dich"
    assert assembler.feed(BINARY, True, b"\xff\x00") == b"\xff\x00"
    assert assembler.feed(TEXT, True, b"") == ""
    assert assembler.feed(BINARY, True, b"") == b""
    assert not assembler.open


def test_fragmented_messages() -> None:
    assembler = new_assembler()
    assert assembler.feed(TEXT, False, b"gr\xc3") is None
    assert assembler.open
    assert assembler.feed(CONTINUATION, False, b"") is None
    assert assembler.feed(CONTINUATION, True, b"\xbc\xc3\x9f") == "grüß"
    assert not assembler.open
    assert assembler.feed(BINARY, False, b"") is None
    assert assembler.open
    assert assembler.feed(CONTINUATION, True, b"\xc3") == b"\xc3"
    assert not assembler.open


@unhurried
@given(data=st.data())
def test_fragments_of_a_text_give_the_text(data: st.DataObject) -> None:
    text = data.draw(st.text(max_size=40))
    payload = text.encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(payload)), max_size=6)))
    parts = [payload[start:end] for start, end in zip([0, *cuts], [*cuts, len(payload)], strict=True)]
    assembler = Assembler(max_message=max(1, len(payload)), max_fragments=len(parts))
    for _ in range(2):  # nothing of the first message is left for the second
        results = [
            assembler.feed(CONTINUATION if index else TEXT, index == len(parts) - 1, part)
            for index, part in enumerate(parts)
        ]
        assert results == [None] * (len(parts) - 1) + [text]


@unhurried
@given(parts=st.lists(st.binary(max_size=20), min_size=1, max_size=10))
def test_any_bytes_as_text_are_read_as_python_reads_them(parts: list[bytes]) -> None:
    assembler = Assembler(max_message=1000, max_fragments=10)
    outcome: str | bytes | int | None = None
    for index, part in enumerate(parts):
        try:
            outcome = assembler.feed(CONTINUATION if index else TEXT, index == len(parts) - 1, part)
        except ProtocolViolation as violated:
            outcome = violated.code
            break
    try:
        assert outcome == b"".join(parts).decode()
    except UnicodeDecodeError:
        assert outcome == 1007


def test_text_that_is_not_utf8_fails_at_the_first_bad_fragment() -> None:
    assembler = new_assembler()
    assembler.feed(TEXT, False, b"fine")
    assert violation(assembler, CONTINUATION, False, b"\xff").code == 1007


def test_text_that_ends_within_a_character() -> None:
    assert violation(new_assembler(), TEXT, True, b"gr\xc3").code == 1007
    assembler = new_assembler()
    assembler.feed(TEXT, False, b"gr\xc3")
    assert violation(assembler, CONTINUATION, True, b"").code == 1007


def test_continuation_of_nothing() -> None:
    assert violation(new_assembler(), CONTINUATION, True, b"x").code == 1002
    assembler = new_assembler()
    assembler.feed(TEXT, True, b"x")
    assert violation(assembler, CONTINUATION, True, b"x").code == 1002


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
@pytest.mark.parametrize("begun", [b"x", b""])
def test_new_message_within_a_message(opcode: int, begun: bytes) -> None:
    assembler = new_assembler()
    assembler.feed(BINARY, False, begun)
    assert violation(assembler, opcode, True, b"x").code == 1002


@pytest.mark.parametrize("opcode", [0x3, 0x7, CLOSE, PING, 0xB])
def test_other_opcodes(opcode: int) -> None:
    assert violation(new_assembler(), opcode, True, b"").code == 1002


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_size_is_that_of_all_fragments(opcode: int) -> None:
    assert violation(new_assembler(), opcode, True, bytes(101)).code == 1009
    assembler = new_assembler()
    for _ in range(2):
        assert assembler.feed(opcode, False, bytes(60)) is None
        assert len(assembler.feed(CONTINUATION, True, bytes(40)) or "") == 100
    assembler.feed(opcode, False, bytes(60))
    assert violation(assembler, CONTINUATION, False, bytes(41)).code == 1009


def test_size_of_text_counts_bytes() -> None:
    assert violation(new_assembler(), TEXT, True, "ü".encode() * 51).code == 1009


def test_number_of_fragments_counts_empty_ones() -> None:
    assembler = new_assembler()
    for _ in range(2):
        assembler.feed(BINARY, False, b"")
        for _ in range(3):
            assembler.feed(CONTINUATION, False, b"")
        assert assembler.feed(CONTINUATION, True, b"") == b""
    assembler.feed(TEXT, False, b"")
    for _ in range(4):
        assembler.feed(CONTINUATION, False, b"")
    assert violation(assembler, CONTINUATION, True, b"").code == 1009


def test_parse_close() -> None:
    assert parse_close(b"") == (None, "")
    assert parse_close(b"\x03\xe8") == (1000, "")
    assert parse_close(b"\x13\x87" + "tschüß".encode()) == (4999, "tschüß")


def test_parse_close_allows_the_codes_another_library_allows() -> None:
    for code in range(0x10000):
        payload = code.to_bytes(2, "big")
        try:
            allowed = Close.parse(payload).code == code
        except ProtocolError:
            allowed = False
        if allowed:
            assert parse_close(payload) == (code, "")
        else:
            with pytest.raises(ProtocolViolation) as caught:
                parse_close(payload)
            assert caught.value.code == 1002


@pytest.mark.parametrize(
    ("payload", "code", "reason"),
    [
        (b"\x03", 1002, "close frame with half a code"),
        (b"\x03\xed", 1002, "close code 1005 must not be sent"),
        (b"\x03\xe8\xff", 1007, "close reason is not UTF-8"),
        (b"\x03\xe8ab\xc3", 1007, "close reason is not UTF-8"),
    ],
)
def test_parse_close_refuses(payload: bytes, code: int, reason: str) -> None:
    with pytest.raises(ProtocolViolation) as caught:
        parse_close(payload)
    assert (caught.value.code, caught.value.reason) == (code, reason)
