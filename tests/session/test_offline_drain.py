"""The drain of the offline chain when a node stops."""

import asyncio

from msanic_core.codes import OfflineReason
from tests.support.offline import Build, Plugins, drain, run


def test_drain_waits_for_hooks_that_no_longer_hold_up_their_chain(build: Build) -> None:
    async def test() -> None:
        plugins = Plugins()
        house = await build(plugins.hooks("waits", "next"), yield_after=0.001, cancel_after=120.0)
        house.offline.lose(await house.session(), OfflineReason.LOST)
        asyncio.get_running_loop().call_later(0.02, plugins.gate.set)
        assert await drain(house) == 0
        assert plugins.ended == ["next", "waits"]

    run(test)


def test_drain_takes_in_sessions_that_are_lost_meanwhile(build: Build) -> None:
    async def test() -> None:
        plugins = Plugins()
        house = await build(plugins.hooks("waits"), yield_after=60.0, cancel_after=120.0)
        one, two = await house.session(), await house.session()
        house.offline.lose(one, OfflineReason.LOST)
        draining = asyncio.create_task(drain(house))
        await asyncio.sleep(0)
        house.offline.lose(two, OfflineReason.LOST)
        plugins.gate.set()
        assert await draining == 0
        assert plugins.ended == ["waits", "waits"]

    run(test)


def test_at_the_deadline_hooks_are_cancelled(build: Build) -> None:
    async def test() -> None:
        plugins = Plugins()
        house = await build(plugins.hooks("hangs"), yield_after=0.001, cancel_after=120.0)
        house.offline.lose(await house.session(), OfflineReason.LOST)
        assert await drain(house, 0.02) == 1
        assert plugins.ended == ["hangs"]
        assert await drain(house, 0.0) == 0

    run(test)


def test_a_hook_that_will_not_be_cancelled_does_not_stop_the_stop(build: Build) -> None:
    async def test() -> None:
        plugins = Plugins()
        house = await build(plugins.hooks("is stubborn"), yield_after=0.001, cancel_after=120.0)
        house.offline.lose(await house.session(), OfflineReason.LOST)
        async with asyncio.timeout(10):
            assert await drain(house, 0.02, grace=0.02) == 1
        assert plugins.ended == []
        plugins.gate.set()
        assert await drain(house) == 0
        assert plugins.ended == ["is stubborn"]

    run(test)
