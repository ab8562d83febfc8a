"""Taking and releasing locks while Redis is away."""

import asyncio
from pathlib import Path

import pytest

from msanic_core.errors import StoreUnavailableError
from tests.support.locks import Bench, hold_once, on_redis


def test_taking_it_fails_when_redis_is_away(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        one = await bench.engine(lease=1.0, timeout=0.1, patience=0.3)
        with bench.frozen():
            with pytest.raises(StoreUnavailableError):
                await hold_once(one)
            with pytest.raises(StoreUnavailableError):
                async with one.lock("x", 0):
                    raise AssertionError("there is no Redis")
        # Redis may still give the lock later; it ends by itself.
        await hold_once(await bench.engine())

    on_redis(tmp_path, test)


def test_a_lock_that_was_taken_too_long_ago_is_taken_once_more(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        lease = 0.3
        one = await bench.engine(lease=lease)
        with bench.frozen():
            taking = asyncio.create_task(hold_once(one))
            await asyncio.sleep(1.5 * lease)
        await taking

    on_redis(tmp_path, test)


def test_the_time_to_wait_counts_when_redis_is_away(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        one = await bench.engine(lease=1.0)
        with bench.frozen(), pytest.raises(TimeoutError):
            async with one.lock("x", 0.1):
                raise AssertionError("there is no Redis")
        await hold_once(await bench.engine())

    on_redis(tmp_path, test)


def test_a_task_that_is_cancelled_while_redis_is_silent_leaves_nothing_behind(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        one, other = await bench.engine(), await bench.engine()
        with bench.frozen():
            waiting = asyncio.create_task(hold_once(one))
            while not one._pipeline._batch:
                await asyncio.sleep(0)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
        await hold_once(other)

    on_redis(tmp_path, test)


def test_releasing_waits_for_nothing_and_raises_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def test(bench: Bench) -> None:
        one = await bench.engine(lease=1.0, timeout=0.1, patience=0.2)
        turns = 0

        async def count_turns() -> None:
            nonlocal turns
            while True:
                await asyncio.sleep(0)
                turns += 1

        async with one.lock("x", None):
            bench.process.freeze()
            counting = asyncio.create_task(count_turns())
            await asyncio.sleep(0)
            before = turns
        assert turns == before
        counting.cancel()
        while "lock 'x' could not be released" not in caplog.text:
            await asyncio.sleep(0.01)
        bench.process.thaw()
        await hold_once(await bench.engine())

    on_redis(tmp_path, test)
