"""Handlers that are cancelled, by themselves or by others."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.runner import Bench, Run, Work, finish_at_once, forever, wait_and_return


def test_awaiting_what_was_cancelled_already(run: Run) -> None:
    async def test(bench: Bench) -> None:
        cancelled = bench.loop.create_future()
        cancelled.cancel()

        async def handler() -> None:
            await cancelled

        with pytest.raises(asyncio.CancelledError):
            await bench.result(handler())
        assert await bench.result(wait_and_return(1)) == 1

    run(test)


async def cancel_itself_and_wait(cleaned: list[str]) -> str:
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    try:
        await forever()
    except asyncio.CancelledError:
        cleaned.append("cancelled")
        # Cleaning up may take time.
        await asyncio.sleep(0)
        await asyncio.sleep(0.001)
        cleaned.append("cleaned up")
        raise
    return "not reached"


async def cancel_itself_later(cleaned: list[str]) -> str:
    await asyncio.sleep(0)
    return await cancel_itself_and_wait(cleaned)


@pytest.mark.parametrize("handler", [cancel_itself_and_wait, cancel_itself_later])
@pytest.mark.parametrize("warm", [False, True], ids=["new carrier", "parked carrier"])
def test_a_handler_that_cancels_itself(run: Run, handler: Callable[[list[str]], Work], warm: bool) -> None:
    async def test(bench: Bench) -> None:
        if warm:
            await bench.result(wait_and_return())
        cleaned: list[str] = []
        with pytest.raises(asyncio.CancelledError):
            await bench.result(handler(cleaned))
        assert cleaned == ["cancelled", "cleaned up"]
        # A cancelled task is not used for the next handler.
        for _ in range(3):
            assert await bench.result(wait_and_return(1)) == 1
            assert await bench.result(finish_at_once()) == "at once"

    run(test)


def test_a_cancellation_between_two_turns_of_the_loop(run: Run) -> None:
    async def test(bench: Bench) -> None:
        async def handler(turns: int) -> str:
            for _ in range(turns):
                await asyncio.sleep(0)
            task = asyncio.current_task()
            assert task is not None
            bench.loop.call_soon(task.cancel)
            await asyncio.sleep(0)
            return "went on"

        for turns in (0, 1, 2):
            with pytest.raises(asyncio.CancelledError):
                await bench.result(handler(turns))

    run(test)


@pytest.mark.parametrize("warm", [False, True], ids=["new carrier", "parked carrier"])
def test_a_handler_that_cancels_itself_but_does_not_wait(run: Run, warm: bool) -> None:
    async def test(bench: Bench) -> None:
        if warm:
            await bench.result(wait_and_return())

        async def handler() -> int:
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
            return 1

        async def handler_that_waited() -> int:
            await asyncio.sleep(0)
            return await handler()

        for work in (handler, handler_that_waited, handler):
            assert await bench.result(work()) == 1
            assert await bench.result(wait_and_return(2)) == 2

    run(test)


def test_a_handler_that_cancels_itself_does_not_cancel_the_next_of_the_same_turn(run: Run) -> None:
    async def test(bench: Bench) -> None:
        async def handler() -> int:
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
            return 1

        ended = [bench.start(work) for work in (handler(), wait_and_return(2), handler(), finish_at_once())]
        assert [await each for each in ended] == [(1, None), (2, None), (1, None), ("at once", None)]

    run(test)


def test_a_handler_that_swallows_its_cancellation_goes_on(run: Run) -> None:
    async def test(bench: Bench) -> None:
        tasks: list[asyncio.Task[Any]] = []
        begun = asyncio.Event()

        async def handler() -> str:
            task = asyncio.current_task()
            assert task is not None
            tasks.append(task)
            begun.set()
            try:
                await forever()
            except asyncio.CancelledError:
                await asyncio.sleep(0)
            return "went on"

        ended = bench.start(handler())
        await begun.wait()
        tasks[0].cancel()
        assert await ended == ("went on", None)
        await asyncio.sleep(0)
        assert tasks[0].done(), "a carrier with a cancellation in its past is not used again"
        assert await bench.result(wait_and_return(1)) == 1

    run(test)
