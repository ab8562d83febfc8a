"""What the exceptions of databases mean."""

import asyncio
import sqlite3
from pathlib import Path

import asyncpg
import pytest
from tortoise.exceptions import DBConnectionError, DoesNotExist, IntegrityError, OperationalError

from msanic_core.db.database import Database
from msanic_core.db.faults import DatabaseFault, fault_of
from msanic_core.testing.ports import free_port


class MySQLError(Exception):
    """As asyncmy's, which not every installation has."""

    __module__ = "asyncmy.errors"


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (IntegrityError("UNIQUE constraint failed"), DatabaseFault.CONFLICT),
        (IntegrityError(MySQLError(1062, "Duplicate entry")), DatabaseFault.CONFLICT),
        (DBConnectionError("away"), DatabaseFault.TRY_AGAIN),
        (ConnectionRefusedError(111), DatabaseFault.TRY_AGAIN),
        (ConnectionResetError(104), DatabaseFault.TRY_AGAIN),
        (asyncpg.ConnectionDoesNotExistError("closed in the middle of operation"), DatabaseFault.TRY_AGAIN),
        (asyncpg.AdminShutdownError("terminating"), DatabaseFault.TRY_AGAIN),
        (asyncpg.CannotConnectNowError("starting up"), DatabaseFault.TRY_AGAIN),
        (asyncpg.TooManyConnectionsError("too many clients"), DatabaseFault.TRY_AGAIN),
        (asyncpg.InterfaceError("connection is closed"), DatabaseFault.TRY_AGAIN),
        (asyncpg.DeadlockDetectedError("deadlock detected"), DatabaseFault.TRY_AGAIN),
        (OperationalError(MySQLError(1213, "Deadlock found")), DatabaseFault.TRY_AGAIN),
        (OperationalError(MySQLError(2013, "Lost connection")), DatabaseFault.TRY_AGAIN),
        (OperationalError(MySQLError(1146, "no such table")), None),
        (OperationalError(sqlite3.OperationalError("database is locked")), DatabaseFault.TRY_AGAIN),
        (OperationalError(sqlite3.OperationalError("no such table: a")), None),
        (asyncpg.InterfaceError("the server expects 1 argument"), None),
        (OperationalError(asyncpg.UndefinedTableError("no such table")), None),
        (DoesNotExist("Note"), None),
        (ValueError("x"), None),
        (TimeoutError(), None),
    ],
    ids=lambda value: value.name if isinstance(value, DatabaseFault) else type(value).__name__,
)
def test_what_an_error_means(error: Exception, fault: DatabaseFault | None) -> None:
    assert fault_of(error) is fault


def raised_by(url: str, *statements: str) -> BaseException:
    """What Tortoise raises for one of these statements."""

    async def run() -> BaseException:
        database = Database(url)
        try:
            for statement in statements:
                await (await database.connection()).execute_insert(statement, [])
        except Exception as error:
            return error
        finally:
            await database.close()
        raise AssertionError("nothing was raised")

    return asyncio.run(run())


def test_a_row_that_is_there_already(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "a.db") as connection:
        connection.execute("create table tea (name text unique)")
    connection.close()
    insert = "insert into tea values ('green')"
    assert fault_of(raised_by(f"sqlite://{tmp_path}/a.db", insert, insert)) is DatabaseFault.CONFLICT
    assert fault_of(raised_by(f"sqlite://{tmp_path}/a.db", "insert into coffee values (1)")) is None


def test_a_server_that_is_not_there() -> None:
    assert (
        fault_of(raised_by(f"postgres://ada:pw@127.0.0.1:{free_port()}/notes", "select 1")) is DatabaseFault.TRY_AGAIN
    )
