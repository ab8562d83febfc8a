from __future__ import annotations

import dataclasses
import enum
import fractions
import functools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import TYPE_CHECKING, Annotated, Any, Optional, TypedDict

import msgspec
import pytest

from msanic_core.commands.signature import NO_DATA, data_type_of, path_of
from msanic_core.errors import PluginError

if TYPE_CHECKING:
    from msanic_core.context import Context


class Say(msgspec.Struct):
    room: str
    replies: list[Say] = []


@dataclasses.dataclass
class Point:
    x: int


class Page(TypedDict):
    number: int


class Ours:
    pass


class Holder(msgspec.Struct):
    paths: dict[str, Annotated[list[fractions.Fraction], msgspec.Meta(max_length=3)]]
    inner: Holder | None = None


def no_data(ctx: Context) -> None: ...
def unannotated(ctx, data): ...  # type: ignore[no-untyped-def]
def struct(ctx: Context, data: Say) -> None: ...
async def dataclass(ctx: Context, data: Point) -> None: ...
def typed_dict(ctx: Context, data: Page) -> None: ...
def number(ctx: Context, data: int) -> None: ...
def texts(ctx: Context, data: list[str]) -> None: ...
def table(ctx: Context, data: dict[str, int]) -> None: ...
def bounded(ctx: Context, data: Annotated[int, msgspec.Meta(ge=1)]) -> None: ...
def optional(ctx: Context, data: Optional[Say] = None) -> None: ...  # noqa: UP045
def other_names(context: Context, message: Say, /) -> None: ...
def keyword_default(ctx: Context, data: int, *, retries: int = 3) -> None: ...


@pytest.mark.parametrize(
    ("handler", "expected"),
    [
        (no_data, NO_DATA),
        (unannotated, Any),
        (struct, Say),
        (dataclass, Point),
        (typed_dict, Page),
        (number, int),
        (texts, list[str]),
        (table, dict[str, int]),
        (bounded, Annotated[int, msgspec.Meta(ge=1)]),
        (optional, Say | None),
        (other_names, Say),
        (keyword_default, int),
    ],
)
def test_the_second_parameters_annotation_is_the_type(handler: Callable[..., Any], expected: Any) -> None:
    assert data_type_of(handler, "command 'a.b'") == expected


def test_the_types_of_a_decorated_function_are_looked_up_where_it_was_written() -> None:
    @functools.wraps(struct)
    def wrapper(*args: Any) -> None:
        struct(*args)

    assert data_type_of(wrapper, "here") is Say


def nothing() -> None: ...
def three(ctx: Context, data: int, more: int = 0) -> None: ...
def star(ctx: Context, *data: int) -> None: ...
def stars(ctx: Context, **data: int) -> None: ...
def keyword(ctx: Context, *, data: int) -> None: ...
def yields(ctx: Context) -> Iterator[int]:
    yield 1


async def yields_async(ctx: Context) -> AsyncIterator[int]:
    yield 1


class Methods:
    def handler(self, ctx: Context) -> None: ...


def hiding(function: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    @functools.wraps(function)
    def wrapper(*args: Any) -> Awaitable[None]:
        return function(*args)

    return wrapper


TAKES = "a handler takes the context and, if it wants it, data; this one takes"


@pytest.mark.parametrize(
    ("handler", "why"),
    [
        (nothing, f"{TAKES} nothing"),
        (three, f"{TAKES} ctx: 'Context', data: 'int', more: 'int' = 0"),
        (star, f"{TAKES} ctx: 'Context', *data: 'int'"),
        (stars, f"{TAKES} ctx: 'Context', **data: 'int'"),
        (keyword, f"{TAKES} ctx: 'Context', data: 'int'"),
        (Methods.handler, f"{TAKES} self, ctx"),
        (yields, "does not yield; use ctx.push for more messages"),
        (yields_async, "does not yield; use ctx.push for more messages"),
        (hiding(dataclass), "a decorator hides that it is async; make the decorator's wrapper async def"),
    ],
)
def test_functions_that_cannot_be_handlers(handler: Callable[..., Any], why: str) -> None:
    with pytest.raises(PluginError) as caught:
        data_type_of(handler, "command 'a.b' (here)")
    assert str(caught.value).startswith("command 'a.b' (here): ")
    assert why in str(caught.value)


@pytest.mark.parametrize("thing", [Say, functools.partial(struct), staticmethod(no_data), print])
def test_what_is_no_function_is_a_type_error(thing: Any) -> None:
    with pytest.raises(TypeError, match=r"here: a handler is a function, def or async def, not \w+"):
        data_type_of(thing, "here")


def unknown_name(ctx: Context, data: Missing) -> None: ...  # type: ignore[name-defined]  # noqa: F821
def checkers_only(ctx: Context, data: Context) -> None: ...
def two_lists(ctx: Context, data: list[int] | tuple[int, ...]) -> None: ...
def a_class(ctx: Context, data: Ours) -> None: ...
def a_function(ctx: Context, data: no_data) -> None: ...  # type: ignore[valid-type]
def nested(ctx: Context, data: list[Holder]) -> None: ...
def a_type(ctx: Context, data: type[enum.Enum]) -> None: ...


@pytest.mark.parametrize(
    ("handler", "why"),
    [
        (
            unknown_name,
            "the annotation 'Missing' of 'data' cannot be read: name 'Missing' is not defined; define the type",
        ),
        (checkers_only, "name 'Context' is not defined; define the type in the module, above the handler"),
        (two_lists, "msgspec does not support the type of data, list[int] | tuple[int, ...]: Type unions may not"),
        (a_class, "Ours'>: it has no way to decode"),
        (a_function, "msgspec does not support the type of data, <function no_data"),
        (nested, "list[test_handlers.Holder]: it has no way to decode fractions.Fraction; use a Struct, a dataclass"),
        (a_type, "msgspec does not support the type of data"),
    ],
)
def test_types_that_cannot_be_decoded(handler: Callable[..., Any], why: str) -> None:
    with pytest.raises(PluginError) as caught:
        data_type_of(handler, "command 'a.b' (here)")
    assert str(caught.value).startswith("command 'a.b' (here): ")
    assert why in str(caught.value).replace(f"{__name__}.", "test_handlers.")
    assert "\n" not in str(caught.value)


def test_a_path_is_dotted_and_never_fails() -> None:
    assert path_of(fractions.Fraction) == "fractions.Fraction"
    assert path_of(Methods.handler) == f"{__name__}.Methods.handler"
    assert path_of(7) == "7"
