"""Messages for commands with data of many types, and the result of each way to decode them."""

import json
from typing import Any, NamedTuple

import msgspec
from hypothesis import strategies as st

from msanic_core.wire import DECODE_ERRORS, REJECT_COMMAND, Codec, Codecs, DataError, EnvelopeError, Request
from tests.support.typed_kinds import IDS, KINDS, TYPES

codecs = Codecs()
DECODERS = {(codec.name, name): codec.data_decoder(type_) for codec in codecs.all for name, type_ in TYPES.items()}
QUICK = {codec.name: codec.typed_decoder(TYPES) for codec in codecs.all}

Seen = tuple[Any, ...]
"""The outcome of a message: its kind, the handler's data or the error, and the reply."""


def seen_quickly(codec: Codec, payload: str | bytes) -> Seen | None:
    """None if the quick decoder leaves the message to the normal one."""
    try:
        request = QUICK[codec.name].decode(payload)
    except DECODE_ERRORS:
        return None
    return seen_of(codec, request, typed=True)


def seen(codec: Codec, payload: str | bytes) -> Seen:
    """Without the quick way."""
    try:
        request = codec.decode(payload)
    except EnvelopeError as error:
        return "no request", error.hint, codec.reply(REJECT_COMMAND, None, 12, error.req, error.hint)
    return seen_of(codec, request, typed=False)


def seen_of(codec: Codec, request: Request, *, typed: bool) -> Seen:
    cmd, data = request.cmd, request.data
    name = IDS.get(cmd) if isinstance(cmd, int) else cmd
    if name not in KINDS:
        return "unknown command", cmd, codec.reply(cmd, None, 11, request.req, "")
    if TYPES[name] is msgspec.Raw:
        data = None
    elif not typed:
        try:
            data = DECODERS[codec.name, name](data)
        except DataError as error:
            return "wrong data", error.hint, codec.reply(cmd, None, 12, request.req, error.hint)
    return "taken", repr(data), codec.reply(cmd, name, 0, request.req, "")


# What clients send: Python's values, and among them


class Verbatim(NamedTuple):
    """Bytes of a message as they are, in JSON the text."""

    json: str
    msgpack: bytes


class Fields(NamedTuple):
    """A map with its keys in this order, and maybe twice."""

    pairs: list[tuple[Any, Any]]


def payload_of(value: Any, encoding: str) -> str | bytes:
    if encoding == codecs.msgpack.name:
        return _msgpack(value)
    text = _json(value)
    # Halves of surrogate pairs: text frames cannot have them, and in bytes they are not UTF-8.
    return text if encoding == codecs.json.name else text.encode(errors="surrogatepass")


def _json(value: Any) -> str:
    if isinstance(value, Verbatim):
        return value.json
    if isinstance(value, Fields):
        return "{" + ", ".join(f"{_json(key)}:{_json(each)}" for key, each in value.pairs) + "}"
    if isinstance(value, dict):
        return _json(Fields([(key if isinstance(key, str) else str(key), each) for key, each in value.items()]))
    if isinstance(value, list):
        return "[" + ",".join(map(_json, value)) + "]"
    return msgspec.json.encode(value).decode() if isinstance(value, bytes) else json.dumps(value)


def _msgpack(value: Any) -> bytes:
    if isinstance(value, Verbatim):
        return value.msgpack
    if isinstance(value, dict):
        return _msgpack(Fields(list(value.items())))
    if isinstance(value, Fields):
        parts = [_msgpack(key) + _msgpack(each) for key, each in value.pairs]
        return b"\xde" + len(parts).to_bytes(2) + b"".join(parts)
    if isinstance(value, list):
        return b"\xdc" + len(value).to_bytes(2) + b"".join(map(_msgpack, value))
    return msgspec.msgpack.encode(value)


DEEP = 300
ODD: list[Any] = [
    Verbatim("1e999", b"\xca\x7f\x80\x00\x00"),
    Verbatim("-0", b"\xd3" + bytes(8)),
    Verbatim("1.0", b"\xca\x3f\x80\x00\x00"),
    Verbatim("9" * 30, b"\xcf" + b"\xff" * 8),
    Verbatim('"\\ud800"', b"\xa3\xed\xa0\x80"),
    Verbatim('"\ud800"', b"\xa1\xff"),
    Verbatim('"\\u0000\\u00e4"', b"\xd9\x03\x00\xc3\xa4"),
    Verbatim("[" * DEEP + "]" * DEEP, b"\x91" * DEEP + b"\x90"),
    Verbatim('{"child":' * DEEP + "{}" + "}" * DEEP, b"\x81\x01" * DEEP + b"\x80"),
    Verbatim("[" * 5000, b"\x91" * 5000),
    Verbatim("nan", b"\xd4\x05\x00"),
    Verbatim("[1,]", b"\xd6\xff" + bytes(4)),
    Verbatim("01", b"\xc7\x00\xff"),
    Verbatim("", b"\xdd\xff\xff\xff\xff"),
    Verbatim('{"a"', b"\xdf\xff\xff\xff\xff\xa1a"),
    Verbatim("/**/1", b"\xdb\xff\xff\xff\xffabc"),
    Verbatim('"\n"', b"\xc6\xff\xff\xff\xffabc"),
    Verbatim("tru", b"\xc1"),
    Verbatim("[{},{}]", b"\xdc\x27\x10" + b"\x80" * 10_000),
    Verbatim('{"1":{}}', b"\x81\x90\x01"),
]
"""In JSON and msgpack: extreme numbers, invalid text, nesting, wrong lengths, bytes outside the format."""

integers = st.integers(-(2**63), 2**64 - 1)
scalars = st.none() | st.booleans() | integers | st.floats() | st.text(max_size=5) | st.binary(max_size=5)
keys = st.sampled_from(["room", "n", "x", "name", "child", "cmd", "data", "1", 1, -1]) | st.text(max_size=3)
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3))
anything = st.one_of(values, st.sampled_from(ODD))
UNKNOWN = ["zz", "zzz", "zz cmd"]
"""Keys that no type has."""
GOOD = [each for kind in KINDS.values() for each in kind.good]
OTHER_CMDS = [*IDS, "no.such", "", "no.dat", 9999, 2**63, True, None, 1.0, b"no.data", ["no.data"]]


@st.composite
def datas(draw: st.DrawFn, name: str) -> Any:
    """Data that is usually valid for the command, or nearly valid."""
    kind = draw(st.integers(0, 9))
    if kind < 4:
        return draw(st.sampled_from(KINDS[name].good))
    if kind == 4:
        return msgspec.json.encode(draw(st.sampled_from(KINDS[name].good))).decode()
    if kind == 5:
        return draw(st.sampled_from(GOOD))
    if kind == 6:
        return draw(anything)
    good = draw(st.sampled_from(KINDS[name].good))
    return Fields(draw(damaged(list(good.items())))) if isinstance(good, dict) else good


@st.composite
def damaged(draw: st.DrawFn, pairs: list[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    """The fields of a map in any order: some missing, repeated, changed, or unknown."""
    known = {key for key, _ in pairs}
    pairs = list(draw(st.permutations(pairs)))
    for _ in range(draw(st.integers(0, 2))):
        place = draw(st.integers(0, len(pairs)))
        if place < len(pairs) and draw(st.booleans()):
            key, value = pairs.pop(place)
            changed = [(key, draw(anything if key in known or key in UNKNOWN else scalars))]
            pairs += draw(st.sampled_from([[], [(key, value)] * 2, changed]))
        else:
            pairs.insert(place, draw(st.tuples(st.sampled_from(UNKNOWN), anything) | st.tuples(keys, scalars)))
    return pairs


@st.composite
def messages(draw: st.DrawFn) -> Fields:
    name = draw(st.sampled_from([*KINDS]))
    cmd = name if draw(st.integers(0, 9)) else draw(st.sampled_from(OTHER_CMDS))
    pairs = [("cmd", cmd), ("data", draw(datas(name))), ("req", draw(st.none() | integers | st.text() | anything))]
    if draw(st.booleans()):
        pairs = draw(damaged(pairs))
    return Fields([*draw(st.permutations(pairs))])


def without_extras(value: Any) -> Any:
    """The message without the fields of `UNKNOWN` keys."""
    if isinstance(value, dict):
        value = Fields(list(value.items()))
    if isinstance(value, Fields):
        return Fields([(key, without_extras(each)) for key, each in value.pairs if key not in UNKNOWN])
    return value
