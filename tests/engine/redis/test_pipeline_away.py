"""Calls while Redis is away, and afterwards."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable

import pytest
from redis.asyncio import Redis

from msanic_core.engine.redis.pipeline import Pipeline
from msanic_core.engine.redis.topology import open_store
from msanic_core.errors import StoreUnavailableError

BOUND = 20.0
"""Seconds that anything may take which is expected to happen."""


def on_redis(url: str, test: Callable[[int], Awaitable[None]]) -> None:
    """Run a test that gets the id of Redis's process, to freeze it."""

    async def run() -> None:
        async with Redis.from_url(url) as redis:
            pid = (await redis.info("server"))["process_id"]
        try:
            async with asyncio.timeout(BOUND):
                await test(pid)
        finally:
            os.kill(pid, signal.SIGCONT)

    asyncio.run(run())


def test_it_finds_out_by_itself_that_redis_is_back(redis_url: str) -> None:
    async def test(pid: int) -> None:
        store, returned = open_store(redis_url, 0.1), asyncio.Event()
        pipeline = Pipeline(store, 0.1, 0.1, returned.set)
        os.kill(pid, signal.SIGSTOP)
        # Until calls are refused unmade: then there is none that would find out.
        while pipeline._calls or not pipeline.away:
            with pytest.raises(StoreUnavailableError):
                await pipeline.command("GET", "x")
        os.kill(pid, signal.SIGCONT)
        await returned.wait()
        assert await pipeline.command("GET", "x") is None
        await pipeline.close()
        await store.close()

    on_redis(redis_url, test)


def test_what_is_under_way_when_it_closes_gets_an_error(redis_url: str) -> None:
    async def test(pid: int) -> None:
        store = open_store(redis_url, 60.0)
        pipeline = Pipeline(store, 60.0, 60.0, lambda: None)
        await pipeline.command("GET", "x")
        os.kill(pid, signal.SIGSTOP)
        call = asyncio.create_task(pipeline.command("GET", "x"))
        while not (pipeline._under_way and not pipeline._under_way[0].answer.done()):
            await asyncio.sleep(0)
        await pipeline.close()
        with pytest.raises(StoreUnavailableError, match="the server stops"):
            await call
        await store.close()

    on_redis(redis_url, test)
