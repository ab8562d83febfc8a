"""What is known of plugins: one plugin, its function for a hook, and the set that a server runs with."""

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
    """What became of an installed plugin."""

    ACTIVE = "active"
    BLOCKED = "blocked"
    """The configuration leaves it out; it was not imported."""
    BROKEN = "broken"


@dataclass(slots=True, eq=False)
class Plugin:
    """What is known of one plugin, whether it runs or not.

    `name`: of its entry point. `package` and `version`: of the distribution it comes in, "" for a plugin given
    directly. `error`: for a broken one, a line that says what is wrong and how to mend it. `module`: where its hooks
    are, as in the entry point: "module" or "module:object". `hooks`: the names of those it implements. `requires`:
    canonical names of the packages that its package requires. `settings`: its
    own, checked; None if it declares none. `state`: what its `server_start` returned.
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
        """How to call it in a message: package and version, or the plugin's name if it comes in none."""
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
        """Call the function with those of the arguments that it takes; returns what it returns, awaitable or not.

        `settings` and `state` need not be given: they are the plugin's own. Raises `KeyError` if the function takes an
        argument that was not given.
        """
        available["settings"] = self.plugin.settings
        available["state"] = self.plugin.state
        return self.function(*[available[name] for name in self.arguments])


class PluginSet:
    """What came of loading: the plugins, their commands, models and hook functions, and the problems."""

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
        """All that were found, by name, blocked and broken ones included."""
        self.commands = tuple(sorted(commands, key=lambda each: each[1].name))
        """The commands of the active ones, by name, each with the name of its plugin before it."""
        self.apps = tuple(apps)
        """The models of the active ones, and before them the core's own; empty if no plugin has any."""
        self.problems = tuple(problems)
        """A line each; those that concern one plugin are its `error` as well."""
        self.first_result = frozenset(first_result)
        """Hooks of which the first answer counts, and the rest is not called (pluggy's `firstresult`)."""
        self._implementations = {
            hook: tuple(each for each in functions if each.plugin.status is PluginStatus.ACTIVE)
            for hook, functions in implementations.items()
        }

    def implementations(self, hook: str) -> tuple[Implementation, ...]:
        """Return the active plugins' functions for a hook, the core's or a plugin's own, in the order to call them.

        Raises `LookupError` if there is no hook of that name.
        """
        if hook not in self._implementations:
            raise LookupError(f"there is no hook {hook!r}{did_you_mean(hook, self._implementations)}")
        return self._implementations[hook]

    def check(self) -> None:
        """Raise `PluginError` with every problem, a line each, if there is one."""
        if self.problems:
            packages = {each.package for each in self.plugins if each.status is PluginStatus.BROKEN and each.package}
            raise PluginError("\n".join(self.problems), sorted(packages))


def block_hint(name: str) -> str:
    """Return how to leave a plugin out, as part of a sentence."""
    return f'block it with [plugins] block = ["{name}"]'


def one_line(error: BaseException) -> str:
    """Return what an exception says in one line, with its type unless the core raised it on purpose."""
    text = " ".join(str(error).split())
    if isinstance(error, PluginError):
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
