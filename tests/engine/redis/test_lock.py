"""What only several nodes, and a Redis that fails, show of locks."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from msanic_core.engine.base import InboxLimits
from msanic_core.engine.redis import lock, scripts
from msanic_core.engine.redis.engine import RedisEngine, RedisOptions
from msanic_core.errors import LockLostError, StoreUnavailableError
from msanic_core.testing import RedisProcess, redis_process

BOUND = 20.0
"""Seconds that anything may take which is expected to happen."""

LIMITS = InboxLimits(10, 10_000, 60.0)
LONG = 60.0
"""Seconds of a lease that does not run out within a test."""

KEY = "msanic:{lock:x}"


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


def pause_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who waits for a lock does not ask again by itself."""
    monkeypatch.setattr(lock, "_SHORTEST_PAUSE", LONG)
    monkeypatch.setattr(lock, "_LONGEST_PAUSE", LONG)


async def hold_once(engine: RedisEngine) -> int:
    async with engine.lock("x", None) as held:
        return held.fence


async def lose(engine: RedisEngine, held: asyncio.Event) -> LockLostError:
    """Hold the lock until it is lost; whoever does so is cancelled, and nothing of that is left."""
    cancelled = False
    with pytest.raises(LockLostError, match="lock 'x' was lost") as raised:
        async with engine.lock("x", None):
            held.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                cancelled = True
                raise
    assert cancelled
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0
    await asyncio.sleep(0)
    return raised.value


async def losing(engine: RedisEngine) -> "asyncio.Task[LockLostError]":
    held = asyncio.Event()
    task = asyncio.create_task(lose(engine, held))
    await held.wait()
    return task


# Several nodes


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
        # The next fence counts on from this one; nothing else is left.
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


def test_who_releases_it_cannot_have_it_again_before_another_node_that_waits(tmp_path: Path) -> None:
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
        # Otherwise it would be told only when the turn of the other had run out, and it asked again.
        await waiting
        assert gives_up.cancelled()

    on_redis(tmp_path, test)


def test_who_was_not_told_asks_again(tmp_path: Path) -> None:
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
        # The clock of another server may go after.
        await bench.redis.set(f"{KEY}:fence", third + 10**9)
        fourth = await hold_once(other)
        assert first < second < third < fourth == third + 10**9 + 1

    on_redis(tmp_path, test)


# A holder that loses it


def test_a_key_that_is_gone_is_a_lock_that_is_lost(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        one, other = await bench.engine(lease=1.0), await bench.engine()
        task = await losing(one)
        await bench.redis.delete(KEY)
        async with other.lock("x", None):
            assert "Redis no longer has it" in str(await task)
            # The old holder's release is not this one's.
            await one.online("ada")
            with pytest.raises(TimeoutError):
                async with one.lock("x", 0):
                    raise AssertionError("two hold it")

    on_redis(tmp_path, test)


def test_a_redis_that_is_silent_for_longer_than_the_lease_has_lost_it(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        one = await bench.engine(lease=0.6, timeout=0.2, patience=0.3)
        task = await losing(one)
        with bench.frozen():
            assert "has not confirmed it for 0.6 s" in str(await task)
        other = await bench.engine()
        await hold_once(other)

    on_redis(tmp_path, test)


def test_a_redis_that_is_silent_for_less_has_not(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        one = await bench.engine(lease=2.0, timeout=0.1, patience=0.2)
        async with one.lock("x", None):
            with bench.frozen():
                while "Redis is away" not in one.describe().get("problem", ""):
                    await asyncio.sleep(0.01)
            expires = await bench.redis.pexpiretime(KEY)
            while await bench.redis.pexpiretime(KEY) == expires:
                await asyncio.sleep(0.01)

    on_redis(tmp_path, test)


HOLDS = """
import asyncio, sys
from msanic_core.engine.redis.engine import RedisEngine, RedisOptions
from msanic_core.errors import LockLostError
from tests.engine.redis.test_lock import LIMITS, Nobody

async def main():
    engine = RedisEngine(RedisOptions(sys.argv[1], lease=float(sys.argv[2])), LIMITS)
    await engine.start("a process", Nobody(), [])
    try:
        async with engine.lock("x", None):
            print("held", flush=True)
            await asyncio.Event().wait()
    except LockLostError as error:
        print("lost", flush=True)
    await engine.stop()

asyncio.run(main())
"""


@asynccontextmanager
async def process_that_holds(url: str, lease: float) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", HOLDS, url, str(lease), stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    try:
        assert process.stdout is not None
        assert await process.stdout.readline() == b"held\n"
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def test_a_process_that_is_killed_loses_it_after_the_lease(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        other = await bench.engine()
        async with process_that_holds(bench.process.url, 1.0) as process:
            process.kill()
            await process.wait()
            with pytest.raises(TimeoutError):
                async with other.lock("x", 0):
                    raise AssertionError("two hold it")
            await hold_once(other)

    on_redis(tmp_path, test)


def test_a_process_that_was_frozen_for_too_long_learns_that_it_has_lost_it(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        other = await bench.engine()
        async with process_that_holds(bench.process.url, 1.0) as process:
            process.send_signal(signal.SIGSTOP)
            async with other.lock("x", None):
                process.send_signal(signal.SIGCONT)
                assert process.stdout is not None
                assert await process.stdout.readline() == b"lost\n"
                assert await process.wait() == 0
                # What it did on its way out took nothing from the new holder.
                assert await bench.redis.exists(KEY)

    on_redis(tmp_path, test)


# When Redis is away


def test_taking_it_fails_when_redis_is_away(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        one = await bench.engine(lease=1.0, timeout=0.1, patience=0.3)
        with bench.frozen():
            with pytest.raises(StoreUnavailableError):
                await hold_once(one)
            with pytest.raises(StoreUnavailableError):
                async with one.lock("x", 0):
                    raise AssertionError("there is no Redis")
        # What it asked for and did not wait for ends by itself.
        await hold_once(await bench.engine())

    on_redis(tmp_path, test)


def test_the_time_to_wait_counts_when_redis_is_away(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        one = await bench.engine(lease=1.0)
        with bench.frozen(), pytest.raises(TimeoutError):
            async with one.lock("x", 0.1):
                raise AssertionError("there is no Redis")
        await hold_once(await bench.engine())

    on_redis(tmp_path, test)


def test_who_is_cancelled_while_redis_is_silent_leaves_nothing_behind(tmp_path: Path) -> None:
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


# The scripts, each made twice


def test_every_script_may_be_repeated(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        keys = [KEY, f"{KEY}:fence", f"{KEY}:waiting"]

        async def take(token: str) -> list[Any]:
            answer: list[Any] = await bench.redis.eval(scripts.LOCK.text, 3, *keys, token, 5000, "node-0", 0)
            return answer

        async def renew(token: str, milliseconds: int) -> Any:
            return await bench.redis.eval(scripts.RENEW.text, 1, KEY, token, milliseconds)

        async def release(token: str) -> Any:
            return await bench.redis.eval(scripts.UNLOCK.text, 2, KEY, keys[2], token, "channel:", "x")

        first = await take("mine")
        await bench.redis.pexpire(KEY, 1000)
        assert await take("mine") == first
        assert await bench.redis.pttl(KEY) > 1000
        refused, left = await take("theirs")
        assert refused == b"0"
        assert 1000 < left <= 5000
        assert [await renew("mine", 9000), await renew("mine", 9000), await renew("theirs", 1)] == [1, 1, 0]
        assert await bench.redis.pttl(KEY) > 5000
        assert [await release("theirs"), await release("mine"), await release("mine")] == [0, 1, 0]
        assert await renew("mine", 9000) == 0
        assert int((await take("theirs"))[0]) > int(first[0])

    on_redis(tmp_path, test)
