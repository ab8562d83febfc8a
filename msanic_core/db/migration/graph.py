"""The migrations that are there, of all plugins, and in which order they have to be applied."""

import importlib
import importlib.util
from collections.abc import Iterable, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import Any

from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.migrations.executor import MigrationExecutor
from tortoise.migrations.graph import MigrationKey
from tortoise.migrations.migration import Migration
from tortoise.migrations.recorder import MigrationRecorder

from msanic_core.db.apps import PluginApp
from msanic_core.db.database import CONNECTION
from msanic_core.errors import MigrationError


class MigrationSet:
    """The migrations of these apps as they are on disk, with Tortoise's machinery to run them."""

    def __init__(self, apps: Sequence[PluginApp], executor: MigrationExecutor) -> None:
        self.apps = tuple(apps)
        self.executor = executor
        self._graph = executor.loader.graph

    @classmethod
    async def load(cls, apps: Sequence[PluginApp], connection: BaseDBAsyncClient) -> "MigrationSet":
        """Import all migrations, without the database. Raises `MigrationError` when they do not fit together."""
        importlib.invalidate_caches()
        executor = MigrationExecutor(connection, apps_config(apps))
        executor.loader.recorder = _NoRecorder()
        try:
            await executor.loader.build_graph()
        except Exception as error:
            text = " ".join(str(error).split())
            raise MigrationError(
                f"the migrations cannot be loaded: {type(error).__name__}: {text}; repair them"
            ) from error
        migrations = cls(apps, executor)
        migrations._check()
        return migrations

    def app(self, name: str) -> PluginApp:
        """The app of a plugin, by its name or by the app's label. Raises `MigrationError`."""
        for app in self.apps:
            if name in (app.plugin, app.label):
                return app
        known = ", ".join(sorted(app.plugin or app.label for app in self.apps))
        raise MigrationError(f"no plugin {name!r} has models; those that have: {known}")

    def of(self, app: PluginApp) -> list[str]:
        """The names of an app's migrations, in the order in which they are applied."""
        return [key.name for key in self.order() if key.app_label == app.label]

    def find(self, app: PluginApp, name: str) -> str:
        """The migration with this name, or with the only name that begins so. Raises `MigrationError`."""
        names = self.of(app)
        found = [name] if name in names else [each for each in names if each.startswith(name)]
        if len(found) == 1:
            return found[0]
        which = "several migrations" if found else "no migration"
        raise MigrationError(f"{app.owner} has {which} {name!r}; there are: {', '.join(found or names) or 'none'}")

    def last(self, app: PluginApp) -> MigrationKey | None:
        """The last migration of an app; None if it has none."""
        ends = self._ends(app)
        return ends[0] if ends else None

    def migration(self, key: MigrationKey) -> Migration:
        """One of them."""
        migration = self._graph.nodes[key]
        assert migration is not None, "checked when it was loaded"
        return migration

    def order(self) -> list[MigrationKey]:
        """All of them, each after those that it depends on."""
        return self.needed([key for app in self.apps for key in self._ends(app)])

    def needed(self, targets: Iterable[MigrationKey]) -> list[MigrationKey]:
        """These and all that they depend on, in the order in which they are applied."""
        return list(dict.fromkeys(key for target in targets for key in self._graph.forwards_plan(target)))

    def dependents(self, key: MigrationKey) -> list[MigrationKey]:
        """All that depend on this one, and itself, in the order in which they are taken back."""
        return self._graph.backwards_plan(key)

    def _ends(self, app: PluginApp) -> list[MigrationKey]:
        nodes = [node for key, node in self._graph.node_map.items() if key.app_label == app.label]
        return sorted(
            node.key for node in nodes if not any(child.key.app_label == app.label for child in node.children)
        )

    def _check(self) -> None:
        nodes = self._graph.node_map.values()
        try:
            TopologicalSorter({str(node.key): [str(each.key) for each in node.parents] for node in nodes}).prepare()
        except CycleError as error:
            circle = " -> ".join(error.args[1])
            raise MigrationError(f"migrations depend on each other in a circle: {circle}; correct them") from error
        for app in self.apps:
            ends = self._ends(app)
            if len(ends) > 1:
                names = " and ".join(key.name for key in ends)
                raise MigrationError(
                    f"{app.owner}: none of its migrations {names} comes after the other; name the one in the "
                    "dependencies of the other"
                )


class _NoRecorder(MigrationRecorder):
    """The core reads itself which migrations are applied: Tortoise's recorder takes every error for an empty table."""

    def __init__(self) -> None:
        super().__init__(None)

    async def applied_migrations(self) -> list[MigrationKey]:
        return []


def apps_config(apps: Iterable[PluginApp]) -> dict[str, dict[str, Any]]:
    """The configuration of the apps for Tortoise's migrations, without packages that do not exist."""
    config: dict[str, dict[str, Any]] = {}
    for app in apps:
        modules = [module.__name__ for module in app.modules]
        config[app.label] = {"models": modules, "default_connection": CONNECTION}
        if has_migrations(app):
            config[app.label]["migrations"] = app.migrations
    return config


def has_migrations(app: PluginApp) -> bool:
    """Whether the package of the app's migrations is there."""
    return importlib.util.find_spec(app.migrations) is not None
