"""Tortoise on an empty database of each kind, and its errors while the server is down."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta, timezone

import asyncpg
import pytest
from tortoise import fields
from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.context import TortoiseContext
from tortoise.exceptions import IntegrityError, OperationalError
from tortoise.models import Model
from tortoise.transactions import in_transaction

from msanic_core.testing import DatabaseProcess
from msanic_core.testing.fixtures import forget_dialects


class Entry(Model):
    id = fields.IntField(primary_key=True)
    text = fields.CharField(max_length=100, unique=True)
    at = fields.DatetimeField(null=True)


@asynccontextmanager
async def tortoise(url: str) -> AsyncIterator[BaseDBAsyncClient]:
    """Tortoise on that database, with the table of `Entry`."""
    async with TortoiseContext() as context:
        await context.init(db_url=url, modules={"models": [__name__]}, use_tz=True, timezone="UTC")
        await context.generate_schemas()
        yield context.db()


def with_tortoise(url: str, test: Callable[[BaseDBAsyncClient], Awaitable[None]]) -> None:
    async def run() -> None:
        async with tortoise(url) as connection:
            await test(connection)

    asyncio.run(run())


def test_the_database_of_a_test_is_empty(database_url: str) -> None:
    async def test(connection: BaseDBAsyncClient) -> None:
        assert await Entry.all().count() == 0
        await Entry.create(text="left behind")

    with_tortoise(database_url, test)


def test_and_that_of_the_next_one_too(database_url: str) -> None:
    test_the_database_of_a_test_is_empty(database_url)


@pytest.mark.parametrize("database_url", ["mariadb"], indirect=True)
def test_one_can_ask_for_one_kind(database_url: str) -> None:
    assert database_url.startswith("mysql://")


def test_characters_beyond_the_first_plane(database_url: str) -> None:
    text = "Grüße, 東京, 👩‍🚀"

    async def test(connection: BaseDBAsyncClient) -> None:
        await Entry.create(text=text)
        assert [entry.text async for entry in Entry.filter(text=text)] == [text]

    with_tortoise(database_url, test)


def test_a_time_is_the_same_instant_again(database_url: str) -> None:
    at = datetime(2024, 7, 1, 12, 30, 15, 123456, timezone(timedelta(hours=5, minutes=45)))

    async def test(connection: BaseDBAsyncClient) -> None:
        await Entry.create(text="a", at=at)
        # Tortoise compares times as UTC only if they are in UTC.
        start = at.astimezone(UTC)
        entry = await Entry.get(at__gte=start, at__lt=start + timedelta(microseconds=1))
        assert entry.at == at
        assert entry.at.utcoffset() == timedelta(0)

    with_tortoise(database_url, test)


def test_what_is_rolled_back_was_not_there(database_url: str) -> None:
    async def test(connection: BaseDBAsyncClient) -> None:
        with pytest.raises(LookupError):
            async with in_transaction():
                await Entry.create(text="outer")
                async with in_transaction():
                    await Entry.create(text="inner")
                raise LookupError
        assert not await Entry.exists()
        async with in_transaction():
            await Entry.create(text="outer")
            with pytest.raises(LookupError):
                async with in_transaction():
                    await Entry.create(text="inner")
                    raise LookupError
        assert [entry.text async for entry in Entry.all()] == ["outer"]

    with_tortoise(database_url, test)


def test_the_same_again_is_an_integrity_error(database_url: str) -> None:
    async def test(connection: BaseDBAsyncClient) -> None:
        await Entry.create(text="a")
        with pytest.raises(IntegrityError):
            await Entry.create(text="a")
        assert await Entry.all().count() == 1

    with_tortoise(database_url, test)


def test_many_tasks_at_once(database_url: str) -> None:
    async def test(connection: BaseDBAsyncClient) -> None:
        async def write(number: int) -> None:
            async with in_transaction():
                await Entry.create(text=str(number))

        await asyncio.gather(*map(write, range(100)))
        assert await Entry.all().count() == 100

    with_tortoise(database_url, test)


def test_after_an_outage_the_same_pool_goes_on(database_process: DatabaseProcess) -> None:
    async def test(connection: BaseDBAsyncClient) -> None:
        await asyncio.gather(*(Entry.create(text=f"before {number}") for number in range(20)))
        await database_process.kill()
        for _ in range(2):
            # Tortoise wraps the errors of asyncmy, but not those of a connection to PostgreSQL.
            with pytest.raises((OperationalError, asyncpg.PostgresConnectionError, OSError)):
                await Entry.create(text="lost")
        await database_process.start()
        await asyncio.gather(*(Entry.create(text=f"after {number}") for number in range(20)))
        async with in_transaction():
            assert await Entry.all().count() == 40

    forget_dialects()
    with_tortoise(asyncio.run(database_process.create_database("outage")), test)
    asyncio.run(database_process.drop_database("outage"))
