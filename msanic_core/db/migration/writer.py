"""Writes migrations for the changes in plugins' models."""

import importlib
import importlib.util
import re
from collections.abc import Iterable, Sequence
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

from tortoise.context import require_context
from tortoise.migrations.autodetector import MigrationAutodetector
from tortoise.migrations.graph import MigrationKey
from tortoise.migrations.operations import CreateModel, Operation, RenameModel
from tortoise.migrations.writer import MigrationWriter, slugify_migration_name

from msanic_core.db.apps import PluginApp, referred_by
from msanic_core.db.database import Database
from msanic_core.db.migration.graph import MigrationSet, apps_config, has_migrations
from msanic_core.errors import MigrationError

_NUMBER = re.compile(r"^(\d{4})_")


async def write_migrations(
    database: Database, plugin: str | None = None, *, name: str = "", empty: bool = False
) -> list[Path]:
    """Write a migration for each plugin whose models differ from what its migrations make; returns the files.

    `plugin`: only for this plugin, by default for all. `name`: in place of `auto` and the time. `empty`: a migration of
    a plugin without operations, to be filled in by hand. `database` must be loaded or open, and entered; it is not
    asked. Raises `MigrationError`.
    """
    wanted = [app for app in database.apps if app.plugin]
    if plugin is not None:
        wanted = [(await _load(database)).app(plugin)]
    written = []
    for app in _in_order(wanted):
        make_package(app)
        # Loaded again for each: a migration may depend on the one just written for another plugin.
        migrations = await _load(database)
        writer = await _writer(database, migrations, app, empty)
        if writer is None:
            continue
        if name:
            writer.name = f"{writer.name[:4]}_{slugify_migration_name(name)}"
        written.append(_write(writer, app))
    return written


def make_package(app: PluginApp) -> None:
    """Make the package of an app's migrations if it does not exist. Raises `MigrationError` when it cannot be made."""
    if has_migrations(app):
        return
    parent, _, last = app.migrations.rpartition(".")
    spec = importlib.util.find_spec(parent) if parent else app.modules[0].__spec__
    places = [] if spec is None else [*(spec.submodule_search_locations or []), *filter(None, [spec.origin])]
    if not places:
        raise MigrationError(
            f"{app.owner}: its migrations cannot be written: no file has made {app.modules[0].__name__}"
        )
    directory = (Path(places[0]) if parent else Path(places[0]).parent) / last
    try:
        directory.mkdir(exist_ok=True)
        (directory / "__init__.py").touch()
    except OSError as error:
        raise MigrationError(f"{app.owner}: its migrations cannot be written to {directory}: {error}") from error
    importlib.invalidate_caches()


async def _load(database: Database) -> MigrationSet:
    return await MigrationSet.load(database.apps, database.unconnected())


async def _writer(database: Database, migrations: MigrationSet, app: PluginApp, empty: bool) -> MigrationWriter | None:
    apps = require_context().apps
    assert apps is not None, "the database is open, or loaded"
    last = migrations.last(app)
    if empty:
        number = _next_number(migrations.of(app))
        writer = MigrationWriter(f"{number:04d}_empty", app.label, [], migrations_module=app.migrations)
    else:
        config = apps_config(database.apps)
        changes = await MigrationAutodetector(apps, config).changes()
        found = [change for change in changes if change.app_label == app.label]
        if not found:
            return None
        writer = found[0]
    needed = {last} if last is not None else set()
    for label, model in _references(writer.operations, app.label):
        needed.add(_origin(migrations, app, label, model))
    writer.dependencies = sorted((key.app_label, key.name) for key in needed)
    return writer


def _next_number(names: Iterable[str]) -> int:
    return max((int(match[1]) for name in names if (match := _NUMBER.match(name))), default=0) + 1


def _references(operations: Iterable[Operation], own: str) -> set[tuple[str, str]]:
    """The models of other apps that fields in these operations refer to."""
    fields = [field for operation in operations for field in _fields_of(operation)]
    pairs = [pair for field in fields if (pair := referred_by(field)) is not None]
    return {(label, model) for label, model in pairs if label != own}


def _fields_of(operation: Operation) -> list[object]:
    if isinstance(operation, CreateModel):
        return [field for _, field in operation.fields]
    return [getattr(operation, "field", None)]


def _origin(migrations: MigrationSet, app: PluginApp, label: str, model: str) -> MigrationKey:
    """The migration that creates a model of another app."""
    other = migrations.app(label)
    for name in migrations.of(other):
        key = MigrationKey(label, name)
        if any(_makes(operation, model) for operation in migrations.migration(key).operations):
            return key
    raise MigrationError(
        f"{app.owner}: no migration makes {label}.{model} yet, which its models refer to; run: msanic-core db make "
        f"{other.plugin} (where both refer to each other: leave one reference out, and make that migration afterwards)"
    )


def _makes(operation: Operation, model: str) -> bool:
    if isinstance(operation, CreateModel):
        return operation.name == model
    return isinstance(operation, RenameModel) and operation.new_name == model


def _in_order(apps: Sequence[PluginApp]) -> list[PluginApp]:
    """The apps, each after those that its models refer to; in the given order if they refer to each other."""
    by_label = {app.label: app for app in apps}
    graph: dict[str, set[str]] = {app.label: set() for app in apps}
    for app in apps:
        for model in app.models():
            for field in model._meta.fields_map.values():
                pair = referred_by(field)
                if pair is not None and pair[0] in graph and pair[0] != app.label:
                    graph[app.label].add(pair[0])
    try:
        return [by_label[label] for label in TopologicalSorter(graph).static_order()]
    except CycleError:
        return list(apps)


def _write(writer: MigrationWriter, app: PluginApp) -> Path:
    try:
        path = writer.write()
        path.write_text(f"{path.read_text()}\n")
    except OSError as error:
        raise MigrationError(f"{app.owner}: its migration cannot be written: {error}") from error
    except ValueError as error:
        raise MigrationError(
            f"{app.owner}: its migration cannot be written: {error}; write it by hand (--empty)"
        ) from error
    importlib.invalidate_caches()
    return path
