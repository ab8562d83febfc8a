"""What split tables need of a database: a protocol, and helpers for connections and errors."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from tortoise.backends.base.client import BaseDBAsyncClient, TransactionalDBClient
from tortoise.connection import get_connections
from tortoise.exceptions import OperationalError

LOCK_SECONDS = 10
"""Seconds that making or changing a table waits for other users of it."""
_NO_SUCH_TABLE = 1146  # MariaDB's ER_NO_SUCH_TABLE


@dataclass(frozen=True, slots=True)
class Size:
    """What the database knows of a table without reading it: estimated rows, and bytes with indexes."""

    rows: int | None
    bytes: int | None


@dataclass(frozen=True, slots=True)
class Changes:
    """What the tables alone do not tell about changing parts to match their template.

    `rename`: old names of columns with the new ones. `drop`: columns to drop with their values. `fill`: the values that
    existing rows get in new columns that must not be null.
    """

    rename: Mapping[str, str]
    drop: frozenset[str]
    fill: Mapping[str, object]


class Tables(Protocol):
    """The tables of one database, through one connection. Names are those of tables."""

    transactional: bool
    """Whether a rollback removes a table that the transaction has made."""
    aborts: bool
    """Whether an error ends its transaction."""

    def __init__(self, client: BaseDBAsyncClient) -> None: ...

    async def names(self, prefix: str) -> list[str]:
        """List the tables whose names begin like this."""
        ...

    async def sizes(self, prefix: str) -> dict[str, Size]:
        """Give the sizes of the tables whose names begin like this."""
        ...

    async def make(self, template: str, table: str, first_id: int | None) -> None:
        """Make a table like another, with its indexes, unless it is there; its ids count from `first_id` on."""
        ...

    async def rename(self, table: str, new: str) -> None:
        """Give a table another name."""
        ...

    async def drop(self, table: str) -> None:
        """Drop a table, unless it is gone."""
        ...

    async def align(self, template: str, table: str, changes: Changes) -> list[str]:
        """Change the columns and indexes of a table to match another's; returns what was done. Raises `SplitError`."""
        ...


def root_of(client: BaseDBAsyncClient) -> BaseDBAsyncClient:
    """Give the connection that a transaction was begun on, or `client` itself if it is no transaction."""
    while isinstance(client, TransactionalDBClient):
        client = client._parent
    return client


def in_transaction(client: BaseDBAsyncClient) -> bool:
    """Say whether what is done on this connection can be rolled back."""
    return isinstance(client, TransactionalDBClient)


@asynccontextmanager
async def aside(client: BaseDBAsyncClient) -> AsyncIterator[BaseDBAsyncClient]:
    """Open one more connection to the same database for the block.

    It is not from the pool: transactions that wait for a part may hold all connections there.
    """
    fresh: Any = get_connections()._create_connection(client.connection_name)
    fresh.pool_minsize = fresh.pool_maxsize = 1
    await fresh.create_connection(with_db=True)
    try:
        yield fresh
    finally:
        await fresh.close()


def is_missing_table(error: OperationalError) -> bool:
    """Say whether a statement failed because a table does not exist."""
    cause = error.args[0] if error.args else None
    return (
        getattr(cause, "sqlstate", None) == "42P01"
        or getattr(cause, "args", [None])[:1] == (_NO_SUCH_TABLE,)
        or str(cause).startswith("no such table")
    )


def surplus_columns(table: str, surplus: Sequence[str]) -> str:
    """The error for columns that a part has and its template has not, and what to do about it."""
    columns = ", ".join(surplus)
    return (
        f"{table} has columns that its template has not: {columns}. Say whether they were renamed or go with what is "
        f"in them: sync_parts(rename={{...}}, drop={{...}}), or the same of AlterParts"
    )
