"""Pushes that belong to a transaction, and the relay that delivers them, on every database and two engines."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from itertools import count
from typing import Any

import pytest
from tortoise.context import require_context
from tortoise.transactions import in_transaction

from msanic_core.db.apps import check_apps
from msanic_core.db.database import Database
from msanic_core.db.outbox.app import core_app
from msanic_core.db.outbox.models import OutboxMessage
from msanic_core.db.outbox.relay import Relay
from msanic_core.db.outbox.transaction import TransactionOutbox
from msanic_core.engine.base import Engine, InboxLimits, Lock
from msanic_core.engine.memory.memory_engine import MemoryEngine
from msanic_core.engine.redis.redis_engine import RedisEngine, RedisOptions
from msanic_core.errors import ConfigError, StoreUnavailableError
from msanic_core.wire import Push, WireEncodeError
from tests.support.nodes import Node

LIMITS = InboxLimits(max_messages=10_000, max_bytes=10_000_000, max_age=3600.0)
INTERVAL = 0.1
names = map("node-{}".format, count())


class Bench:
    """A node with a database, an engine, and a relay between the two that begins when it is told to."""

    def __init__(self, url: str, engine: Engine, max_bytes: int = 1000) -> None:
        self.database = Database(url, [core_app()])
        self.engine = engine
        self.relay = Relay(engine, self.database, INTERVAL)
        self.outbox = TransactionOutbox(max_bytes, self.relay.added)

    async def add(self, user: str, data: object, key: str | None = None) -> None:
        """One message in a transaction of its own."""
        async with in_transaction() as connection:
            await self.outbox.add(connection, user, Push("a.b", data), key)

    async def until_empty(self) -> None:
        while await OutboxMessage.filter(failure=None).using_db(await self.database.connection()).exists():
            await asyncio.sleep(0.01)

    async def inbox(self, user: str = "ada") -> list[object]:
        page = await self.engine.inbox(user, "phone", None, 10_000)
        return [message.data for message in page.messages]


@asynccontextmanager
async def bench(url: str, engine: Engine | None = None, max_bytes: int = 1000) -> AsyncIterator[Bench]:
    check_apps([core_app()])
    made = Bench(url, engine or MemoryEngine(LIMITS), max_bytes)
    await made.engine.start(next(names), Node(), [])
    with made.database.entered():
        try:
            await made.database.open()
            await require_context().generate_schemas()
            # The client is known before the first message.
            await made.inbox()
            yield made
        finally:
            await made.relay.stop()
            await made.engine.stop()
            await made.database.close()


def run(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(test())


def test_what_is_committed_is_delivered_in_order(database_url: str) -> None:
    async def test() -> None:
        async with bench(database_url) as node:
            node.relay.start()
            async with in_transaction() as connection:
                for number in range(3):
                    await node.outbox.add(connection, "ada", Push("a.b", number), None)
            await node.add("ada", {"text": "grün \U0001f33f"})
            await node.until_empty()
            assert await node.inbox() == [0, 1, 2, {"text": "grün \U0001f33f"}]

    run(test)


def test_what_is_rolled_back_is_not(database_url: str) -> None:
    async def test() -> None:
        async with bench(database_url) as node:
            node.relay.start()
            with pytest.raises(ZeroDivisionError):
                async with in_transaction() as connection:
                    await node.outbox.add(connection, "ada", Push("a.b", "rolled back"), None)
                    raise ZeroDivisionError
            await node.add("ada", "committed")
            await node.until_empty()
            assert await node.inbox() == ["committed"]

    run(test)


def test_nothing_is_delivered_before_the_commit(database_url: str) -> None:
    """On SQLite the relay even waits: there is one connection."""

    async def test() -> None:
        async with bench(database_url) as node:
            node.relay.start()
            async with in_transaction() as connection:
                await node.outbox.add(connection, "ada", Push("a.b", 1), None)
                await asyncio.sleep(2 * INTERVAL)
                assert await node.inbox() == []
            await node.until_empty()
            assert await node.inbox() == [1]

    run(test)


def test_what_an_earlier_process_left_is_delivered_first_and_once(database_url: str) -> None:
    """It had pushed the first, and was killed before it had deleted the row."""

    async def test() -> None:
        async with bench(database_url) as node:
            await node.add("ada", 1)
            await node.add("ada", 2)
            row = await OutboxMessage.all().order_by("id").first()
            assert row is not None
            await node.engine.push("ada", Push("a.b", 1), True, row.key)
            node.relay.start()
            await node.until_empty()
            assert await node.inbox() == [1, 2]

    run(test)


def test_a_key_is_good_for_one_message(database_url: str) -> None:
    async def test() -> None:
        async with bench(database_url) as node:
            await node.engine.push("ada", Push("a.b", "first"), True, "order-1")
            node.relay.start()
            await node.add("ada", "again", key="order-1")
            await node.add("ada", "again", key="order-1")
            await node.add("bob", "another user", key="order-1")
            await node.until_empty()
            assert await node.inbox() == ["first"]
            assert await node.inbox("bob") == ["another user"]

    run(test)


def test_one_that_no_inbox_takes_holds_up_nobody(database_url: str) -> None:
    """The bounds have been narrowed since it was written."""

    async def test() -> None:
        narrow = InboxLimits(max_messages=10, max_bytes=100, max_age=3600.0)
        async with bench(database_url, MemoryEngine(narrow)) as node:
            await node.add("ada", "x" * 200)
            await node.add("ada", "short")
            node.relay.start()
            await node.until_empty()
            assert await node.inbox() == ["short"]
            [left] = await OutboxMessage.all()
            assert "an inbox holds 100" in str(left.failure)

    run(test)


def test_what_cannot_be_delivered_is_refused(database_url: str) -> None:
    async def test() -> None:
        async with bench(database_url, max_bytes=100) as node:
            connection = await node.database.connection()
            with pytest.raises(WireEncodeError, match="an inbox holds 100"):
                await node.outbox.add(connection, "ada", Push("a.b", "x" * 200), None)
            with pytest.raises(WireEncodeError, match="cannot be encoded"):
                await node.outbox.add(connection, "ada", Push("a.b", object()), None)
            with pytest.raises(ConfigError, match="db_models"):
                await TransactionOutbox(100, None).add(connection, "ada", Push("a.b"), None)
            assert not await OutboxMessage.exists()

    run(test)


class Faltering(MemoryEngine):
    """Its store is away for every third message."""

    def __init__(self) -> None:
        super().__init__(LIMITS)
        self.pushes = 0

    async def push(self, user: str, push: Push, durable: bool, key: str | None = None) -> int | None:
        self.pushes += 1
        if self.pushes % 3 == 0:
            raise StoreUnavailableError("away")
        await asyncio.sleep(0)
        return await super().push(user, push, durable, key)


def test_the_order_is_kept_when_the_store_is_away(database_url: str, caplog: pytest.LogCaptureFixture) -> None:
    async def test() -> None:
        async with bench(database_url, Faltering()) as node:
            for number in range(10):
                await node.add(("ada", "bob")[number % 2], number)
            node.relay.start()
            await node.until_empty()
            assert await node.inbox("ada") == [0, 2, 4, 6, 8]
            assert await node.inbox("bob") == [1, 3, 5, 7, 9]

    run(test)
    assert [record.message for record in caplog.records if record.name == "msanic_core.relay"][:1] == [
        "the outbox cannot be delivered yet: away"
    ]


def test_two_nodes_deliver_once_and_in_order(database_url: str, redis_url: str) -> None:
    async def test() -> None:
        def engine() -> RedisEngine:
            return RedisEngine(RedisOptions(redis_url), LIMITS)

        async with bench(database_url, engine()) as one, bench(database_url, engine()) as two:
            for node in (one, two):
                node.relay.start()

            async def write(node: Bench, user: str) -> None:
                with node.database.entered():
                    for number in range(40):
                        await node.add(user, number)

            users = ["ada", "bob", "cay", "dan"]
            await asyncio.gather(*(write(node, user) for node, user in zip([one, two, one, two], users, strict=True)))
            await one.until_empty()
            for user in users:
                assert await one.inbox(user) == list(range(40))

    run(test)


class Heedless(MemoryEngine):
    """Loses the first cancellation of who waits for a lock, as asyncmy may do with that of a query."""

    def __init__(self) -> None:
        super().__init__(LIMITS)
        self.waiting = asyncio.Event()

    @asynccontextmanager
    async def lock(self, name: str, wait: float | None) -> AsyncIterator[Lock]:
        self.waiting.set()
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(3600)
        async with super().lock(name, wait) as lock:
            yield lock


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_relay_stops_even_if_a_cancellation_is_lost(database_url: str) -> None:
    async def test() -> None:
        engine = Heedless()
        async with bench(database_url, engine) as node:
            node.relay.start()
            await node.add("ada", "hello")
            await engine.waiting.wait()
            async with asyncio.timeout(10):
                await node.relay.stop()

    run(test)
