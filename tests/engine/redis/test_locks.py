"""Locks of several nodes: who gets them, and how long they are kept."""

import asyncio
from pathlib import Path

import pytest

from msanic_core.engine.redis import locks
from msanic_core.engine.redis.redis_engine import RedisEngine
from tests.support.locks import KEY, LONG, Bench, hold_once, on_redis


def pause_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """A task that waits for a lock does not ask again by itself."""
    monkeypatch.setattr(locks, "_SHORTEST_PAUSE", LONG)
    monkeypatch.setattr(locks, "_LONGEST_PAUSE", LONG)


def test_no_update_is_lost_between_nodes(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        engines = [await bench.engine(), await bench.engine()]

        async def add(engine: RedisEngine) -> None:
            async with engine.lock("x", None):
                count = int(await bench.redis.get("count") or 0)
                await asyncio.sleep(0)
                await bench.redis.set("count", count + 1)

        await asyncio.gather(*(add(engines[number % 2]) for number in range(20)))
        assert await bench.redis.get("count") == b"20"
        # Nothing is left but the fence, from which the next one counts on.
        assert await bench.redis.keys(f"{KEY}*") == [f"{KEY}:fence".encode()]

    on_redis(tmp_path, test)


def test_another_node_is_told_of_the_release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pause_for_long(monkeypatch)

    async def test(bench: Bench) -> None:
        one, other = await bench.engine(), await bench.engine()
        async with one.lock("x", None) as held:
            waiting = asyncio.create_task(hold_once(other))
            await bench.waits(other, waiting)
        assert await waiting > held.fence

    on_redis(tmp_path, test)


def test_nodes_take_turns(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        one, other = await bench.engine(), await bench.engine()
        order: list[str] = []

        async def take(name: str, engine: RedisEngine) -> None:
            async with engine.lock("x", None):
                order.append(name)

        async with one.lock("x", None):
            second = asyncio.create_task(take("one, second", one))
            third = asyncio.create_task(take("one, third", one))
            await bench.waits(one, second)
            first = asyncio.create_task(take("other, first", other))
            await bench.waits(other, first)
        await asyncio.gather(first, second, third)
        assert order == ["one, second", "other, first", "one, third"]

    on_redis(tmp_path, test)


def test_a_waiting_node_comes_before_the_node_that_has_released_it(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        one, other = await bench.engine(), await bench.engine()
        async with one.lock("x", None):
            waiting = asyncio.create_task(hold_once(other))
            await bench.waits(other, waiting)
        with pytest.raises(TimeoutError):
            async with one.lock("x", 0):
                raise AssertionError("it was the other's turn")
        await waiting

    on_redis(tmp_path, test)


@pytest.mark.parametrize("when", ["before", "as it is told"])
def test_a_node_whose_waiter_has_given_up_passes_its_turn_on(
    tmp_path: Path, when: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pause_for_long(monkeypatch)

    async def test(bench: Bench) -> None:
        one, other, third = [await bench.engine() for _ in range(3)]
        tell = other._locks.released

        def tell_and_cancel(name: str) -> None:
            tell(name)
            gives_up.cancel()

        async with one.lock("x", None):
            gives_up = asyncio.create_task(hold_once(other))
            await bench.waits(other, gives_up)
            waiting = asyncio.create_task(hold_once(third))
            await bench.waits(third, waiting)
            if when == "before":
                gives_up.cancel()
                await asyncio.wait({gives_up})
            else:
                monkeypatch.setattr(other._locks, "released", tell_and_cancel)
        # Otherwise this node would get the lock only after the turn of the other node has run out.
        await waiting
        assert gives_up.cancelled()

    on_redis(tmp_path, test)


def test_a_node_that_misses_the_release_asks_again(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        one, other = await bench.engine(), await bench.engine()
        async with one.lock("x", None):
            waiting = asyncio.create_task(hold_once(other))
            await bench.waits(other, waiting)
            await bench.redis.delete(f"{KEY}:waiting")
        await waiting

    on_redis(tmp_path, test)


def test_it_is_kept_for_longer_than_the_lease(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        one, other = await bench.engine(lease=0.5), await bench.engine()
        async with one.lock("x", None):
            with pytest.raises(TimeoutError):
                async with other.lock("x", 1.5):
                    raise AssertionError("two hold it")

    on_redis(tmp_path, test)


def test_the_fence_rises_when_redis_has_forgotten_it(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        one, other = await bench.engine(), await bench.engine()
        first = await hold_once(one)
        second = await hold_once(other)
        await bench.redis.flushall()
        third = await hold_once(one)
        # The clock of another server may be slow.
        await bench.redis.set(f"{KEY}:fence", third + 10**9)
        fourth = await hold_once(other)
        assert first < second < third < fourth == third + 10**9 + 1

    on_redis(tmp_path, test)
