"""The subscription: its messages, and that its end is noticed even when Redis says nothing."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from msanic_core.codes import OfflineReason
from msanic_core.engine.redis.names import Names
from msanic_core.engine.redis.pipeline import Pipeline
from msanic_core.engine.redis.records import Close, NodeMessage, watch_payload
from msanic_core.engine.redis.subscription import Subscription
from msanic_core.engine.redis.topology import open_store
from msanic_core.errors import StoreUnavailableError
from msanic_core.testing import redis_process, tcp_proxy
from tests.support.redis_parts import client, nodes

INTERVAL = 0.2


class Bench:
    def __init__(self, redis: Any, subscription: Subscription, names: Names) -> None:
        self.redis = redis
        self.subscription = subscription
        self.names = names
        self.messages: asyncio.Queue[NodeMessage] = asyncio.Queue()
        self.gaps: asyncio.Queue[None] = asyncio.Queue()

    async def say(self, session_id: str, channel: str | None = None) -> int:
        """Publish, by default for the node; returns the number of subscribers."""
        return int(await self.redis.publish(channel or self.names.node_channel + "a", f"c{session_id}\nkicked"))

    async def hear(self) -> str:
        """The session of the next message."""
        message = await self.messages.get()
        assert isinstance(message, Close)
        assert message.reason is OfflineReason.KICKED
        return message.session_id


@asynccontextmanager
async def subscribed(url: str, subscription_url: str | None = None, interval: float = INTERVAL) -> AsyncIterator[Bench]:
    names = Names("test", 0)
    direct = open_store(url, 0.5)
    store = open_store(subscription_url or url, 0.3)
    pipeline = Pipeline(direct, 0.5, 0.5, lambda: None)
    bench: Bench
    subscription = Subscription(
        store, names, "a", pipeline, interval,
        lambda message: bench.messages.put_nowait(message), lambda: bench.gaps.put_nowait(None),
    )  # fmt: skip
    async with client(url) as redis:
        bench = Bench(redis, subscription, names)
        try:
            await subscription.start()
            yield bench
        finally:
            await subscription.stop()
            await pipeline.close()
            await store.close()
            await direct.close()


def test_messages_for_the_node_and_for_everybody_come_in_order(redis_url: str) -> None:
    async def run() -> None:
        async with subscribed(redis_url) as bench:
            assert bench.subscription.alive
            for number in range(100):
                assert await bench.say(str(number), bench.names.everybody if number % 2 else None) == 1
            assert [await bench.hear() for _ in range(100)] == [str(number) for number in range(100)]
            assert await bench.say("other", bench.names.node_channel + "b") == 0
            assert bench.gaps.empty()

    asyncio.run(run())


def test_a_killed_subscription_is_made_anew_and_the_gap_is_told(redis_url: str) -> None:
    async def run() -> None:
        async with subscribed(redis_url) as bench:
            for number in range(3):
                assert await bench.redis.execute_command("CLIENT", "KILL", "TYPE", "pubsub") == 1
                await bench.gaps.get()
                assert bench.subscription.alive
                await bench.say(str(number))
                assert await bench.hear() == str(number)

    asyncio.run(run())


def test_a_subscription_that_has_silently_died_is_found(redis_url: str) -> None:
    async def run() -> None:
        port = int(redis_url.rpartition(":")[2].partition("/")[0])
        async with (
            tcp_proxy("127.0.0.1", port) as proxy,
            subscribed(redis_url, f"redis://127.0.0.1:{proxy.port}/0") as bench,
        ):
            await bench.say("before")
            assert await bench.hear() == "before"
            proxy.black_hole(True)
            # Redis itself does not notice.
            assert await bench.say("lost") == 1
            while bench.subscription.alive:
                await asyncio.sleep(0.02)
            proxy.black_hole(False)
            await bench.gaps.get()
            await bench.say("after")
            assert await bench.hear() == "after"

    asyncio.run(run())


def test_a_gap_in_its_own_numbers_is_told(redis_url: str) -> None:
    async def run() -> None:
        async with subscribed(redis_url, interval=3600.0) as bench:
            channel = bench.names.node_channel + "a"
            while bench.subscription._heard < 1:
                await asyncio.sleep(0.01)
            for number in (2, 3):
                await bench.redis.publish(channel, watch_payload(number))
            await bench.say("x")
            await bench.hear()
            assert bench.gaps.empty()
            await bench.redis.publish(channel, watch_payload(5))
            await bench.gaps.get()

    asyncio.run(run())


def test_one_message_that_cannot_be_read_does_not_end_it(redis_url: str, caplog: pytest.LogCaptureFixture) -> None:
    async def run() -> None:
        async with subscribed(redis_url) as bench:
            for payload in ("", "p", "cx\nno reason", "g", "w", "z\n"):
                await bench.redis.publish(bench.names.everybody, payload)
            await bench.say("good")
            assert await bench.hear() == "good"
            assert bench.gaps.empty()

    asyncio.run(run())
    assert caplog.text.count("cannot be delivered") == 6


def test_it_outlives_redis(tmp_path: Path) -> None:
    async def run() -> None:
        async with redis_process(tmp_path) as process, subscribed(process.url) as bench:
            await process.kill()
            while bench.subscription.alive:
                await asyncio.sleep(0.02)
            await process.restart()
            await bench.gaps.get()
            async with process.client() as redis:
                await redis.publish(bench.names.everybody, "cs1\nkicked")
            assert await bench.hear() == "s1"

    asyncio.run(run())


def test_without_redis_there_is_none(tmp_path: Path) -> None:
    async def run() -> None:
        async with redis_process(tmp_path) as process:
            await process.kill()
            with pytest.raises(StoreUnavailableError, match="no subscription"):
                async with subscribed(process.url):
                    pass

    asyncio.run(run())


def test_a_frozen_redis_and_the_numbers_after_it(tmp_path: Path) -> None:
    """Whether the connection survives or not, messages come again afterwards."""

    async def run() -> None:
        async with redis_process(tmp_path) as process, nodes(process.url, patience=0.1) as start:
            node = await start("a")
            process.freeze()
            while node.engine.describe()["healthy"]:
                await asyncio.sleep(0.02)
            process.thaw()
            while not node.engine.describe()["healthy"]:
                await asyncio.sleep(0.02)

    asyncio.run(run())
