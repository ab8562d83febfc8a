"""Calls to Redis: in order, many in one round trip, each with an answer of its own."""

import asyncio
from collections.abc import Awaitable
from pathlib import Path

import pytest

from msanic_core.engine.redis import scripts
from msanic_core.errors import StoreUnavailableError
from tests.support.pipelines import COUNT, started


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
            # The connection of INFO reads too, and a large batch is read in pieces.
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


def test_text_that_cannot_be_encoded_raises_in_its_caller_only(tmp_path: Path) -> None:
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
