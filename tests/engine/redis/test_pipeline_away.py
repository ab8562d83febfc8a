"""Calls while Redis is away, and afterwards."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from msanic_core.engine.redis.pipeline import Pipeline
from msanic_core.engine.redis.topology import open_store
from msanic_core.errors import StoreUnavailableError
from msanic_core.testing import RedisProcess, redis_process

BOUND = 20.0
"""Seconds that anything may take which is expected to happen."""


def on_redis(directory: Path, test: Callable[[RedisProcess], Awaitable[None]]) -> None:
    async def run() -> None:
        async with redis_process(directory) as process, asyncio.timeout(BOUND):
            await test(process)

    asyncio.run(run())


def test_it_finds_out_by_itself_that_redis_is_back(tmp_path: Path) -> None:
    async def test(process: RedisProcess) -> None:
        store, returned = open_store(process.url, 0.1), asyncio.Event()
        pipeline = Pipeline(store, 0.1, 0.1, returned.set)
        process.freeze()
        # Until calls are refused unmade: then there is none that would find out.
        while pipeline._calls or not pipeline.away:
            with pytest.raises(StoreUnavailableError):
                await pipeline.command("GET", "x")
        process.thaw()
        await returned.wait()
        assert await pipeline.command("GET", "x") is None
        await pipeline.close()
        await store.close()

    on_redis(tmp_path, test)


def test_what_is_under_way_when_it_closes_gets_an_error(tmp_path: Path) -> None:
    async def test(process: RedisProcess) -> None:
        store = open_store(process.url, 60.0)
        pipeline = Pipeline(store, 60.0, 60.0, lambda: None)
        await pipeline.command("GET", "x")
        process.freeze()
        call = asyncio.create_task(pipeline.command("GET", "x"))
        while not (pipeline._under_way and not pipeline._under_way[0].answer.done()):
            await asyncio.sleep(0)
        await pipeline.close()
        with pytest.raises(StoreUnavailableError, match="the server stops"):
            await call
        await store.close()

    on_redis(tmp_path, test)
