"""Finds commands with the same name or id at start, and describes each clash in one line."""

from collections.abc import Iterable
from typing import NamedTuple

from msanic_core.commands.declaration import AnyCommand
from msanic_core.commands.signature import path_of


class Clash(NamedTuple):
    """Two commands that share a name or an id, each with the name of its plugin."""

    key: str | int
    first: tuple[str, AnyCommand]
    second: tuple[str, AnyCommand]


def find_clashes(entries: Iterable[tuple[str, AnyCommand]]) -> list[Clash]:
    """Return each name and id that more than one command has. `entries`: (plugin name, command)."""
    owners: dict[str | int, tuple[str, AnyCommand]] = {}
    clashes = []
    for entry in entries:
        for key in keys_of(entry[1]):
            if key in owners:
                clashes.append(Clash(key, owners[key], entry))
            else:
                owners[key] = entry
    return clashes


def describe_clash(clash: Clash, first: str, second: str) -> str:
    """Return one line: what clashes and how to fix it. `first`, `second`: labels of the two plugins."""
    one, other = (f"{path_of(each.handler)} for {each.name!r}" for each in (clash.first[1], clash.second[1]))
    what = f"command id {clash.key}" if isinstance(clash.key, int) else f"command {clash.key!r}"
    if clash.first[0] == clash.second[0]:
        return f"{first}: {what} is declared twice, by {one} and by {other}; give one of them another"
    fix = f'give one of them another, or block one plugin with [plugins] block = ["{clash.second[0]}"]'
    return f"{first} and {second}: {what} is declared by both, by {one} and by {other}; {fix}"


def keys_of(each: AnyCommand) -> tuple[str | int, ...]:
    """The values of `cmd` for a command: its name, and its id if it has one."""
    return (each.name,) if each.id is None else (each.name, each.id)
