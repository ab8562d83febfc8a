"""Calls while Redis is away or refuses."""

import asyncio
from pathlib import Path

import pytest

from msanic_core.engine.redis.pipeline import Pipeline
from msanic_core.engine.redis.scripts import Script
from msanic_core.errors import StoreUnavailableError
from tests.support.pipelines import COUNT, PATIENCE, started


async def until_away(pipeline: Pipeline) -> None:
    """Make a call that may fail, so that the pipeline notices that Redis is away."""
    with pytest.raises(StoreUnavailableError):
        await pipeline.command("PING", repeat=False)
    assert pipeline.away


def test_the_order_is_kept_when_redis_comes_back_without_scripts(tmp_path: Path) -> None:
    append = Script("append", "return redis.call('APPEND', KEYS[1], ARGV[1])", "1" * 40)

    async def run() -> None:
        async with started(tmp_path, patience=30) as bench:
            await bench.pipeline.run(append, ["log"], "a")
            await bench.redis.kill()
            calls = [
                asyncio.create_task(call)
                for call in (
                    bench.pipeline.run(append, ["log"], "b"),
                    bench.pipeline.command("APPEND", "log", "c"),
                    bench.pipeline.run(append, ["log"], "d"),
                )
            ]
            await until_away(bench.pipeline)
            await bench.redis.restart()
            assert await asyncio.gather(*calls) == [2, 3, 4]
            assert await bench.pipeline.command("GET", "log") == b"abcd"

    asyncio.run(run())


def test_calls_wait_for_redis_to_come_back(tmp_path: Path) -> None:
    async def run() -> None:
        async with started(tmp_path, patience=30) as bench:
            await bench.redis.kill()
            calls = [asyncio.create_task(bench.pipeline.command("APPEND", "log", str(number))) for number in range(5)]
            await until_away(bench.pipeline)
            await bench.redis.restart()
            assert await asyncio.gather(*calls) == [1, 2, 3, 4, 5]
            assert await bench.pipeline.command("GET", "log") == b"01234"
            assert bench.returns.qsize() == 1
            assert not bench.pipeline.away

    asyncio.run(run())


def test_redis_killed_in_the_middle_of_many_calls(tmp_path: Path) -> None:
    """Every call gets an answer, and is made at least once."""

    async def run() -> None:
        async with started(tmp_path, patience=30) as bench:

            async def work(worker: int) -> None:
                for number in range(50):
                    await bench.pipeline.command("SADD", "done", f"{worker}:{number}")

            workers = [asyncio.create_task(work(worker)) for worker in range(20)]
            for size in (100, 300):
                while await bench.pipeline.command("SCARD", "done") < size:
                    pass
                await bench.redis.restart()
            await asyncio.gather(*workers)
            assert await bench.pipeline.command("SCARD", "done") == 1000

    asyncio.run(run())


def test_it_notices_by_itself_that_redis_is_back(tmp_path: Path) -> None:
    """Also when every call has failed at once for a long time."""

    async def run() -> None:
        async with started(tmp_path, patience=0.1) as bench:
            await bench.redis.kill()
            await until_away(bench.pipeline)
            with pytest.raises(StoreUnavailableError):
                await bench.pipeline.command("PING")
            with pytest.raises(StoreUnavailableError, match="away"):
                await bench.pipeline.command("PING")
            await bench.redis.restart()
            await bench.returns.get()
            assert await bench.pipeline.command("PING") in (True, b"PONG")

    asyncio.run(run())


@pytest.mark.parametrize("how", ["killed", "frozen"])
def test_calls_fail_once_their_time_is_up_and_those_that_wait_do_not(tmp_path: Path, how: str) -> None:
    async def run() -> None:
        async with started(tmp_path) as bench:
            loop = asyncio.get_running_loop()
            if how == "killed":
                await bench.redis.kill()
            else:
                bench.redis.freeze()
            waiting = asyncio.create_task(bench.pipeline.command("INCR", "x", wait=True))
            began = loop.time()
            with pytest.raises(StoreUnavailableError, match="away"):
                await bench.pipeline.command("PING")
            assert loop.time() - began >= PATIENCE
            # Later calls do not wait for as long again.
            began = loop.time()
            with pytest.raises(StoreUnavailableError, match="away"):
                await bench.pipeline.command("PING")
            assert loop.time() - began < PATIENCE
            assert not waiting.done()
            if how == "killed":
                await bench.redis.restart()
            else:
                bench.redis.thaw()
            assert await waiting >= 1
            await bench.returns.get()

    asyncio.run(run())


def test_what_must_not_be_made_twice_is_made_once_at_most(tmp_path: Path) -> None:
    async def run() -> None:
        async with started(tmp_path) as bench:
            await bench.pipeline.command("PING")
            bench.redis.freeze()
            with pytest.raises(StoreUnavailableError, match="no answer"):
                await bench.pipeline.command("INCR", "x", repeat=False)
            with pytest.raises(StoreUnavailableError, match="away"):
                await bench.pipeline.command("INCR", "y", repeat=False)
            bench.redis.thaw()
            await bench.returns.get()
            # The first was sent before the pipeline knew that Redis is away.
            assert await bench.pipeline.command("GET", "x") == b"1"
            assert await bench.pipeline.command("GET", "y") is None

    asyncio.run(run())


def test_a_call_that_nobody_waits_for_any_more_is_not_made(tmp_path: Path) -> None:
    async def run() -> None:
        async with started(tmp_path, patience=30) as bench:
            await bench.redis.kill()
            call = asyncio.create_task(bench.pipeline.command("INCR", "x", wait=True))
            await until_away(bench.pipeline)
            call.cancel()
            await bench.redis.restart()
            await bench.returns.get()
            assert await bench.pipeline.command("GET", "x") is None

    asyncio.run(run())


FULL = ("maxmemory 1", "maxmemory-policy noeviction")


def test_a_full_redis_refuses_at_once_but_not_those_that_wait(tmp_path: Path) -> None:
    async def run() -> None:
        async with started(tmp_path, *FULL) as bench:
            for call in (bench.pipeline.command("SET", "x", 1), bench.pipeline.run(COUNT, ["x"], 1)):
                with pytest.raises(StoreUnavailableError, match="maxmemory"):
                    await call
            assert not bench.pipeline.away
            waiting = [bench.pipeline.run(COUNT, ["x"], 1, wait=True), bench.pipeline.command("INCR", "y", wait=True)]
            tasks = [asyncio.create_task(each) for each in waiting]
            await asyncio.wait(tasks, timeout=0.2)
            assert not any(task.done() for task in tasks)
            assert "maxmemory" in bench.pipeline.away
            await bench.redis.execute("CONFIG", "SET", "maxmemory", 0)
            assert await asyncio.gather(*tasks) == [1, 1]

    asyncio.run(run())


def test_a_replica_that_takes_no_writes_is_as_good_as_away(tmp_path: Path) -> None:
    async def run() -> None:
        async with started(tmp_path, patience=30) as bench:
            await bench.redis.execute("REPLICAOF", "127.0.0.1", 1)
            calls = [
                asyncio.create_task(call)
                for call in (bench.pipeline.command("INCR", "x"), bench.pipeline.run(COUNT, ["x"], 1))
            ]
            await asyncio.wait(calls, timeout=0.2)
            assert bench.pipeline.away
            await bench.redis.execute("REPLICAOF", "NO", "ONE")
            assert await asyncio.gather(*calls) == [1, 2]

    asyncio.run(run())
