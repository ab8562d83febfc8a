"""A lock: one process at a time migrates a database, however many workers and nodes start.

On PostgreSQL and MySQL the lock belongs to a connection and ends with it. On SQLite it is a lock on a file beside the
database, and ends with the process. So there is nothing to clean up after a process that was killed.
"""

import asyncio
import fcntl
import hashlib
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from tortoise.backends.base.client import BaseDBAsyncClient

from msanic_core.db.database import Database
from msanic_core.errors import MigrationError

_POSTGRES_KEY = int.from_bytes(hashlib.sha256(b"msanic_core migrations").digest()[:4]) & 0x7FFFFFFF
_POLL = 0.1
_QUIET = 1.0
"""Seconds after which a process that waits says so."""


class _MigrationLock(NamedTuple):
    """`take`: take the lock if it is free. `holder`: the process that has it, for people."""

    take: Callable[[], Awaitable[bool]]
    holder: Callable[[], Awaitable[str]]


@asynccontextmanager
async def migration_lock(database: Database, say: Callable[[str], None]) -> AsyncIterator[None]:
    """Hold the lock within the block. Waits without a limit, and after a second says for which process."""
    async with _lock_of(database) as lock:
        loop = asyncio.get_running_loop()
        began = loop.time()
        said = False
        while not await lock.take():
            if not said and loop.time() - began >= _QUIET:
                said = True
                say(f"waiting for {await lock.holder()}, which migrates the same database")
            await asyncio.sleep(_POLL)
        yield


@asynccontextmanager
async def _lock_of(database: Database) -> AsyncIterator[_MigrationLock]:
    main = await database.connection()
    dialect = main.capabilities.dialect
    if dialect == "sqlite":
        with _file_lock(str(getattr(main, "filename", ""))) as lock:
            yield lock
        return
    # A connection of its own: it must not be given back to a pool, which would end the lock.
    async with database.another_connection() as client, client.acquire_connection() as connection:
        yield _postgres_lock(connection) if dialect == "postgres" else _mysql_lock(connection, client)


def _postgres_lock(connection: Any) -> _MigrationLock:
    async def take() -> bool:
        return bool(await connection.fetchval("select pg_try_advisory_lock($1)", _POSTGRES_KEY))

    async def holder() -> str:
        row = await connection.fetchrow(
            "select a.pid, a.client_addr from pg_locks l join pg_stat_activity a on a.pid = l.pid "
            "where l.locktype = 'advisory' and l.granted and l.objid = $1 "
            "and l.database = (select oid from pg_database where datname = current_database())",
            _POSTGRES_KEY,
        )
        return "another process" if row is None else f"server process {row['pid']} of {row['client_addr'] or 'here'}"

    return _MigrationLock(take, holder)


def _mysql_lock(connection: Any, client: BaseDBAsyncClient) -> _MigrationLock:
    # The name is the whole server's, and at most 64 characters long.
    name = "msanic_core." + hashlib.sha256(str(getattr(client, "database", "")).encode()).hexdigest()[:32]

    async def ask(sql: str, *values: object) -> tuple[Any, ...] | None:
        async with connection.cursor() as cursor:
            await cursor.execute(sql, values)
            row: tuple[Any, ...] | None = await cursor.fetchone()
            return row

    async def take() -> bool:
        return await ask("select get_lock(%s, 0)", name) == (1,)

    async def holder() -> str:
        row = await ask(
            "select id, host from information_schema.processlist where id = is_used_lock(%s)", name
        )  # of other users only with the privilege PROCESS
        return "another process" if row is None else f"connection {row[0]} from {row[1]}"

    return _MigrationLock(take, holder)


@contextmanager
def _file_lock(database: str) -> Iterator[_MigrationLock]:
    if database in ("", ":memory:"):
        yield _MigrationLock(_free, _nobody)
        return
    path = Path(f"{database}.migration-lock")
    # Never deleted: another process may have just opened it.
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise MigrationError(f"the lock on migrations cannot be taken: {error}; let this user write there") from error

    async def take() -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        os.truncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        return True

    async def holder() -> str:
        return f"process {os.pread(descriptor, 20, 0).decode() or 'of another'}"

    try:
        yield _MigrationLock(take, holder)
    finally:
        os.close(descriptor)


async def _free() -> bool:
    return True


async def _nobody() -> str:
    return "nobody"
