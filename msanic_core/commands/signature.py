"""The parameters of a command's handler, read from its signature."""

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
"""The data type of a handler that takes no data."""


def path_of(thing: object) -> str:
    """Return the dotted name of a function or a class, for messages."""
    name = getattr(thing, "__qualname__", None)
    return repr(thing) if name is None else f"{getattr(thing, '__module__', '?')}.{name}"


def signature_of(function: Callable[..., Any]) -> inspect.Signature:
    """Return the signature of a function, also if annotations name things that only type checkers import."""
    if sys.version_info >= (3, 14):
        from annotationlib import Format

        return inspect.signature(function, annotation_format=Format.FORWARDREF)
    return inspect.signature(function)


def data_type_of(handler: Callable[..., Any], where: str) -> Any:
    """Return the type of a handler's data: Any without an annotation, `NO_DATA` if the handler takes no data.

    `where`: names command and function in errors. Raises `PluginError` if the function cannot be a handler or msgspec
    does not support the type, `TypeError` if the handler is not a function.
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
    """Return the type in a parameter's annotation; Any if it has none.

    `where`: names the function in errors. Raises `PluginError` if the annotation cannot be read, or msgspec does not
    support the type.
    """
    if parameter.annotation is parameter.empty:
        return Any
    # Read this annotation only: the context's type is often imported for type checkers only.
    holder = types.SimpleNamespace(__annotations__={parameter.name: parameter.annotation})
    namespace = getattr(function, "__globals__", {})
    try:
        data_type = typing.get_type_hints(holder, namespace, include_extras=True)[parameter.name]
    except (NameError, AttributeError, SyntaxError, TypeError) as error:
        shown = f"the annotation {parameter.annotation!r} of {parameter.name!r} cannot be read"
        fix = "define the type in the module, above the handler, and not only for type checkers"
        raise PluginError(f"{where}: {shown}: {error}; {fix}") from error
    check_data_type(data_type, where)
    return data_type


def check_data_type(data_type: Any, where: str) -> None:
    """Raise `PluginError` if msgspec cannot decode to this type. `where`: names the function in the error."""
    try:
        msgspec.json.Decoder(data_type)
    except TypeError as error:
        raise PluginError(_unusable(where, data_type, error)) from error
    for custom in custom_types(data_type):
        # msgspec would reject every value of this type.
        if not hasattr(custom, "from_wire"):
            raise PluginError(_unusable(where, data_type, f"it has no way to decode {path_of(custom)}"))


def _unusable(where: str, data_type: Any, why: object) -> str:
    reason = " ".join(str(why).split())
    fix = "use a Struct, a dataclass, a TypedDict or built-in types"
    return f"{where}: msgspec does not support the type of data, {data_type!r}: {reason}; {fix}"
