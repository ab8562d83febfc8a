"""Real PostgreSQL servers for tests, which may kill and restart them."""

import os
import pwd
import secrets
import shutil
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from msanic_core.testing.database_process import DatabaseProcess, running
from msanic_core.testing.ports import HOST

if TYPE_CHECKING:
    import asyncpg

DEBIAN = Path("/usr/lib/postgresql")
"""Debian's directory for the programs of the server, by version."""

_ALWAYS_THERE = "postgres"
_DATA = "data"
_PASSWORD = "password"

# Committed data survives a kill of the server, but not a crash of the machine. The tables of tests are small.
_SETTINGS = (
    f"listen_addresses={HOST}",
    "unix_socket_directories=",
    "fsync=off",
    "full_page_writes=off",
    "shared_buffers=64MB",
    "log_checkpoints=off",
)


class PostgresProcess(DatabaseProcess):
    """A running PostgreSQL, made by `postgres_process`."""

    product = "PostgreSQL"

    def __init__(self, directory: Path, password: str, owner: str | None, configuration: Sequence[str]) -> None:
        super().__init__(directory, password, owner)
        self._configuration = configuration

    @property
    def url(self) -> str:
        """The Tortoise URL of the database `postgres`, which always exists."""
        return self._url(_ALWAYS_THERE)

    def _url(self, database: str) -> str:
        return f"asyncpg://{self.user}:{self.password}@{HOST}:{self.port}/{database}"

    async def execute(self, *statements: str) -> None:
        """Execute statements one by one in the database `postgres`. Raises asyncpg's errors."""
        connection = await self._connect()
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()

    async def create_database(self, name: str) -> str:
        """Create an empty database and return its Tortoise URL. An existing one with this name is dropped first."""
        await self.execute(_drop(name), f'CREATE DATABASE "{name}"')
        return self._url(name)

    async def drop_database(self, name: str) -> None:
        """Drop a database if it exists, and close all connections to it."""
        await self.execute(_drop(name))

    def installation_command(self) -> Sequence[str]:
        """The command `initdb`, with the password in a file."""
        return [
            postgres_program("initdb"), f"--pgdata={_DATA}", f"--username={self.user}", f"--pwfile={_PASSWORD}",
            "--auth=password", "--encoding=UTF8", "--no-locale", "--no-sync", "--no-instructions",
        ]  # fmt: skip

    def server_command(self) -> Sequence[str]:
        """The command `postgres`."""
        settings = [*_SETTINGS, f"port={self.port}", *self._configuration]
        return [postgres_program("postgres"), "-D", _DATA, *(each for setting in settings for each in ("-c", setting))]

    async def answers(self) -> bool:
        """Whether the server accepts a login."""
        import asyncpg

        try:
            await (await self._connect()).close()
        except (asyncpg.PostgresError, OSError):
            return False
        return True

    async def _connect(self) -> "asyncpg.Connection":
        import asyncpg

        return await asyncpg.connect(
            host=HOST, port=self.port, user=self.user, password=self.password, database=_ALWAYS_THERE
        )


def _drop(name: str) -> str:
    return f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'


@asynccontextmanager
async def postgres_process(directory: Path, *, configuration: Sequence[str] = ()) -> AsyncIterator[PostgresProcess]:
    """Run a PostgreSQL on a free port of 127.0.0.1, with its files in a new directory within `directory`.

    PostgreSQL refuses to run as root. If the caller is root, it runs as the user postgres or, without one, nobody, with
    its files in the system's temporary directory. `configuration`: further settings, such as `timezone=Asia/Tokyo`.
    Raises `RuntimeError` if it is not installed, or does not start. At the end of the block it is killed and its files
    are removed.
    """
    postgres_program("postgres")
    owner = _owner()
    # Other users may not read the temporary directories that pytest makes for root.
    files = Path(tempfile.mkdtemp(prefix="postgres-", dir=directory if owner is None else None))
    password = secrets.token_hex(8)
    process = PostgresProcess(files, password, owner, configuration)
    (files / _PASSWORD).write_text(password)
    if owner is not None:
        shutil.chown(files, owner)
        shutil.chown(files / _PASSWORD, owner)
    async with running(process):
        yield process


def _owner() -> str | None:
    """The user to run the server as; None: the current one."""
    if os.geteuid():
        return None
    return "postgres" if any(user.pw_name == "postgres" for user in pwd.getpwall()) else "nobody"


def postgres_program(name: str) -> str:
    """Find a program of the PostgreSQL server on the PATH, else the newest one in Debian's directory.

    Raises `RuntimeError` if there is none.
    """
    if found := shutil.which(name):
        return found
    versions = DEBIAN.glob(f"*/bin/{name}")
    if newest := max(versions, key=lambda path: [int(part) for part in path.parts[-3].split(".")], default=None):
        return str(newest)
    raise RuntimeError(f"no PostgreSQL: {name} is neither on the PATH nor in {DEBIAN}/*/bin; install the "
                       "package postgresql of the system")  # fmt: skip
