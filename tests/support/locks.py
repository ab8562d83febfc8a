"""Nodes on one Redis for tests of locks: engines without sessions, and a server that can be frozen."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from redis.asyncio import Redis

from msanic_core.engine.base import InboxLimits
from msanic_core.engine.redis.redis_engine import RedisEngine, RedisOptions
from msanic_core.testing import RedisProcess, redis_process

BOUND = 20.0
"""The limit in seconds for everything that a test waits for."""

LIMITS = InboxLimits(10, 10_000, 60.0)
LONG = 60.0
"""Seconds of a lease that does not run out within a test."""

KEY = "msanic:{lock:x}"
"""Who holds the lock that these tests are about."""


class Nobody:
    """A node without sessions."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return lambda *_: ()


class Bench:
    """Engines of several nodes on one Redis, and what a test does to it."""

    def __init__(self, process: RedisProcess, redis: Redis) -> None:
        self.process = process
        self.redis = redis
        self.engines: list[RedisEngine] = []

    async def engine(self, lease: float = LONG, timeout: float = 2.0, patience: float = 5.0) -> RedisEngine:
        options = RedisOptions(self.process.url, lease=lease, timeout=timeout, patience=patience)
        engine = RedisEngine(options, LIMITS)
        await engine.start(f"node-{len(self.engines)}", Nobody(), [])
        self.engines.append(engine)
        return engine

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Redis answers nothing within this block."""
        self.process.freeze()
        try:
            yield
        finally:
            self.process.thaw()

    async def waits(self, engine: RedisEngine, task: "asyncio.Task[Any]") -> None:
        """Wait until somebody on the node of an engine has been refused the lock."""
        while await self.redis.zscore(f"{KEY}:waiting", f"node-{self.engines.index(engine)}") is None:
            assert not task.done()


def on_redis(directory: Path, test: Callable[[Bench], Awaitable[None]]) -> None:
    async def run() -> None:
        async with redis_process(directory) as process, Redis.from_url(process.url) as redis:
            bench = Bench(process, redis)
            try:
                async with asyncio.timeout(BOUND):
                    await test(bench)
            finally:
                process.thaw()
                for engine in bench.engines:
                    await engine.stop()

    asyncio.run(run())


async def hold_once(engine: RedisEngine) -> int:
    async with engine.lock("x", None) as held:
        return held.fence
