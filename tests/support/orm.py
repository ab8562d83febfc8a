"""A database with the tables of `orm_models`, and values for them."""

import datetime
import decimal
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tortoise.context import TortoiseContext

from msanic_core.testing.fixtures import forget_dialects
from tests.support import orm_models

KINDS: dict[str, Any] = {
    "at": datetime.datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=datetime.UTC),
    "day": datetime.date(2026, 1, 2),
    "length": datetime.timedelta(hours=1, microseconds=5),
    "price": decimal.Decimal("12.50"),
    "uuid": uuid.UUID(int=7),
    "data": {"a": [1, None, "x"]},
    "colour": orm_models.Colour.BLUE,
    "done": True,
    "blob": b"\x00\xff",
}


@asynccontextmanager
async def tables(url: str) -> AsyncIterator[TortoiseContext]:
    """Create the tables in an empty database, and connect the models to it."""
    forget_dialects()
    async with TortoiseContext() as context:
        await context.init(db_url=url, modules={"models": [orm_models.__name__]})
        await context.generate_schemas()
        yield context
