"""Finds the installed plugins and imports those that the configuration wants. No hook is read here."""

import importlib.metadata
import logging
from collections import defaultdict
from collections.abc import Mapping
from importlib.metadata import EntryPoint, PackageMetadata
from typing import NamedTuple

from msanic_core.config.sections import PluginsSettings
from msanic_core.errors import PluginError, did_you_mean
from msanic_core.plugins.order import in_start_order
from msanic_core.plugins.plugin import Plugin, PluginStatus, block_hint, one_line
from msanic_core.plugins.requirement import (
    CORE,
    canonical,
    is_installed,
    packages_required,
    running_version,
    version_needed,
)

GROUP = "msanic_core"

log = logging.getLogger("msanic_core.plugins")


class Discovery(NamedTuple):
    """Every plugin found, by name, with its imported object (None: blocked or broken), and further problems."""

    found: list[tuple[Plugin, object | None]]
    problems: list[str]


class _Installed(NamedTuple):
    entry_point: EntryPoint
    metadata: PackageMetadata | None


def discover(section: PluginsSettings, extra: Mapping[str, object]) -> Discovery:
    """Find the installed plugins and import those that are wanted.

    `extra`: plugins that are passed directly, name to module or other object. They are always loaded, and replace an
    installed plugin of the same name.
    """
    found: list[tuple[Plugin, object | None]] = [
        (Plugin(name, module=getattr(namespace, "__name__", type(namespace).__name__)), namespace)
        for name, namespace in extra.items()
    ]
    by_name: dict[str, list[_Installed]] = defaultdict(list)
    for entry_point in importlib.metadata.entry_points(group=GROUP):
        if entry_point.name not in extra:
            # `dist.metadata` reads a file at each access.
            metadata = entry_point.dist.metadata if entry_point.dist else None
            by_name[entry_point.name].append(_Installed(entry_point, metadata))
    running = running_version()
    for name, installed in by_name.items():
        plugins = [_record(each) for each in installed]
        namespace = None
        if name in section.block or (section.load is not None and name not in section.load):
            for plugin in plugins:
                plugin.status = PluginStatus.BLOCKED
        elif len(plugins) > 1:
            _fail_repeated(plugins)
        else:
            namespace = _load(plugins[0], installed[0], running)
        found.extend((plugin, namespace) for plugin in plugins)
    found.sort(key=lambda each: (each[0].name, each[0].label))
    _check_required(found)
    names = [plugin.name for plugin, _ in found]
    return Discovery(found, [_not_installed(name, names) for name in section.load or () if name not in names])


def _record(installed: _Installed) -> Plugin:
    entry_point, metadata = installed
    fields = {key: metadata[key] for key in ("Name", "Version") if metadata is not None and key in metadata}
    package = fields.get("Name") or f"(a package without a name, of {entry_point.value})"
    return Plugin(entry_point.name, package, fields.get("Version", ""), module=entry_point.value)


def _fail_repeated(plugins: list[Plugin]) -> None:
    labels = " and ".join(sorted(plugin.label for plugin in plugins))
    for plugin in plugins:
        plugin.fail_together(f"{labels}: each has a plugin named {plugin.name!r}; uninstall all but one of them")


def _load(plugin: Plugin, installed: _Installed, running: str | None) -> object | None:
    requirements = [] if installed.metadata is None else installed.metadata.get_all("Requires-Dist") or []
    needed = None if running is None else version_needed(requirements, running)
    if needed is not None:
        plugin.fail(
            f"needs {needed}, and this is {CORE} {running}; install a release of {plugin.package} that fits, with "
            f"pip install --upgrade {plugin.package}, or install {needed}, or {block_hint(plugin.name)}"
        )
        return None
    required = packages_required(requirements)
    plugin.requires = tuple(required)
    missing = [line for package, line in required.items() if not is_installed(package)]
    if missing:
        plugin.fail(
            f"needs {', '.join(missing)}, which is not installed; pip install {' '.join(map(repr, missing))}, or "
            f"{block_hint(plugin.name)}"
        )
        return None
    try:
        namespace: object = installed.entry_point.load()
    except PluginError as error:
        plugin.fail(f"{one_line(error)}; or {block_hint(plugin.name)}")
    except (Exception, SystemExit) as error:
        log.debug("plugin %s cannot be imported", plugin.name, exc_info=True)
        fix = "install what it needs" if isinstance(error, ImportError) else "repair it"
        plugin.fail(f"cannot be imported: {one_line(error)}; {fix} or {block_hint(plugin.name)}")
    else:
        return namespace
    return None


def _check_required(found: list[tuple[Plugin, object | None]]) -> None:
    """Mark plugins as broken if their package requires, also indirectly, the package of a plugin that is not loaded."""
    by_package: dict[str, list[Plugin]] = defaultdict(list)
    for plugin, _ in found:
        by_package[canonical(plugin.package)].append(plugin)
    for plugin in in_start_order([plugin for plugin, _ in found if plugin.status is PluginStatus.ACTIVE]):
        for package in plugin.requires:
            away = [each for each in by_package.get(package, ()) if each.status is not PluginStatus.ACTIVE]
            if away and plugin.status is PluginStatus.ACTIVE:
                fix = "load it" if away[0].status is PluginStatus.BLOCKED else "repair that"
                what = f"{away[0].package}, whose plugin {away[0].name!r} is {away[0].status}"
                plugin.fail(f"needs {what}; {fix} or {block_hint(plugin.name)}")


def _not_installed(name: str, names: list[str]) -> str:
    hint = did_you_mean(name, names)
    return f"[plugins] load names {name!r}, which is not installed; install it or take it out of the list{hint}"
