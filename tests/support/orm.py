"""A database with the tables of `orm_models`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tortoise.backends.base.executor import EXECUTOR_CACHE
from tortoise.context import TortoiseContext

from tests.support import orm_models


@asynccontextmanager
async def tables(url: str) -> AsyncIterator[TortoiseContext]:
    """Make the tables in an empty database, and the models usable on it."""
    # Tortoise keeps the SQL of a model by the connection's name, whatever kind of database that was before.
    EXECUTOR_CACHE.clear()
    async with TortoiseContext() as context:
        await context.init(db_url=url, modules={"models": [orm_models.__name__]})
        await context.generate_schemas()
        yield context
