"""The parts of the Redis engine for its tests, made as the engine makes them."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from redis.asyncio import Redis

from msanic_core.engine.base import InboxLimits
from msanic_core.engine.redis.groups import Groups
from msanic_core.engine.redis.inboxes import Inboxes
from msanic_core.engine.redis.lease import Lease
from msanic_core.engine.redis.names import Names
from msanic_core.engine.redis.pipeline import Pipeline
from msanic_core.engine.redis.redis_engine import RedisEngine, RedisOptions
from msanic_core.engine.redis.sessions import Sessions
from msanic_core.engine.redis.topology import Store, open_store
from tests.support.engines import MULTI, SINGLE, info
from tests.support.nodes import Node

LIMITS = InboxLimits(max_messages=1000, max_bytes=1_000_000, max_age=3600.0)
TIMEOUT = 0.5


class Parts:
    """One node's way to Redis, its lease (which beats when it is told to), its sessions, groups and inboxes."""

    def __init__(self, url: str, node: str, lease: float, patience: float) -> None:
        self.node = node
        self.store: Store = open_store(url, TIMEOUT)
        self.names = Names("test", self.store.database)
        self.pipeline = Pipeline(self.store, TIMEOUT, patience, lambda: None)
        self.dead: list[str] = []
        self.condemned: list[str] = []
        self.new_stores = 0
        self.lease = Lease(
            node,
            self.names,
            self.pipeline,
            lease,
            self.dead.append,
            self._on_condemned,
            self._on_new_store,
            lambda: self.sessions.count,
        )
        self.groups = Groups(self.names, self.pipeline, self.lease)
        self.sessions = Sessions(self.names, self.pipeline, self.lease, self.groups, LIMITS.max_age, time.time)
        self.inboxes = Inboxes(self.names, self.pipeline, LIMITS, node, time.time)

    def _on_condemned(self, owner: str) -> None:
        self.condemned.append(owner)
        self.sessions.abandon()

    def _on_new_store(self) -> None:
        self.new_stores += 1

    async def until_dead(self, *owners: str) -> None:
        """Beat until these owners are condemned by this node."""
        while not set(owners) <= set(self.dead):
            await self.lease.beat()
            await asyncio.sleep(0.02)

    async def close(self) -> None:
        await self.sessions.stop()
        await self.pipeline.close()
        await self.store.close()


Make = Callable[..., Parts]


@asynccontextmanager
async def parts(url: str) -> AsyncIterator[Make]:
    """A function that makes the parts of a node: `make("a", lease=0.3, patience=5)`."""
    made: list[Parts] = []

    def make(node: str, lease: float = 5.0, patience: float = 5.0) -> Parts:
        made.append(Parts(url, node, lease, patience))
        return made[-1]

    try:
        yield make
    finally:
        for each in made:
            await each.close()


@asynccontextmanager
async def client(url: str) -> AsyncIterator[Any]:
    """A plain client, to see and do what others would."""
    async with Redis.from_url(url, decode_responses=True, protocol=2) as redis:
        yield redis


class RedisNode(Node):
    """A node without sockets that has an engine of its own."""

    def __init__(self, name: str, options: RedisOptions, limits: InboxLimits) -> None:
        super().__init__()
        self.name = name
        self.engine = RedisEngine(options, limits)

    async def start(self, plugins: list[str]) -> None:
        await self.engine.start(self.name, self, plugins)

    async def kill(self) -> None:
        """End it as a killed process ends: at once, without any message."""
        engine = self.engine
        tasks = [
            engine._recovery, engine._lease._task, engine._pipeline._task, engine._subscription._reader,
            *engine._subscription._tasks, *engine._reaper._tasks.values(), *engine._sessions._undoing,
        ]  # fmt: skip
        running: list[asyncio.Task[Any]] = [task for task in tasks if task is not None]
        for task in running:
            task.cancel()
        engine._pipeline._closed = True
        engine._pipeline._wake.set()
        await asyncio.gather(*running, return_exceptions=True)
        engine._pipeline._calls.clear()
        engine._pipeline._batch.clear()
        await engine._pipeline.close()
        await engine._store.close()


StartNode = Callable[..., Any]


@asynccontextmanager
async def nodes(url: str, **options: Any) -> AsyncIterator[StartNode]:
    """A function that starts a node: `await start("a", ["chat"])`. `options` are those of `RedisOptions`."""
    started: list[RedisNode] = []
    all_options = RedisOptions(url, **{"lease": 0.5, "timeout": TIMEOUT, "prefix": uuid.uuid4().hex, **options})

    async def start(
        name: str,
        plugins: list[str] | None = None,
        limits: InboxLimits = LIMITS,
        kind: type[RedisNode] = RedisNode,
    ) -> RedisNode:
        node = kind(name, all_options, limits)
        await node.start(["chat"] if plugins is None else plugins)
        started.append(node)
        return node

    try:
        yield start
    finally:
        for node in started:
            if not node.engine._pipeline._closed:
                await node.engine.stop()


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0.01)


async def connect(node: RedisNode, session_id: str, user: str = "ada", **fields: object) -> None:
    session = info(session_id, user, node=node.name, **fields)
    node.online[session_id] = session
    assert await node.engine.register(session, SINGLE if fields.get("opened_at") else MULTI)


def healthy(node: RedisNode) -> bool:
    return bool(node.engine.describe()["healthy"])
