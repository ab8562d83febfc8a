"""What asyncio offers to tasks, in handlers: timeouts, task groups, threads, locks."""

import asyncio
from collections.abc import Callable

import pytest

from tests.support.runner import Bench, Run, Work, finish_at_once, forever, wait_and_raise, wait_and_return


async def timeout_on_the_first_line() -> str:
    try:
        async with asyncio.timeout(0.001):
            await forever()
    except TimeoutError:
        return "timed out"
    return "not reached"


async def timeout_after_a_wait() -> str:
    await asyncio.sleep(0)
    return await timeout_on_the_first_line()


async def timeout_of_nothing() -> str:
    try:
        async with asyncio.timeout(0):
            await forever()
    except TimeoutError:
        return "timed out"
    return "not reached"


async def timeout_in_the_past_around_children() -> str:
    children = [asyncio.ensure_future(forever()) for _ in range(2)]
    try:
        async with asyncio.timeout(-1):
            await asyncio.gather(*children)
    except TimeoutError:
        # As in a task: the awaited future was cancelled too.
        return "timed out" if all(child.cancelled() for child in children) else "children still run"
    return "not reached"


async def wait_for_on_the_first_line() -> str:
    try:
        await asyncio.wait_for(forever(), 0.001)
    except TimeoutError:
        return "timed out"
    return "not reached"


async def timeout_not_reached() -> str:
    async with asyncio.timeout(60):
        await finish_at_once()
    async with asyncio.timeout(60):
        await asyncio.sleep(0)
    return "timed out"


async def nested_timeouts() -> str:
    try:
        async with asyncio.timeout(60), asyncio.timeout(0.001):
            await forever()
    except TimeoutError:
        await asyncio.sleep(0)
        return "timed out"
    return "not reached"


@pytest.mark.parametrize(
    "handler",
    [
        timeout_on_the_first_line,
        timeout_after_a_wait,
        timeout_of_nothing,
        timeout_in_the_past_around_children,
        wait_for_on_the_first_line,
        timeout_not_reached,
        nested_timeouts,
    ],
)
def test_timeouts(run: Run, handler: Callable[[], Work]) -> None:
    async def test(bench: Bench) -> None:
        # With a new carrier, and with a parked one.
        for _ in range(3):
            assert await bench.result(handler()) == "timed out"
            assert await bench.result(wait_and_return(1)) == 1

    run(test)


async def group_on_the_first_line() -> list[int]:
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(wait_and_return(number)) for number in range(3)]
    return [task.result() for task in tasks]


async def group_after_a_wait() -> list[int]:
    await asyncio.sleep(0)
    return await group_on_the_first_line()


async def group_whose_body_is_cut_short() -> list[int]:
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(wait_and_raise())
            await forever()
    except ExceptionGroup as failed:
        return [0, 1, 2] if len(failed.exceptions) == 1 else []
    return []


async def group_that_fails_at_its_end() -> list[int]:
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(wait_and_raise())
            group.create_task(forever())
    except ExceptionGroup as failed:
        return [0, 1, 2] if len(failed.exceptions) == 1 else []
    return []


async def threads() -> list[int]:
    return [await asyncio.to_thread(number.__int__) for number in range(3)]


async def gathered() -> list[int]:
    return list(await asyncio.gather(*map(wait_and_return, range(3))))


@pytest.mark.parametrize(
    "handler",
    [
        group_on_the_first_line,
        group_after_a_wait,
        group_whose_body_is_cut_short,
        group_that_fails_at_its_end,
        threads,
        gathered,
    ],
)
def test_task_groups_and_threads(run: Run, handler: Callable[[], Work]) -> None:
    async def test(bench: Bench) -> None:
        for _ in range(3):
            assert await bench.result(handler()) == [0, 1, 2]
            assert await bench.result(finish_at_once()) == "at once"

    run(test)


def test_locks_queues_and_events_between_handlers(run: Run) -> None:
    async def test(bench: Bench) -> None:
        lock, queue = asyncio.Lock(), asyncio.Queue[int](1)
        inside = 0

        async def critical(number: int) -> None:
            nonlocal inside
            async with lock:
                inside += 1
                assert inside == 1
                await queue.put(number)
                inside -= 1

        ended = [bench.start(critical(number)) for number in range(20)]
        assert [await queue.get() for _ in range(20)] == list(range(20))
        assert [(await each)[1] for each in ended] == [None] * 20

    run(test)
