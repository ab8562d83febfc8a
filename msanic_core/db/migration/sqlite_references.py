"""Keeps references between SQLite's tables while one of them is replaced by a new one, as most changes of tables do.

The old table is dropped. With foreign keys on, SQLite would delete all rows that refer to it, or refuse. SQLite's
documentation (lang_altertable, section 7) turns them off meanwhile, and checks them at the end.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.connection import get_connection
from tortoise.exceptions import IntegrityError

from msanic_core.db.database import CONNECTION


@asynccontextmanager
async def keeping_references(client: BaseDBAsyncClient) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """Turn foreign keys off within the block, which must not be in a transaction.

    Gives a function to call at the end of the transaction in the block. It raises `IntegrityError` for references to
    missing rows that were not broken before.
    """
    (row,) = await client.execute_query_dict("pragma foreign_keys")
    if not row["foreign_keys"]:
        yield _nothing
        return
    broken = await _broken(client)
    await client.execute_script("pragma foreign_keys = off")

    async def check() -> None:
        if new := await _broken(get_connection(CONNECTION)) - broken:
            table, _, parent, _ = min(new, key=str)
            raise IntegrityError(f"{len(new)} references are broken, of table {table} to {parent} among them")

    try:
        yield check
    finally:
        await client.execute_script("pragma foreign_keys = on")


async def _broken(client: BaseDBAsyncClient) -> set[tuple[object, ...]]:
    return {tuple(row.values()) for row in await client.execute_query_dict("pragma foreign_key_check")}


async def _nothing() -> None:
    pass
