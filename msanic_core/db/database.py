"""The server's database, through Tortoise ORM: its connection, and how the models of plugins use it."""

from __future__ import annotations

import asyncio
import warnings
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from msanic_core.errors import ConfigError, DatabaseUnavailableError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence

    from tortoise.backends.base.client import BaseDBAsyncClient
    from tortoise.context import TortoiseContext

    from msanic_core.db.apps import PluginApp

CONNECTION = "default"
"""Tortoise's name for the one connection."""
_CONNECT_TIMEOUT = 10.0
_EXTRAS = {"asyncpg": "postgres", "asyncmy": "mysql", "aiomysql": "mysql"}


class Database:
    """One database for all plugins. Without models it imports Tortoise and connects only when `connection` is called.

    `url` is a Tortoise database URL: `sqlite://FILE`, `postgres://…`, `mysql://…`. `apps`: the models of the plugins.
    Once it is open, the models can be used in every task that is created after `enter`.
    """

    def __init__(self, url: str, apps: Sequence[PluginApp] = ()) -> None:
        self.url = url
        self.apps = tuple(apps)
        self._context: TortoiseContext | None = None
        self._is_open = False
        self._opening = asyncio.Lock()

    def enter(self) -> None:
        """Make the models use this database in the current context of variables.

        Tasks and callbacks that are created in this context later have a copy of it. Without models nothing happens.
        """
        if self.apps:
            from tortoise.context import _current_context

            _current_context.set(self._tortoise())

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Make the models use this database within the block only."""
        if not self.apps:
            yield
            return
        with self._current():
            yield

    async def open(self) -> None:
        """Connect, in the context in which `enter` was called. Without models nothing happens.

        Raises `DatabaseUnavailableError` when the database cannot be reached, `ConfigError` when the URL is wrong.
        """
        if not self.apps:
            return
        from tortoise.exceptions import ConfigurationError, DBConnectionError

        try:
            await self.connection()
        except DBConnectionError as error:
            raise DatabaseUnavailableError(str(error)) from error
        except ConfigurationError as error:
            raise ConfigError(f"db.url {self.shown_url!r} cannot be used: {error}; correct it (--db)") from error
        except ImportError as error:
            extra = _EXTRAS.get((error.name or "").partition(".")[0])
            mend = f'; install it with: pip install "msanic-core[{extra}]"' if extra else ""
            raise ConfigError(f"the driver for db.url {self.shown_url!r} cannot be imported: {error}{mend}") from error

    async def connection(self) -> BaseDBAsyncClient:
        """The connection (a pool, except on SQLite), for `execute_query` and the like.

        Raises Tortoise's `DBConnectionError` if the database cannot be reached; the next call tries again.
        """
        async with self._opening:
            context = self._tortoise()
            if not self._is_open:
                with self._current():
                    await self._connect(context)
                self._is_open = True
            return context.db()

    async def load(self) -> None:
        """Register the models with Tortoise without connecting."""
        with self._current():
            await self._init(self._tortoise())

    def unconnected(self) -> BaseDBAsyncClient:
        """The connection object, which may not be connected yet: after `load` it is not."""
        return self._tortoise().db()

    @asynccontextmanager
    async def another_connection(self) -> AsyncIterator[BaseDBAsyncClient]:
        """A connection of its own for the block, outside of the pool. Raises Tortoise's `DBConnectionError`."""
        client = self._tortoise().connections._create_connection(CONNECTION)
        # Where the driver has pools, this is one of one connection.
        client.pool_minsize = client.pool_maxsize = 1  # type: ignore[attr-defined]
        try:
            await self._reach(client)
            yield client
        finally:
            await client.close()

    async def close(self) -> None:
        """Close what was opened."""
        async with self._opening:
            if self._is_open and self._context is not None:
                self._is_open = False
                await self._context.close_connections()

    @property
    def shown_url(self) -> str:
        """The URL without user, password and query."""
        parts = urlsplit(self.url)
        host = parts.netloc.rpartition("@")[2]
        return f"{parts.scheme}://{host}{parts.path}"

    def config(self) -> dict[str, Any]:
        """The configuration for Tortoise."""
        # Tortoise wants at least one app with a module.
        apps: dict[str, dict[str, Any]] = {
            app.label: {"models": [module.__name__ for module in app.modules], "default_connection": CONNECTION}
            for app in self.apps
        } or {"msanic_core": {"models": [__name__], "default_connection": CONNECTION}}
        return {"connections": {CONNECTION: self.url}, "apps": apps}

    def _tortoise(self) -> TortoiseContext:
        if self._context is None:
            from tortoise.context import TortoiseContext

            self._context = TortoiseContext()
        return self._context

    @contextmanager
    def _current(self) -> Iterator[None]:
        # Not `with` the context itself: it stores one token to reset, and this is entered more than once.
        from tortoise.context import _current_context

        token = _current_context.set(self._tortoise())
        try:
            yield
        finally:
            _current_context.reset(token)

    async def _connect(self, context: TortoiseContext) -> None:
        await self._init(context)
        try:
            await self._reach(context.db())
        except BaseException:
            await context.close_connections()
            raise

    async def _init(self, context: TortoiseContext) -> None:
        from tortoise.backends.base import executor

        # Tortoise caches statements by connection and table; they may be for another kind of database.
        executor.EXECUTOR_CACHE.clear()
        with warnings.catch_warnings():
            # Tortoise warns of a module without models.
            warnings.simplefilter("ignore", RuntimeWarning)
            await context.init(self.config())

    async def _reach(self, client: BaseDBAsyncClient) -> None:
        import sqlite3

        from tortoise.exceptions import DBConnectionError

        try:
            if client.capabilities.dialect == "sqlite":
                # If the driver cannot open the file, its thread outlives the event loop and logs an error. Try first.
                sqlite3.connect(getattr(client, "filename", "")).close()
            # Not left to the first query: if that cannot connect, Tortoise keeps a lock and all later queries hang.
            async with asyncio.timeout(_CONNECT_TIMEOUT):
                await client.create_connection(with_db=True)
        except Exception as error:
            what = f"the database {self.shown_url} cannot be reached"
            raise DBConnectionError(f"{what}: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer within {_CONNECT_TIMEOUT:g} s"
    # For MySQL, Tortoise's own text lists all parameters.
    cause = error.__context__ if isinstance(error.__context__, Exception) else error
    return " ".join(str(cause).split()) or type(cause).__name__
