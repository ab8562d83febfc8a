"""Commands with data of many types, and data that fits them."""

import datetime
import decimal
import enum
import uuid
from dataclasses import dataclass
from typing import Annotated, Any, Generic, Literal, NamedTuple, NotRequired, TypedDict, TypeVar

import msgspec

T = TypeVar("T")


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


class One(msgspec.Struct, array_like=True, tag=1):
    a: int


class Two(msgspec.Struct, array_like=True, tag=2):
    a: str


class Inner(msgspec.Struct, tag_field="cmd", tag="no.data"):
    """Data that looks like a request."""

    data: int
    req: str | None = None


class Box(msgspec.Struct, Generic[T]):
    content: T


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


class Guess(enum.Enum):
    YES = "yes"
    NO = "no"

    @classmethod
    def _missing_(cls, value: object) -> "Guess | None":
        return cls.YES if value == "y" else None


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
    """A command's type of data. `flat`: whether msgpack decodes it in one step. `good`: valid data."""

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
    "struct.numbered": Kind(One | Two, True, [[1, 5], [2, "a"], [2, "a", None]]),
    "struct.request": Kind(Inner, True, [{"cmd": "no.data", "data": 1}, {"req": "x", "data": 1, "cmd": "no.data"}]),
    "struct.box": Kind(Box[int | None], True, [{"content": 1}, {"content": None}]),
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
    "scalar.guess": Kind(Guess, True, ["yes", "y"]),
    "scalar.level": Kind(Level | None, True, [1, 3, None]),
    "scalar.date": Kind(datetime.datetime, False, ["2025-01-02T03:04:05Z"]),
    "scalar.uuid": Kind(uuid.UUID, False, [str(uuid.UUID(int=1))]),
    "scalar.decimal": Kind(decimal.Decimal, False, ["1.50", 1]),
}
IDS = {2001 + number: name for number, name in enumerate(KINDS)}
TYPES = {name: kind.type for name, kind in KINDS.items()}
