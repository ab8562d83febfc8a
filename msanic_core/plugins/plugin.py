"""The data of plugins: one plugin, its function for a hook, and the set of plugins of a server."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import msgspec

from msanic_core.commands.declaration import AnyCommand
from msanic_core.errors import PluginError, did_you_mean

if TYPE_CHECKING:
    from msanic_core.db.apps import PluginApp


class PluginStatus(StrEnum):
    """The result of loading an installed plugin."""

    ACTIVE = "active"
    BLOCKED = "blocked"
    """The configuration excludes it; it was not imported."""
    BROKEN = "broken"


@dataclass(slots=True, eq=False)
class Plugin:
    """One plugin, active or not.

    `name`: of its entry point. `package` and `version`: of its distribution, "" for a plugin that was passed directly.
    `error`: for a broken plugin, one line: what is wrong and how to fix it. `module`: where its hooks are, as in the
    entry point: "module" or "module:object". `hooks`: the names of the hooks it implements. `requires`: canonical names
    of the packages that its package requires. `settings`: its checked settings; None if it declares none. `state`: the
    result of its `server_start`.
    """

    name: str
    package: str = ""
    version: str = ""
    status: PluginStatus = PluginStatus.ACTIVE
    error: str = ""
    module: str = ""
    hooks: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()
    commands: tuple[AnyCommand, ...] = ()
    settings: msgspec.Struct | None = None
    state: Any = None

    @property
    def label(self) -> str:
        """Its name in messages: package and version, or the plugin's name if it has no package."""
        return f"{self.package} {self.version}".rstrip() if self.package else f"plugin {self.name!r}"

    def fail(self, what: str) -> None:
        """Mark it as broken, with an error that starts with the label. The first error stays."""
        self.fail_together(f"{self.label}: {what}")

    def fail_together(self, error: str) -> None:
        """Mark it as broken, with an error that names other plugins too. The first error stays."""
        if self.status is not PluginStatus.BROKEN:
            self.status = PluginStatus.BROKEN
            self.error = error


@dataclass(slots=True, frozen=True, eq=False)
class Implementation:
    """One plugin's function for one hook, and the names of the arguments it takes."""

    plugin: Plugin
    function: Callable[..., Any]
    arguments: tuple[str, ...]

    def call(self, **available: Any) -> Any:
        """Call the function with the arguments that it takes. Returns its result, which may be awaitable.

        `settings` and `state` are added: the plugin's own. Raises `KeyError` if the function takes another argument
        that is not in `available`.
        """
        available["settings"] = self.plugin.settings
        available["state"] = self.plugin.state
        return self.function(*[available[name] for name in self.arguments])


class PluginSet:
    """The result of loading: the plugins, their commands, models and hook functions, and the problems."""

    __slots__ = ("_implementations", "apps", "commands", "first_result", "plugins", "problems")

    def __init__(
        self,
        plugins: Iterable[Plugin],
        commands: Iterable[tuple[str, AnyCommand]],
        implementations: Mapping[str, Iterable[Implementation]],
        problems: Iterable[str],
        *,
        first_result: Iterable[str] = (),
        apps: "Iterable[PluginApp]" = (),
    ) -> None:
        self.plugins = tuple(plugins)
        """All installed plugins, by name, including blocked and broken ones."""
        self.commands = tuple(sorted(commands, key=lambda each: each[1].name))
        """(plugin name, command) for each command of the active plugins, by the command's name."""
        self.apps = tuple(apps)
        """The core's own models, then those of the active plugins; empty if no plugin has models."""
        self.problems = tuple(problems)
        """One line for each problem. A problem of a plugin is also the plugin's `error`."""
        self.first_result = frozenset(first_result)
        """Hooks with pluggy's `firstresult`: the first result that is not None ends the call."""
        self._implementations = {
            hook: tuple(each for each in functions if each.plugin.status is PluginStatus.ACTIVE)
            for hook, functions in implementations.items()
        }

    def implementations(self, hook: str) -> tuple[Implementation, ...]:
        """Return the active plugins' functions for a hook, in call order. The hook may be the core's or a plugin's.

        Raises `LookupError` if there is no hook of that name.
        """
        if hook not in self._implementations:
            raise LookupError(f"there is no hook {hook!r}{did_you_mean(hook, self._implementations)}")
        return self._implementations[hook]

    def check(self) -> None:
        """Raise `PluginError` if there are problems; its text has one line for each."""
        if self.problems:
            packages = {each.package for each in self.plugins if each.status is PluginStatus.BROKEN and each.package}
            raise PluginError("\n".join(self.problems), sorted(packages))


def block_hint(name: str) -> str:
    """Return how to exclude a plugin, as part of a sentence."""
    return f'block it with [plugins] block = ["{name}"]'


def one_line(error: BaseException) -> str:
    """Return the text of an exception in one line, with its type unless it is a `PluginError`."""
    text = " ".join(str(error).split())
    if isinstance(error, PluginError):
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
