"""Loads plugins: makes the tables of hooks and commands, and one line for each problem.

The only user of pluggy's manager. pluggy finds the hooks; the core calls the functions itself, because their results
may be awaitable and an exception in one plugin must not stop the others.
"""

import inspect
import types
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import pluggy

from msanic_core import hookspecs
from msanic_core.commands.signature import signature_of
from msanic_core.config.sections import Settings
from msanic_core.config.sources import same_name
from msanic_core.errors import did_you_mean
from msanic_core.hookspecs import PLAIN_HOOKS, PROJECT
from msanic_core.plugins.declarations import (
    commands_of,
    fail_clashes,
    ownerless_tables,
    read_apps,
    read_commands,
    read_settings,
)
from msanic_core.plugins.discovery import discover
from msanic_core.plugins.order import in_start_order
from msanic_core.plugins.plugin import Implementation, Plugin, PluginSet, PluginStatus, block_hint

if TYPE_CHECKING:
    pass

_REFUSED_OPTIONS = ("historic", "warn_on_impl", "warn_on_impl_args")
"""Options of pluggy's `hookspec` that the core does not support, because it calls the functions itself."""


def load_plugins(settings: Settings, extra: Mapping[str, object] | None = None) -> PluginSet:
    """Find the installed plugins, import those that the settings want, and collect what they declare.

    `extra`: more plugins, name to module or other object with the hook functions. They are always loaded, and replace
    installed plugins of the same name. Does not raise for a broken plugin: `PluginSet.check` does.
    """
    found, problems = discover(settings.plugins, extra or {})
    plugins = [plugin for plugin, _ in found]
    table = _HookTable(found)
    implementations = table.run()
    for plugin in plugins:
        # Environment variables cannot have every character of a name: `same_name` compares as they do.
        tables = [table for name, table in settings.plugin_tables.items() if same_name(name, plugin.name)]
        read_settings(plugin, implementations["plugin_settings"], tables[0] if tables else None)
    for implementation in implementations["ws_command"]:
        read_commands(implementation)
    problems.extend(ownerless_tables(settings.plugin_tables, [plugin.name for plugin in plugins]))
    fail_clashes(plugins)
    apps = read_apps(implementations["db_models"])
    broken = dict.fromkeys(plugin.error for plugin in plugins if plugin.status is PluginStatus.BROKEN)
    return PluginSet(
        plugins,
        commands_of(plugins),
        implementations,
        [*broken, *problems],
        first_result=table.first_result,
        apps=apps,
    )


class _HookTable:
    """The hooks of all loaded plugins. Checks plugins, then registers them with pluggy: our error texts are better."""

    def __init__(self, found: Iterable[tuple[Plugin, object | None]]) -> None:
        loaded = {plugin.name: namespace for plugin, namespace in found if namespace is not None}
        plugins = [plugin for plugin, namespace in found if namespace is not None]
        self._loaded = [(plugin, loaded[plugin.name]) for plugin in in_start_order(plugins)]
        self.first_result: set[str] = set()
        """The hooks whose specification has `firstresult=True`."""
        self._manager = pluggy.PluginManager(PROJECT)
        self._manager.add_hookspecs(hookspecs)
        self._specs: dict[str, tuple[Plugin | None, Callable[..., Any]]] = {
            hook: (None, function) for hook, function in self._specs_in(hookspecs)
        }

    def run(self) -> dict[str, list[Implementation]]:
        """Return for each hook its functions, in call order."""
        for plugin, namespace in self._loaded:
            self._add_specs(plugin, namespace)
        for plugin, namespace in self._loaded:
            self._check_implementations(plugin, namespace)
        for plugin, namespace in self._loaded:
            if plugin.status is PluginStatus.ACTIVE:
                self._manager.register(namespace, plugin.name)
        # Our checks have found every fault; this one only proves that none was missed.
        self._manager.check_pending()
        return {hook: self._in_order(getattr(self._manager.hook, hook).get_hookimpls()) for hook in self._specs}

    def _in_order(self, found: Iterable[pluggy.HookImpl]) -> list[Implementation]:
        """Sort: tryfirst, then unmarked, then trylast; within each group in start order."""
        plugins = {plugin.name: plugin for plugin, _ in self._loaded}
        places = {name: place for place, name in enumerate(plugins)}
        ordered = sorted(found, key=lambda each: (each.trylast - each.tryfirst, places[each.plugin_name]))
        return [Implementation(plugins[each.plugin_name], each.function, tuple(each.argnames)) for each in ordered]

    def _specs_in(self, namespace: Any) -> list[tuple[str, Callable[..., Any]]]:
        parse = self._manager.parse_hookspec_opts
        options: dict[str, Any] = {name: parse(namespace, name) for name in _function_names(namespace)}
        self.first_result.update(name for name, chosen in options.items() if chosen and chosen["firstresult"])
        return [(name, getattr(namespace, name)) for name, chosen in options.items() if chosen is not None]

    def _add_specs(self, plugin: Plugin, namespace: object) -> None:
        new = {}
        for hook, function in self._specs_in(namespace):
            owner, known = self._specs.get(hook, (None, None))
            if known is None:
                if fault := self._spec_fault(namespace, hook):
                    plugin.fail(fault)
                new[hook] = function
            elif known == function:
                continue  # only imported from the plugin that declares it
            elif owner is None:
                plugin.fail(f"declares a hook {hook!r}, which the core has; give it another name")
            else:
                error = f"{owner.label} and {plugin.label}: both declare a hook {hook!r}; {block_hint(plugin.name)}"
                owner.fail_together(error)
                plugin.fail_together(error)
        if new:
            holder = types.ModuleType(plugin.module)
            vars(holder).update(new)
            self._manager.add_hookspecs(holder)
            self._specs.update((hook, (plugin, function)) for hook, function in new.items())

    def _spec_fault(self, namespace: Any, hook: str) -> str:
        options: Mapping[str, Any] = self._manager.parse_hookspec_opts(namespace, hook) or {}
        refused = [name for name in _REFUSED_OPTIONS if options.get(name)]
        return f"its hook {hook!r} has the option {refused[0]}, which is not supported; leave it out" if refused else ""

    def _check_implementations(self, plugin: Plugin, namespace: object) -> None:
        hooks = set()
        for name in _function_names(namespace):
            options = self._manager.parse_hookimpl_opts(namespace, name)
            if options is None:
                continue
            hook = options["specname"] or name
            hooks.add(hook)
            if fault := self._fault(hook, getattr(namespace, name), options):
                plugin.fail(fault)
        plugin.hooks = tuple(sorted(hooks))
        other = next(each for each, its_namespace in self._loaded if its_namespace is namespace)
        if other is not plugin:
            plugin.fail(
                f"its plugin {plugin.name!r} is the same object as the plugin {other.name!r}; keep one of the two"
            )
        if not hooks and not any(owner is plugin for owner, _ in self._specs.values()):
            plugin.fail(f"{plugin.module} has no hook function; mark them with @hookimpl, or name another module")

    def _fault(self, hook: str, function: Callable[..., Any], options: Mapping[str, Any]) -> str:
        """Return what is wrong with a hook function and how to fix it; "" if it is valid."""
        if hook not in self._specs:
            if options["optionalhook"]:
                return ""
            fix = "rename it, or install and load the plugin whose hook it is, or mark it optionalhook=True"
            return f"there is no hook {hook!r}; {fix}{did_you_mean(hook, self._specs)}"
        if options["wrapper"] or options["hookwrapper"]:
            return f"its {hook} is a hook wrapper, which is not supported; write a plain @hookimpl without yield"
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            return f"its {hook} yields, so that its body would never run; return the result instead"
        if hook in PLAIN_HOOKS and inspect.iscoroutinefunction(function):
            return f"its {hook} is async def, but its result is needed at once; write def"
        return _argument_fault(hook, function, list(signature_of(self._specs[hook][1]).parameters))


def _function_names(namespace: object) -> list[str]:
    """Return the names that can be hooks. pluggy itself would look at every name, which is slow."""
    if isinstance(namespace, types.ModuleType):
        return sorted(name for name, value in vars(namespace).items() if inspect.isroutine(value))
    return dir(namespace)


def _argument_fault(hook: str, function: Callable[..., Any], allowed: list[str]) -> str:
    takes = f"it can take {', '.join(allowed)}" if allowed else "it takes none"
    for each in signature_of(function).parameters.values():
        if each.kind in (each.VAR_POSITIONAL, each.VAR_KEYWORD):
            return f"its {hook} takes {each}, which would stay empty; name the arguments it needs; {takes}"
        optional = each.default is not each.empty
        if each.name in allowed and (optional or each.kind is each.KEYWORD_ONLY):
            return f"its {hook} would never be given {each.name!r}; write it without default or *"
        if each.name not in allowed and not optional:
            hint = did_you_mean(each.name, allowed)
            return f"its {hook} takes {each.name!r}, which that hook does not have; {takes}{hint}"
    return ""
