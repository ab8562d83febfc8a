"""Reads and checks what plugins declare: settings, commands and models."""

import types
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from msanic_core.commands.clashes import describe_clash, find_clashes
from msanic_core.commands.declaration import AnyCommand, Command
from msanic_core.config.sources import same_name
from msanic_core.errors import did_you_mean
from msanic_core.plugins.plugin import Implementation, Plugin, PluginStatus, block_hint, one_line

if TYPE_CHECKING:
    from msanic_core.db.apps import PluginApp


def read_settings(plugin: Plugin, implementations: Iterable[Implementation], table: Mapping[str, Any] | None) -> None:
    """Convert a plugin's table to the type that its `plugin_settings` returns; the result is `plugin.settings`."""
    if plugin.status is not PluginStatus.ACTIVE:
        return
    declared = [each for each in implementations if each.plugin is plugin]
    section = f"[plugins.{plugin.name}]"
    if not declared:
        if table is not None:
            plugin.fail(f"{section} is set, but it has no settings; take the table out of the configuration")
        return
    try:
        type_ = declared[0].call()
    except (Exception, SystemExit) as error:
        plugin.fail(f"its plugin_settings failed: {one_line(error)}; repair it or {block_hint(plugin.name)}")
        return
    if not (isinstance(type_, type) and issubclass(type_, msgspec.Struct)):
        plugin.fail(f"its plugin_settings returned {type_!r}; return a class derived from msgspec.Struct")
        return
    keys = [field.encode_name for field in msgspec.structs.fields(type_)]
    for key in table or ():
        if key not in keys:
            plugin.fail(f"{section} has an unknown key {key!r}; take it out or correct it{did_you_mean(key, keys)}")
            return
    try:
        plugin.settings = msgspec.convert(table or {}, type_, str_keys=True)
    except msgspec.ValidationError as error:
        what, _, path = str(error).partition(" - at `$.")
        key = path.rstrip("`")
        plugin.fail(f"{section} does not fit: {key}{': ' if key else ''}{what}; correct the configuration")
    except Exception as error:
        plugin.fail(f"its settings type {type_.__name__} cannot be used: {one_line(error)}; repair it")


def ownerless_tables(tables: Iterable[str], names: list[str]) -> list[str]:
    """Return an error line for each table [plugins.NAME] whose plugin is not in `names`."""
    return [
        f"[plugins.{name}] is for a plugin that is not installed; install it or take the table out"
        f"{did_you_mean(name, names)}"
        for name in tables
        if not any(same_name(name, each) for each in names)
    ]


def read_commands(implementation: Implementation) -> None:
    """Add the commands that a `ws_command` returns to `plugin.commands`."""
    plugin = implementation.plugin
    if plugin.status is not PluginStatus.ACTIVE:
        return
    try:
        commands = implementation.call()
    except (Exception, SystemExit) as error:
        plugin.fail(f"its ws_command failed: {one_line(error)}; repair it or {block_hint(plugin.name)}")
        return
    if not isinstance(commands, list | tuple):
        plugin.fail(f"its ws_command returned {commands!r}; return a list of functions marked with @command")
        return
    for each in commands:
        if not isinstance(each, Command):
            plugin.fail(f'its ws_command returned {each!r} in the list; mark the function with @command("type.code")')
            return
    plugin.commands += tuple(commands)


def fail_clashes(plugins: Sequence[Plugin]) -> None:
    """Mark plugins as broken if they declare the same command name or id."""
    by_name = {plugin.name: plugin for plugin in plugins}
    for clash in find_clashes(commands_of(plugins)):
        first, second = by_name[clash.first[0]], by_name[clash.second[0]]
        error = describe_clash(clash, first.label, second.label)
        first.fail_together(error)
        second.fail_together(error)


def commands_of(plugins: Iterable[Plugin]) -> list[tuple[str, AnyCommand]]:
    """Return (plugin name, command) for each command of the active plugins."""
    return [
        (plugin.name, each) for plugin in plugins if plugin.status is PluginStatus.ACTIVE for each in plugin.commands
    ]


def read_apps(implementations: Iterable[Implementation]) -> tuple["PluginApp", ...]:
    """Return the core's own models and those of each `db_models`; () if no plugin has models."""
    given = [(each.plugin, modules) for each in implementations if (modules := _read_models(each))]
    if not given:
        return ()
    # Imports Tortoise, which takes more time than the rest of the start: only if it is needed.
    from msanic_core.db.apps import PluginApp, check_apps
    from msanic_core.db.outbox.app import core_app

    given.sort(key=lambda each: each[0].name)
    apps = [core_app(), *(PluginApp.of(plugin.name, modules) for plugin, modules in given)]
    by_name = {plugin.name: plugin for plugin, _ in given}
    for fault in check_apps(apps):
        concerned = [by_name[name] for name in fault.plugins]
        hint = f"or {block_hint(concerned[-1].name)}"
        error = f"{' and '.join(plugin.label for plugin in concerned)}: {fault.what}; {hint}"
        for plugin in concerned:
            plugin.fail_together(error)
    return tuple(app for app in apps if not app.plugin or by_name[app.plugin].status is PluginStatus.ACTIVE)


def _read_models(implementation: Implementation) -> list[types.ModuleType]:
    plugin = implementation.plugin
    if plugin.status is not PluginStatus.ACTIVE:
        return []
    try:
        given = implementation.call()
    except (Exception, SystemExit) as error:
        fix = "install what it needs" if isinstance(error, ImportError) else "repair it"
        plugin.fail(f"its db_models failed: {one_line(error)}; {fix} or {block_hint(plugin.name)}")
        return []
    modules = [given] if isinstance(given, types.ModuleType) else given
    if not isinstance(modules, list | tuple) or not all(isinstance(each, types.ModuleType) for each in modules):
        plugin.fail(
            f"its db_models returned {given!r}; return the module in which the models are, or a list of modules"
        )
        return []
    if not modules:
        plugin.fail("its db_models returned no module; return the one in which the models are, or leave the hook out")
    return list(modules)
