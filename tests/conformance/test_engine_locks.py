"""Locks: one task at a time."""

import asyncio
from typing import Any

import pytest

from tests.support.engines import Start

SHORT = 0.05
"""Seconds to wait for a lock that will not be free."""


class Holder:
    """A task that takes a lock and holds it until it is told to let go."""

    def __init__(self, engine: Any, name: str = "x") -> None:
        self.has_it = asyncio.Event()
        self.let_go = asyncio.Event()
        self.fence = 0
        self.task = asyncio.create_task(self._hold(engine, name))

    async def _hold(self, engine: Any, name: str) -> None:
        async with engine.lock(name, None) as lock:
            self.fence = lock.fence
            self.has_it.set()
            await self.let_go.wait()

    async def end(self) -> None:
        self.let_go.set()
        await self.task


async def holding(engine: Any, name: str = "x") -> Holder:
    holder = Holder(engine, name)
    await holder.has_it.wait()
    return holder


async def refused(engine: Any, wait: float = 0, name: str = "x") -> None:
    with pytest.raises(TimeoutError, match=f"lock '{name}' was not free within {wait:g} s"):
        async with engine.lock(name, wait):
            raise AssertionError("it was free")


def test_one_task_at_a_time_holds_it(start: Start) -> None:
    async def run() -> None:
        engine = (await start()).engine
        count = 0

        async def add() -> None:
            nonlocal count
            async with engine.lock("x", None):
                before = count
                await asyncio.sleep(0)
                await engine.online("ada")
                count = before + 1

        await asyncio.gather(*(add() for _ in range(20)))
        assert count == 20

    start.run(run())


def test_first_come_first_served(start: Start) -> None:
    async def run() -> None:
        engine = (await start()).engine
        first = await holding(engine)
        order: list[int] = []

        async def take(number: int) -> None:
            async with engine.lock("x", None):
                order.append(number)

        tasks = [asyncio.create_task(take(number)) for number in range(10)]
        await refused(engine, SHORT)
        await first.end()
        await asyncio.gather(*tasks)
        assert order == list(range(10))

    start.run(run())


def test_locks_of_other_names_are_other_locks(start: Start) -> None:
    async def run() -> None:
        engine = (await start()).engine
        holder = await holding(engine, "x")
        for name in ("y", "X", "x:fence", "x}", "{x}", "ä", "*"):
            async with engine.lock(name, 0) as lock:
                assert lock.name == name
        await refused(engine)
        await holder.end()

    start.run(run())


def test_a_task_that_waits_long_enough_gets_an_error(start: Start) -> None:
    async def run() -> None:
        engine = (await start()).engine
        holder = await holding(engine)
        await refused(engine, SHORT)
        await refused(engine, 0)
        await asyncio.gather(refused(engine, SHORT), refused(engine, 0), refused(engine, SHORT / 2))
        waiting = Holder(engine)
        await refused(engine, SHORT)
        await refused(engine, 0)
        await holder.end()
        await waiting.end()
        async with engine.lock("x", 0):
            await refused(engine, 0)

    start.run(run())


def test_it_is_released_however_the_block_ends(start: Start) -> None:
    async def run() -> None:
        engine = (await start()).engine
        error = LookupError("of the block itself")
        with pytest.raises(LookupError) as raised:
            async with engine.lock("x", 0):
                raise error
        assert raised.value is error

        holder = await holding(engine)
        holder.task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await holder.task
        async with engine.lock("x", 0):
            pass

    start.run(run())


def test_a_task_that_is_cancelled_while_it_waits_leaves_nothing_behind(start: Start) -> None:
    async def run() -> None:
        engine = (await start()).engine
        first = await holding(engine)
        waiting = [Holder(engine) for _ in range(4)]
        await refused(engine, SHORT)
        for each in (waiting[0], waiting[2]):
            each.task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await each.task
        await first.end()
        await waiting[1].has_it.wait()
        assert not waiting[3].has_it.is_set()
        await waiting[1].end()
        await waiting[3].end()
        async with engine.lock("x", 0):
            pass

    start.run(run())


def test_a_task_that_is_cancelled_at_any_moment_leaves_nothing_behind(start: Start) -> None:
    async def run() -> None:
        engine = (await start()).engine
        for turns in range(12):
            holder = Holder(engine)
            for _ in range(turns):
                await asyncio.sleep(0)
            holder.task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await holder.task
            async with engine.lock("x", 0):
                pass

    start.run(run())


def test_the_fence_rises_with_every_holder(start: Start) -> None:
    async def run() -> None:
        engine = (await start()).engine
        fences = []
        for _ in range(20):
            async with engine.lock("x", 0) as lock:
                fences.append(lock.fence)
        assert fences == sorted(set(fences))
        assert fences[0] > 0

    start.run(run())


def test_nothing_happens_before_the_block(start: Start) -> None:
    async def run() -> None:
        engine = (await start()).engine
        unused = engine.lock("x", 0)
        async with engine.lock("x", 0):
            pass
        async with unused:
            await refused(engine, 0)

    start.run(run())
