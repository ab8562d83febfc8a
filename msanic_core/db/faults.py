"""Which exceptions of a database mean a conflict, and after which trying again can help; others are defects.

Told by their names and numbers: Tortoise ORM and the drivers are not imported where no plugin uses them. Tortoise hands
on some errors of a driver as they are, and puts others into one of its own, whose first argument they are then.
"""

from collections.abc import Iterator
from enum import Enum


class DatabaseFault(Enum):
    """What is wrong."""

    CONFLICT = "conflict"
    """A row is there already, or another one needs it."""
    TRY_AGAIN = "try again"
    """The database is away, or gave up a transaction for the sake of another."""


_MYSQL = frozenset({1040, 1053, 1205, 1213, 1927, 2002, 2003, 2006, 2013, 2014, 2055})
"""Too many connections, shutting down, waited too long for a lock, deadlock, killed; and the client's: cannot connect,
gone away, lost, out of step. MySQL's reference of server and client errors."""
_POSTGRES = ("08", "40001", "40P01", "53300", "57P01", "57P02", "57P03")
"""How the SQLSTATE begins: connection exceptions, serialization failure, deadlock, too many connections, shutdowns,
starting up. PostgreSQL, appendix A."""
_ASYNCPG = ("closed", "closing", "another operation (2) is in progress")
"""The last: the server has said without being asked that it ends, and the end has not been read yet."""
_SQLITE = ("database is locked", "unable to open database file")


def fault_of(error: BaseException) -> DatabaseFault | None:
    """Say what an exception of a plugin means; None: it is a defect, or no matter of a database."""
    for each in _chain(error):
        names = {f"{kind.__module__.partition('.')[0]}.{kind.__name__}" for kind in type(each).__mro__}
        if "tortoise.IntegrityError" in names:
            return DatabaseFault.CONFLICT
        # Every failure to connect is one, Tortoise's own too.
        if isinstance(each, ConnectionError) or _passes(each, names):
            return DatabaseFault.TRY_AGAIN
    return None


def mysql_number(error: BaseException) -> object:
    """MySQL's number of an error, also of one that Tortoise has put into its own; None if it has none."""
    *_, driver = _chain(error)
    return driver.args[0] if driver.args else None


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The exception, and that of the driver within."""
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
