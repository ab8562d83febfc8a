"""The one map of all commands, built at start: messages are looked up in it."""

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from msanic_core.commands.declaration import MAX_NAME_BYTES, AnyCommand, Handler
from msanic_core.commands.signature import NO_DATA, path_of
from msanic_core.errors import PluginError

if TYPE_CHECKING:
    from msanic_core.wire.codecs import Codecs


class Bound:
    """A command in the map, with all that a message needs looked up beforehand.

    `decoders`: for each codec's name the function that makes the handler's `data` of a request's; None when the
    handler takes none.
    """

    __slots__ = ("command", "concurrent", "decoders", "handler", "is_async", "plugin")

    def __init__(self, plugin: str, command: AnyCommand, decoders: dict[str, Callable[[Any], Any]] | None) -> None:
        self.plugin = plugin
        self.command = command
        self.handler: Handler = command.handler
        self.is_async = command.is_async
        self.concurrent = command.concurrent
        self.decoders = decoders


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
        self.typed_decoders = {codec.name: codec.typed_decoder(types) for codec in codecs.all}
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
    import difflib

    return next(iter(difflib.get_close_matches(word, words, n=1)), None)


def _keys(each: AnyCommand) -> tuple[str | int, ...]:
    return (each.name,) if each.id is None else (each.name, each.id)


def _bind(plugin: str, each: AnyCommand, codecs: "Codecs") -> Bound:
    decoders = None
    if each.data_type is not NO_DATA:
        decoders = {codec.name: codec.data_decoder(each.data_type) for codec in codecs.all}
    return Bound(plugin, each, decoders)
