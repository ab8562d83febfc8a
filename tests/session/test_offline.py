import asyncio
import logging
from typing import Any

import pytest

from msanic_core.codes import OfflineReason
from msanic_core.engine.base import InboxLimits
from msanic_core.engine.memory.memory_engine import MemoryEngine
from msanic_core.errors import MsanicError
from msanic_core.identity import SessionInfo
from tests.support.offline import Build, Plugins, drain, run


def test_every_plugin_is_told_once_in_order(build: Build) -> None:
    async def test() -> None:
        plugins = Plugins()
        house = await build(plugins.hooks("a", "b", "c"))
        session = await house.session()
        assert house.offline.lose(session, OfflineReason.KICKED)
        assert not house.offline.lose(session, OfflineReason.LOST)
        assert await drain(house) == 0
        assert not house.offline.lose(session, OfflineReason.CLOSED)
        assert await drain(house) == 0
        assert plugins.names == ["a", "b", "c"]
        assert {reason for _, _, reason in plugins.calls} == {OfflineReason.KICKED}

    run(test)


def test_what_the_plugins_are_told(build: Build) -> None:
    async def test() -> None:
        plugins = Plugins()
        house = await build(plugins.hooks("a"))
        one, two = await house.session(client="phone"), await house.session()
        for group in ("red", "blue"):
            house.registry.join(one, group)
            await house.engine.join(one.info, group)
        house.now += 5
        house.offline.lose(one, OfflineReason.CLOSED)
        await drain(house)
        house.offline.lose(two, OfflineReason.CLOSED)
        await drain(house)
        told = [session for _, session, _ in plugins.calls]
        assert told == [
            SessionInfo("session-1", "ada", "node", 1000.0, "127.0.0.1", "phone", ("blue", "red"), 1005.0, False),
            SessionInfo("session-2", "ada", "node", 1000.0, "127.0.0.1", "", (), 1005.0, True),
        ]
        assert await house.engine.members("red") == []

    run(test)


def test_only_one_of_two_lost_at_once_is_the_last(build: Build) -> None:
    async def test() -> None:
        plugins = Plugins()
        house = await build(plugins.hooks("a"))
        for session in [await house.session() for _ in range(5)]:
            house.offline.lose(session, OfflineReason.LOST)
        await drain(house)
        assert sorted(session.last for _, session, _ in plugins.calls) == [False] * 4 + [True]

    run(test)


def test_the_registry_is_first_and_the_socket_before_the_plugins(build: Build) -> None:
    async def test() -> None:
        plugins = Plugins()
        house = await build(plugins.hooks("a"))
        session = await house.session()
        house.offline.lose(session, OfflineReason.KICKED)
        assert house.registry.get(session.info.id) is None
        assert session.socket.closed is not None
        assert plugins.calls == []
        await drain(house)

    run(test)


def test_one_raises_and_one_hangs(build: Build, caplog: pytest.LogCaptureFixture) -> None:
    async def test() -> None:
        plugins = Plugins()
        house = await build(plugins.hooks("raises", "hangs", "times out", "last"))
        house.offline.lose(await house.session(), OfflineReason.LOST)
        assert await drain(house) == 0
        assert plugins.names == ["raises", "hangs", "times out", "last"]
        assert plugins.ended == ["raises", "times out", "last", "hangs"], "held up for 0.02 s, cancelled after 0.2 s"

    with caplog.at_level(logging.WARNING):
        run(test)
    lines = [record.getMessage() for record in caplog.records]
    assert lines == [
        "plugin raises: ws_offline for session session-1 raised",
        "plugin hangs: ws_offline for session session-1 takes over 0.02 s; the next plugin goes on without it",
        "plugin times out: ws_offline for session session-1 raised",
        "plugin hangs: ws_offline for session session-1 cancelled after 0.2 s",
    ]
    assert [bool(record.exc_info) for record in caplog.records] == [True, False, True, False]


def test_a_plugin_that_is_quick_enough_holds_up_the_next(build: Build) -> None:
    async def test() -> None:
        plugins = Plugins()
        house = await build(plugins.hooks("waits", "next"), yield_after=60.0, cancel_after=120.0)
        house.offline.lose(await house.session(), OfflineReason.LOST)
        while not plugins.calls:
            await asyncio.sleep(0)
        for _ in range(5):
            await asyncio.sleep(0)
        assert plugins.names == ["waits"]
        plugins.gate.set()
        await drain(house)
        assert plugins.names == ["waits", "next"]

    run(test)


def test_chains_of_different_sessions_run_side_by_side(build: Build) -> None:
    async def test() -> None:
        plugins = Plugins()
        house = await build(plugins.hooks("waits"), yield_after=60.0, cancel_after=120.0)
        for _ in range(20):
            house.offline.lose(await house.session(), OfflineReason.LOST)
        while len(plugins.calls) < 20:
            await asyncio.sleep(0)
        assert plugins.ended == []
        plugins.gate.set()
        assert await drain(house) == 0
        assert len(plugins.ended) == 20

    run(test)


def test_a_chain_outlives_the_task_that_lost_the_session(build: Build) -> None:
    async def test() -> None:
        plugins = Plugins()
        house = await build(plugins.hooks("waits", "next"), yield_after=60.0, cancel_after=120.0)
        session = await house.session()

        async def lose() -> None:
            house.offline.lose(session, OfflineReason.LOST)
            await asyncio.get_running_loop().create_future()

        task = asyncio.create_task(lose())
        while not plugins.calls:
            await asyncio.sleep(0)
        task.cancel()
        plugins.gate.set()
        await drain(house)
        assert plugins.ended == ["waits", "next"]

    run(test)


# ws_online


def test_ws_online_comes_first(build: Build) -> None:
    async def test() -> None:
        plugins = Plugins()
        house = await build(plugins.hooks("a"), yield_after=60.0, cancel_after=120.0)
        session = await house.session()
        online = asyncio.Event()

        async def announce() -> None:
            await online.wait()
            plugins.ended.append("online")

        session.online = asyncio.create_task(announce())
        house.offline.lose(session, OfflineReason.LOST)
        for _ in range(5):
            await asyncio.sleep(0)
        assert plugins.calls == []
        assert not await house.engine.online("ada"), "the user is known to be gone all the same"
        online.set()
        await drain(house)
        assert plugins.ended == ["online", "a"]

    run(test)


def test_a_ws_online_that_hangs_or_fails_does_not_hold_up_the_chain(build: Build) -> None:
    async def test() -> None:
        for ending in ("hangs", "is cancelled"):
            plugins = Plugins()
            house = await build(plugins.hooks("a"))
            session = await house.session()
            session.online = asyncio.create_task(asyncio.Event().wait())
            if ending == "is cancelled":
                session.online.cancel()
            house.offline.lose(session, OfflineReason.LOST)
            assert await drain(house) == 0
            assert plugins.names == ["a"], ending
            session.online.cancel()

    run(test)


# The engine


class FailingEngine(MemoryEngine):
    """An engine whose store is unavailable."""

    def __init__(self) -> None:
        super().__init__(InboxLimits(10, 10_000, 60.0))
        self.marks: list[tuple[str, str]] = []

    async def unregister(self, *_: Any) -> SessionInfo:
        raise MsanicError("the store is away")

    async def done(self, session: SessionInfo, plugin: str) -> None:
        self.marks.append((session.id, plugin))
        raise MsanicError("the store is away")


def test_without_the_engines_store_the_plugins_are_told_all_the_same(
    build: Build, caplog: pytest.LogCaptureFixture
) -> None:
    async def test() -> None:
        plugins = Plugins()
        engine = FailingEngine()
        house = await build(plugins.hooks("a", "b"), engine=engine)
        session = await house.session()
        house.registry.join(session, "red")
        house.offline.lose(session, OfflineReason.LOST)
        assert await drain(house) == 0
        assert plugins.names == ["a", "b"]
        assert engine.marks == [("session-1", "a"), ("session-1", "b")]
        told = plugins.calls[0][1]
        assert told.closed_at is not None
        assert told.groups == ("red",)

    run(test)
    assert [record.levelname for record in caplog.records if record.name == "msanic_core.offline"] == ["ERROR"] * 3


class MarkingEngine(MemoryEngine):
    """Records the calls about offline jobs."""

    def __init__(self) -> None:
        super().__init__(InboxLimits(10, 10_000, 60.0))
        self.marks: list[Any] = []

    async def unregister(self, session: SessionInfo, reason: OfflineReason, plugins: Any) -> SessionInfo:
        self.marks.append((session.id, reason, list(plugins)))
        return await super().unregister(session, reason, plugins)

    async def done(self, session: SessionInfo, plugin: str) -> None:
        self.marks.append((session.id, plugin))


def test_the_job_is_recorded_first_and_marked_plugin_by_plugin(build: Build) -> None:
    async def test() -> None:
        plugins = Plugins()
        engine = MarkingEngine()
        house = await build(plugins.hooks("raises", "hangs", "b"), engine=engine)
        house.offline.lose(await house.session(), OfflineReason.RATE)
        await drain(house)
        job = ("session-1", OfflineReason.RATE, ["raises", "hangs", "b"])
        assert engine.marks == [job, ("session-1", "raises"), ("session-1", "b"), ("session-1", "hangs")]

    run(test)


def test_what_the_deadline_cut_off_is_not_marked_as_done(build: Build) -> None:
    async def test() -> None:
        plugins = Plugins()
        engine = MarkingEngine()
        house = await build(plugins.hooks("hangs", "b"), engine=engine, yield_after=60.0, cancel_after=120.0)
        house.offline.lose(await house.session(), OfflineReason.LOST)
        assert await drain(house, 0.02) == 2, "the chain and the hook it waits for"
        assert len(engine.marks) == 1
        assert plugins.names == ["hangs"]

    run(test)
