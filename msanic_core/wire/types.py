"""What the types that messages are decoded to say of themselves: how a class is made, how a wrong value is put.

A class that msgspec does not know is one of these types if it has a class method `from_wire`. It takes what came (a
str, a number, a list, ...) and gives the value, or raises `ValueError` or `TypeError` with what is wrong, as the end of
a sentence that begins with the field's name.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import inspect


def decode_custom(type_: Any, value: Any) -> Any:
    """What decoders call for a class of this kind (msgspec's `dec_hook`)."""
    return type_.from_wire(value)


def nodes_of(type_: Any) -> Iterator[inspect.Type | inspect.Field]:
    """Go through all that a type is made of, itself included, each once."""
    pending: list[Any] = [inspect.type_info(type_)]
    seen: set[int] = set()
    while pending:
        node = pending.pop()
        # Types that refer to themselves come as the same object again.
        if id(node) in seen or not isinstance(node, inspect.Type | inspect.Field):
            continue
        seen.add(id(node))
        yield node
        for name in node.__struct_fields__:
            value = getattr(node, name)
            pending.extend(value if isinstance(value, tuple | list) else (value,))


def custom_types(type_: Any) -> list[type]:
    """The classes within a type that msgspec does not know."""
    return [node.cls for node in nodes_of(type_) if isinstance(node, inspect.CustomType)]


def forms(type_: Any) -> Mapping[str, str]:
    """For each pattern within a type what it asks for, in words: `Meta(pattern=..., extra={"form": "a colour"})`."""
    return {
        node.type.pattern: str(node.extra["form"])
        for node in nodes_of(type_)
        if isinstance(node, inspect.Metadata)
        and isinstance(node.type, inspect.StrType)
        and node.type.pattern is not None
        and node.extra
        and "form" in node.extra
    }
