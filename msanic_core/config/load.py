"""Reads the settings: flags override the environment, that overrides `msanic.toml`, that overrides defaults."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

import msgspec

from msanic_core.config.sections import SECTIONS, Settings
from msanic_core.config.sources import (
    PLUGINS,
    Entry,
    KeyPath,
    convert,
    dotted,
    environment_entries,
    file_entries,
    merge,
    override_entries,
)
from msanic_core.config.text import masked
from msanic_core.errors import ConfigError

Origins: TypeAlias = Mapping[str, str]
"""Dotted key to the source of its value: `default`, the file, `environment MSANIC_…` or `flag --port`."""


def load_settings(
    file: Path | None,
    environ: Mapping[str, str],
    overrides: Mapping[str, Any],
    *,
    flags: Mapping[str, str] | None = None,
) -> tuple[Settings, Origins]:
    """Read the settings of a server.

    `file`: None: `msanic.toml` in the working directory, if it exists. `overrides`: dotted key to value; a string is
    parsed as an environment variable is. `flags`: dotted key to the flag that sets it, for `Origins` and error texts;
    by default `--set KEY`.

    Raises `ConfigError`; its text names the key, where the value comes from, and what to change.
    """
    return _settle([*file_entries(file), *environment_entries(environ), *override_entries(overrides, flags or {})])


def settings_from(mapping: Mapping[str, Any]) -> Settings:
    """Make settings from sections such as `{"ws": {"rate": 0}}`, with the checks and errors of `load_settings`."""
    return _settle([Entry((), mapping, "settings", is_text=False)])[0]


def flat(settings: Settings) -> dict[str, Any]:
    """Return the value of each dotted key, including keys of `[plugins.NAME]`, in the order of `sections.py`."""
    values = {dotted(path): getattr(getattr(settings, path[0]), path[1]) for path in _fields()}
    for name, table in settings.plugin_tables.items():
        values |= {dotted(path): entry.value for path, entry in merge([Entry((PLUGINS, name), table, "")], ()).items()}
    return values


@cache
def _fields() -> Mapping[KeyPath, msgspec.structs.FieldInfo]:
    return {
        (section, field.name): field for section, struct in SECTIONS.items() for field in msgspec.structs.fields(struct)
    }


def _settle(entries: list[Entry]) -> tuple[Settings, Origins]:
    fields = _fields()
    origins = {dotted(path): "default" for path in fields}
    sections: dict[str, dict[str, Any]] = {name: {} for name in SECTIONS}
    tables: dict[str, dict[str, Any]] = {}
    for path, entry in merge(entries, fields).items():
        origins[dotted(path)] = entry.source
        if path in fields:
            sections[path[0]][path[1]] = convert(entry, fields[path].type)
        else:
            _plant(tables, path[1:], entry.value)
    made: dict[str, Any] = {name: struct(**sections[name]) for name, struct in SECTIONS.items()}
    settings = Settings(**made, plugin_tables=tables)
    _check(settings, origins)
    return settings, origins


def _plant(tables: dict[str, Any], path: KeyPath, value: Any) -> None:
    """Set a value in nested tables. `{}` is an empty table: it is copied, because the caller owns the dictionary."""
    for name in path[:-1]:
        tables = tables.setdefault(name, {})
    tables[path[-1]] = {} if value == {} else value


def _check(settings: Settings, origins: Origins) -> None:
    """Check rules between several keys."""

    def at(key: str, value: Any) -> str:
        return f"{key} = {masked(key, value)!r} ({origins[key]})"

    ws, offline = settings.ws, settings.offline
    if ws.burst < ws.rate:
        raise ConfigError(
            f"{at('ws.burst', ws.burst)} is less than {at('ws.rate', ws.rate)}: set ws.burst to {ws.rate} or more"
        )
    if offline.cancel_after < offline.yield_after:
        raise ConfigError(
            f"{at('offline.cancel_after', offline.cancel_after)} is less than "
            f"{at('offline.yield_after', offline.yield_after)}: a hook would be cancelled before it stops holding "
            "up the next; set offline.cancel_after higher"
        )
    http = settings.http
    if http.cors_credentials and "*" in http.cors_origins:
        raise ConfigError(
            f"{at('http.cors_credentials', True)} and {at('http.cors_origins', http.cors_origins)}: any page could act "
            "as its visitor; list the origins"
        )
    redis = settings.redis
    if redis.timeout >= redis.lease:
        raise ConfigError(
            f"{at('redis.timeout', redis.timeout)} is not less than {at('redis.lease', redis.lease)}: one slow answer "
            "would cost a process its lease; set redis.timeout lower"
        )
    if settings.server.workers > 1 and not redis.url:
        raise ConfigError(
            f"{at('server.workers', settings.server.workers)}: each worker is a process of its own, and without "
            "Redis users on different workers could not reach each other; set redis.url (--redis), or server.workers "
            "to 1"
        )
