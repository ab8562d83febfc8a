"""Path parameters with types that Sanic does not check, such as `note_id: RowId`."""

import re
import typing
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec
from sanic.exceptions import NotFound

from msanic_core.wire import DECODE_ERRORS
from msanic_core.wire.envelope import decode_hint
from msanic_core.wire.types import decode_custom, forms

PARAMETER = re.compile(r"<(?P<name>\w+)(?::(?P<kind>\w+))?")
"""A parameter in a part of a path, in Sanic's form `<id:int>`."""


def parameters_in(parts: Iterable[str]) -> list[str]:
    """Return the names of the parameters in the parts of a path."""
    return [match["name"] for part in parts if (match := PARAMETER.match(part))]


def path_types(function: Callable[..., Any], parameters: Iterable[str]) -> dict[str, Any]:
    """Return the types of the path parameters that a handler annotates with a constraint.

    Annotations that cannot be read are ignored.
    """
    try:
        hints = typing.get_type_hints(function, include_extras=True)
    except (NameError, AttributeError, TypeError):
        return {}
    return {name: hints[name] for name in parameters if name in hints and _is_constraint(hints[name])}


class PathDecoder:
    """Checks path parameters and converts them to their types. An invalid parameter is answered with 404."""

    def __init__(self, types: Mapping[str, Any]) -> None:
        self._types = types
        self._forms = {name: forms(type_) for name, type_ in types.items()}

    def __call__(self, parameters: dict[str, Any]) -> None:
        """Convert the parameters in place. Raises Sanic's `NotFound`; its text names the parameter."""
        for name, type_ in self._types.items():
            try:
                parameters[name] = msgspec.convert(parameters[name], type_, strict=False, dec_hook=decode_custom)
            except DECODE_ERRORS as error:
                raise NotFound(decode_hint(error, f"path.{name}", self._forms[name])) from None


def _is_constraint(type_: Any) -> bool:
    return typing.get_origin(type_) is typing.Annotated or hasattr(type_, "from_wire")
