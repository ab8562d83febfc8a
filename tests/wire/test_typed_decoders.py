"""The typed decoder of requests gives the same result as `Codec.decode`, or leaves the message to it."""

import itertools
from typing import Any

import msgpack
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from msanic_core.wire import Codec
from tests.support.typed_kinds import IDS, KINDS
from tests.support.typed_messages import (
    QUICK,
    Fields,
    Seen,
    codecs,
    messages,
    payload_of,
    seen,
    seen_quickly,
    without_extras,
)

many = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
with_each_codec = pytest.mark.parametrize("codec", codecs.all, ids=lambda codec: codec.name)

LIMITS = (
    "message: extension types are not accepted",
    "message: a string is not UTF-8",
    "message: maps and arrays nested too deeply",
    "message: more than 10000 maps and arrays",
    "message: a map with integer keys and more than",
    "message: keys of maps must be strings, integers or bytes",
)
"""Where the two differ: the typed decoder skips unknown fields of the request or of a Struct without making objects.
`Codec.decode` makes objects of them, within these limits. JSON has no such limits."""


def agree(codec: Codec, payload: str | bytes) -> tuple[Seen | None, Seen]:
    """Both outcomes, which are equal unless one of `LIMITS` applies."""
    quick, other = seen_quickly(codec, payload), seen(codec, payload)
    if quick is not None and quick != other:
        assert codec is codecs.msgpack
        assert other[0] == "no request"
        assert other[1].startswith(LIMITS)
    return quick, other


@with_each_codec
@many
@given(messages())
def test_both_ways_have_the_same_outcome(codec: Codec, message: Fields) -> None:
    quick, other = agree(codec, payload_of(message, codec.name))
    if quick is not None and quick != other:
        # Then the result is as if the client had not sent the ignored part.
        assert quick == seen(codec, payload_of(without_extras(message), codec.name))


@with_each_codec
@many
@given(st.data())
def test_both_ways_have_the_same_outcome_for_damaged_messages(codec: Codec, data: st.DataObject) -> None:
    payload = payload_of(data.draw(messages()), codec.name)
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(payload)))
        if isinstance(payload, str):
            payload = payload[:place] + data.draw(st.sampled_from('{}[]":,0e\\\n\x00ä\ud800')) + payload[place + 1 :]
        else:
            payload = payload[:place] + bytes([data.draw(st.integers(0, 255))]) + payload[place + 1 :]
    agree(codec, payload)
    agree(codec, payload[: data.draw(st.integers(0, len(payload)))])


@many
@given(st.binary(max_size=100), st.text(max_size=100, alphabet='{}[]":,cmdatreqno.\\u0123 \ud800'))
def test_garbage_is_left_to_the_other_way(packed: bytes, text: str) -> None:
    assert agree(codecs.msgpack, packed)[0] is None
    assert agree(codecs.json, text)[0] is None
    assert agree(codecs.binary_json, text.encode(errors="surrogatepass"))[0] is None
    assert agree(codecs.binary_json, b"{" + packed)[0] is None


@with_each_codec
def test_each_byte_of_a_message_may_be_missing(codec: Codec) -> None:
    for name, kind in KINDS.items():
        payload = payload_of({"req": 1, "cmd": name, "data": kind.good[-1], "zz": [{}]}, codec.name)
        for cut in range(len(payload)):
            assert agree(codec, payload[:cut])[0] is None


# Messages for the typed decoder


@with_each_codec
@pytest.mark.parametrize("name", KINDS)
def test_what_fits_goes_the_quick_way(codec: Codec, name: str) -> None:
    takes = codec is not codecs.msgpack or KINDS[name].flat
    assert (name in QUICK[codec.name].commands) is takes
    for data in KINDS[name].good:
        for pairs in itertools.permutations([("cmd", name), ("data", data), ("req", "ä"), ("zz", [1, {"cmd": 2}])]):
            quick, other = agree(codec, payload_of(Fields([*pairs]), codec.name))
            assert other[0] == "taken"
            assert quick == (other if takes else None)


def test_msgpack_takes_what_is_made_of_structs_and_scalars() -> None:
    class Flat(msgspec.Struct, forbid_unknown_fields=True):
        a: int = 0

    for type_, flat in (
        (None, True),
        (Flat | int, True),
        (object, False),
        (list, False),
        (tuple[int, int], False),
        (frozenset[int], False),
        (bytearray, False),
        (Flat | list[int], False),
        (msgspec.defstruct("Deep", [("flat", msgspec.defstruct("Inner", [("items", dict[str, int])]))]), False),
        (msgspec.defstruct("Last", [("a", int), ("flat", Flat), ("any", Any)]), False),
        (msgspec.defstruct("First", [("any", Any), ("flat", Flat), ("a", int)]), False),
        (msgspec.defstruct("Twice", [("one", Flat), ("two", Flat | None), ("last", list[Flat])]), False),
    ):
        assert (codecs.msgpack.typed_decoder({"a.b": type_, "a.c": int}).commands == {"a.b", "a.c"}) is flat
        assert codecs.json.typed_decoder({"a.b": type_, "a.c": int}).commands == {"a.b", "a.c"}


def test_a_request_that_is_typed() -> None:
    for payload, req in (
        (b'{"cmd":"scalar.int","data":5,"req":[1 ]}', "[1 ]"),
        (b'{"data":5,"cmd":"scalar.int"}', "null"),
    ):
        request = QUICK["json"].decode(payload.decode())
        assert (request.cmd, request.data, bytes(request.req)) == ("scalar.int", 5, req.encode())
    for message, number in (({"cmd": "scalar.int", "data": 5, "req": 7}, 7), ({"data": 5, "cmd": "scalar.int"}, None)):
        request = QUICK["msgpack"].decode(msgpack.packb(message))
        assert (request.cmd, request.data, request.req) == ("scalar.int", 5, number)


@with_each_codec
def test_data_may_be_missing_where_the_other_way_takes_a_null(codec: Codec) -> None:
    for name in KINDS:
        quick, other = agree(codec, payload_of({"cmd": name, "req": 1}, codec.name))
        null = seen(codec, payload_of({"cmd": name, "data": None, "req": 1}, codec.name))
        assert other == null
        if codec is not codecs.msgpack and name in ("any.thing", "no.data"):
            assert quick == null


# Messages for `Codec.decode`

NOT_CMD: list[Any] = [None, True, 1.5, [], {}, b"scalar.int", ["scalar.int"]]
NOT_SAY: list[Any] = [None, 1, {}, [], {"room": 1}, "x"]
LEFT: dict[str, list[Any]] = {
    "no cmd": [{"data": 1}],
    "nothing": [{}, [], None, 1, "scalar.int"],
    "cmd by number": [{"cmd": number, "data": KINDS[name].good[0]} for number, name in IDS.items()],
    "unknown cmd": [{"cmd": "no.such", "data": 1}, {"cmd": "SCALAR.INT", "data": 1}],
    "cmd that is none": [{"cmd": cmd, "data": 1} for cmd in NOT_CMD],
    "cmd twice": [
        Fields([("cmd", "scalar.int"), ("data", 1), ("cmd", other)])
        for other in ("scalar.float", "no.such", 2001, None, ["scalar.int"])
    ],
    "data that does not fit": [{"cmd": "struct.say", "data": each} for each in NOT_SAY],
    "a check that fails": [{"cmd": "struct.checked", "data": {"low": 10}}],
    "data twice, once wrong": [Fields([("data", each), ("cmd", "scalar.int"), ("data", 1)]) for each in ("x", None)],
    "unknown field": [{"cmd": "struct.strict", "data": {"n": 1, "zz": 1}}],
    "JSON in a string": [{"cmd": "struct.say", "data": '{"room":"a"}'}, {"cmd": "scalar.int", "data": "5"}],
}


@with_each_codec
@pytest.mark.parametrize("kind", LEFT)
def test_what_is_left_to_the_other_way(codec: Codec, kind: str) -> None:
    for message in LEFT[kind]:
        assert agree(codec, payload_of(message, codec.name))[0] is None


@with_each_codec
def test_cmd_twice_the_same_is_no_difference(codec: Codec) -> None:
    message = Fields([("cmd", "scalar.int"), ("data", 1), ("cmd", "scalar.int"), ("data", 2)])
    quick, other = agree(codec, payload_of(message, codec.name))
    assert quick == other
    assert other[:2] == ("taken", "2")


def test_a_req_that_is_more_than_a_string_or_a_number_in_msgpack() -> None:
    for req in (True, 1.5, b"x", [], [1], {}, {"a": {1: 2}}):
        quick, other = agree(codecs.msgpack, msgpack.packb({"cmd": "scalar.int", "data": 1, "req": req}))
        assert quick is None
        assert other[0] == "taken"
        assert msgpack.unpackb(other[2][2:], strict_map_key=False)["req"] == req
