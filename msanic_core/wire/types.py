"""Support for types of fields: classes with their own decoding, and descriptions of patterns for error hints.

A class that msgspec does not know needs a class method `from_wire`. It takes the decoded value (a str, a number, a
list, ...) and returns the field's value. For a wrong value it raises `ValueError` or `TypeError` with the end of a
sentence that begins with the field's name.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import inspect


def decode_custom(type_: Any, value: Any) -> Any:
    """Decode such a class; this is msgspec's `dec_hook`."""
    return type_.from_wire(value)


def nodes_of(type_: Any) -> Iterator[inspect.Type | inspect.Field]:
    """Iterate over a type and all the types and fields in it, each once."""
    pending: list[Any] = [inspect.type_info(type_)]
    seen: set[int] = set()
    while pending:
        node = pending.pop()
        # A type that refers to itself appears again as the same object.
        if id(node) in seen or not isinstance(node, inspect.Type | inspect.Field):
            continue
        seen.add(id(node))
        yield node
        for name in node.__struct_fields__:
            value = getattr(node, name)
            pending.extend(value if isinstance(value, tuple | list) else (value,))


def custom_types(type_: Any) -> list[type]:
    """List the classes within a type that msgspec does not know."""
    return [node.cls for node in nodes_of(type_) if isinstance(node, inspect.CustomType)]


def forms(type_: Any) -> Mapping[str, str]:
    """Map each pattern within a type to its description: `Meta(pattern=..., extra={"form": "a colour"})`."""
    return {
        node.type.pattern: str(node.extra["form"])
        for node in nodes_of(type_)
        if isinstance(node, inspect.Metadata)
        and isinstance(node.type, inspect.StrType)
        and node.type.pattern is not None
        and node.extra
        and "form" in node.extra
    }
