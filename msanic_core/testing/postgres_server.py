"""Real PostgreSQL servers, private to a test: to be killed and started again."""

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
"""Where Debian keeps the programs of the server, by version."""

_ALWAYS_THERE = "postgres"
_DATA = "data"
_PASSWORD = "password"

# What is committed outlives a kill, but no crash of the machine; the tests' tables are small.
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
        """Tortoise URL of the database `postgres`, which is always there."""
        return self._url(_ALWAYS_THERE)

    def _url(self, database: str) -> str:
        return f"asyncpg://{self.user}:{self.password}@{HOST}:{self.port}/{database}"

    async def execute(self, *statements: str) -> None:
        """Execute statements, each by itself, in the database `postgres`. Raises asyncpg's errors."""
        connection = await self._connect()
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()

    async def create_database(self, name: str) -> str:
        """Create an empty database and return its Tortoise URL. One of that name is dropped first."""
        await self.execute(_drop(name), f'CREATE DATABASE "{name}"')
        return self._url(name)

    async def drop_database(self, name: str) -> None:
        """Drop a database if it is there; who is connected to it is cut off."""
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
        """Whether one can log in."""
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
    """Run a PostgreSQL on a free port of 127.0.0.1, with its files in a directory of its own within `directory`.

    PostgreSQL refuses to run as root: for root it runs as the user postgres, else nobody, with its files in the
    system's temporary directory. `configuration`: further settings, as in `timezone=Asia/Tokyo`. Raises `RuntimeError`
    when it is not installed, or does not start. In the end it is killed and its files removed.
    """
    postgres_program("postgres")
    owner = _owner()
    # Into the temporary directories of pytest only root itself may look.
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
    """As whom to run it, if not as oneself."""
    if os.geteuid():
        return None
    return "postgres" if any(user.pw_name == "postgres" for user in pwd.getpwall()) else "nobody"


def postgres_program(name: str) -> str:
    """Find a program of the PostgreSQL server on the PATH, else the newest in Debian's place for them.

    Raises `RuntimeError` when there is none.
    """
    if found := shutil.which(name):
        return found
    versions = DEBIAN.glob(f"*/bin/{name}")
    if newest := max(versions, key=lambda path: [int(part) for part in path.parts[-3].split(".")], default=None):
        return str(newest)
    raise RuntimeError(f"no PostgreSQL: {name} is neither on the PATH nor in {DEBIAN}/*/bin; install the "
                       "package postgresql of the system")  # fmt: skip
