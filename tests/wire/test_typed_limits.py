"""The typed decoder of requests: the highest cost of any message, and few commands."""

import contextlib
import tracemalloc
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from msanic_core.wire import DECODE_ERRORS, Codec
from tests.support.typed_kinds import KINDS
from tests.support.typed_messages import (
    QUICK,
    Fields,
    Verbatim,
    codecs,
    payload_of,
    seen,
    seen_quickly,
    without_extras,
)

with_each_codec = pytest.mark.parametrize("codec", codecs.all, ids=lambda codec: codec.name)

HUGE = [
    b"\xdd\xff\xff\xff\xff",
    b"\xdf\xff\xff\xff\xff",
    b"\xdb\xff\xff\xff\xff",
    b"\xc6\xff\xff\xff\xff",
    b"\xc9\xff\xff\xff\xff\x05",
    b"\xdc\xff\xff" * 20_000,
    b"\xde\xff\xff\xa1a" * 20_000,
    b"\xdd\x00\x01\x00\x00" + b"\x80" * 0x10000,
    b"\xdd\x00\x01\x00\x00" + b"\x90" * 0x10000,
    b"\xdf\x00\x00\x80\x00" + b"\x01\x80" * 0x8000,
    b"\xde\x40\x00" + b"\xa4room\xa1x" * 0x4000,
    b"\xde\x40\x00" + b"\xa2zz\x90" * 0x4000,
]


def peak_of(decode: Callable[[Any], object], payload: str | bytes) -> int:
    tracemalloc.start()
    try:
        with contextlib.suppress(*DECODE_ERRORS):
            decode(payload)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", KINDS)
def test_promises_and_much_of_little_do_not_become_memory(name: str) -> None:
    most = 0
    for huge in HUGE:
        for message in (
            Verbatim("", huge),
            Fields([("cmd", name), ("data", Verbatim("", huge))]),
            Fields([("data", Verbatim("", huge)), ("cmd", name)]),
            Fields([("cmd", name), ("data", {"room": Verbatim("", huge)})]),
            Fields([("cmd", name), ("data", KINDS[name].good[0]), ("zz", Verbatim("", huge))]),
            Fields([("cmd", name), ("data", KINDS[name].good[0]), ("req", Verbatim("", huge))]),
        ):
            most = max(most, peak_of(QUICK["msgpack"].decode, payload_of(message, "msgpack")))
    assert most < 100_000


@with_each_codec
@pytest.mark.parametrize("levels", [100, 5_000, 1_000_000])
def test_however_deep(codec: Codec, levels: int) -> None:
    nested = Verbatim("[" * levels + "]" * levels, b"\x91" * levels + b"\x90")
    tree = Verbatim('{"child":' * levels + "{}" + "}" * levels, b"\x81\xa5child" * levels + b"\x80")
    read: list[Any] = [
        nested,
        {"cmd": nested},
        {"cmd": "any.thing", "data": nested},
        {"cmd": "struct.say", "data": nested},
        {"data": nested, "cmd": "struct.say"},
        {"cmd": "scalar.int", "data": 1, "req": nested},
        {"cmd": "struct.tree", "data": tree},
    ]
    for message in read:
        payload = payload_of(message, codec.name)
        assert seen_quickly(codec, payload) in (None, seen(codec, payload))
    ignored: list[dict[str, Any]] = [
        {"cmd": "struct.say", "data": {"room": "a", "zz": nested}},
        {"cmd": "scalar.int", "data": 1, "zz": nested},
    ]
    for message in ignored:
        # Unknown fields may be nested deeper than the limit, up to Python's recursion limit.
        seen_without = seen(codec, payload_of(without_extras(message), codec.name))
        quick = seen_quickly(codec, payload_of(message, codec.name))
        assert quick in {100: (seen_without,), 5_000: (seen_without, None), 1_000_000: (None,)}[levels]


class Wide(msgspec.Struct, array_like=True):
    one: "Wide | None" = None
    two: "Wide | None" = None
    three: "Wide | None" = None
    four: "Wide | None" = None


def test_structs_within_structs_of_their_own_kind_do_not_become_memory() -> None:
    data = b"\x90"
    while len(data) < 50_000:
        data = b"\x94" + data * 4
    payload = payload_of({"cmd": "a.b", "data": Verbatim("", data)}, "msgpack")
    decode = codecs.msgpack.typed_decoder({"a.b": Wide, "a.c": int}).decode
    assert peak_of(decode, payload) < len(payload)


@with_each_codec
def test_what_a_check_raises_that_is_no_error_of_the_decoder_comes_out(codec: Codec) -> None:
    def fail(self: object) -> None:
        raise LookupError("a plugin's own")

    type_ = msgspec.defstruct("Failing", [("x", int, 0)], namespace={"__post_init__": fail})
    decode = codec.typed_decoder({"a.b": type_, "a.c": int}).decode
    with pytest.raises(LookupError, match="a plugin's own"):
        decode(payload_of({"cmd": "a.b", "data": {}}, codec.name))


# Few commands, or no commands


@with_each_codec
def test_a_message_without_cmd_where_there_is_one_command(codec: Codec) -> None:
    decode = codec.typed_decoder({"a.b": int}).decode
    assert decode(payload_of({"cmd": "a.b", "data": 5}, codec.name)).data == 5
    for message in ({"data": 5}, {}, {"cmd": "a.c", "data": 5}, {"cmd": None, "data": 5}):
        with pytest.raises(DECODE_ERRORS):
            decode(payload_of(message, codec.name))


@with_each_codec
def test_without_any_command_everything_is_left_to_the_other_way(codec: Codec) -> None:
    messages: list[Any] = [[], {}, {"data": 1}, *({"cmd": cmd, "data": 1} for cmd in ("a.b", "", 2001, None))]
    for message in messages:
        with pytest.raises(DECODE_ERRORS):
            codec.typed_decoder({}).decode(payload_of(message, codec.name))
    assert codec.typed_decoder({}).commands == frozenset()
