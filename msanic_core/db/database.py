"""The server's database connection, through Tortoise ORM."""

from __future__ import annotations

import asyncio
import warnings
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tortoise.backends.base.client import BaseDBAsyncClient
    from tortoise.context import TortoiseContext


class Database:
    """One database for all plugins. Nothing is imported or connected before a plugin asks for it.

    `url` is a Tortoise database URL: `sqlite://FILE`, `postgres://…`, `mysql://…`.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._context: TortoiseContext | None = None
        self._opening = asyncio.Lock()

    async def connection(self) -> BaseDBAsyncClient:
        """The connection (a pool where the database has one), for `execute_query` and its kin.

        The first query connects; it raises Tortoise's `DBConnectionError`, of SQLite `OperationalError`, if the database
        cannot be reached, and the next one tries again.
        """
        async with self._opening:
            if self._context is None:
                from tortoise.context import TortoiseContext

                context = TortoiseContext()
                with warnings.catch_warnings():
                    # Tortoise insists on an app with a module, and warns when that holds no models.
                    warnings.simplefilter("ignore", RuntimeWarning)
                    await context.init(db_url=self.url, modules={"msanic_core": [__name__]})
                self._context = context
            return self._context.db()

    async def close(self) -> None:
        """Close what was opened."""
        async with self._opening:
            context, self._context = self._context, None
            if context is not None:
                await context.close_connections()
