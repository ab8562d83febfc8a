"""The tables of split models on MariaDB and MySQL: `CREATE TABLE ... LIKE`, under a named lock."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.exceptions import OperationalError

from msanic_core.db.split.naming import MAKING
from msanic_core.db.split.tables import LOCK_SECONDS, Changes, Size, aside, root_of
from msanic_core.errors import SplitError

_LOCK_WAIT_TIMEOUT = 1205


class MariaDBTables:
    """The tables of one MariaDB database. Changes use a connection of their own, since they commit transactions."""

    transactional = False
    aborts = False

    def __init__(self, client: BaseDBAsyncClient) -> None:
        self._client = client

    async def names(self, prefix: str) -> list[str]:
        """List the tables whose names begin like this."""
        return await _names(self._client, prefix)

    async def sizes(self, prefix: str) -> dict[str, Size]:
        """Give the sizes of the tables whose names begin like this."""
        rows = await self._client.execute_query_dict(
            "SELECT TABLE_NAME AS name, TABLE_ROWS AS n, DATA_LENGTH + INDEX_LENGTH AS bytes "
            "FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME LIKE %s",
            [_like(prefix)],
        )
        return {row["name"]: Size(row["n"], row["bytes"]) for row in rows}

    async def make(self, template: str, table: str, first_id: int | None) -> None:
        """Make a table like another, with its indexes, unless it is there; its ids count from `first_id` on."""
        async with self._changing(template) as client:
            if await _names(client, table, exact=True):
                return
            new = f"{table}{MAKING}"
            if await _names(client, new, exact=True):  # left by a process that was killed
                await client.execute_script(f"DROP TABLE {quoted(new)}")
            if not await _names(client, template, exact=True):
                raise SplitError(f"there is no table {template}: migrate the database (msanic-core db migrate)")
            # Renamed at the end, as others must not see it before it is complete: each statement is a transaction.
            await client.execute_script(f"CREATE TABLE {quoted(new)} LIKE {quoted(template)}")
            if first_id is not None and await _counts(client, new):
                await client.execute_script(f"ALTER TABLE {quoted(new)} AUTO_INCREMENT = {first_id}")
            await client.execute_script(f"RENAME TABLE {quoted(new)} TO {quoted(table)}")

    async def rename(self, table: str, new: str) -> None:
        """Give a table another name."""
        async with self._changing(table) as client:
            await client.execute_script(f"RENAME TABLE {quoted(table)} TO {quoted(new)}")

    async def drop(self, table: str) -> None:
        """Drop a table, unless it is gone."""
        async with self._changing(table) as client:
            if await _names(client, table, exact=True):
                await client.execute_script(f"DROP TABLE {quoted(table)}")

    async def align(self, template: str, table: str, changes: Changes) -> list[str]:
        """Change the columns and indexes of a table to match another's, in one statement."""
        from msanic_core.db.split.mariadb_align import align

        async with self._changing(template) as client:
            return await align(client, template, table, changes)

    @asynccontextmanager
    async def _changing(self, name: str) -> AsyncIterator[BaseDBAsyncClient]:
        async with aside(root_of(self._client)) as client:
            await client.execute_query(f"SET lock_wait_timeout = {LOCK_SECONDS}")
            # Locks are shared by all databases of the server, and end with the connection.
            database = (await client.execute_query_dict("SELECT DATABASE() AS name"))[0]["name"]
            lock = "split " + hashlib.sha256(f"{database}.{name}".encode()).hexdigest()[:32]
            rows = await client.execute_query_dict(f"SELECT GET_LOCK(%s, {LOCK_SECONDS}) AS held", [lock])
            if rows[0]["held"] != 1:
                raise SplitError(_busy(name))
            try:
                yield client
            except OperationalError as error:
                if getattr(error.args[0], "args", [None])[0] == _LOCK_WAIT_TIMEOUT:
                    raise SplitError(_busy(name)) from error
                raise


async def _names(client: BaseDBAsyncClient, name: str, *, exact: bool = False) -> list[str]:
    rows = await client.execute_query_dict(
        "SELECT TABLE_NAME AS name FROM information_schema.TABLES "
        f"WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME {'=' if exact else 'LIKE'} %s",
        [name if exact else _like(name)],
    )
    return [row["name"] for row in rows]


async def _counts(client: BaseDBAsyncClient, table: str) -> bool:
    """Whether the table counts its ids, in a column that is large enough for ours."""
    return bool(
        await client.execute_query_dict(
            "SELECT COLUMN_NAME FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = %s "
            "AND EXTRA LIKE '%%auto_increment%%' AND DATA_TYPE = 'bigint'",
            [table],
        )
    )


def _busy(name: str) -> str:
    return (
        f"others have held table {name} or its parts for {LOCK_SECONDS} s (a migration, or a transaction that used "
        "them); try again"
    )


def _like(prefix: str) -> str:
    return prefix.replace("\\", "\\\\").replace("_", "\\_").replace("%", "\\%") + "%"


def quoted(name: str) -> str:
    """Write a name as MariaDB wants it."""
    return "`" + name.replace("`", "``") + "`"
