"""Detaching and dropping parts, and changing them to match a template that was migrated."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date
from typing import Any

from tortoise import Model
from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.migrations.operations import TortoiseOperation
from tortoise.migrations.schema_editor.base import BaseSchemaEditor
from tortoise.migrations.schema_generator.state import State

from msanic_core.db.split.dialects import tables_of
from msanic_core.db.split.naming import DETACHED, moment, table_of
from msanic_core.db.split.parts import Part, described, existing, forget
from msanic_core.db.split.split_table import SplitTable
from msanic_core.db.split.tables import Changes, in_transaction
from msanic_core.errors import SplitError

_PLAIN = (bool, int, float, str, bytes)


async def detach(split_table: SplitTable[Model], part: str, client: BaseDBAsyncClient) -> str:
    """Rename the table of a part, see `SplitModel.detach`."""
    _refuse_transaction(client, "detach")
    table = split_table.table_of(part)
    new = f"{table}{DETACHED}"
    if part not in await existing(split_table, client):
        raise SplitError(f"{split_table.name} has no part {part!r}")
    if any(each.name == part for each in await described(split_table, client, detached=True)):
        raise SplitError(f"there is a table {new} already: rename or drop it first")
    await tables_of(client).rename(table, new)
    forget(split_table, client)
    return new


async def drop_before(
    split_table: SplitTable[Model], before: date, dry_run: bool, client: BaseDBAsyncClient
) -> list[Part]:
    """Drop the tables of old parts, see `SplitModel.drop_before`."""
    _refuse_transaction(client, "drop_before")
    parts = await described(split_table, client, detached=False)
    old = [part for part in parts if part.end is not None and part.end <= moment(before)]
    if not dry_run:
        for part in old:
            await tables_of(client).drop(part.table)
        forget(split_table, client)
    return old


async def sync_parts(
    split_table: SplitTable[Model], rename: Mapping[str, str], drop: Collection[str], client: BaseDBAsyncClient
) -> list[str]:
    """Change all parts to match the template, see `SplitModel.sync_parts`."""
    _refuse_transaction(client, "sync_parts")
    changes = Changes(rename, frozenset(drop), _fill(split_table.model))
    done = []
    for name in sorted(await existing(split_table, client)):
        done += await tables_of(client).align(split_table.template, split_table.table_of(name), changes)
    forget(split_table, client)
    return done


class AlterParts(TortoiseOperation):
    """An operation of a migration that changes the parts of a split model to match the template.

    It comes after the operations that change the template: `AlterParts("Reading", rename={"old": "new"},
    drop={"gone"})`, with the arguments of `SplitModel.sync_parts`. On SQLite and PostgreSQL it is part of the
    migration's transaction. Downgrading runs the operations from the last to the first: a migration that can be taken
    back also begins with an `AlterParts`, which says what is renamed or dropped then. Detached parts stay as they are.
    """

    def __init__(self, name: str, *, rename: Mapping[str, str] | None = None, drop: Collection[str] = ()) -> None:
        self.name = name
        self.rename = dict(rename or {})
        self.drop = frozenset(drop)

    def describe(self) -> str:
        """Describe the operation, for people."""
        return f"Alter the parts of {self.name}"

    async def database_forward(
        self,
        app_label: str,
        old_state: State,  # noqa: ARG002
        new_state: State,
        state_editor: BaseSchemaEditor | None = None,
    ) -> None:
        """Change the parts to match the template."""
        await self._align(app_label, new_state, state_editor)

    async def database_backward(
        self,
        app_label: str,
        old_state: State,  # noqa: ARG002
        new_state: State,
        state_editor: BaseSchemaEditor | None = None,
    ) -> None:
        """Change the parts to match the template, as it is at this point."""
        await self._align(app_label, new_state, state_editor)

    async def _align(self, app_label: str, state: State, editor: BaseSchemaEditor | None) -> None:
        assert editor is not None, "Tortoise calls this with one"
        model: type[Model] = state.apps.get_model(app_label, self.name)
        template = model._meta.db_table
        if editor.collect_sql:
            editor.collected_sql.append(f"-- each table {table_of(template, '...')} gets the columns of {template}")
            return
        changes = Changes(self.rename, self.drop, _fill(model))
        prefix = table_of(template, "")
        tables = tables_of(editor.client)
        for table in sorted(await tables.names(prefix)):
            if table_of("", "") not in table.removeprefix(prefix):
                await tables.align(template, table, changes)


def _fill(model: type[Model]) -> dict[str, object]:
    """Give the plain defaults of a model's columns, converted for the database."""
    found: dict[str, object] = {}
    for name, column in model._meta.fields_db_projection.items():
        field: Any = model._meta.fields_map[name]
        if isinstance(field.default, _PLAIN) and not field.has_db_default():
            found[column] = field.to_db_value(field.default, model)
    return found


def _refuse_transaction(client: BaseDBAsyncClient, what: str) -> None:
    if in_transaction(client):
        raise SplitError(f"{what} changes tables, which no database undoes alike: call it outside of a transaction")
