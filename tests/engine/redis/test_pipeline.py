"""Calls to Redis: in order, many in one round trip, and what becomes of them while Redis is away."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from msanic_core.engine.redis import scripts
from msanic_core.engine.redis.pipeline import Pipeline
from msanic_core.engine.redis.scripts import Script
from msanic_core.engine.redis.topology import open_store
from msanic_core.errors import StoreUnavailableError
from msanic_core.testing import RedisProcess, redis_process

COUNT = Script("count", "return redis.call('INCRBY', KEYS[1], ARGV[1])", "0" * 40)
"""With a name that no server knows: its text has to be sent."""
TIMEOUT = 0.3
PATIENCE = 0.6


class Bench:
    def __init__(self, redis: RedisProcess, pipeline: Pipeline, returns: asyncio.Queue[None]) -> None:
        self.redis = redis
        self.pipeline = pipeline
        self.returns = returns
        """Gets one entry each time Redis is back."""


@asynccontextmanager
async def started(directory: Path, *configuration: str, patience: float = PATIENCE) -> AsyncIterator[Bench]:
    async with redis_process(directory, append_only=True, configuration=configuration) as redis:
        store = open_store(redis.url, TIMEOUT)
        returns: asyncio.Queue[None] = asyncio.Queue()
        pipeline = Pipeline(store, TIMEOUT, patience, lambda: returns.put_nowait(None))
        try:
            yield Bench(redis, pipeline, returns)
        finally:
            await pipeline.close()
            await store.close()


async def until_away(pipeline: Pipeline) -> None:
    """Have Redis noticed to be away, by a call that may fail."""
    with pytest.raises(StoreUnavailableError):
        await pipeline.command("PING", repeat=False)
    assert pipeline.away


def test_calls_take_effect_in_the_order_in_which_they_were_made(tmp_path: Path) -> None:
    async def run() -> None:
        async with started(tmp_path) as bench:
            calls = [bench.pipeline.command("APPEND", "log", f"{number},") for number in range(1200)]
            answers = await asyncio.gather(*calls)
            assert answers == sorted(answers)
            assert await bench.pipeline.command("GET", "log") == b"".join(b"%d," % number for number in range(1200))

    asyncio.run(run())


def test_calls_of_one_turn_share_a_round_trip(tmp_path: Path) -> None:
    async def run() -> None:
        async with started(tmp_path) as bench:
            await bench.pipeline.command("PING")
            before = (await bench.redis.execute("INFO", "stats"))["total_reads_processed"]
            await asyncio.gather(*(bench.pipeline.command("INCR", "x") for _ in range(400)))
            after = (await bench.redis.execute("INFO", "stats"))["total_reads_processed"]
            # Some for the connection of INFO itself, and large ones are read in pieces.
            assert after - before < 20

    asyncio.run(run())


def test_a_script_that_redis_has_forgotten_is_sent_again_and_the_order_kept(tmp_path: Path) -> None:
    async def run() -> None:
        async with started(tmp_path) as bench:
            assert await bench.pipeline.run(COUNT, ["x"], 1) == 1
            await bench.redis.execute("SCRIPT", "FLUSH")
            answers = await asyncio.gather(*(bench.pipeline.run(COUNT, ["x"], number) for number in (10, 100, 1000)))
            assert answers == [11, 111, 1111]
            assert not bench.pipeline.away

    asyncio.run(run())


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
    """Nothing is left without an answer, and each is made at least once."""

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
    """Also when every call has been refused at once for long."""

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
            # Those that come later do not wait for as long again.
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
            # The first was sent before anybody knew.
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


def test_an_error_of_one_call_is_its_own(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def run() -> None:
        async with started(tmp_path) as bench:
            await bench.pipeline.command("SET", "text", "abc")
            results = await asyncio.gather(
                bench.pipeline.command("INCR", "x"),
                bench.pipeline.command("INCR", "text", wait=True),
                bench.pipeline.run(scripts.JOIN, ["text", "groups"], "s1", "red"),
                bench.pipeline.command("INCR", "x"),
                return_exceptions=True,
            )
            assert [results[0], results[3]] == [1, 2]
            for result, words in ((results[1], "not an integer"), (results[2], "WRONGTYPE")):
                assert isinstance(result, StoreUnavailableError)
                assert words in result.hint
            assert not bench.pipeline.away

    asyncio.run(run())
    assert "Redis refuses INCR" in caplog.text
    assert "Redis refuses join" in caplog.text


def test_text_that_cannot_be_encoded_is_told_to_who_uses_it_and_to_nobody_else(tmp_path: Path) -> None:
    async def run() -> None:
        async with started(tmp_path) as bench:
            calls: list[Awaitable[object]] = [
                bench.pipeline.command("SET", "x", "\ud800", wait=True),
                bench.pipeline.run(COUNT, ["\ud800"], 1),
                bench.pipeline.command("INCR", "y"),
            ]
            results = await asyncio.gather(*calls, return_exceptions=True)
            assert isinstance(results[0], UnicodeEncodeError)
            assert isinstance(results[1], UnicodeEncodeError)
            assert results[2] == 1

    asyncio.run(run())


def test_what_redis_py_cannot_send_ends_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def run() -> None:
        async with started(tmp_path) as bench:
            with pytest.raises(StoreUnavailableError):
                await bench.pipeline.command("SET", "x", None, wait=True)  # type: ignore[arg-type]
            assert await bench.pipeline.command("INCR", "y") == 1

    asyncio.run(run())
    assert "Redis refuses SET" in caplog.text


def test_a_posted_call_may_be_changed_until_it_is_sent(tmp_path: Path) -> None:
    async def run() -> None:
        async with started(tmp_path) as bench:
            call = bench.pipeline.post(COUNT, ["x"], 1)
            assert not call.sent
            call.arguments = (5,)
            assert await call.answer == 5
            assert call.sent

    asyncio.run(run())


@pytest.mark.parametrize("state", ["well", "frozen", "known to be frozen", "killed"])
def test_the_end_leaves_no_call_without_an_answer(tmp_path: Path, state: str) -> None:
    async def run() -> None:
        async with started(tmp_path, patience=30) as bench:
            await bench.pipeline.command("PING")
            if "frozen" in state:
                bench.redis.freeze()
            elif state == "killed":
                await bench.redis.kill()
            calls = [asyncio.create_task(bench.pipeline.command("INCR", "x", wait=True)) for _ in range(3)]
            # Some are under way, others are queued.
            await asyncio.sleep(0.01)
            while state == "known to be frozen" and not (bench.pipeline.away and bench.pipeline._batch):
                await asyncio.sleep(0.001)
            calls += [asyncio.create_task(bench.pipeline.command("INCR", "x", wait=True)) for _ in range(3)]
            await asyncio.sleep(0)
            posted = bench.pipeline.post(COUNT, ["x"], 1)
            await bench.pipeline.close()
            results = await asyncio.gather(*calls, posted.answer, return_exceptions=True)
            if state == "well":
                assert results == [1, 2, 3, 4, 5, 6, 7]
            else:
                assert all(isinstance(result, StoreUnavailableError) for result in results)
            with pytest.raises(StoreUnavailableError, match="stops"):
                await bench.pipeline.command("PING")
            assert bench.pipeline.post(COUNT, ["x"], 1).answer.done()

    asyncio.run(run())
