"""Migrations of all plugins: which are applied, and applying, taking back and showing them.

It uses Tortoise's migrations, but not its command line, which does not know plugins and does not lock out other
processes.
"""

import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import NamedTuple

from tortoise.exceptions import OperationalError
from tortoise.migrations.autodetector import MigrationAutodetector
from tortoise.migrations.graph import MigrationKey
from tortoise.migrations.recorder import MigrationRecorder
from tortoise.transactions import in_transaction

from msanic_core.db.apps import MIGRATIONS_TABLE, PluginApp
from msanic_core.db.database import CONNECTION, Database
from msanic_core.db.faults import DatabaseFault, fault_of
from msanic_core.db.migration.adoption import check_tables
from msanic_core.db.migration.graph import MigrationSet, apps_config, has_migrations
from msanic_core.db.migration.migration_lock import migration_lock
from msanic_core.db.migration.step import run_step
from msanic_core.errors import DatabaseUnavailableError, MigrationError

NOTHING = "zero"
"""In place of a migration's name: the state before the first one."""

Say = Callable[[str], None]
"""Tells people of progress, a line at a time."""


class AppStatus(NamedTuple):
    """The state of a plugin's migrations. `changed`: its models differ from what its migrations would make.

    `unknown`: applied, but not installed: they are of a later version of the plugin.
    """

    app: PluginApp
    applied: tuple[str, ...]
    pending: tuple[str, ...]
    unknown: tuple[str, ...]
    changed: bool


class Migrator:
    """The migrations of an open database. Use it in the context in which `Database.enter` was called."""

    def __init__(self, database: Database, say: Say) -> None:
        self._database = database
        self._say = say

    async def status(self) -> list[AppStatus]:
        """The state of each plugin's migrations, in the order of their names, the core first."""
        migrations = await self._load()
        applied = await self._applied()
        changed = await changed_apps(self._database)
        result = []
        for app in self._database.apps:
            names = migrations.of(app)
            done = {key.name for key in applied if key.app_label == app.label}
            result.append(
                AppStatus(
                    app,
                    tuple(name for name in names if name in done),
                    tuple(name for name in names if name not in done),
                    tuple(sorted(done.difference(names))),
                    app.label in changed,
                )
            )
        return result

    async def pending(self) -> list[MigrationKey]:
        """The migrations that are not applied, in the order in which they must be applied.

        Raises `MigrationError` when a plugin has models and no migration at all.
        """
        migrations = await self._load()
        for app in self._database.apps:
            if migrations.last(app) is None:
                raise MigrationError(f"{app.owner} has models and no migrations; run: msanic-core db make {app.plugin}")
        applied = await self._applied()
        return [key for key in migrations.order() if key not in applied]

    async def check(self) -> None:
        """Raise `MigrationError` with the command to run when a migration is not applied."""
        pending = await self.pending()
        if pending:
            first, more = pending[0], len(pending) - 1
            owner = next(app.owner for app in self._database.apps if app.label == first.app_label)
            others = f" (and {more} more)" if more else ""
            raise MigrationError(
                f"{owner}: migration {first.name}{others} is not applied to {self._database.shown_url}; run: "
                "msanic-core db migrate (or serve --migrate)"
            )

    async def migrate(self, plugin: str | None = None, name: str | None = None) -> int:
        """Apply the pending migrations of all plugins, of one, or of one up to `name`, and those that they depend on.

        Returns how many were applied. Raises `MigrationError` when one fails; those before it stay applied.
        """
        async with self._alone():
            migrations = await self._load()
            applied = await self._applied()
            plan = [key for key in migrations.needed(_targets(migrations, plugin, name)) if key not in applied]
            await self._run(migrations, plan, applied, backward=False)
        return len(plan)

    async def adopt(self, plugin: str, name: str | None = None) -> int:
        """Record migrations of a plugin as applied without running them: its tables exist already, with their rows.

        All of them, or those up to `name`. Returns how many. Raises `MigrationError` if a table or a column that they
        would make does not exist, or if migrations of another plugin must be applied first.
        """
        async with self._alone():
            migrations = await self._load()
            applied = await self._applied()
            app = migrations.app(plugin)
            keys = [key for key in migrations.needed(_targets(migrations, plugin, name)) if key not in applied]
            for key in keys:
                if key.app_label != app.label:
                    other = migrations.app(key.app_label)
                    raise MigrationError(
                        f"{app.owner} needs migration {key.name} of {other.owner}, which is not applied; run first: "
                        f"msanic-core db migrate {other.plugin or other.label}"
                    )
            if not keys:
                return 0
            executor = migrations.executor
            state = await executor._project_state({*applied, *keys})
            await check_tables(state.apps.apps.get(app.label, {}).values(), executor.connection)
            if not applied:
                await MigrationRecorder(executor.connection).ensure_schema(executor._schema_editor(atomic=False))
            async with in_transaction(CONNECTION) as connection:
                for key in keys:
                    await MigrationRecorder(connection).record_applied(key.app_label, key.name)
                    self._say(f"recorded {key.app_label} {key.name}, as its tables are there")
        return len(keys)

    async def downgrade(self, plugin: str, name: str | None = None) -> int:
        """Take migrations of a plugin back: the last one, or all after `name`; with the name "zero" all.

        Returns how many. Raises `MigrationError` when one cannot be taken back, or those of another plugin need it.
        """
        async with self._alone():
            migrations = await self._load()
            applied = await self._applied()
            app = migrations.app(plugin)
            names = [each for each in migrations.of(app) if MigrationKey(app.label, each) in applied]
            first = 0 if name == NOTHING else len(names) - 1
            if name not in (None, NOTHING):
                last = migrations.find(app, name)
                if last not in names:
                    raise MigrationError(
                        f"{app.owner}: its migration {last} is not applied: there is no way back to it"
                    )
                first = names.index(last) + 1
            keys = [MigrationKey(app.label, each) for each in reversed(names[max(first, 0) :])]
            for key in keys:
                _check_reversible(migrations, key, applied)
            await self._run(migrations, keys, applied, backward=True)
        return len(keys)

    async def _run(
        self, migrations: MigrationSet, keys: Sequence[MigrationKey], applied: set[MigrationKey], *, backward: bool
    ) -> None:
        executor = migrations.executor
        if not keys:
            return
        if not applied:
            await MigrationRecorder(executor.connection).ensure_schema(executor._schema_editor(atomic=False))
        states = await executor._project_state_cache(applied) if backward else {}
        state = await executor._project_state(applied)
        for key in keys:
            self._say(f"{'taking back' if backward else 'applying'} {key.app_label} {key.name}")
            began = time.monotonic()
            await run_step(
                key,
                migrations.migration(key),
                states[key] if backward else state,
                lambda atomic: executor._schema_editor(atomic=atomic),
                backward=backward,
            )
            self._say(f"{'took back' if backward else 'applied'} {key.app_label} {key.name} in {_since(began)}")

    @asynccontextmanager
    async def _alone(self) -> AsyncIterator[None]:
        """No other process migrates within the block."""
        try:
            async with migration_lock(self._database, self._say):
                yield
        except Exception as error:
            if fault_of(error) is DatabaseFault.TRY_AGAIN:
                raise self._away(error) from error
            raise

    def _away(self, error: Exception) -> DatabaseUnavailableError:
        return DatabaseUnavailableError(f"the database {self._database.shown_url} is away: {error}")

    async def _load(self) -> MigrationSet:
        return await MigrationSet.load(self._database.apps, await self._database.connection())

    async def _applied(self) -> set[MigrationKey]:
        connection = await self._database.connection()
        try:
            rows = await connection.execute_query_dict(f"select app, name from {MIGRATIONS_TABLE}")
        except Exception as error:
            if fault_of(error) is DatabaseFault.TRY_AGAIN:
                raise self._away(error) from error
            if isinstance(error, OperationalError):
                return set()  # the first migration makes the table
            raise
        return {MigrationKey(row["app"], row["name"]) for row in rows}


async def changed_apps(database: Database) -> set[str]:
    """The labels of the apps whose models differ from what their migrations would make."""
    from tortoise.context import require_context

    apps = require_context().apps
    assert apps is not None, "the database is open, or loaded"
    config = apps_config(database.apps)
    changes = await MigrationAutodetector(apps, config).changes()
    without = {app.label for app in database.apps if not has_migrations(app)}
    return without | {writer.app_label for writer in changes}


async def show_sql(database: Database, plugin: str, name: str, *, backward: bool = False) -> list[str]:
    """The statements of one migration, with comments. Needs no connection to the database."""
    migrations = await MigrationSet.load(database.apps, database.unconnected())
    app = migrations.app(plugin)
    name = migrations.find(app, name)
    return await migrations.executor.collect_sql(app.label, name, backward=backward)


def _targets(migrations: MigrationSet, plugin: str | None, name: str | None) -> Iterable[MigrationKey]:
    if plugin is None:
        return migrations.order()
    app = migrations.app(plugin)
    if name is not None:
        return [MigrationKey(app.label, migrations.find(app, name))]
    last = migrations.last(app)
    return [] if last is None else [last]


def _check_reversible(migrations: MigrationSet, key: MigrationKey, applied: set[MigrationKey]) -> None:
    for operation in migrations.migration(key).operations:
        if not getattr(operation, "reversible", True):
            raise MigrationError(f"{key} cannot be taken back: its operation {operation.describe()!r} has no way back")
    others = [each for each in migrations.dependents(key) if each.app_label != key.app_label and each in applied]
    if others:
        first = others[0]
        app = migrations.app(first.app_label)
        raise MigrationError(
            f"{key} cannot be taken back: {app.owner} needs it, by its migration {first.name}; take that back first: "
            f"msanic-core db downgrade {app.plugin or app.label}"
        )


def _since(began: float) -> str:
    return f"{time.monotonic() - began:.1f} s"
