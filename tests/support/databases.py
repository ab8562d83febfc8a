"""PostgreSQL and MariaDB for the whole session of tests, and a database of its own for each test."""

import asyncio
import itertools
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import TypeVar

import pytest

from msanic_core.testing import (
    DatabaseProcess,
    MariadbProcess,
    PostgresProcess,
    mariadb,
    mariadb_process,
    postgres,
    postgres_process,
)

Server = TypeVar("Server", bound=DatabaseProcess)

_numbers = itertools.count(1)


def postgres_server(directories: pytest.TempPathFactory) -> Iterator[PostgresProcess]:
    """A running PostgreSQL; without its programs the test is skipped."""
    _skip_without(postgres.postgres_program, "postgres", "initdb")
    yield from _running(postgres_process(directories.mktemp("postgres")))


def mariadb_server(directories: pytest.TempPathFactory) -> Iterator[MariadbProcess]:
    """A running MariaDB; without its programs the test is skipped."""
    _skip_without(mariadb.mariadb_program, "mariadbd", "mariadb-install-db")
    yield from _running(mariadb_process(directories.mktemp("mariadb")))


def running_again(server: Server) -> Iterator[Server]:
    """The server, started if the test before has left it killed."""
    if not server.is_running:
        asyncio.run(server.start())
    yield server


def forget_dialects() -> None:
    """Let Tortoise write its statements anew: it keeps them by connection name and table, whatever the database."""
    from tortoise.backends.base.executor import EXECUTOR_CACHE

    EXECUTOR_CACHE.clear()


def own_database(server: DatabaseProcess) -> Iterator[str]:
    """The URL of a new database, which is dropped in the end."""
    name = f"test_{next(_numbers)}"
    yield asyncio.run(server.create_database(name))
    if not server.is_running:
        asyncio.run(server.start())
    asyncio.run(server.drop_database(name))


def _skip_without(find: Callable[[str], str], *programs: str) -> None:
    try:
        for program in programs:
            find(program)
    except RuntimeError as error:
        pytest.skip(str(error))


def _running(server: AbstractAsyncContextManager[Server]) -> Iterator[Server]:
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        process = runner.run(stack.enter_async_context(server))
        try:
            yield process
        finally:
            runner.run(stack.aclose())
