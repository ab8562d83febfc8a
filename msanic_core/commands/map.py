"""The map of all commands: built once at start, used for each message."""

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import msgspec

from msanic_core.commands.clashes import describe_clash, find_clashes, keys_of
from msanic_core.commands.declaration import MAX_NAME_BYTES, AnyCommand, Handler
from msanic_core.commands.signature import NO_DATA
from msanic_core.errors import PluginError, closest

if TYPE_CHECKING:
    from msanic_core.wire.codecs import Codecs


class Bound:
    """A command in the map, with everything that a message needs in attributes.

    `decoders`: for each codec's name the function that decodes `data` to the handler's type; None if the handler takes
    no data.
    """

    __slots__ = ("command", "concurrent", "decoders", "handler", "is_async", "plugin")

    def __init__(self, plugin: str, command: AnyCommand, decoders: dict[str, Callable[[Any], Any]] | None) -> None:
        self.plugin = plugin
        self.command = command
        self.handler: Handler = command.handler
        self.is_async = command.is_async
        self.concurrent = command.concurrent
        self.decoders = decoders


class CommandMap:
    """Every command of every plugin, by name and by id. Built once, at start, with `build`."""

    __slots__ = ("_by_key", "_codes", "_sorted", "get", "typed_decoders")

    def __init__(self, bound: Iterable[Bound], codecs: "Codecs") -> None:
        self._sorted = tuple(sorted(bound, key=lambda each: each.command.name))
        self._by_key: dict[str | int, Bound] = {key: each for each in self._sorted for key in keys_of(each.command)}
        self.get: Callable[[str | int], Bound | None] = self._by_key.get
        """Return the command with this name or id; None if there is none."""
        types = {each.command.name: each.command.data_type for each in self._sorted}
        types = {name: msgspec.Raw if type_ is NO_DATA else type_ for name, type_ in types.items()}
        self.typed_decoders = {codec.name: codec.typed_decoder(types) for codec in codecs.all}
        """By codec's name: the decoder for envelope and typed data in one step."""
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
        """Return the known name most similar to `cmd`, for a hint; None if there is none, or `cmd` is a number."""
        # Comparing is slow, and a client can send any name: long names are not compared, and of the known names only
        # those of one type are.
        if not isinstance(cmd, str) or len(cmd) > MAX_NAME_BYTES:
            return None
        wanted_type, _, wanted_code = cmd.partition(".")
        type_ = wanted_type if wanted_type in self._codes else closest(wanted_type, self._codes)
        code = None if type_ is None else closest(wanted_code, self._codes[type_])
        return None if code is None else f"{type_}.{code}"

    def __iter__(self) -> Iterator[Bound]:
        """Iterate over the commands, sorted by name, each once."""
        return iter(self._sorted)

    def __len__(self) -> int:
        """Return the number of commands; one with a name and an id counts once."""
        return len(self._sorted)


def _bind(plugin: str, each: AnyCommand, codecs: "Codecs") -> Bound:
    decoders = None
    if each.data_type is not NO_DATA:
        decoders = {codec.name: codec.data_decoder(each.data_type) for codec in codecs.all}
    return Bound(plugin, each, decoders)
