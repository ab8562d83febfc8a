"""A pipeline to a Redis of its own."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from msanic_core.engine.redis.pipeline import Pipeline
from msanic_core.engine.redis.scripts import Script
from msanic_core.engine.redis.topology import open_store
from msanic_core.testing import RedisProcess, redis_process

COUNT = Script("count", "return redis.call('INCRBY', KEYS[1], ARGV[1])", "0" * 40)
"""A script that no server has in its cache: its text must be sent."""
TIMEOUT = 0.3
PATIENCE = 0.6


class Bench:
    def __init__(self, redis: RedisProcess, pipeline: Pipeline, returns: asyncio.Queue[None]) -> None:
        self.redis = redis
        self.pipeline = pipeline
        self.returns = returns
        """Gets one entry each time Redis is back."""


@asynccontextmanager
async def started(directory: Path, *configuration: str, patience: float = PATIENCE) -> AsyncIterator[Bench]:
    async with redis_process(directory, append_only=True, configuration=configuration) as redis:
        store = open_store(redis.url, TIMEOUT)
        returns: asyncio.Queue[None] = asyncio.Queue()
        pipeline = Pipeline(store, TIMEOUT, patience, lambda: returns.put_nowait(None))
        try:
            yield Bench(redis, pipeline, returns)
        finally:
            await pipeline.close()
            await store.close()
