"""Reads settings from the file, the environment and flags. `sections.py` defines the keys."""

import re
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import msgspec

from msanic_core.config.text import bare, expected, masked, nearest
from msanic_core.errors import ConfigError

KeyPath: TypeAlias = tuple[str, ...]
"""A key split at its dots: `("ws", "rate")`."""

DEFAULT_FILE = "msanic.toml"
PREFIX = "MSANIC_"
NOT_A_SETTING = "MSANIC_CORE_COMPILE"
"""A variable for the installation, see hatch_build.py. Container images may still have it set at run time."""
PLUGINS = "plugins"

_WHOLE_NUMBER = re.compile("0|[1-9][0-9]{0,17}")
_BEGINS_AS_TOML = re.compile(r"""[ \t]*(["'\[{+\-0-9]|true|false|inf|nan)""")


class Entry(NamedTuple):
    """A value for a key. `source`: a description for people. `is_text`: the value is a text and not parsed yet."""

    path: KeyPath
    value: Any
    source: str
    is_text: bool = False


def dotted(path: KeyPath) -> str:
    """Return a key as people write it: `ws.rate`."""
    return ".".join(path)


def same_name(one: str, other: str) -> bool:
    """Compare names as environment variables allow: ignoring case, and `-` equals `_`."""
    return one.lower().replace("-", "_") == other.lower().replace("-", "_")


def file_entries(file: Path | None) -> list[Entry]:
    """Read a TOML file. None: `msanic.toml` in the working directory, if it exists.

    Raises `ConfigError` if the named file cannot be read, or is not TOML; the text then has the line number.
    """
    path = file or Path(DEFAULT_FILE)
    try:
        text = path.read_bytes().decode()
    except FileNotFoundError:
        if file is None:
            return []
        raise ConfigError(f"the configuration file {path} does not exist") from None
    except OSError as error:
        raise ConfigError(f"the configuration file {path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: byte {error.start + 1} is not UTF-8, as TOML must be") from None
    import tomllib

    try:
        return [Entry((), tomllib.loads(text), str(path))]
    except tomllib.TOMLDecodeError as error:
        # Before Python 3.14 the line number is only in the text, and missing for an error at the end of the document.
        what, _, where = str(error).partition(" (at ")
        line = re.match(r"line (\d+)", where)
        number = line[1] if line else text.count("\n") + 1
        raise ConfigError(f"{path}, line {number}: not TOML: {what}") from None


def environment_entries(environ: Mapping[str, str]) -> list[Entry]:
    """Read the `MSANIC_…` variables: `MSANIC_SERVER__PORT` is `server.port`."""
    return [
        Entry(_environment_path(name), value, f"environment {name}", is_text=True)
        for name, value in sorted(environ.items())
        if name.startswith(PREFIX) and name != NOT_A_SETTING
    ]


def override_entries(overrides: Mapping[str, Any], flags: Mapping[str, str]) -> list[Entry]:
    """Read overrides by dotted key. `flags`: dotted key to the flag that sets it; by default `--set KEY`."""
    return [
        Entry(tuple(key.split(".")), value, f"flag {flags.get(key, f'--set {key}')}", is_text=isinstance(value, str))
        for key, value in overrides.items()
    ]


def merge(entries: Iterable[Entry], fields: Collection[KeyPath]) -> dict[KeyPath, Entry]:
    """Split tables into single keys; the last entry for a key wins.

    `fields`: the known keys. Keys below `[plugins.NAME]` are free. Raises `ConfigError` for an unknown key.
    """
    merged: dict[KeyPath, Entry] = {}
    for entry in entries:
        for leaf in _leaves(entry, fields):
            path = _spelling(leaf, merged)
            # A table replaces a value, or a value a table: the later one wins as a whole.
            for other in [other for other in merged if _within(other, path) or _within(path, other)]:
                del merged[other]
            merged[path] = leaf._replace(path=path)
    return merged


def convert(entry: Entry, type_: Any) -> Any:
    """Convert an entry to a field's type. Raises `ConfigError` with key, value, source and the expected type."""
    value = entry.value
    if entry.is_text:
        kind = bare(type_)
        if isinstance(kind, msgspec.inspect.StrType | msgspec.inspect.LiteralType):
            value = _parse_text(value)
        elif isinstance(kind, msgspec.inspect.ListType | msgspec.inspect.UnionType):
            value = _parse_list(value)
        else:
            value = _parse(value)
    try:
        return msgspec.convert(value, type_, strict=not entry.is_text)
    except msgspec.ValidationError:
        key = dotted(entry.path)
        shown = masked(key, entry.value)
        raise ConfigError(f"{key} = {shown!r} ({entry.source}): expected {expected(type_)}") from None


def _environment_path(name: str) -> KeyPath:
    path = tuple(name.removeprefix(PREFIX).lower().split("__"))
    if _in_plugin_table(path) and len(path) > 1:
        # A variable cannot have a dash, and names of plugins have dashes more often than underscores.
        return (PLUGINS, path[1].replace("_", "-"), *path[2:])
    return path


def _in_plugin_table(path: KeyPath) -> bool:
    return path[:1] == (PLUGINS,) and path[1:2] not in (("load",), ("block",))


def _leaves(entry: Entry, fields: Collection[KeyPath]) -> Iterable[Entry]:
    path, value = entry.path, entry.value
    if path in fields:
        yield entry
        return
    if entry.is_text:
        value = _parse(value)
        entry = entry._replace(value=value, is_text=False)
    in_plugin = len(path) >= 2 and _in_plugin_table(path) and all(path)
    is_section = not path or path[0] in {field[0] for field in fields}
    if isinstance(value, Mapping) and (in_plugin or (len(path) < 2 and is_section)):
        for key, inner in value.items():
            yield from _leaves(entry._replace(path=(*path, str(key)), value=inner), fields)
        if in_plugin and not value:
            yield entry
    elif in_plugin and len(path) > 2:
        yield entry
    elif len(path) == 1 and is_section:
        raise ConfigError(f"{path[0]} = {masked(path[0], value)!r} ({entry.source}): expected a table [{path[0]}]")
    else:
        raise _unknown(entry, fields)


def _unknown(entry: Entry, fields: Collection[KeyPath]) -> ConfigError:
    key = dotted(entry.path)
    if len(entry.path) == 1 and isinstance(entry.value, Mapping):
        section = nearest(key, {field[0]: None for field in fields})
        return ConfigError(f"unknown section [{key}] ({entry.source}); the nearest known one is [{section}]")
    known = nearest(key, [dotted(field) for field in fields])
    variable = f" ({PREFIX}{known.upper().replace('.', '__')})" if entry.source.startswith("environment ") else ""
    return ConfigError(f"unknown setting {key} ({entry.source}); the nearest known one is {known}{variable}")


def _within(path: KeyPath, table: KeyPath) -> bool:
    return len(path) > len(table) and path[: len(table)] == table


def _spelling(entry: Entry, merged: Collection[KeyPath]) -> KeyPath:
    """Spell a plugin's name as an earlier source does; for environment variables also the keys below it."""
    path = entry.path
    if not _in_plugin_table(path):
        return path
    for index in range(1, len(path) if entry.source.startswith("environment ") else 2):
        for other in merged:
            if len(other) > index and other[:index] == path[:index] and same_name(other[index], path[index]):
                path = (*path[:index], other[index], *path[index + 1 :])
                break
    return path


def _parse(text: str) -> Any:
    """Parse a TOML value; return the text itself if it is not TOML."""
    # Most values need no tomllib, whose import takes longer than the rest of the loading.
    if _WHOLE_NUMBER.fullmatch(text):
        return int(text)
    if not _BEGINS_AS_TOML.match(text):
        return text
    import tomllib

    try:
        document = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        return text
    return document["value"] if len(document) == 1 else text


def _parse_text(text: str) -> str:
    """Parse a text, with or without TOML's quotes: `123` stays a text."""
    value = _parse(text) if text.lstrip().startswith(('"', "'")) else text
    return value if isinstance(value, str) else text


def _parse_list(text: str) -> list[Any]:
    """Parse a TOML array, or texts separated by commas."""
    value = _parse(text)
    return value if isinstance(value, list) else [part for part in map(str.strip, text.split(",")) if part]
