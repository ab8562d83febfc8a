"""pytest fixtures: Redis, PostgreSQL and MariaDB, real and private, and an empty database for each test.

A plugin's project gets them with one line in the `conftest.py` at its root:

    pytest_plugins = ["msanic_core.testing.fixtures"]

If a server is not installed, the tests that need it are skipped, with a line that says what to install.
"""

import asyncio
import itertools
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from pathlib import Path
from typing import TypeVar

import pytest

from msanic_core.testing import (
    DatabaseProcess,
    MariadbProcess,
    PostgresProcess,
    mariadb_process,
    postgres_process,
    redis_process,
)
from msanic_core.testing.mariadb_server import mariadb_program
from msanic_core.testing.postgres_server import postgres_program

__all__ = [
    "database_process",
    "database_url",
    "mariadb",
    "postgres",
    "redis_url",
    "session_mariadb",
    "session_postgres",
]

Server = TypeVar("Server", bound=DatabaseProcess)

_numbers = itertools.count(1)


@pytest.fixture
def redis_url(tmp_path: Path) -> Iterator[str]:
    """The URL of an empty Redis for this test alone, without persistence."""
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        process = runner.run(stack.enter_async_context(redis_process(tmp_path)))
        try:
            yield process.url
        finally:
            runner.run(stack.aclose())


@pytest.fixture(scope="session")
def session_postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresProcess]:
    """A PostgreSQL shared by all tests, started when the first one needs it."""
    yield from postgres_server(tmp_path_factory)


@pytest.fixture(scope="session")
def session_mariadb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MariadbProcess]:
    """A MariaDB shared by all tests, started when the first one needs it."""
    yield from mariadb_server(tmp_path_factory)


@pytest.fixture
def postgres(session_postgres: PostgresProcess) -> Iterator[PostgresProcess]:
    """The shared PostgreSQL. A test may kill it; it runs again for the next test. Create your own databases in it."""
    yield from _running_again(session_postgres)


@pytest.fixture
def mariadb(session_mariadb: MariadbProcess) -> Iterator[MariadbProcess]:
    """The shared MariaDB. A test may kill it; it runs again for the next test. Create your own databases in it."""
    yield from _running_again(session_mariadb)


@pytest.fixture(params=["postgres", "mariadb"])
def database_process(request: pytest.FixtureRequest) -> DatabaseProcess:
    """The fixtures `postgres` and `mariadb`: the test runs once with each."""
    process = request.getfixturevalue(request.param)
    assert isinstance(process, DatabaseProcess)
    return process


@pytest.fixture(params=["sqlite", "postgres", "mariadb"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The Tortoise URL of an empty database. The test runs once with each kind of server.

    For one kind only: `@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)`.
    """
    forget_dialects()
    if request.param == "sqlite":
        yield f"sqlite://{tmp_path / 'database.sqlite3'}"
    else:
        yield from _own_database(request.getfixturevalue(request.param))


def postgres_server(directories: pytest.TempPathFactory) -> Iterator[PostgresProcess]:
    """A running PostgreSQL. Without its programs the test is skipped."""
    _skip_without(postgres_program, "postgres", "initdb")
    yield from _running(postgres_process(directories.mktemp("postgres")))


def mariadb_server(directories: pytest.TempPathFactory) -> Iterator[MariadbProcess]:
    """A running MariaDB. Without its programs the test is skipped."""
    _skip_without(mariadb_program, "mariadbd", "mariadb-install-db")
    yield from _running(mariadb_process(directories.mktemp("mariadb")))


def _running_again(server: Server) -> Iterator[Server]:
    """Give the server; start it again if the test before has killed it."""
    if not server.is_running:
        asyncio.run(server.start())
    yield server


def forget_dialects() -> None:
    """Clear Tortoise's cache of statements: its keys are connection name and table, not the kind of database."""
    from tortoise.backends.base.executor import EXECUTOR_CACHE

    EXECUTOR_CACHE.clear()


def _own_database(server: DatabaseProcess) -> Iterator[str]:
    """The URL of a new database, which is dropped after the test."""
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
