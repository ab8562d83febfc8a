"""Private PostgreSQL and MariaDB servers: which data survives, and that nothing is left of them."""

import asyncio
import os
import socket
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
from tortoise.context import TortoiseContext

from msanic_core.testing import DatabaseProcess, database_process, mariadb_process, postgres_process
from msanic_core.testing.ports import free_port

Run = Callable[..., AbstractAsyncContextManager[DatabaseProcess]]

each_server = pytest.mark.parametrize("run", [postgres_process, mariadb_process])


def assert_gone(process: DatabaseProcess) -> None:
    assert not process.directory.exists()
    with pytest.raises(ProcessLookupError):
        os.kill(process.pid, 0)


async def rows(url: str) -> list[int]:
    """The values of the column `x` in the table `t`."""
    async with TortoiseContext() as context:
        await context.init(db_url=url, modules={"models": ["tests.testing.test_databases"]})
        return [row["x"] for row in await context.db().execute_query_dict("SELECT x FROM t ORDER BY x")]


async def execute(url: str, *statements: str) -> None:
    async with TortoiseContext() as context:
        await context.init(db_url=url, modules={"models": ["tests.testing.test_databases"]})
        for statement in statements:
            await context.db().execute_query(statement)


def test_what_is_committed_outlives_a_kill(database_process: DatabaseProcess) -> None:
    async def test() -> None:
        url = await database_process.create_database("kept")
        port, pid = database_process.port, database_process.pid
        await execute(url, "CREATE TABLE t (x INTEGER)", *(f"INSERT INTO t VALUES ({each})" for each in range(100)))
        await database_process.kill()
        assert not database_process.is_running
        await database_process.start()
        assert database_process.port == port
        assert database_process.pid != pid
        assert await rows(url) == list(range(100))
        await database_process.drop_database("kept")

    asyncio.run(test())


def test_a_database_of_that_name_is_dropped_whoever_uses_it(database_process: DatabaseProcess) -> None:
    async def test() -> None:
        url = await database_process.create_database("taken")
        async with TortoiseContext() as context:
            await context.init(db_url=url, modules={"models": ["tests.testing.test_databases"]})
            await context.db().execute_query("CREATE TABLE t (x INTEGER)")
            transaction = context.db()._in_transaction()
            await (await transaction.__aenter__()).execute_query("INSERT INTO t VALUES (1)")
            assert await database_process.create_database("taken") == url
            with pytest.raises(Exception, match=r"closed|gone away|Lost connection"):
                await transaction.__aexit__(None, None, None)
            await execute(url, "CREATE TABLE t (x INTEGER)")
            assert await rows(url) == []
        await database_process.drop_database("taken")
        await database_process.drop_database("taken")

    asyncio.run(test())


def test_one_server_serves_tests_with_a_loop_each(database_process: DatabaseProcess) -> None:
    url = asyncio.run(database_process.create_database("shared"))
    asyncio.run(execute(url, "CREATE TABLE t (x INTEGER)"))
    asyncio.run(database_process.kill())
    asyncio.run(database_process.kill())
    asyncio.run(database_process.start())
    assert asyncio.run(rows(url)) == []
    asyncio.run(database_process.drop_database("shared"))


@each_server
def test_nothing_is_left_after_a_test_that_failed(tmp_path: Path, run: Run) -> None:
    processes = []

    async def test() -> None:
        async with run(tmp_path) as process:
            processes.append(process)
            await process.create_database("some")
            raise LookupError("on purpose")

    with pytest.raises(LookupError, match="on purpose"):
        asyncio.run(test())
    assert_gone(processes[0])


@each_server
def test_a_setting_it_does_not_know_is_shown_and_nothing_is_left(tmp_path: Path, run: Run) -> None:
    with pytest.raises(RuntimeError, match=r"did not start on port(.|\n)*no.such.thing"):
        asyncio.run(run(tmp_path, configuration=["no_such_thing=1"]).__aenter__())
    assert list(tmp_path.iterdir()) == []


@each_server
def test_when_somebody_else_was_quicker_another_port_is_tried(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ports = iter([taken.getsockname()[1], free_port()])
        monkeypatch.setattr(database_process, "free_port", lambda: next(ports))

        async def test() -> None:
            async with run(tmp_path) as process:
                assert process.port != taken.getsockname()[1]
                await process.create_database("some")

        asyncio.run(test())
