"""WebSocket commands: how a plugin declares them, and the one map of all of them that messages are looked up in."""

import difflib
import functools
import inspect
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, ParamSpec, TypeVar

import msgspec

from msanic_core.errors import PluginError
from msanic_core.handlers import NO_DATA, data_type_of, path_of

if TYPE_CHECKING:
    from msanic_core.wire.codecs import Codecs

__all__ = [
    "NO_DATA",
    "AnyCommand",
    "Bound",
    "Clash",
    "Command",
    "CommandMap",
    "Handler",
    "command",
    "describe_clash",
    "find_clashes",
]

MAX_NAME_BYTES = 255
FIRST_PLUGIN_ID = 2000
"""`id` is type * 1000 + code, and type 1 belongs to the core."""

_NAME = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_CORE_TYPE = "sys"

P = ParamSpec("P")
R = TypeVar("R")


class Command(Generic[P, R]):
    """A handler with its declaration, as `@command` makes it. Calling it calls the handler.

    `name` ("type.code") and `id` (or None) are what clients send. `concurrent`: messages of one session need not wait
    for each other. `data_type`: what `data` must fit; Any when the handler does not say, `NO_DATA` when it takes none.
    `is_async`: the handler is an `async def`. `doc`: its docstring, without indentation.
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
        """Call the handler; unit tests do."""
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

    The handler is a `def` or an `async def`. Its first parameter is the context, an optional second one is `data`,
    whatever the two are called; the annotation of the second is the type that `data` is checked against and decoded
    to: anything msgspec decodes (Struct, dataclass, TypedDict, `int`, `list[str]`, `Annotated` with `msgspec.Meta`).

    `name`: "type.code", each part of A-Z a-z 0-9 _ -, at most 255 bytes; the type "sys" is the core's. `id`: the
    number for clients that send integers, 2000 or more. `concurrent`: messages of one session that carry this command
    do not wait for each other.

    Raises `PluginError` if the name, the id or the handler is not as said above, and `TypeError` if what is declared is
    no function or the name or the id has the wrong type. Both name the function.
    """
    if not isinstance(name, str):
        raise TypeError(f'@command on {path_of(name)} needs a name: write @command("type.code")')

    def declare(handler: Callable[P, R]) -> Command[P, R]:
        where = f"command {name!r} ({path_of(handler)})"
        _check_name(name, where)
        _check_id(id, where)
        return Command(handler, name, id, concurrent, data_type_of(handler, where))

    return declare


# No Struct: its attributes are read for each message, and the interpreter reads those of a plain class much faster.
@dataclass(frozen=True, slots=True, eq=False)
class Bound:
    """A command in the map, with all that a message needs looked up beforehand.

    `decoders`: for each codec's name the function that makes the handler's `data` of a request's; None when the
    handler takes none.
    """

    plugin: str
    command: AnyCommand
    handler: Handler
    is_async: bool
    concurrent: bool
    decoders: dict[str, Callable[[Any], Any]] | None


class Clash(NamedTuple):
    """Two commands that share a name or an id, each with the name of its plugin."""

    key: str | int
    first: tuple[str, AnyCommand]
    second: tuple[str, AnyCommand]


class CommandMap:
    """Every command of every plugin, by name and by id. Built once, at start, with `build`."""

    __slots__ = ("_by_key", "_codes", "_sorted", "get", "typed_decoders")

    def __init__(self, bound: Iterable[Bound], codecs: "Codecs") -> None:
        self._sorted = tuple(sorted(bound, key=lambda each: each.command.name))
        self._by_key: dict[str | int, Bound] = {key: each for each in self._sorted for key in _keys(each.command)}
        self.get: Callable[[str | int], Bound | None] = self._by_key.get
        """Return what answers a command, given its name or its id; None if nothing does."""
        types = {each.command.name: each.command.data_type for each in self._sorted}
        types = {name: msgspec.Raw if type_ is NO_DATA else type_ for name, type_ in types.items()}
        self.typed_decoders = {codec.name: codec.typed_decoder(types) for codec in (codecs.json, codecs.msgpack)}
        """By codec's name: the quick way to read a request for any of these commands."""
        self._codes: dict[str, list[str]] = {}
        for each in self._sorted:
            type_, code = each.command.name.split(".")
            self._codes.setdefault(type_, []).append(code)

    @classmethod
    def build(cls, entries: Iterable[tuple[str, AnyCommand]], codecs: "Codecs") -> "CommandMap":
        """Make the map of (plugin name, command) pairs.

        Raises `PluginError` naming both plugins if two commands share a name or an id.
        """
        entries = list(entries)
        for clash in find_clashes(entries):
            first, second = clash.first[0], clash.second[0]
            raise PluginError(describe_clash(clash, f"plugin {first!r}", f"plugin {second!r}"), (first, second))
        return cls((_bind(plugin, each, codecs) for plugin, each in entries), codecs)

    def nearest(self, cmd: str | int) -> str | None:
        """Return the name most like the unknown `cmd`, for a hint; None if none is like it, or `cmd` is a number."""
        # Comparing is slow and clients choose what they send: long names are left alone, and of the known ones only
        # those of one type are looked at.
        if not isinstance(cmd, str) or len(cmd) > MAX_NAME_BYTES:
            return None
        wanted_type, _, wanted_code = cmd.partition(".")
        type_ = wanted_type if wanted_type in self._codes else _closest(wanted_type, self._codes)
        code = None if type_ is None else _closest(wanted_code, self._codes[type_])
        return None if code is None else f"{type_}.{code}"

    def __iter__(self) -> Iterator[Bound]:
        """Go through the commands, sorted by name, each once."""
        return iter(self._sorted)

    def __len__(self) -> int:
        """Return the number of commands; one with a name and an id counts once."""
        return len(self._sorted)


def find_clashes(entries: Iterable[tuple[str, AnyCommand]]) -> list[Clash]:
    """Return each name and id that more than one of the (plugin name, command) pairs has."""
    owners: dict[str | int, tuple[str, AnyCommand]] = {}
    clashes = []
    for entry in entries:
        for key in _keys(entry[1]):
            if key in owners:
                clashes.append(Clash(key, owners[key], entry))
            else:
                owners[key] = entry
    return clashes


def describe_clash(clash: Clash, first: str, second: str) -> str:
    """Return one line that says what clashes and how to mend it; `first` and `second` are how to call the plugins."""
    one, other = (f"{path_of(each.handler)} for {each.name!r}" for each in (clash.first[1], clash.second[1]))
    what = f"command id {clash.key}" if isinstance(clash.key, int) else f"command {clash.key!r}"
    if clash.first[0] == clash.second[0]:
        return f"{first}: {what} is declared twice, by {one} and by {other}; give one of them another"
    mend = f'give one of them another, or block one plugin with [plugins] block = ["{clash.second[0]}"]'
    return f"{first} and {second}: {what} is declared by both, by {one} and by {other}; {mend}"


def _closest(word: str, words: Iterable[str]) -> str | None:
    return next(iter(difflib.get_close_matches(word, words, n=1)), None)


def _keys(each: AnyCommand) -> tuple[str | int, ...]:
    return (each.name,) if each.id is None else (each.name, each.id)


def _bind(plugin: str, each: AnyCommand, codecs: "Codecs") -> Bound:
    decoders = None
    if each.data_type is not NO_DATA:
        decoders = {codec.name: codec.data_decoder(each.data_type) for codec in (codecs.json, codecs.msgpack)}
    return Bound(plugin, each, each.handler, each.is_async, each.concurrent, decoders)


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
