"""The watchdog cancels a block whose lock is lost, as `asyncio.timeout` does."""

import asyncio
import time
from collections.abc import Awaitable, Callable

import pytest

from msanic_core.engine.redis.locks import Watchdog
from msanic_core.errors import LockLostError, StoreUnavailableError

QUICK = 0.05
"""Seconds of a lease; a fifth of it is the time until the first renewal."""


def watchdog(name: str = "x", *, kept: bool = False, lease: float = QUICK) -> Watchdog:
    async def renew() -> bool:
        return kept

    return Watchdog(name, renew, lease, asyncio.get_running_loop().time() + lease)


def in_task(test: Callable[["asyncio.Task[None]"], Awaitable[None]]) -> None:
    """Run a test in a task; at its end no cancellation of the task may be left."""

    async def run() -> None:
        task = asyncio.current_task()
        assert task is not None
        await test(task)
        await asyncio.sleep(0)

    asyncio.run(run())


async def forever() -> None:
    await asyncio.Event().wait()


def test_what_is_lost_is_raised_instead_of_the_cancellation() -> None:
    async def test(task: "asyncio.Task[None]") -> None:
        with pytest.raises(LockLostError, match="lock 'x' was lost: Redis no longer has it") as raised:
            async with watchdog():
                await forever()
        assert isinstance(raised.value.__cause__, asyncio.CancelledError)
        assert task.cancelling() == 0

    in_task(test)


def test_a_block_that_ends_in_time_goes_on_as_if_nothing_was() -> None:
    async def test(task: "asyncio.Task[None]") -> None:
        async with watchdog():
            await asyncio.sleep(0)
        await asyncio.sleep(QUICK)
        assert task.cancelling() == 0

    in_task(test)


def test_it_is_raised_when_the_block_does_not_let_the_cancellation_through() -> None:
    async def test(task: "asyncio.Task[None]") -> None:
        with pytest.raises(LockLostError):
            async with watchdog():
                try:
                    await forever()
                except asyncio.CancelledError:
                    await asyncio.sleep(0)
        assert task.cancelling() == 0

    in_task(test)


def test_an_error_of_the_block_itself_is_what_is_raised() -> None:
    async def test(task: "asyncio.Task[None]") -> None:
        with pytest.raises(LookupError):
            async with watchdog():
                try:
                    await forever()
                finally:
                    raise LookupError
        assert task.cancelling() == 0

    in_task(test)


def test_a_cancellation_from_outside_stays_one() -> None:
    async def test(task: "asyncio.Task[None]") -> None:
        async def block() -> None:
            async with watchdog(kept=True, lease=60.0):
                await forever()

        inner = asyncio.create_task(block())
        await asyncio.sleep(0)
        inner.cancel()
        with pytest.raises(asyncio.CancelledError):
            await inner
        assert inner.cancelling() == 1

    in_task(test)


def test_a_cancellation_from_outside_counts_when_the_lock_is_lost_too() -> None:
    async def test(task: "asyncio.Task[None]") -> None:
        async def block() -> None:
            async with watchdog():
                try:
                    await forever()
                except asyncio.CancelledError:
                    inner.cancel()
                    raise

        inner = asyncio.create_task(block())
        with pytest.raises(asyncio.CancelledError):
            await inner
        assert inner.cancelling() == 1

    in_task(test)


def test_nested_in_a_task_that_was_cancelled_before() -> None:
    async def test(task: "asyncio.Task[None]") -> None:
        async def block() -> None:
            try:
                await forever()
            finally:
                with pytest.raises(LockLostError):
                    async with watchdog():
                        await forever()

        inner = asyncio.create_task(block())
        await asyncio.sleep(0)
        inner.cancel()
        with pytest.raises(asyncio.CancelledError):
            await inner
        assert inner.cancelling() == 1

    in_task(test)


def test_nested_with_timeouts() -> None:
    async def test(task: "asyncio.Task[None]") -> None:
        with pytest.raises(LockLostError):
            async with asyncio.timeout(60), watchdog(), asyncio.timeout(60):
                await forever()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(QUICK), watchdog(kept=True, lease=60.0):
                await forever()
        assert task.cancelling() == 0

    in_task(test)


@pytest.mark.parametrize("lost", ["outer", "inner"])
def test_of_two_locks_the_one_that_was_lost_is_named(lost: str) -> None:
    async def test(task: "asyncio.Task[None]") -> None:
        leases = {"outer": 60.0, "inner": 60.0, lost: QUICK}
        with pytest.raises(LockLostError, match=f"lock '{lost}'"):
            async with watchdog("outer", lease=leases["outer"]), watchdog("inner", lease=leases["inner"]):
                await forever()
        assert task.cancelling() == 0

    in_task(test)


def test_both_of_two_locks_can_be_lost() -> None:
    async def test(task: "asyncio.Task[None]") -> None:
        with pytest.raises(LockLostError, match="lock 'outer'"):
            async with watchdog("outer"):
                with pytest.raises(LockLostError, match="lock 'inner'"):
                    async with watchdog("inner"):
                        await forever()
                await forever()
        assert task.cancelling() == 0

    in_task(test)


def test_with_a_task_group() -> None:
    async def test(task: "asyncio.Task[None]") -> None:
        cancelled = asyncio.Event()

        async def child() -> None:
            try:
                await forever()
            finally:
                cancelled.set()

        with pytest.raises(LockLostError):
            async with watchdog(), asyncio.TaskGroup() as group:
                group.create_task(child())
        assert cancelled.is_set()
        assert task.cancelling() == 0

    in_task(test)


def test_a_block_that_holds_up_the_loop_for_too_long_has_lost_it() -> None:
    async def test(task: "asyncio.Task[None]") -> None:
        with pytest.raises(LockLostError, match=r"has not confirmed it for 0\.05 s"):
            async with watchdog(kept=True):
                time.sleep(2 * QUICK)  # noqa: ASYNC251 - that is the point
        with pytest.raises(LookupError):
            async with watchdog(kept=True):
                time.sleep(2 * QUICK)  # noqa: ASYNC251
                raise LookupError
        assert task.cancelling() == 0

    in_task(test)


def test_a_renewal_without_an_answer_is_none() -> None:
    async def test(task: "asyncio.Task[None]") -> None:
        async def renew() -> bool:
            await forever()
            return True

        with pytest.raises(LockLostError, match="has not confirmed it"):
            async with Watchdog("x", renew, QUICK, asyncio.get_running_loop().time() + QUICK):
                await forever()
        assert task.cancelling() == 0

    in_task(test)


def test_its_time_counts_from_before_the_renewal_was_sent() -> None:
    async def test(task: "asyncio.Task[None]") -> None:
        lease, sent = 0.5, 0

        async def renew() -> bool:
            nonlocal sent
            sent += 1
            if sent > 1:
                raise StoreUnavailableError("away")
            await asyncio.sleep(0.7 * lease)
            return True

        with pytest.raises(LockLostError):
            async with Watchdog("x", renew, lease, asyncio.get_running_loop().time() + lease):
                await forever()
        # A whole lease from the answer on would leave time for five more renewals.
        assert sent <= 3

    in_task(test)
