"""The codec on msgpack: replies with Structs, encoded by the fast path if possible."""

import datetime
import decimal
import enum
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Generic, TypeVar

import msgpack
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from msanic_core.wire import MsgpackCodec, Push, WireEncodeError
from tests.support.msgpack_messages import codec, content, unhurried, values


class Plain(msgspec.Struct):
    first_name: Any = None
    last_name: Any = "b"


class Renamed(msgspec.Struct, rename="camel"):
    first_name: Any = None
    last_name: Any = "b"


class OneRenamed(msgspec.Struct):
    first_name: Any = msgspec.field(default=None, name="first")
    last_name: Any = "b"


class Swapped(msgspec.Struct):
    a: Any = msgspec.field(default=1, name="b")
    b: Any = msgspec.field(default=2, name="a")


class Row(msgspec.Struct, array_like=True):
    first_name: Any = None
    last_name: Any = "b"


class Sparse(msgspec.Struct, omit_defaults=True):
    first_name: Any = None
    last_name: Any = "b"


class Tagged(msgspec.Struct, tag=True):
    first_name: Any = None


class Numbered(msgspec.Struct, tag_field="kind", tag=7):
    first_name: Any = None


class TaggedRow(msgspec.Struct, array_like=True, tag="row"):
    first_name: Any = None


class Child(Plain, rename="upper"):
    age: int = 3


class Empty(msgspec.Struct): ...


class Frozen(msgspec.Struct, frozen=True, kw_only=True, weakref=True, dict=True):
    last: Any = 2
    first: Any


ON_THE_WIRE: list[tuple[msgspec.Struct, Any]] = [
    (Plain("a"), {"first_name": "a", "last_name": "b"}),
    (Plain(), {"first_name": None, "last_name": "b"}),
    (Renamed("a"), {"firstName": "a", "lastName": "b"}),
    (OneRenamed("a"), {"first": "a", "last_name": "b"}),
    (Swapped(), {"b": 1, "a": 2}),
    (Row("a"), ["a", "b"]),
    (Sparse("a"), {"first_name": "a"}),
    (Sparse(), {}),
    (Tagged("a"), {"type": "Tagged", "first_name": "a"}),
    (Numbered("a"), {"kind": 7, "first_name": "a"}),
    (TaggedRow("a"), ["row", "a"]),
    (Child("a"), {"first_name": "a", "last_name": "b", "AGE": 3}),
    (Empty(), {}),
    (Frozen(first=1), {"last": 2, "first": 1}),
]


def answered(data: Any, by: MsgpackCodec = codec) -> Any:
    return content(by.reply("a.b", data, 0, None, ""))["data"]


@pytest.mark.parametrize(("struct", "expected"), ON_THE_WIRE, ids=lambda value: type(value).__name__)
def test_a_struct_on_the_wire(struct: msgspec.Struct, expected: Any) -> None:
    """The value alone, a second time, within a Struct, in a list, in a dict, and in a push."""
    by = MsgpackCodec()
    for _ in range(2):
        answer = answered(struct, by)
        assert answer == expected
        assert not isinstance(expected, dict) or list(answer) == list(expected), "in their order"
        assert answered(Plain(struct, [struct]), by) == {"first_name": expected, "last_name": [expected]}
        assert answered(Renamed(struct, {"k": struct}), by) == {"firstName": expected, "lastName": {"k": expected}}
        assert answered([struct, (struct,)], by) == [expected, [expected]]
        assert answered({"k": struct}, by) == {"k": expected}
        assert content(by.push(Push("a.b", struct)))["data"] == expected
        assert msgspec.json.decode(msgspec.json.encode(struct)) == expected, "as in JSON"


def test_what_one_type_is_like_says_nothing_about_another() -> None:
    by = MsgpackCodec()
    for _ in range(2):
        for struct, expected in ON_THE_WIRE:
            assert answered(struct, by) == expected


@unhurried
@given(values, values)
def test_fields_are_written_as_the_same_values_in_a_dict(first: Any, last: Any) -> None:
    as_dict = codec.reply("a.b", {"first_name": first, "last_name": last}, 0, None, "")
    assert codec.reply("a.b", Plain(first, last), 0, None, "") == as_dict
    assert answered(Row(first, last)) == [first, last]


class Color(enum.Enum):
    RED = "red"
    THREE = 3


class Level(enum.IntEnum):
    HIGH = 3


class Word(enum.StrEnum):
    YES = "yes"


@dataclass
class Point:
    x: Any


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"\xff\x00", b"\xff\x00"),
        (bytearray(b"\xff"), b"\xff"),
        pytest.param(memoryview(b"\xff"), b"\xff", id="memoryview"),
        ([b"\xff", {"k": b"\xff"}], [b"\xff", {"k": b"\xff"}]),
        (Color.RED, "red"),
        (Color.THREE, 3),
        (Level.HIGH, 3),
        (Word.YES, "yes"),
        ({Color.RED: 1, Level.HIGH: 2}, {"red": 1, 3: 2}),
        (datetime.datetime(2025, 1, 2, tzinfo=datetime.UTC), "2025-01-02T00:00:00Z"),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (decimal.Decimal("1.50"), "1.50"),
        ({1}, [1]),
        ((1, (b"\xff",)), [1, [b"\xff"]]),
        (Point(b"\xff"), {"x": b"\xff"}),
        (Point(Renamed(b"\xff")), {"x": {"firstName": b"\xff", "lastName": "b"}}),
        (2**64 - 1, 2**64 - 1),
        ({1: 2}, {1: 2}),
    ],
    ids=repr,
)
def test_fields_of_types_beyond_msgpack(value: Any, expected: Any) -> None:
    assert answered(Plain(value)) == {"first_name": expected, "last_name": "b"}
    assert answered(Renamed(value)) == {"firstName": expected, "lastName": "b"}
    assert answered(Row(value, [Plain(value)])) == [expected, [{"first_name": expected, "last_name": "b"}]]


@pytest.mark.parametrize("value", [object(), lambda: 1, 2**64, "\ud800", [{"k": object()}]], ids=lambda v: str(v)[:12])
def test_a_field_that_cannot_be_encoded_leaves_the_codec_as_it_was(value: Any) -> None:
    by = MsgpackCodec()
    for struct in (Plain(value), Renamed(value), Row(value), Plain(value)):
        with pytest.raises(WireEncodeError, match=r"^message 'a\.b' cannot be encoded as msgpack: "):
            by.reply("a.b", struct, 0, None, "")
        assert answered(Plain(1), by) == {"first_name": 1, "last_name": "b"}


def test_a_struct_that_lost_a_field() -> None:
    struct = Plain(1)
    del struct.last_name
    with pytest.raises(WireEncodeError, match=r"^message 'a\.b' cannot be encoded as msgpack: "):
        codec.reply("a.b", struct, 0, None, "")
    assert answered(Plain(1)) == {"first_name": 1, "last_name": "b"}


def test_the_data_of_an_answer_is_not_changed() -> None:
    inner = {"k": [b"\xff", Plain(1)]}
    struct = Plain(inner)
    answered(struct)
    assert struct == Plain({"k": [b"\xff", Plain(1)]})
    assert struct.first_name is inner


MOMENTS = [datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC), datetime.datetime(9999, 12, 31, tzinfo=datetime.UTC)]
"""As timestamp extensions these have four and twelve bytes; most timestamps have eight."""


@unhurried
@given(st.recursive(values | st.datetimes(timezones=st.just(datetime.UTC)) | st.sampled_from(MOMENTS), st.lists))
def test_answers_are_what_the_packer_would_make_of_them(value: Any) -> None:
    """On both paths, no extension is sent."""
    plain = msgspec.to_builtins(value, builtin_types=(bytes,))  # here the dates become texts
    reply = {"cmd": "a.b", "data": plain, "code": 0, "req": None, "hint": ""}
    push = {"cmd": "a.b", "data": plain, "code": 0, "hint": ""}
    assert codec.reply("a.b", value, 0, None, "").endswith(msgpack.packb(reply))
    assert codec.push(Push("a.b", value)).endswith(msgpack.packb(push))


@unhurried
@given(st.integers(0, 70_000))
def test_a_frame_of_any_length(length: int) -> None:
    for size in (length, length % 300):
        assert answered("x" * size) == "x" * size


def test_the_lengths_at_which_the_header_changes() -> None:
    empty = len(codec.reply("a.b", b"", 0, None, "")) - 2
    for size in range(100 - empty, 140 - empty):
        assert answered(b"x" * size) == b"x" * size


class Partial(msgspec.Struct):
    a: int = 0
    b: int | msgspec.UnsetType = msgspec.UNSET


def test_a_field_that_is_unset_is_left_out() -> None:
    """The same result as in JSON, and as in a nested Struct."""
    assert answered([Partial(1)]) == [{"a": 1}]
    assert answered(Partial(1)) == {"a": 1}
    assert answered(Partial(1, 2)) == {"a": 1, "b": 2}


T = TypeVar("T")


class Holder(msgspec.Struct, Generic[T]):
    a: T


UNSET_SOMEHOW = [
    msgspec.defstruct("Anything", [("a", Any)]),
    msgspec.defstruct("Annotated_", [("a", Annotated[int | msgspec.UnsetType, msgspec.Meta(ge=0)])]),
    msgspec.defstruct("Only", [("a", msgspec.UnsetType)]),
    msgspec.defstruct("Untold", [("a", int)]),
    Holder,
]


@pytest.mark.parametrize("type_", UNSET_SOMEHOW, ids=lambda type_: type_.__name__)
def test_a_field_that_is_unset_is_left_out_whatever_its_annotation(type_: Callable[[Any], msgspec.Struct]) -> None:
    struct = type_(msgspec.UNSET)
    assert msgspec.json.encode(struct) == b"{}"
    assert answered([struct]) == [{}]
    assert answered(struct) == {}
    assert answered(type_(1)) == {"a": 1}


def test_a_struct_with_an_annotation_that_only_type_checkers_can_read() -> None:
    """The type cannot be decoded, but it can be encoded: in JSON, and within another Struct."""
    struct = msgspec.defstruct("Answer", [("a", "NameForTypeCheckers | None")])(1)
    assert msgspec.json.encode(struct) == b'{"a":1}'
    assert answered([struct]) == [{"a": 1}]
    assert answered(struct) == {"a": 1}
