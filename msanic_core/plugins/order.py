"""The order in which plugins start; their hooks are called in the same order."""

from collections.abc import Sequence

from msanic_core.plugins.plugin import Plugin
from msanic_core.plugins.requirement import canonical


def in_start_order(plugins: Sequence[Plugin]) -> list[Plugin]:
    """Sort plugins by name, but each one after the plugins whose packages its own package requires.

    If packages require each other, the first by name starts last.
    """
    by_name = sorted(plugins, key=lambda plugin: plugin.name)
    by_package: dict[str, list[Plugin]] = {}
    for plugin in by_name:
        if plugin.package:
            by_package.setdefault(canonical(plugin.package), []).append(plugin)
    ordered: dict[str, Plugin] = {}
    begun: set[str] = set()

    def place(plugin: Plugin) -> None:
        if plugin.name in begun:
            return
        begun.add(plugin.name)
        for package in sorted(plugin.requires):
            for required in by_package.get(package, ()):
                place(required)
        ordered[plugin.name] = plugin

    for plugin in by_name:
        place(plugin)
    return list(ordered.values())
