"""Split models for the tests, one for each way to split."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from tortoise import Tortoise, fields
from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.context import TortoiseContext

from msanic_core.db import SplitModel


class Reading(SplitModel):
    id = fields.BigIntField(primary_key=True)
    device = fields.CharField(max_length=20)
    value = fields.IntField(default=0)
    at = fields.DatetimeField()

    class Meta:
        table = "iot_reading"
        indexes = (("device", "at"),)
        unique_together = (("at", "device", "value"),)

    class Split:
        by = "month"
        field = "at"


class Visit(SplitModel):
    id = fields.BigIntField(primary_key=True)
    day = fields.DateField()
    price = fields.DecimalField(max_digits=8, decimal_places=2, null=True)

    class Meta:
        table = "shop_visit"

    class Split:
        by = "week"
        field = "day"


class Message(SplitModel):
    id = fields.UUIDField(primary_key=True)
    region = fields.CharField(max_length=20)
    text = fields.TextField()

    class Meta:
        table = "chat_message"

    class Split:
        by = "key"
        field = "region"


class Log(SplitModel):
    line = fields.CharField(max_length=20, unique=True)
    at = fields.DatetimeField(auto_now_add=True)

    class Meta:
        table = "log"

    class Split:
        by = "day"
        field = "at"


@asynccontextmanager
async def opened(url: str, *, make: bool = True) -> AsyncIterator[BaseDBAsyncClient]:
    """Connect, and make the templates."""
    async with TortoiseContext() as context:
        await context.init(db_url=url, modules={"models": [__name__]})
        if make:
            await Tortoise.generate_schemas()
        yield context.db()


def at(month: int, day: int = 1, hour: int = 0, *, year: int = 2026) -> datetime:
    return datetime(year, month, day, hour, tzinfo=UTC)
