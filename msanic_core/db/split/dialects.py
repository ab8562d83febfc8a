"""Chooses the tables of a database by its dialect."""

from tortoise.backends.base.client import BaseDBAsyncClient

from msanic_core.db.split.tables import Tables
from msanic_core.errors import SplitError


def tables_of(client: BaseDBAsyncClient) -> Tables:
    """Give the tables of the connection's database. Raises `SplitError` for a database that is not supported."""
    # Imported here, since each needs its driver.
    match client.capabilities.dialect:
        case "sqlite":
            from msanic_core.db.split.sqlite_tables import SqliteTables

            return SqliteTables(client)
        case "postgres":
            from msanic_core.db.split.postgres_tables import PostgresTables

            return PostgresTables(client)
        case "mysql":
            from msanic_core.db.split.mariadb_tables import MariaDBTables

            return MariaDBTables(client)
        case other:
            raise SplitError(f"split tables are for SQLite, PostgreSQL and MariaDB, not for {other}")
