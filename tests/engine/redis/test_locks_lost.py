"""Holders that lose their lock, and processes that die with it."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from msanic_core.engine.redis.redis_engine import RedisEngine
from msanic_core.errors import LockLostError
from tests.support.locks import KEY, Bench, hold_once, on_redis
from tests.support.processes import program


async def lose(engine: RedisEngine, held: asyncio.Event) -> LockLostError:
    """Hold the lock until it is lost: the task is cancelled, and no cancellation is left afterwards."""
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


def test_a_key_that_is_gone_is_a_lock_that_is_lost(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        one, other = await bench.engine(lease=1.0), await bench.engine()
        task = await losing(one)
        await bench.redis.delete(KEY)
        async with other.lock("x", None):
            assert "Redis no longer has it" in str(await task)
            # The release of the old holder does not release the lock of the new one.
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
from msanic_core.engine.redis.redis_engine import RedisEngine, RedisOptions
from msanic_core.errors import LockLostError
from tests.support.locks import LIMITS, Nobody

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
    command = (sys.executable, "-c", HOLDS, url, str(lease))
    async with program(*command, environ={"PYTHONPATH": os.pathsep.join(sys.path)}, stderr=None) as process:
        assert process.stdout is not None
        assert await process.stdout.readline() == b"held\n"
        yield process


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
                # The release of the old holder took nothing from the new one.
                assert await bench.redis.exists(KEY)

    on_redis(tmp_path, test)
