"""WebSocket commands: how a plugin declares them."""

import functools
import inspect
import re
from collections.abc import Callable
from typing import Any, Generic, ParamSpec, TypeVar

from msanic_core.commands.signature import NO_DATA, data_type_of, path_of
from msanic_core.errors import PluginError

__all__ = ["NO_DATA", "AnyCommand", "Command", "Handler", "command"]

MAX_NAME_BYTES = 255
FIRST_PLUGIN_ID = 2000
"""`id` is type * 1000 + code, and type 1 belongs to the core."""

_NAME = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_CORE_TYPE = "sys"

P = ParamSpec("P")
R = TypeVar("R")


class Command(Generic[P, R]):
    """A handler with its declaration, as `@command` makes it. Calling it calls the handler.

    `name` ("type.code") or `id` (may be None) is what clients send as `cmd`. `concurrent`: it does not wait for other
    commands of its session, and they do not wait for it. `data_type`: the type of `data`; Any if the handler has no
    annotation, `NO_DATA` if it takes no data. `is_async`: the handler is an `async def`. `doc`: its docstring.
    """

    def __init__(self, handler: Callable[P, R], name: str, id: int | None, concurrent: bool, data_type: Any) -> None:  # noqa: A002
        functools.update_wrapper(self, handler, updated=())
        self.handler = handler
        self.name = name
        self.id = id
        self.concurrent = concurrent
        self.data_type = data_type
        self.is_async = inspect.iscoroutinefunction(handler)
        self.doc = inspect.cleandoc(handler.__doc__ or "")

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the handler, as unit tests do."""
        return self.handler(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<Command {self.name!r}: {path_of(self.handler)}>"


AnyCommand = Command[..., Any]
Handler = Callable[..., Any]


def command(
    name: str,
    *,
    id: int | None = None,  # noqa: A002
    concurrent: bool = False,
) -> Callable[[Callable[P, R]], Command[P, R]]:
    """Declare a function as the handler of a WebSocket command.

    The handler is a `def` or an `async def`. Its first parameter is the context, an optional second one is `data`;
    their names are free. `data` is checked against and decoded to the annotation of the second: any type that msgspec
    decodes (Struct, dataclass, TypedDict, `int`, `list[str]`, `Annotated` with `msgspec.Meta`).

    `name`: "type.code", each part of A-Z a-z 0-9 _ -, at most 255 bytes; the type "sys" is the core's. `id`: the
    number for clients that send integers, 2000 or more. `concurrent`: this command does not wait for other commands of
    its session, and they do not wait for it.

    Raises `PluginError` if the name, the id or the handler breaks these rules, and `TypeError` if the handler is not a
    function, or the name or the id has the wrong type. Both texts name the function.
    """
    if not isinstance(name, str):
        raise TypeError(f'@command on {path_of(name)} needs a name: write @command("type.code")')

    def declare(handler: Callable[P, R]) -> Command[P, R]:
        where = f"command {name!r} ({path_of(handler)})"
        _check_name(name, where)
        _check_id(id, where)
        return Command(handler, name, id, concurrent, data_type_of(handler, where))

    return declare


def _check_name(name: str, where: str) -> None:
    if not _NAME.fullmatch(name):
        raise PluginError(f"{where}: a name is type.code, with one dot and only A-Z a-z 0-9 _ - in each part")
    if len(name) > MAX_NAME_BYTES:
        raise PluginError(f"{where}: the name has {len(name)} bytes, and at most {MAX_NAME_BYTES} are allowed")
    if name.startswith(f"{_CORE_TYPE}."):
        raise PluginError(f"{where}: the type {_CORE_TYPE!r} belongs to the core; use another type")


def _check_id(number: int | None, where: str) -> None:
    if number is None:
        return
    if not isinstance(number, int) or isinstance(number, bool):
        raise TypeError(f"{where}: id must be an int, not {type(number).__name__}")
    if number < FIRST_PLUGIN_ID:
        raise PluginError(
            f"{where}: id {number} belongs to the core; use {FIRST_PLUGIN_ID} or more (type * 1000 + code)"
        )
