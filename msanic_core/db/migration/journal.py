"""How far a migration has come that is no single transaction: MySQL keeps the changes before a failure.

There is one row for each operation that was begun. A migration that has failed, or whose process was killed, goes on
where it stopped. The rows are deleted when the migration is recorded as applied, or as taken back.
"""

import re
from itertools import count
from typing import NamedTuple

from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.exceptions import OperationalError
from tortoise.migrations.graph import MigrationKey
from tortoise.migrations.schema_editor.base import BaseSchemaEditor

from msanic_core.db.apps import PROGRESS_TABLE
from msanic_core.db.faults import mysql_number

_CREATE = f"""create table if not exists {PROGRESS_TABLE} (
    app varchar(100) not null, name varchar(255) not null, direction varchar(8) not null, number integer not null,
    description varchar(255) not null, state varchar(8) not null, statements integer not null,
    primary key (app, name, direction, number))"""
_WHERE = "where app = ? and name = ? and direction = ?"
DESCRIPTION = 255
_STANDS_ALREADY = frozenset({1050, 1051, 1054, 1060, 1061, 1091, 1146, 1826})
"""MySQL's errors for a statement that was executed before: the table, column or key exists, or no longer exists."""
_TABLES = re.compile(r"(?<=;)\n(?=CREATE TABLE )")
"""Between the statements that Tortoise executes as one: a model's table, and those of its many-to-many fields."""


class Begun(NamedTuple):
    """An operation that was begun. `state`: "begun" (its process was killed), "failed" or "done".

    `statements`: how many statements of a failed operation were executed.
    """

    description: str
    state: str
    statements: int


class Journal:
    """The rows of one migration, in one direction."""

    def __init__(self, client: BaseDBAsyncClient, key: MigrationKey, direction: str) -> None:
        self._client = client
        self._key = (key.app_label, key.name, direction)

    async def read(self) -> dict[int, Begun]:
        """Return what was begun, by the operation's number. Makes the table if it is not there."""
        sql = placed(self._client, f"select number, description, state, statements from {PROGRESS_TABLE} {_WHERE}")
        try:
            rows = await self._client.execute_query_dict(sql, [*self._key])
        except OperationalError:
            await self._client.execute_script(_CREATE)
            return {}
        return {row["number"]: Begun(row["description"], row["state"], row["statements"]) for row in rows}

    async def write(self, client: BaseDBAsyncClient, number: int, begun: Begun) -> None:
        """Record the state of an operation; if `client` is a transaction, as part of it."""
        await self._delete(client, number)
        await client.execute_insert(
            placed(client, f"insert into {PROGRESS_TABLE} values (?, ?, ?, ?, ?, ?, ?)"),
            [*self._key, number, begun.description[:DESCRIPTION], begun.state, begun.statements],
        )

    async def failed(self, number: int, description: str, statements: int) -> None:
        """Record that an operation has failed after this number of statements; after none, forget it."""
        if statements:
            await self.write(self._client, number, Begun(description, "failed", statements))
        else:
            await self._delete(self._client, number)

    async def clear(self, client: BaseDBAsyncClient) -> None:
        """Forget all of it: the migration is recorded, in this transaction."""
        await client.execute_query(placed(client, f"delete from {PROGRESS_TABLE} {_WHERE}"), [*self._key])

    async def _delete(self, client: BaseDBAsyncClient, number: int) -> None:
        await client.execute_query(
            placed(client, f"delete from {PROGRESS_TABLE} {_WHERE} and number = ?"), [*self._key, number]
        )


class Statements:
    """Counts the statements of one operation, and skips those that an earlier attempt has executed."""

    def __init__(self, editor: BaseSchemaEditor, before: Begun | None) -> None:
        self._execute = editor._run_sql
        self._skip = before.statements if before is not None else 0
        self._unknown = before is not None and before.state == "begun"
        self.executed = 0
        editor._run_sql = self._run  # type: ignore[method-assign]

    async def _run(self, sql: str) -> None:
        for statement in _TABLES.split(sql):
            if self.executed >= self._skip:
                try:
                    await self._execute(statement)
                except OperationalError as error:
                    # It may have been executed before the process was killed, or not.
                    if not (self._unknown and mysql_number(error) in _STANDS_ALREADY):
                        raise
            self.executed += 1

    def end(self, editor: BaseSchemaEditor) -> None:
        """The operation has ended."""
        editor._run_sql = self._execute  # type: ignore[method-assign]


def placed(client: BaseDBAsyncClient, sql: str) -> str:
    """Return the statement with each `?` as the database wants it."""
    dialect = client.capabilities.dialect
    if dialect == "mysql":
        return sql.replace("?", "%s")
    if dialect != "postgres":
        return sql
    numbers = count(1)
    return "".join(f"${next(numbers)}" if letter == "?" else letter for letter in sql)
