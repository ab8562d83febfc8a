"""The engines that the conformance suite runs against, each with the means to start one."""

import asyncio
import itertools
import uuid
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import pytest

from msanic_core.codes import OfflineReason
from msanic_core.engine.base import Engine, InboxLimits, OfflineJob, SessionInfo
from msanic_core.engine.memory import MemoryEngine
from msanic_core.engine.redis.engine import RedisEngine, RedisOptions
from msanic_core.wire import Push

NODE = "node-1"
SETTLED = "conformance.settled"


class Clock:
    """The time of an engine under test, in seconds."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


class Node:
    """A node without sockets: it writes down what the engine delivers, and knows which sessions it has."""

    def __init__(self) -> None:
        self.online: dict[str, SessionInfo] = {}
        self.to_users: list[tuple[str, Push]] = []
        self.to_groups: list[tuple[str | None, Push]] = []
        self.closed: list[tuple[str, OfflineReason]] = []
        self.behind: list[tuple[str, int]] = []
        self.adopted: list[OfflineJob] = []
        self.fenced = 0
        self.settled: dict[int, asyncio.Event] = {}

    def to_user(self, user: str, push: Push) -> int:
        self.to_users.append((user, push))
        return sum(session.user == user for session in self.online.values())

    def to_group(self, group: str | None, push: Push) -> int:
        if push.cmd == SETTLED:
            self.settled[push.data].set()
        else:
            self.to_groups.append((group, push))
        return len(self.online)

    def close(self, session_id: str, reason: OfflineReason) -> bool:
        if self.online.pop(session_id, None) is None:
            return False
        self.closed.append((session_id, reason))
        return True

    def sessions(self) -> Sequence[SessionInfo]:
        return list(self.online.values())

    def catch_up(self, session_id: str, last_id: int) -> None:
        self.behind.append((session_id, last_id))

    def adopt(self, job: OfflineJob) -> None:
        self.adopted.append(job)

    def fence(self) -> None:
        self.online.clear()
        self.fenced += 1


class Bench:
    """A started engine with its node and its clock."""

    _numbers = itertools.count()

    def __init__(self, engine: Engine, node: Node, clock: Clock) -> None:
        self.engine = engine
        self.node = node
        self.clock = clock

    async def settle(self) -> None:
        """Wait until the node has got everything that was sent before."""
        number = next(self._numbers)
        self.node.settled[number] = asyncio.Event()
        await self.engine.broadcast(None, Push(SETTLED, number))
        await self.node.settled[number].wait()


Make = Callable[[InboxLimits, Clock], Engine]


class Starter:
    """What a test gets as `start`."""

    def __init__(self, make: Make) -> None:
        self._make = make
        self._benches: list[Bench] = []

    async def __call__(self, **limits: Any) -> Bench:
        """Start an engine; by default its inboxes hold 10 messages, 10,000 bytes, 60 seconds."""
        bounds = {"max_messages": 10, "max_bytes": 10_000, "max_age": 60.0, **limits}
        clock, node = Clock(), Node()
        engine = self._make(InboxLimits(**bounds), clock)
        bench = Bench(engine, node, clock)
        await engine.start(NODE, node, ["chat"])
        self._benches.append(bench)
        return bench

    def run(self, test: Coroutine[Any, Any, None]) -> None:
        """Run a test to its end, then stop what it has started."""

        async def run() -> None:
            try:
                await test
            finally:
                for bench in self._benches:
                    await bench.engine.stop()

        asyncio.run(run())


def memory(_: pytest.FixtureRequest) -> Make:
    return MemoryEngine


def redis(request: pytest.FixtureRequest) -> Make:
    url: str = request.getfixturevalue("redis_url")
    # Every test has a prefix of its own: what others left does not matter.
    options = RedisOptions(url, prefix=uuid.uuid4().hex)
    return lambda limits, clock: RedisEngine(options, limits, clock)


@pytest.fixture(params=[memory, redis], ids=lambda make: make.__name__)
def start(request: pytest.FixtureRequest) -> Starter:
    return Starter(request.param(request))
