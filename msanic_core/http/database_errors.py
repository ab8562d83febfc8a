"""Which exceptions of a database mean a conflict, and which that it is away; others are defects.

Told by their names and numbers: Tortoise ORM and the drivers are not imported where no plugin uses them. Tortoise hands
on some errors of a driver as they are, and puts others into one of its own, whose first argument they are then.
"""

from collections.abc import Iterator
from enum import Enum


class DatabaseFault(Enum):
    """What is wrong."""

    CONFLICT = "conflict"
    AWAY = "away"


_MYSQL_AWAY = {1040, 1053, 2002, 2003, 2006, 2013, 2055}
"""Too many connections, shutdown, no connection, gone away, lost: MySQL's reference of client and server errors."""
_POSTGRES_AWAY = ("08", "53300", "57P01", "57P02", "57P03")
"""SQLSTATE: connection exceptions, too many connections, shutdowns, starting up (PostgreSQL, appendix A)."""
_SQLITE_AWAY = ("database is locked", "unable to open database file")


def fault_of(error: BaseException) -> DatabaseFault | None:
    """Say what an exception of a handler means; None: it is a defect, or no matter of a database."""
    for each in _chain(error):
        names = {f"{kind.__module__.partition('.')[0]}.{kind.__name__}" for kind in type(each).__mro__}
        if "tortoise.IntegrityError" in names:
            return DatabaseFault.CONFLICT
        # Every failure to connect is one, Tortoise's own too.
        if isinstance(each, ConnectionError) or _is_away(each, names):
            return DatabaseFault.AWAY
    return None


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The exception, and that of the driver within."""
    yield error
    if error.args and isinstance(error.args[0], BaseException):
        yield error.args[0]


def _is_away(error: BaseException, names: set[str]) -> bool:
    if "asyncpg.PostgresError" in names or "asyncpg.PostgresConnectionError" in names:
        return str(getattr(error, "sqlstate", "")).startswith(_POSTGRES_AWAY)
    if "asyncpg.InterfaceError" in names:
        return "clos" in str(error)  # "connection is closed", "pool is closing"
    if "asyncmy.MySQLError" in names:
        return bool(error.args) and error.args[0] in _MYSQL_AWAY
    return "sqlite3.OperationalError" in names and str(error).startswith(_SQLITE_AWAY)
