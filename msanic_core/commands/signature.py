"""What a command's handler takes, read from its signature."""

import inspect
import sys
import types
import typing
from collections.abc import Callable
from enum import Enum
from typing import Any, Final

import msgspec

from msanic_core.errors import PluginError
from msanic_core.wire.types import custom_types


class _Marker(Enum):
    NO_DATA = "no data"


NO_DATA: Final = _Marker.NO_DATA
"""The type of data of a handler that takes none."""


def path_of(thing: object) -> str:
    """Return the dotted name of a function or a class, for messages."""
    name = getattr(thing, "__qualname__", None)
    return repr(thing) if name is None else f"{getattr(thing, '__module__', '?')}.{name}"


def signature_of(function: Callable[..., Any]) -> inspect.Signature:
    """Return the signature of a function, even if its annotations name what only type checkers import."""
    if sys.version_info >= (3, 14):
        from annotationlib import Format

        return inspect.signature(function, annotation_format=Format.FORWARDREF)
    return inspect.signature(function)


def data_type_of(handler: Callable[..., Any], where: str) -> Any:
    """Return the type a command's handler gives its data: Any if it says nothing, `NO_DATA` if it takes none.

    `where` says in errors which command and function it is. Raises `PluginError` if the function cannot be a handler
    or its data can have no such type, `TypeError` if it is no function.
    """
    if not inspect.isfunction(handler):
        raise TypeError(f"{where}: a handler is a function, def or async def, not {type(handler).__name__}")
    if inspect.isgeneratorfunction(handler) or inspect.isasyncgenfunction(handler):
        raise PluginError(f"{where}: a handler returns its answer and does not yield; use ctx.push for more messages")
    inner = inspect.unwrap(handler)
    if inspect.iscoroutinefunction(inner) and not inspect.iscoroutinefunction(handler):
        raise PluginError(f"{where}: a decorator hides that it is async; make the decorator's wrapper async def")
    parameters = list(signature_of(handler).parameters.values())
    positional = [each for each in parameters if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)]
    others = [each for each in parameters if each not in positional and each.default is each.empty]
    if not 1 <= len(positional) <= 2 or others or positional[0].name in ("self", "cls"):
        takes = ", ".join(map(str, parameters)) or "nothing"
        raise PluginError(f"{where}: a handler takes the context and, if it wants it, data; this one takes {takes}")
    if len(positional) == 1:
        return NO_DATA
    return annotated_type(positional[1], inner, where)


def annotated_type(parameter: inspect.Parameter, function: Callable[..., Any], where: str) -> Any:
    """Return the type that a parameter is annotated with; Any if it is not.

    `where` says in errors whose parameter it is. Raises `PluginError` if the annotation cannot be read, or no data can
    be decoded to it.
    """
    if parameter.annotation is parameter.empty:
        return Any
    # The other annotations stay unread: the context's is often imported for type checkers only.
    holder = types.SimpleNamespace(__annotations__={parameter.name: parameter.annotation})
    namespace = getattr(function, "__globals__", {})
    try:
        data_type = typing.get_type_hints(holder, namespace, include_extras=True)[parameter.name]
    except (NameError, AttributeError, SyntaxError, TypeError) as error:
        shown = f"the annotation {parameter.annotation!r} of {parameter.name!r} cannot be read"
        mend = "define the type in the module, above the handler, and not only for type checkers"
        raise PluginError(f"{where}: {shown}: {error}; {mend}") from error
    check_data_type(data_type, where)
    return data_type


def check_data_type(data_type: Any, where: str) -> None:
    """Raise `PluginError` if no data can be decoded to this type. `where` says in it whose type it is."""
    try:
        msgspec.json.Decoder(data_type)
    except TypeError as error:
        raise PluginError(_unusable(where, data_type, error)) from error
    for custom in custom_types(data_type):
        # msgspec would refuse every value for it.
        if not hasattr(custom, "from_wire"):
            raise PluginError(_unusable(where, data_type, f"it has no way to decode {path_of(custom)}"))


def _unusable(where: str, data_type: Any, why: object) -> str:
    reason = " ".join(str(why).split())
    mend = "use a Struct, a dataclass, a TypedDict or built-in types"
    return f"{where}: msgspec does not support the type of data, {data_type!r}: {reason}; {mend}"
