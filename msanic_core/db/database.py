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

        Raises Tortoise's `DBConnectionError` if the database cannot be reached; the next call tries again.
        """
        async with self._opening:
            if self._context is None:
                self._context = await self._open()
            return self._context.db()

    async def _open(self) -> TortoiseContext:
        from tortoise.context import TortoiseContext
        from tortoise.exceptions import DBConnectionError

        context = TortoiseContext()
        with warnings.catch_warnings():
            # Tortoise insists on an app with a module, and warns when that holds no models.
            warnings.simplefilter("ignore", RuntimeWarning)
            await context.init(db_url=self.url, modules={"msanic_core": [__name__]})
        try:
            # Left to the first query, a failure would leave Tortoise's lock taken, and every later query would hang.
            await context.db().create_connection(with_db=True)
        except Exception as error:
            await context.close_connections()
            raise DBConnectionError(f"the database cannot be reached: {error}") from error
        return context

    async def close(self) -> None:
        """Close what was opened."""
        async with self._opening:
            context, self._context = self._context, None
            if context is not None:
                await context.close_connections()
