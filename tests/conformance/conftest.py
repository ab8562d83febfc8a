"""The engines that the conformance suite runs against, each with the means to start one."""

import asyncio
import itertools
import uuid
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import pytest

from msanic_core.engine.base import Engine, InboxLimits
from msanic_core.engine.memory import MemoryEngine
from msanic_core.engine.redis import scripts
from msanic_core.engine.redis.engine import RedisEngine, RedisOptions
from msanic_core.engine.redis.pipeline import Call, Pipeline
from msanic_core.wire import Push
from tests.support.nodes import SETTLED, Clock, Node

NODE = "node-1"


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


class ForgetfulPipeline(Pipeline):
    """Loses the first answer to whatever may be made twice, as when the connection breaks just then."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._repeated: set[Call] = set()

    def _settle(self, batch: list[Call], answers: Sequence[Any]) -> tuple[list[Call], Exception | None]:
        lost: list[Call] = []
        settled: list[tuple[Call, Any]] = []
        for call, answer in zip(batch, answers, strict=True):
            # How many sessions were told to end is not known when that answer is lost.
            if call.repeat and call.script is not scripts.KICK and call not in self._repeated:
                self._repeated.add(call)
                lost.append(call)
            else:
                settled.append((call, answer))
        again, away = super()._settle([call for call, _ in settled], [answer for _, answer in settled])
        return [call for call in batch if call in lost or call in again], away


def redis_with_lost_answers(request: pytest.FixtureRequest) -> Make:
    request.getfixturevalue("monkeypatch").setattr("msanic_core.engine.redis.engine.Pipeline", ForgetfulPipeline)
    return redis(request)


@pytest.fixture(params=[memory, redis, redis_with_lost_answers], ids=lambda make: make.__name__)
def start(request: pytest.FixtureRequest) -> Starter:
    return Starter(request.param(request))
