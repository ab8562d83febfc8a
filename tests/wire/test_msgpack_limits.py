"""The limits of a payload, and the cost of refusing one."""

import tracemalloc

import pytest

from msanic_core.wire import MsgpackCodec, Request
from msanic_core.wire.unpacker import MAX_INTEGER_KEYS
from tests.support.msgpack_messages import HEAD, pack, refusal, request_with


@pytest.mark.parametrize("filler", [b"", b"\xc4\xff" + b"\x80" * 255], ids=["few", "many"])
def test_depth(filler: bytes) -> None:
    """The filler is one binary string, full of bytes that could be headers."""
    limited = MsgpackCodec(max_depth=10, max_containers=1000)
    too_deep = "message: maps and arrays nested too deeply: more than 10 levels"
    extra = b"\xa1f" + filler if filler else b"\xa1f\xc0"

    def nested(levels: int, opening: bytes) -> bytes:
        return b"\x83\xa3cmd\x01" + extra + b"\xa4data" + opening * (levels - 2) + b"\x90"

    for opening in (b"\x91", b"\x81\xa1k", b"\x81\x07", b"\xdc\x00\x01", b"\xdd\x00\x00\x00\x01"):
        assert isinstance(limited.decode(nested(10, opening)), Request)
        assert refusal(nested(11, opening), limited) == too_deep


def test_many_maps_side_by_side_are_not_deep() -> None:
    assert request_with([{"a": [1]}] * 1000).data == [{"a": [1]}] * 1000
    assert request_with({str(n): [{}] for n in range(1000)}).data == {str(n): [{}] for n in range(1000)}


@pytest.mark.parametrize("empty", [b"\x80", b"\x90", b"\xdc\x00\x00", b"\xde\x00\x00", b"\xdf\x00\x00\x00\x00"])
def test_number_of_maps_and_arrays(empty: bytes) -> None:
    limited = MsgpackCodec(max_containers=100)
    assert len(limited.decode(HEAD + b"\xdc\x00\x62" + empty * 98).data) == 98
    assert refusal(HEAD + b"\xdc\x00\x63" + empty * 99, limited) == "message: more than 100 maps and arrays"
    # With integer keys, which are checked one by one.
    pairs = b"".join(bytes((n,)) + empty for n in range(99))
    assert len(limited.decode(HEAD + b"\xde\x00\x62" + pairs[: 98 * (1 + len(empty))]).data) == 98
    assert refusal(HEAD + b"\xde\x00\x63" + pairs, limited) == "message: more than 100 maps and arrays"


@pytest.mark.parametrize(
    ("payload", "got"),
    [
        (b"\xcb" + b"\x80" * 8, "float"),
        (b"\xcf" + b"\x80" * 8, "int"),
        (b"\xc4\xff" + b"\x80" * 255, "bytes"),
        (b"\xd9\xfc" + "\u0400".encode() * 126, "str"),
    ],
    ids=lambda value: str(value)[:8],
)
@pytest.mark.parametrize("limits", [(10_000, 4), (4, 4), (4, 10_000)], ids=str)
def test_a_single_value_full_of_bytes_that_could_be_headers(payload: bytes, got: str, limits: tuple[int, int]) -> None:
    by = MsgpackCodec(max_containers=limits[0], max_depth=limits[1])
    assert refusal(payload, by) == f"message: expected object, got {got}"


def test_number_of_integer_keys() -> None:
    most = dict.fromkeys(range(MAX_INTEGER_KEYS), 0)
    assert request_with(most).data == most
    strings = {str(n): 0 for n in range(5000)}
    assert request_with(strings).data == strings
    assert request_with([strings, {1: 1}]).data == [strings, {1: 1}]
    hint = f"message: a map with integer keys and more than {MAX_INTEGER_KEYS} entries"
    assert refusal(pack({"cmd": 1, "data": {**most, MAX_INTEGER_KEYS: 0}})) == hint
    assert refusal(pack({"cmd": 1, "data": {**most, "one": 0}})) == hint


def _peak_of_refusal(payload: bytes) -> int:
    tracemalloc.start()
    try:
        refusal(payload)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_empty_maps_do_not_become_memory() -> None:
    count = 1 << 20
    payload = HEAD + b"\xdd" + count.to_bytes(4, "big") + b"\x80" * count
    assert _peak_of_refusal(payload) < 16 * len(payload)  # 64 times without the limit
    payload = HEAD + b"\xdf" + (count // 2).to_bytes(4, "big") + b"\x01\x80" * (count // 2)
    assert _peak_of_refusal(payload) < 16 * len(payload)


def test_promised_elements_do_not_become_memory() -> None:
    for size in (4096, 1 << 20):
        opening = b"\xdd" + (size - 5 * 60).to_bytes(4, "big")
        payload = (opening * 60).ljust(size, b"\x00")
        assert _peak_of_refusal(payload) < 4 * size + (2 << 20)  # 480 times without the check
