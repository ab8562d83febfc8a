"""Types with their own decoding, and descriptions of patterns."""

from typing import Annotated, Any

import msgspec
import pytest
from msgspec import Meta

from msanic_core.wire import Codecs, DataError
from msanic_core.wire.types import custom_types, decode_custom, forms, nodes_of

Plate = Annotated[str, Meta(pattern="^[A-Z]+-[0-9]+'$", extra={"form": "a plate such as B-12"})]
Bare = Annotated[str, Meta(pattern="^x$")]


class Ours:
    @classmethod
    def from_wire(cls, value: Any) -> "Ours":
        raise ValueError(f"{type(value).__name__} is not ours")


class Node(msgspec.Struct):
    plate: Plate = ""
    bare: Bare = ""
    children: "list[Node]" = []
    ours: dict[str, Ours | None] = {}


def test_all_parts_of_a_type_that_holds_itself() -> None:
    assert custom_types(Node) == [Ours]
    assert custom_types(list[int]) == []
    assert len(list(nodes_of(Node))) < 30


def test_forms() -> None:
    assert forms(Node) == {"^[A-Z]+-[0-9]+'$": "a plate such as B-12"}
    assert forms(int) == {}


def test_decode_custom() -> None:
    with pytest.raises(ValueError, match="int is not ours"):
        decode_custom(Ours, 1)


@pytest.mark.parametrize(
    ("data", "hint"),
    [
        ({"plate": "b"}, "data.plate: expected a plate such as B-12"),
        ({"children": [{"plate": "b"}]}, "data.children[0].plate: expected a plate such as B-12"),
        ({"bare": "y"}, "data.bare: expected str matching regex '^x$'"),
        ({"ours": {"a": 1}}, "data.ours[...]: int is not ours"),
    ],
)
def test_hints(data: dict[str, Any], hint: str) -> None:
    codecs = Codecs()
    with pytest.raises(DataError) as caught:
        codecs.json.data_decoder(Node)(msgspec.Raw(msgspec.json.encode(data)))
    assert caught.value.hint == hint
    with pytest.raises(DataError) as caught:
        codecs.msgpack.data_decoder(Node)(data)
    assert caught.value.hint == hint
