"""Decodes a query string to a Struct: every value is a text, and the field's type says how to convert it."""

from typing import Any, NamedTuple

import msgspec
from msgspec import inspect
from sanic import Request

from msanic_core.codes import ReplyCode
from msanic_core.errors import CommandError
from msanic_core.wire import DECODE_ERRORS
from msanic_core.wire.envelope import decode_hint
from msanic_core.wire.types import custom_types, decode_custom, forms

_LISTS = (inspect.ListType, inspect.SetType, inspect.FrozenSetType, inspect.VarTupleType)
_SCALARS = (
    inspect.AnyType,
    inspect.BoolType,
    inspect.BytesType,
    inspect.CustomType,
    inspect.DateTimeType,
    inspect.DateType,
    inspect.DecimalType,
    inspect.EnumType,
    inspect.FloatType,
    inspect.IntType,
    inspect.LiteralType,
    inspect.NoneType,
    inspect.StrType,
    inspect.TimeDeltaType,
    inspect.TimeType,
    inspect.UUIDType,
)
_NUMBERS = (inspect.FloatType, inspect.DecimalType)
_NO_NUMBERS = {"nan", "snan", "inf", "infinity"}


class _Field(NamedTuple):
    required: bool
    many: bool
    number: bool


class QueryDecoder:
    """Decodes query strings to one Struct. Raises `TypeError` if a field's type is not possible in a query string.

    A list is a repeated name, `tag=a&tag=b`; without the name it is empty. Parameters that the Struct does not have are
    ignored, unless it has `forbid_unknown_fields=True`.
    """

    def __init__(self, type_: type[msgspec.Struct]) -> None:
        self.type = type_
        info = inspect.type_info(type_)
        assert isinstance(info, inspect.StructType), "@query takes nothing else"
        self._fields = {field.encode_name: _field(field) for field in info.fields}
        self._hook = decode_custom if custom_types(type_) else None
        self._forms = forms(type_)

    def __call__(self, request: Request) -> Any:
        """Return the Struct. Raises `CommandError` with the code INVALID; its text names the parameter."""
        values: dict[str, Any] = {name: [] for name, field in self._fields.items() if field.many and field.required}
        for name, texts in request.get_args(keep_blank_values=True).items():
            field = self._fields.get(name)
            if field is not None and not field.many and len(texts) > 1:
                raise _wrong(f"query.{name}: given {len(texts)} times, once is enough")
            if field is not None and field.number and any(_is_no_number(text) for text in texts):
                raise _wrong(f"query.{name}: expected a finite number")
            values[name] = texts if field is not None and field.many else texts[0]
        try:
            return msgspec.convert(values, self.type, strict=False, dec_hook=self._hook)
        except DECODE_ERRORS as error:
            # Every value is a str, so "got str" tells the client nothing.
            raise _wrong(decode_hint(error, "query", self._forms).removesuffix(", got str")) from None


def _wrong(hint: str) -> CommandError:
    return CommandError(ReplyCode.INVALID, hint)


def _is_no_number(text: str) -> bool:
    # JSON does not have these numbers, and comparing them with a limit makes no sense.
    return text.strip().lstrip("+-").lower() in _NO_NUMBERS


def _field(field: inspect.Field) -> _Field:
    kinds = _kinds(field.type)
    lists = [kind for kind in kinds if isinstance(kind, _LISTS)]
    scalars = [kind for kind in kinds if not isinstance(kind, _LISTS)]
    scalars += [kind for each in lists for kind in _kinds(each.item_type)]
    for kind in scalars:
        if not isinstance(kind, _SCALARS):
            name = type(kind).__name__.removesuffix("Type").lower()
            raise TypeError(f"its field {field.name!r} is or holds a {name}, which a query string cannot")
    return _Field(field.required, bool(lists), any(isinstance(kind, _NUMBERS) for kind in scalars))


def _kinds(type_: inspect.Type) -> list[inspect.Type]:
    """Return the members of a union, or the one type, without their metadata."""
    if isinstance(type_, inspect.Metadata):
        return _kinds(type_.type)
    if isinstance(type_, inspect.UnionType):
        return [kind for each in type_.types for kind in _kinds(each)]
    return [type_]
