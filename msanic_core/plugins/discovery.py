"""Which plugins are installed, which of them are wanted, and getting hold of those: before any hook is looked at."""

import importlib.metadata
import logging
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from importlib.metadata import EntryPoint, PackageMetadata
from typing import Any, NamedTuple, Protocol

import msgspec

from msanic_core.commands.declaration import AnyCommand
from msanic_core.errors import PluginError
from msanic_core.plugins.requirement import CORE, running_version, version_needed

GROUP = "msanic_core"

log = logging.getLogger("msanic_core.plugins")


class State(StrEnum):
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
    are, as in the entry point: "module" or "module:object". `hooks`: the names of those it implements. `settings`: its
    own, checked; None if it declares none.
    """

    name: str
    package: str = ""
    version: str = ""
    state: State = State.ACTIVE
    error: str = ""
    module: str = ""
    hooks: tuple[str, ...] = ()
    commands: tuple[AnyCommand, ...] = ()
    settings: msgspec.Struct | None = None

    @property
    def label(self) -> str:
        """How to call it in a message: package and version, or the plugin's name if it comes in none."""
        return f"{self.package} {self.version}".rstrip() if self.package else f"plugin {self.name!r}"

    def fail(self, what: str) -> None:
        """Mark it as broken, with an error that starts with the label. The first error stays."""
        self.fail_together(f"{self.label}: {what}")

    def fail_together(self, error: str) -> None:
        """Mark it as broken, with an error that names other plugins too. The first error stays."""
        if self.state is not State.BROKEN:
            self.state = State.BROKEN
            self.error = error


class PluginsSection(Protocol):
    """The part of the configuration that says which plugins are wanted, by the names of their entry points."""

    @property
    def load(self) -> Collection[str] | None:
        """The only ones to load; None: all that are installed."""

    @property
    def block(self) -> Collection[str]:
        """Those not to load."""


class PluginSettings(Protocol):
    """What loading plugins needs of the server's settings."""

    @property
    def plugins(self) -> PluginsSection:
        """Which plugins are wanted."""

    @property
    def plugin_tables(self) -> Mapping[str, Mapping[str, Any]]:
        """The tables [plugins.NAME], by name, as they were read."""


class Discovery(NamedTuple):
    """Every plugin found, by name, with what it was loaded as (None: blocked or broken), and other problems."""

    found: list[tuple[Plugin, object | None]]
    problems: list[str]


class _Installed(NamedTuple):
    entry_point: EntryPoint
    metadata: PackageMetadata | None


def discover(section: PluginsSection, extra: Mapping[str, object]) -> Discovery:
    """Find the installed plugins and import those that are wanted.

    `extra`: plugins given directly, name to module or other object. They are always loaded, and one that is installed
    under the same name is not looked at.
    """
    found: list[tuple[Plugin, object | None]] = [
        (Plugin(name, module=getattr(namespace, "__name__", type(namespace).__name__)), namespace)
        for name, namespace in extra.items()
    ]
    by_name: dict[str, list[_Installed]] = defaultdict(list)
    for entry_point in importlib.metadata.entry_points(group=GROUP):
        if entry_point.name not in extra:
            # It is read from a file each time it is asked for.
            metadata = entry_point.dist.metadata if entry_point.dist else None
            by_name[entry_point.name].append(_Installed(entry_point, metadata))
    running = running_version()
    for name, installed in by_name.items():
        plugins = [_record(each) for each in installed]
        namespace = None
        if name in section.block or (section.load is not None and name not in section.load):
            for plugin in plugins:
                plugin.state = State.BLOCKED
        elif len(plugins) > 1:
            _fail_repeated(plugins)
        else:
            namespace = _load(plugins[0], installed[0], running)
        found.extend((plugin, namespace) for plugin in plugins)
    found.sort(key=lambda each: (each[0].name, each[0].label))
    names = [plugin.name for plugin, _ in found]
    return Discovery(found, [_not_installed(name, names) for name in section.load or () if name not in names])


def block_hint(name: str) -> str:
    """Return how to leave a plugin out, as part of a sentence."""
    return f'block it with [plugins] block = ["{name}"]'


def did_you_mean(word: str, words: Iterable[str]) -> str:
    """Return a question with that one of `words` which is most like `word`, to put behind a text; "" if none is."""
    import difflib

    close = difflib.get_close_matches(word, list(words), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def one_line(error: BaseException) -> str:
    """Return what an exception says in one line, with its type unless the core raised it on purpose."""
    text = " ".join(str(error).split())
    if isinstance(error, PluginError):
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


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
    try:
        namespace: object = installed.entry_point.load()
    except PluginError as error:
        plugin.fail(f"{one_line(error)}; or {block_hint(plugin.name)}")
    except (Exception, SystemExit) as error:
        log.debug("plugin %s cannot be imported", plugin.name, exc_info=True)
        mend = "install what it needs" if isinstance(error, ImportError) else "repair it"
        plugin.fail(f"cannot be imported: {one_line(error)}; {mend} or {block_hint(plugin.name)}")
    else:
        return namespace
    return None


def _not_installed(name: str, names: list[str]) -> str:
    hint = did_you_mean(name, names)
    return f"[plugins] load names {name!r}, which is not installed; install it or take it out of the list{hint}"
