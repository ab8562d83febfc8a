"""Commands with data of many types, whatever a client may send to them, and what it sees of each way to decode that."""

import datetime
import decimal
import enum
import json
import uuid
from dataclasses import dataclass
from typing import Annotated, Any, Literal, NamedTuple, NotRequired, TypedDict

import msgspec
from hypothesis import strategies as st

from msanic_core.wire import DECODE_ERRORS, REJECT_COMMAND, Codec, Codecs, DataError, EnvelopeError, Request


class Say(msgspec.Struct):
    room: str
    text: str = ""


class Renamed(msgspec.Struct, rename="camel"):
    first_name: str
    last_name: str | None = None


class Strict(msgspec.Struct, forbid_unknown_fields=True):
    n: int


class Checked(msgspec.Struct):
    low: int = 0
    high: int = 9

    def __post_init__(self) -> None:
        if self.low > self.high:
            raise ValueError("low must not be above high")


class Outer(msgspec.Struct):
    say: Say
    strict: Strict | None = None


class Tree(msgspec.Struct):
    name: str = ""
    child: "Tree | None" = None


class Row(msgspec.Struct, array_like=True):
    a: int
    b: str = ""


class Circle(msgspec.Struct, tag=True):
    r: float


class Square(msgspec.Struct, tag=True):
    side: int


class Blob(msgspec.Struct):
    raw: bytes
    either: int | bytes | None = None


class Partial(msgspec.Struct):
    a: int | msgspec.UnsetType = msgspec.UNSET
    b: str | msgspec.UnsetType | None = msgspec.UNSET


class Rooms(msgspec.Struct):
    rooms: list[Say]


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 3


@dataclass
class Point:
    x: int
    y: int = 0


class Info(TypedDict):
    name: str
    ages: NotRequired[list[int]]


class Kind(NamedTuple):
    """A command's type of data; `flat`: whether msgpack takes it the quick way; `good`: data that fits."""

    type: Any
    flat: bool
    good: list[Any]


SAYS = [{"room": "a"}, {"text": "b", "room": "ä"}, {"room": "r", "zz": [1, {"x": None}]}]
ROWS = [[1], [1, "b"], [1, "b", 3]]
KINDS: dict[str, Kind] = {
    "any.thing": Kind(Any, False, [None, 1, "x", [1, [2]], {"a": {}}]),
    "no.data": Kind(msgspec.Raw, False, [None, 1, {"ignored": True}]),
    "struct.say": Kind(Say, True, SAYS),
    "struct.maybe": Kind(Say | None, True, [None, *SAYS]),
    "struct.renamed": Kind(Renamed, True, [{"firstName": "a"}, {"lastName": None, "firstName": "b"}]),
    "struct.strict": Kind(Strict, True, [{"n": 1}, {"n": -(2**63)}, {"n": 2**64 - 1}]),
    "struct.checked": Kind(Checked, True, [{}, {"low": 1}, {"low": 3, "high": 4}]),
    "struct.outer": Kind(Outer, True, [{"say": SAYS[0]}, {"strict": {"n": 1}, "say": SAYS[1]}]),
    "struct.tree": Kind(Tree, False, [{}, {"child": {"child": {"name": "x"}}}]),
    "struct.row": Kind(Row, True, ROWS),
    "struct.tagged": Kind(Circle | Square, True, [{"type": "Circle", "r": 1}, {"side": 2, "type": "Square"}]),
    "struct.blob": Kind(Blob, True, [{"raw": b"\xff\x00"}, {"raw": b"", "either": 1}, {"raw": b"a", "either": b"b"}]),
    "struct.partial": Kind(Partial, True, [{}, {"a": 1}, {"b": None}]),
    "struct.rooms": Kind(Rooms, False, [{"rooms": []}, {"rooms": SAYS}]),
    "python.point": Kind(Point, False, [{"x": 1}, {"y": 2, "x": 1}]),
    "python.info": Kind(Info, False, [{"name": "a"}, {"name": "a", "ages": [1]}]),
    "python.dict": Kind(dict, False, [{}, {"a": 1}]),
    "python.keys": Kind(dict[int, str], False, [{}, {"1": "a"}]),
    "python.list": Kind(list[str], False, [[], ["a", "b"]]),
    "python.pair": Kind(tuple[int, float], False, [[1, 2], [1, 2.5]]),
    "scalar.int": Kind(int, True, [0, -1, 2**63]),
    "scalar.float": Kind(float, True, [0, 1.5, -0.0, 2**64 - 1]),
    "scalar.number": Kind(int | float, True, [1, 1.0]),
    "scalar.bool": Kind(bool, True, [True, False]),
    "scalar.str": Kind(str, True, ["", "x", "5", '{"room":"a"}', "ä"]),
    "scalar.bytes": Kind(bytes, True, [b"", b"\xff"]),
    "scalar.small": Kind(Annotated[int, msgspec.Meta(ge=0, le=10)], True, [0, 10]),
    "scalar.word": Kind(Annotated[str, msgspec.Meta(min_length=1, pattern="^[a-z]*$")], True, ["a", "word"]),
    "scalar.literal": Kind(Literal["on", "off", 1, None], True, ["on", 1, None]),
    "scalar.color": Kind(Color, True, ["red", "blue"]),
    "scalar.level": Kind(Level | None, True, [1, 3, None]),
    "scalar.date": Kind(datetime.datetime, False, ["2025-01-02T03:04:05Z"]),
    "scalar.uuid": Kind(uuid.UUID, False, [str(uuid.UUID(int=1))]),
    "scalar.decimal": Kind(decimal.Decimal, False, ["1.50", 1]),
}
IDS = {2001 + number: name for number, name in enumerate(KINDS)}
TYPES = {name: kind.type for name, kind in KINDS.items()}
codecs = Codecs()
DECODERS = {
    (codec.name, name): codec.data_decoder(type_)
    for codec in (codecs.json, codecs.msgpack)
    for name, type_ in TYPES.items()
}
QUICK = {codec.name: codec.typed_decoder(TYPES) for codec in (codecs.json, codecs.msgpack)}

Seen = tuple[Any, ...]
"""What comes of a message: kind of outcome, what the handler gets or what is wrong, and the answer."""


def seen_quickly(codec: Codec, payload: str | bytes) -> Seen | None:
    """None where the quick way leaves the message to the other."""
    try:
        request = QUICK[codec.name].decode(payload)
    except DECODE_ERRORS:
        return None
    assert request.typed
    return seen_of(codec, request)


def seen(codec: Codec, payload: str | bytes) -> Seen:
    """Without the quick way."""
    try:
        request = codec.decode(payload)
    except EnvelopeError as error:
        return "no request", error.hint, codec.reply(REJECT_COMMAND, None, 12, error.req, error.hint)
    assert not request.typed
    return seen_of(codec, request)


def seen_of(codec: Codec, request: Request) -> Seen:
    cmd, data = request.cmd, request.data
    name = IDS.get(cmd) if isinstance(cmd, int) else cmd
    if name not in KINDS:
        return "unknown command", cmd, codec.reply(cmd, None, 11, request.req, "")
    if TYPES[name] is msgspec.Raw:
        data = None
    elif not request.typed:
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
    return _json(value) if encoding == "json" else _msgpack(value)


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
"""In JSON and in msgpack numbers at the edge, text that is none, nesting, promises, what is not part of the format."""

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
    """Data that mostly is for the command, or nearly so."""
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
    """The fields of a map in any order, some missing, twice, changed, or known to nobody."""
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
