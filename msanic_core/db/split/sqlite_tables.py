"""The tables of split models on SQLite, made from the SQL that it stores of tables and indexes."""

from __future__ import annotations

import asyncio
import re
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import aiosqlite
from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.exceptions import OperationalError

from msanic_core.db.split.naming import MAKING
from msanic_core.db.split.tables import Changes, Size, in_transaction, surplus_columns
from msanic_core.errors import SplitError

_TRIES = 10
_PAUSE = 0.05
_NAME = r"""(?:"(?:[^"]|"")+"|`[^`]+`|\[[^\]]+\]|\w+)"""
_TABLE = re.compile(rf"CREATE TABLE\s+{_NAME}", re.IGNORECASE)
_INDEX = re.compile(rf"CREATE (UNIQUE )?INDEX\s+{_NAME}\s+ON\s+{_NAME}", re.IGNORECASE)


class SqliteTables:
    """The tables of one SQLite file. There is one connection: within a transaction, changes are part of that."""

    transactional = True
    aborts = False

    def __init__(self, client: BaseDBAsyncClient) -> None:
        self._client = client

    async def names(self, prefix: str) -> list[str]:
        """List the tables whose names begin like this."""
        rows = await self._client.execute_query_dict(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND substr(name, 1, ?) = ?", [len(prefix), prefix]
        )
        return [row["name"] for row in rows]

    async def sizes(self, prefix: str) -> dict[str, Size]:
        """Give the names without sizes: for these SQLite would have to read the tables."""
        return {name: Size(None, None) for name in await self.names(prefix)}

    async def make(self, template: str, table: str, first_id: int | None) -> None:
        """Make a table like another, with its indexes, unless it is there; its ids count from `first_id` on."""
        async with self._writing() as connection:
            if in_transaction(self._client):
                await _wait_to_write(connection, template)
            if not await _text_of(connection, table):
                await _copy(connection, template, table)
                if first_id is not None:
                    await _count_from(connection, table, first_id)

    async def rename(self, table: str, new: str) -> None:
        """Give a table another name."""
        async with self._writing() as connection:
            await connection.execute(f"ALTER TABLE {_quoted(table)} RENAME TO {_quoted(new)}")

    async def drop(self, table: str) -> None:
        """Drop a table, unless it is gone."""
        async with self._writing() as connection:
            await connection.execute(f"DROP TABLE IF EXISTS {_quoted(table)}")

    async def align(self, template: str, table: str, changes: Changes) -> list[str]:
        """Copy the rows into a new table like the template if columns differ; otherwise make and drop indexes."""
        async with self._writing() as connection:
            if _bare(_TABLE, await _text_of(connection, template)) != _bare(_TABLE, await _text_of(connection, table)):
                await _rebuild(connection, template, table, changes)
                return [f"{table}: its rows were copied into a new table"]
            wanted, found = await _indexes(connection, template), await _indexes(connection, table)
            for text in found.keys() - wanted.keys():
                await connection.execute(f"DROP INDEX {_quoted(found[text])}")
            for text in wanted.keys() - found.keys():
                await connection.execute(await _index_for(connection, text, wanted[text], template, table))
            return [f"{table}: {text}" for text in sorted(wanted.keys() ^ found.keys())]

    @asynccontextmanager
    async def _writing(self) -> AsyncIterator[aiosqlite.Connection]:
        """Hold the connection, in its transaction or in a new one that locks out other writers."""
        try:
            async with self._client.acquire_connection() as connection:
                if in_transaction(self._client):
                    yield connection
                    return
                await _begin(connection)
                try:
                    yield connection
                except BaseException:
                    await connection.rollback()
                    raise
                await connection.commit()
        except sqlite3.OperationalError as error:
            raise OperationalError(error) from error


async def _begin(connection: aiosqlite.Connection) -> None:
    """Begin a transaction with the write lock: SQLite does not wait for the lock after a transaction has read."""
    for left in reversed(range(_TRIES)):
        try:
            await connection.execute("BEGIN IMMEDIATE")
            return
        except sqlite3.OperationalError as error:
            if not left or "locked" not in str(error):
                raise
            await asyncio.sleep(_PAUSE)


async def _wait_to_write(connection: aiosqlite.Connection, template: str) -> None:
    """Take the write lock before the transaction reads, as `_begin` does: Tortoise begins without the lock."""
    try:
        await connection.execute(f"DELETE FROM {_quoted(template)} WHERE FALSE")
    except sqlite3.OperationalError as error:
        if "no such table" not in str(error):
            raise


async def _copy(connection: aiosqlite.Connection, template: str, table: str) -> None:
    text = await _text_of(connection, template)
    if not text:
        raise SplitError(f"there is no table {template}: migrate the database (msanic-core db migrate)")
    await connection.execute(_TABLE.sub(lambda _: f"CREATE TABLE {_quoted(table)}", text, count=1))
    for index, name in (await _indexes(connection, template)).items():
        await connection.execute(await _index_for(connection, index, name, template, table))


async def _index_for(connection: aiosqlite.Connection, text: str, name: str, template: str, table: str) -> str:
    """Turn the nameless text of the template's index into the text of a part's index, with an unused name."""
    stem = f"{table}.{name.removeprefix(template)}"
    taken = {row[0] for row in await _rows(connection, "SELECT name FROM sqlite_master WHERE type = 'index'")}
    free = next(each for each in (stem, *(f"{stem}.{n}" for n in range(2, len(taken) + 3))) if each not in taken)
    return _INDEX.sub(lambda found: f"CREATE {found[1] or ''}INDEX {_quoted(free)} ON {_quoted(table)}", text, count=1)


async def _count_from(connection: aiosqlite.Connection, table: str, first_id: int) -> None:
    if "AUTOINCREMENT" in (await _text_of(connection, table)).upper():
        await connection.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", [table, first_id - 1])


async def _rebuild(connection: aiosqlite.Connection, template: str, table: str, changes: Changes) -> None:
    new = f"{table}{MAKING}"
    wanted, found = await _columns(connection, template), await _columns(connection, table)
    sources = {changes.rename.get(name, name): name for name in found if name not in changes.drop}
    if surplus := [name for new_name, name in sources.items() if new_name not in wanted]:
        raise SplitError(surplus_columns(table, surplus))
    filled = [name for name in wanted if name not in sources and name in changes.fill]
    columns = [name for name in wanted if name in sources] + filled
    values = [_quoted(sources[name]) if name in sources else "?" for name in columns]
    seq = await _rows(connection, "SELECT seq FROM sqlite_sequence WHERE name = ?", [table])
    # The names of the indexes must be free for the new table.
    old_indexes = await _indexes(connection, table)
    for name in old_indexes.values():
        await connection.execute(f"DROP INDEX {_quoted(name)}")
    text = await _text_of(connection, template)
    await connection.execute(_TABLE.sub(lambda _: f"CREATE TABLE {_quoted(new)}", text, count=1))
    try:
        await connection.execute(
            f"INSERT INTO {_quoted(new)} ({', '.join(map(_quoted, columns))}) "
            f"SELECT {', '.join(values)} FROM {_quoted(table)}",
            [changes.fill[name] for name in filled],
        )
    except sqlite3.IntegrityError as error:
        raise SplitError(f"the rows of {table} do not fit its template: {error}") from error
    await connection.execute(f"DROP TABLE {_quoted(table)}")
    await connection.execute(f"ALTER TABLE {_quoted(new)} RENAME TO {_quoted(table)}")
    for row in seq:
        await connection.execute("DELETE FROM sqlite_sequence WHERE name = ?", [table])
        await connection.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", [table, row[0]])
    for index, name in (await _indexes(connection, template)).items():
        await connection.execute(await _index_for(connection, index, name, template, table))


async def _text_of(connection: aiosqlite.Connection, table: str) -> str:
    rows = await _rows(connection, "SELECT sql FROM sqlite_master WHERE type = 'table' AND name = ?", [table])
    return str(rows[0][0]) if rows else ""


async def _indexes(connection: aiosqlite.Connection, table: str) -> dict[str, str]:
    """Give the names of a table's indexes by their texts without names."""
    rows = await _rows(
        connection,
        "SELECT sql, name FROM sqlite_master WHERE type = 'index' AND tbl_name = ? AND sql IS NOT NULL",
        [table],
    )
    return {_bare(_INDEX, text): name for text, name in rows}


async def _columns(connection: aiosqlite.Connection, table: str) -> list[str]:
    return [row[0] for row in await _rows(connection, "SELECT name FROM pragma_table_info(?)", [table])]


async def _rows(connection: aiosqlite.Connection, sql: str, values: Sequence[object] = ()) -> list[Any]:
    return list(await connection.execute_fetchall(sql, values))


def _bare(head: re.Pattern[str], text: str) -> str:
    """Replace the names in the text by fixed ones, so that texts can be compared."""
    if head is _TABLE:
        return head.sub("CREATE TABLE x", text, count=1)
    return head.sub(lambda found: f"CREATE {found[1] or ''}INDEX x ON x", text, count=1)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
