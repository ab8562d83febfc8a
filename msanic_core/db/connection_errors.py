"""Tells errors of a database that is away from all other errors of a database."""

from tortoise.exceptions import DBConnectionError, OperationalError

_BACKENDS = "tortoise.backends."
_POSTGRES_STATES = ("08", "57P01", "57P02", "57P03")
"""How the SQLSTATE begins: connection exceptions, shutting down, crashed, starting up."""
_ASYNCPG_TEXTS = ("closed", "another operation (2) is in progress")
"""The second: the server has said without being asked that it ends, and the end has not been read yet."""
_MYSQL_NUMBERS = frozenset({1040, 1053, 1927, 2002, 2003, 2006, 2013, 2014, 2055})
"""Too many connections, shutting down, killed; and the client's: cannot connect, gone away, lost, out of step."""


def is_connection_error(error: BaseException) -> bool:
    """Whether `error` was raised because there was no connection to the database, or it was lost."""
    if isinstance(error, DBConnectionError):
        return True
    if isinstance(error, OperationalError):
        return mysql_number(error) in _MYSQL_NUMBERS
    # What drivers and the operating system raise Tortoise may let through, and it may as well be of another connection.
    if not _through_tortoise(error):
        return False
    if type(error).__module__.startswith(("asyncmy.", "pymysql.")):
        return bool(error.args) and error.args[0] in _MYSQL_NUMBERS
    if str(getattr(error, "sqlstate", None) or "").startswith(_POSTGRES_STATES):
        return True
    if type(error).__module__.startswith("asyncpg.") and any(text in str(error) for text in _ASYNCPG_TEXTS):
        return True
    return isinstance(error, OSError)


def mysql_number(error: OperationalError) -> object:
    """MySQL's number of an error that Tortoise has translated; None if it has none."""
    cause = error.args[0] if error.args else None
    return cause.args[0] if isinstance(cause, Exception) and cause.args else None


def _through_tortoise(error: BaseException) -> bool:
    traceback = error.__traceback__
    while traceback is not None:
        if str(traceback.tb_frame.f_globals.get("__name__", "")).startswith(_BACKENDS):
            return True
        traceback = traceback.tb_next
    return False
