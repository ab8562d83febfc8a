import asyncio
import gc

from msanic_core.engine.local_locks import LocalLocks, not_free


def test_a_name_has_one_lock_for_as_long_as_somebody_has_it() -> None:
    async def run() -> None:
        locks = LocalLocks()
        order: list[int] = []
        inside: set[int] = set()

        async def take(number: int) -> None:
            async with locks.of("x"):
                assert not inside
                inside.add(number)
                await asyncio.sleep(0)
                inside.remove(number)
                order.append(number)

        first = locks.of("x")
        await first.acquire()
        assert locks.of("x") is first
        assert locks.of("y") is not first
        tasks = [asyncio.create_task(take(number)) for number in range(3)]
        await asyncio.sleep(0)
        first.release()
        del first
        gc.collect()
        tasks.append(asyncio.create_task(take(3)))
        await asyncio.gather(*tasks)
        assert order == [0, 1, 2, 3]

    asyncio.run(run())


def test_what_nobody_has_takes_no_memory() -> None:
    async def run() -> None:
        locks = LocalLocks()
        for number in range(10):
            async with locks.of(f"name {number}"):
                assert len(locks._locks) == 1
        del number
        gc.collect()
        assert not locks._locks

    asyncio.run(run())


def test_the_error_says_which_lock() -> None:
    assert str(not_free("x", 1.5)) == "lock 'x' was not free within 1.5 s"
