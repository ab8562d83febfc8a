"""Which exceptions of a database mean a conflict, and after which trying again can help; all others are defects.

They are told by names and numbers, so that Tortoise ORM and the drivers need not be imported. Tortoise passes some
errors of a driver on as they are, and wraps others in one of its own, with the driver's error as first argument.
"""

from collections.abc import Iterator
from enum import Enum


class DatabaseFault(Enum):
    """What is wrong."""

    CONFLICT = "conflict"
    """A row with this key exists already, or another row refers to it."""
    TRY_AGAIN = "try again"
    """The database is away, or ended a transaction in favour of another."""


_MYSQL = frozenset({1040, 1053, 1205, 1213, 1927, 2002, 2003, 2006, 2013, 2014, 2055})
"""Of the server: too many connections, shutdown, lock wait timeout, deadlock, killed. Of the client: cannot connect,
gone away, lost, out of sync. From MySQL's reference of server and client errors."""
_POSTGRES = ("08", "40001", "40P01", "53300", "57P01", "57P02", "57P03")
"""Beginnings of SQLSTATEs: connection exceptions, serialization failure, deadlock, too many connections, shutdowns,
starting up. From PostgreSQL, appendix A."""
_ASYNCPG = ("closed", "closing", "another operation (2) is in progress")
"""The last one: the server has announced that it closes the connection, and asyncpg has not read the end of it yet."""
_SQLITE = ("database is locked", "unable to open database file")


def fault_of(error: BaseException) -> DatabaseFault | None:
    """What an exception of a plugin means; None: a defect, or an error that is not of a database."""
    for each in _chain(error):
        names = {f"{kind.__module__.partition('.')[0]}.{kind.__name__}" for kind in type(each).__mro__}
        if "tortoise.IntegrityError" in names:
            return DatabaseFault.CONFLICT
        # All errors of connecting are `ConnectionError`s, Tortoise's own too.
        if isinstance(each, ConnectionError) or _passes(each, names):
            return DatabaseFault.TRY_AGAIN
    return None


def mysql_number(error: BaseException) -> object:
    """MySQL's number of an error, also of one that Tortoise has wrapped; None if it has no number."""
    *_, driver = _chain(error)
    return driver.args[0] if driver.args else None


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The exception, and the driver's exception that it wraps."""
    yield error
    if error.args and isinstance(error.args[0], BaseException):
        yield error.args[0]


def _passes(error: BaseException, names: set[str]) -> bool:
    if "asyncpg.PostgresError" in names or "asyncpg.PostgresConnectionError" in names:
        return str(getattr(error, "sqlstate", "")).startswith(_POSTGRES)
    if "asyncpg.InterfaceError" in names or "asyncpg.InternalClientError" in names:
        return any(text in str(error) for text in _ASYNCPG)
    if "asyncmy.MySQLError" in names or "pymysql.MySQLError" in names:
        return mysql_number(error) in _MYSQL
    return "sqlite3.OperationalError" in names and str(error).startswith(_SQLITE)
