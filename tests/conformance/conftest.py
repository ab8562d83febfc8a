"""The engines that the conformance suite runs against, each with the means to start one."""

import asyncio
import itertools
import uuid
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import AsyncExitStack
from typing import Any, NamedTuple

import pytest

from msanic_core.engine.base import Engine, InboxLimits
from msanic_core.engine.memory.memory_engine import MemoryEngine
from msanic_core.engine.redis import scripts
from msanic_core.engine.redis.names import Names
from msanic_core.engine.redis.pipeline import Pipeline
from msanic_core.engine.redis.records import group_payload
from msanic_core.engine.redis.redis_call import RedisCall
from msanic_core.engine.redis.redis_engine import RedisEngine, RedisOptions
from msanic_core.testing import ClusterSetup, RedisProcess, cluster_setup
from msanic_core.wire import Push
from msanic_core.wire.packed import pack_push
from tests.support.nodes import SETTLED, Clock, Node

NODE = "node-1"


class Bench:
    """A started engine with its node and its clock."""

    _numbers = itertools.count()

    def __init__(self, engine: Engine, node: Node, clock: Clock, ways: "Sequence[Way]") -> None:
        self.engine = engine
        self.node = node
        self.clock = clock
        self._ways = ways

    async def settle(self) -> None:
        """Wait until the node has got everything that was sent before."""
        for way in self._ways:
            number = next(self._numbers)
            self.node.settled[number] = asyncio.Event()
            await way(self.engine, Push(SETTLED, number))
            await self.node.settled[number].wait()


Way = Callable[[Engine, Push], Awaitable[None]]
"""Sends a message to everybody."""


async def broadcast(engine: Engine, push: Push) -> None:
    await engine.broadcast(None, push)


class Make(NamedTuple):
    """How an engine is made, and the ways on which messages come to it. Each way keeps their order."""

    engine: Callable[[InboxLimits, Clock], Engine]
    ways: Sequence[Way] = (broadcast,)


class Starter:
    """What a test gets as `start`."""

    def __init__(self, make: Make) -> None:
        self._make = make
        self._benches: list[Bench] = []

    async def __call__(self, **limits: Any) -> Bench:
        """Start an engine; by default its inboxes hold 10 messages, 10,000 bytes, 60 seconds."""
        bounds = {"max_messages": 10, "max_bytes": 10_000, "max_age": 60.0, **limits}
        clock, node = Clock(), Node()
        engine = self._make.engine(InboxLimits(**bounds), clock)
        bench = Bench(engine, node, clock, self._make.ways)
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
    return Make(MemoryEngine)


def redis(request: pytest.FixtureRequest) -> Make:
    url: str = request.getfixturevalue("redis_url")
    # Every test has its own prefix, so keys of other tests do not matter.
    options = RedisOptions(url, prefix=uuid.uuid4().hex)
    return Make(lambda limits, clock: RedisEngine(options, limits, clock))


class ForgetfulPipeline(Pipeline):
    """Loses the first answer to each call that may be repeated, as if the connection broke just then."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._repeated: set[RedisCall] = set()

    def _settle(self, batch: list[RedisCall], answers: Sequence[Any]) -> tuple[list[RedisCall], Exception | None]:
        lost: list[RedisCall] = []
        settled: list[tuple[RedisCall, Any]] = []
        for call, answer in zip(batch, answers, strict=True):
            # kick.lua counts the sessions that it tells: a repeated call would count none.
            if call.repeat and call.script is not scripts.KICK and call not in self._repeated:
                self._repeated.add(call)
                lost.append(call)
            else:
                settled.append((call, answer))
        again, away = super()._settle([call for call, _ in settled], [answer for _, answer in settled])
        return [call for call in batch if call in lost or call in again], away


def redis_with_lost_answers(request: pytest.FixtureRequest) -> Make:
    request.getfixturevalue("monkeypatch").setattr("msanic_core.engine.redis.redis_engine.Pipeline", ForgetfulPipeline)
    return redis(request)


@pytest.fixture(scope="session")
def cluster_of_three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterSetup]:
    """One server for all tests: it takes seconds to start."""
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        setup = runner.run(stack.enter_async_context(cluster_setup(tmp_path_factory.mktemp("cluster"))))
        try:
            yield setup
        finally:
            runner.run(stack.aclose())


def cluster(request: pytest.FixtureRequest) -> Make:
    setup: ClusterSetup = request.getfixturevalue("cluster_of_three")
    options = RedisOptions(setup.url, prefix=uuid.uuid4().hex)
    everybody = Names(options.prefix, 0).everybody

    def through(master: RedisProcess) -> Way:
        async def publish(_: Engine, push: Push) -> None:
            async with master.client() as client:
                await client.publish(everybody, group_payload(None, pack_push(push)))

        return publish

    return Make(lambda limits, clock: RedisEngine(options, limits, clock), [through(node) for node in setup.nodes])


@pytest.fixture(params=[memory, redis, redis_with_lost_answers, cluster], ids=lambda make: make.__name__)
def start(request: pytest.FixtureRequest) -> Starter:
    return Starter(request.param(request))
