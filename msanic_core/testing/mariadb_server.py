"""Real MariaDB servers for tests, which may kill and restart them."""

import os
import secrets
import shutil
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from msanic_core.testing.database_process import DatabaseProcess, running
from msanic_core.testing.ports import HOST

if TYPE_CHECKING:
    from asyncmy.connection import Connection

_ALWAYS_THERE = "mysql"
_DATA = "data"
_FIRST_STATEMENTS = "init.sql"

# These options describe the files, so the installation needs them too. Committed data survives a kill of the server,
# but not a crash of the machine.
_FILES = (
    "--innodb-log-file-size=16M",
    "--innodb-data-file-path=ibdata1:4M:autoextend",
    "--innodb-autoextend-increment=1",
    "--innodb-flush-log-at-trx-commit=2",
    "--innodb-flush-method=nosync",
)

_OPTIONS = (
    *_FILES,
    f"--bind-address={HOST}",
    "--socket=",
    "--skip-name-resolve",
    "--skip-log-bin",
    "--character-set-server=utf8mb4",
    "--innodb-buffer-pool-size=64M",
    "--innodb-temp-data-file-path=ibtmp1:4M:autoextend",
    "--aria-pagecache-buffer-size=8M",
    "--key-buffer-size=1M",
)


class MariadbProcess(DatabaseProcess):
    """A running MariaDB, made by `mariadb_process`."""

    product = "MariaDB"

    def __init__(self, directory: Path, password: str, configuration: Sequence[str]) -> None:
        super().__init__(directory, password)
        self._configuration = configuration

    @property
    def url(self) -> str:
        """The Tortoise URL of the database `mysql`, which always exists."""
        return self._url(_ALWAYS_THERE)

    def _url(self, database: str) -> str:
        return f"mysql://{self.user}:{self.password}@{HOST}:{self.port}/{database}"

    async def execute(self, *statements: str) -> None:
        """Execute statements one by one in the database `mysql`. Raises asyncmy's errors."""
        connection = await self._connect()
        try:
            async with connection.cursor() as cursor:
                for statement in statements:
                    await cursor.execute(statement)
        finally:
            await connection.ensure_closed()

    async def create_database(self, name: str) -> str:
        """Create an empty database and return its Tortoise URL. An existing one with this name is dropped first."""
        await self.drop_database(name)
        await self.execute(f"CREATE DATABASE `{name}`")
        return self._url(name)

    async def drop_database(self, name: str) -> None:
        """Drop a database if it exists, and close all connections to it."""
        from asyncmy.errors import OperationalError

        # An open transaction would block the DROP.
        connection = await self._connect()
        try:
            async with connection.cursor() as cursor:
                await cursor.execute("SELECT id FROM information_schema.processlist WHERE db = %s", [name])
                for (identifier,) in await cursor.fetchall():
                    # The connection may have ended already.
                    with suppress(OperationalError):
                        await cursor.execute("KILL %s", [identifier])
                # Without this, a missing database is a warning in the log.
                await cursor.execute("SET sql_notes = 0")
                await cursor.execute(f"DROP DATABASE IF EXISTS `{name}`")
        finally:
            await connection.ensure_closed()

    def installation_command(self) -> Sequence[str]:
        """The command `mariadb-install-db`."""
        return [
            mariadb_program("mariadb-install-db"), "--no-defaults", f"--datadir={self.directory / _DATA}",
            "--skip-test-db", "--skip-name-resolve", *_run_as(), *_FILES,
        ]  # fmt: skip

    def server_command(self) -> Sequence[str]:
        """The command `mariadbd`."""
        return [
            mariadb_program("mariadbd"), "--no-defaults", f"--datadir={self.directory / _DATA}", f"--port={self.port}",
            f"--init-file={self.directory / _FIRST_STATEMENTS}", f"--pid-file={self.directory / 'pid'}",
            f"--tmpdir={self.directory}", *_run_as(), *_OPTIONS, *(f"--{each}" for each in self._configuration),
        ]  # fmt: skip

    async def answers(self) -> bool:
        """Whether the server accepts a login."""
        from asyncmy.errors import MySQLError

        try:
            await (await self._connect()).ensure_closed()
        except (MySQLError, OSError):
            return False
        return True

    async def _connect(self) -> "Connection":
        import asyncmy

        return await asyncmy.connect(
            host=HOST, port=self.port, user=self.user, password=self.password, db=_ALWAYS_THERE, autocommit=True
        )


@asynccontextmanager
async def mariadb_process(directory: Path, *, configuration: Sequence[str] = ()) -> AsyncIterator[MariadbProcess]:
    """Run a MariaDB on a free port of 127.0.0.1, with its files in a new directory within `directory`.

    `configuration`: further options of mariadbd, such as `default-time-zone=+09:00`. Raises `RuntimeError` if it is not
    installed, or does not start. At the end of the block it is killed and its files are removed.
    """
    mariadb_program("mariadbd")
    files = Path(tempfile.mkdtemp(prefix="mariadb-", dir=directory))
    password = secrets.token_hex(8)
    user = f"'{MariadbProcess.user}'@'{HOST}'"
    # mariadbd executes this file at each start, one statement per line.
    (files / _FIRST_STATEMENTS).write_text(
        f"CREATE USER IF NOT EXISTS {user} IDENTIFIED BY '{password}';\nGRANT ALL ON *.* TO {user} WITH GRANT OPTION;\n"
    )
    async with running(MariadbProcess(files, password, configuration)) as process:
        yield process


def _run_as() -> Sequence[str]:
    # mariadbd runs as root only if this option says so.
    return [] if os.geteuid() else ["--user=root"]


def mariadb_program(name: str) -> str:
    """Find a program of the MariaDB server on the PATH, else in /usr/sbin, which is not on every user's PATH.

    Raises `RuntimeError` if there is none.
    """
    if found := shutil.which(name) or shutil.which(name, path="/usr/sbin"):
        return found
    raise RuntimeError(f"no MariaDB: {name} is not on the PATH; install the package mariadb-server of the system")
