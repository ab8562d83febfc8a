"""A runner that stops waits for its handlers, but not for ever."""

import asyncio

from tests.support.runner import Bench, Outcome, Run, forever


def test_stop_waits_for_those_that_end_in_time(run: Run) -> None:
    async def test(bench: Bench) -> None:
        gate = asyncio.Event()

        async def handler() -> str:
            await gate.wait()
            await asyncio.sleep(0.001)
            return "ended"

        ended = [bench.start(handler()) for _ in range(3)]
        await asyncio.sleep(0)
        bench.loop.call_later(0.01, gate.set)
        assert await bench.runner.stop(bench.loop.time() + 60) == 0
        assert [each.result() for each in ended] == [("ended", None)] * 3

    run(test)


def test_stop_cancels_the_late_ones_and_says_how_many(run: Run) -> None:
    async def test(bench: Bench) -> None:
        cleaned: list[str] = []

        async def handler() -> None:
            try:
                await forever()
            finally:
                await asyncio.sleep(0)
                cleaned.append("cleaned up")

        ended = [bench.start(handler()) for _ in range(3)]
        await asyncio.sleep(0)
        assert await bench.runner.stop(bench.loop.time() + 0.01) == 3
        assert [type(each.result()[1]) for each in ended] == [asyncio.CancelledError] * 3
        assert cleaned == ["cleaned up"] * 3
        assert await bench.runner.stop(bench.loop.time()) == 0

    run(test)


def test_stop_does_not_wait_for_ever_for_a_handler_that_swallows_its_cancellation(run: Run) -> None:
    async def test(bench: Bench) -> None:
        gate = asyncio.Event()

        async def stubborn() -> str:
            try:
                await forever()
            except asyncio.CancelledError:
                await gate.wait()
            return "went on"

        ended = bench.start(stubborn())
        await asyncio.sleep(0)
        assert await bench.runner.stop(bench.loop.time(), grace=0.02) == 1
        assert not ended.done()
        gate.set()
        assert await ended == ("went on", None)

    run(test)


def test_stop_at_the_first_turn_of_a_handler(run: Run) -> None:
    """The handler has run its first step; the task of its carrier has not run yet."""

    async def test(bench: Bench) -> None:
        ended: list[Outcome] = []
        stopping: list[asyncio.Task[int]] = []

        def callback() -> None:
            carrier = bench.runner.start(forever())
            carrier.then(lambda value, failure: ended.append((value, failure)))
            carrier.task.cancel()
            stopping.append(bench.loop.create_task(bench.runner.stop(bench.loop.time() + 60)))

        bench.loop.call_soon(callback)
        await asyncio.sleep(0)
        await stopping[0]
        [(_, failure)] = ended
        assert isinstance(failure, asyncio.CancelledError)

    run(test)
