"""Databases with the models of test plugins, in this process, and `msanic-core db` in others."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from msanic_core.config import settings_from
from msanic_core.db.database import Database
from msanic_core.db.migration.migrator import Migrator
from msanic_core.db.migration.writer import write_migrations
from msanic_core.plugins.loading import load_plugins
from tests.support.model_packages import import_package
from tests.support.processes import program


@asynccontextmanager
async def opened(url: str, *names: str, prefix: str = "sample_") -> AsyncIterator[Database]:
    """The database, with the models of these plugins as their packages, PREFIX and the name, are written now."""
    database = database_of(url, *names, prefix=prefix)
    with database.entered():
        await database.open()
        try:
            yield database
        finally:
            await database.close()


def database_of(url: str, *names: str, prefix: str = "sample_") -> Database:
    """The database, not opened."""
    packages = {name: import_package(prefix + name) for name in names}
    plugins = load_plugins(settings_from({"plugins": {"load": []}}), packages)
    plugins.check()
    return Database(url, plugins.apps)


async def make(*names: str, **options: Any) -> list[str]:
    """Write migrations of what has changed in these plugins; returns PLUGIN/NAME of each."""
    database = database_of("sqlite://:memory:", *names)
    with database.entered():
        await database.load()
        written = await write_migrations(database, **options)
    return [f"{path.parent.parent.name.removeprefix('sample_')}/{path.stem}" for path in written]


async def migrate(url: str, *names: str) -> list[str]:
    """Apply all there is of these plugins; returns what was said."""
    said: list[str] = []
    async with opened(url, *names) as database:
        await Migrator(database, said.append).migrate()
    return said


async def execute(url: str, *statements: str) -> list[dict[str, Any]]:
    """Run statements as another program does; returns the rows of the last one."""
    database = Database(url)
    try:
        connection = await database.connection()
        for statement in statements[:-1]:
            await connection.execute_script(statement)
        return await connection.execute_query_dict(statements[-1])
    finally:
        await database.close()


def running_db(*arguments: str) -> AbstractAsyncContextManager[asyncio.subprocess.Process]:
    """Run `msanic-core db` within a block, for the plugins of the test; what it prints is kept in pipes."""
    blocked = ("--set", 'plugins.block=["chat", "echo", "notes"]')
    return program(sys.executable, "-m", "msanic_core", "db", *arguments, *blocked)


async def db(*arguments: str) -> tuple[int | None, str, str]:
    """Run `msanic-core db` to its end; returns exit code, stdout and stderr."""
    async with running_db(*arguments) as process:
        out, err = await process.communicate()
        return process.returncode, out.decode(), err.decode()
