"""Several nodes: sessions that another node has taken over, and sessions of a node that has died."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

import pytest

from msanic_core.codes import OfflineReason
from msanic_core.engine.base import InboxLimits, OfflineJob
from msanic_core.engine.memory.memory_engine import MemoryEngine
from msanic_core.identity import SessionInfo
from msanic_core.session import offline
from msanic_core.session.state import SessionState
from tests.support.offline import Build, Plugins, drain, run


class Shared(MemoryEngine):
    """An engine that other nodes share: they may take sessions over, and calls may wait for its store."""

    def __init__(self) -> None:
        super().__init__(InboxLimits(10, 10_000, 60.0))
        self.taken: set[str] = set()
        self.out: list[tuple[str, OfflineReason, list[str]]] = []
        self.marks: list[tuple[str, str]] = []
        self.go_on = asyncio.Event()
        self.go_on.set()

    async def unregister(  # type: ignore[override]
        self, session: SessionInfo, reason: OfflineReason, plugins: Sequence[str]
    ) -> SessionInfo | None:
        await self.go_on.wait()
        self.out.append((session.id, reason, list(plugins)))
        return None if session.id in self.taken else await super().unregister(session, reason, plugins)

    async def holds(self, session_id: str) -> bool:
        return session_id not in self.taken

    async def done(self, session: SessionInfo, plugin: str) -> None:
        await self.go_on.wait()
        self.marks.append((session.id, plugin))


def job(number: int = 1, plugins: tuple[str, ...] = ("a", "b"), reason: OfflineReason = OfflineReason.CRASHED) -> Any:
    session = SessionInfo(f"other-{number}", "ada", "other", 1.0, "::1", "phone", ("red",), 2.0, last=True)
    return OfflineJob(session, reason, plugins)


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


async def turns(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


# Taken over by others


def test_what_another_node_has_taken_over_concerns_no_plugin(build: Build, caplog: pytest.LogCaptureFixture) -> None:
    async def test() -> None:
        plugins, engine = Plugins(), Shared()
        house = await build(plugins.hooks("a", "b"), engine=engine)
        engine.taken = {"session-1"}
        for _ in range(2):
            house.offline.lose(await house.session(), OfflineReason.LOST)
        await drain(house)
        assert [(name, session.id) for name, session, _ in plugins.calls] == [("a", "session-2"), ("b", "session-2")]
        assert engine.marks == [("session-2", "a"), ("session-2", "b")]

    run(test)
    assert lines(caplog) == ["session session-1 was taken over by another node, which tells the plugins"]


def test_a_chain_that_is_taken_over_stops_before_the_next_plugin(
    build: Build, caplog: pytest.LogCaptureFixture
) -> None:
    async def test() -> None:
        plugins, engine = Plugins(), Shared()
        house = await build(plugins.hooks("a", "waits", "b", "c"), engine=engine, yield_after=60.0, cancel_after=120.0)
        house.offline.lose(await house.session(), OfflineReason.LOST)
        while plugins.names != ["a", "waits"]:
            await asyncio.sleep(0)
        engine.taken = {"session-1"}
        plugins.gate.set()
        await drain(house)
        assert plugins.ended == ["a", "waits"]

    run(test)
    assert lines(caplog) == [
        "session session-1 was taken over by another node: from plugin b on, that one tells the plugins"
    ]


def test_fencing_closes_every_session_and_tells_no_plugin(build: Build, caplog: pytest.LogCaptureFixture) -> None:
    async def test() -> None:
        plugins, engine = Plugins(), Shared()
        house = await build(plugins.hooks("a"), engine=engine)
        sessions = [await house.session(user) for user in ("ada", "ada", "bob")]
        house.delivery.drop_sessions()
        assert [session.socket.closed for session in sessions] == [(1012, "server restarts, reconnect")] * 3
        assert all(session.closed for session in sessions)
        assert not house.registry.all()
        assert not house.delivery.sessions()
        assert not house.offline.lose(sessions[0], OfflineReason.LOST)
        assert await drain(house) == 0
        assert plugins.calls == []
        assert engine.out == []

    run(test)
    assert lines(caplog) == ["other nodes consider this one dead: closing its 3 sessions; those nodes call ws_offline"]


@pytest.mark.parametrize("taken", [True, False])
def test_whose_a_session_is_that_was_being_opened_is_asked_when_it_is_registered(build: Build, taken: bool) -> None:
    async def test() -> None:
        plugins, engine = Plugins(), Shared()
        house = await build(plugins.hooks("a"), engine=engine)
        session = await house.session()
        session.registered = False
        session.state, session.opened = SessionState.OPENING, asyncio.get_running_loop().create_future()
        house.delivery.drop_sessions()
        assert session.socket.closed == (1012, "server restarts, reconnect")
        await turns()
        assert engine.out == []
        engine.taken = {session.info.id} if taken else set()
        session.registered = True
        session.opening_ended()
        await drain(house)
        assert engine.out == [("session-1", OfflineReason.SHUTDOWN, ["a"])]
        assert plugins.names == ([] if taken else ["a"])

    run(test)


# Left behind by others


def test_the_plugins_that_are_left_are_told_in_the_order_of_their_hooks(build: Build) -> None:
    async def test() -> None:
        plugins, engine = Plugins(), Shared()
        house = await build(plugins.hooks("a", "b", "raises", "c"), engine=engine)
        left = job(plugins=("c", "raises", "a"))
        house.delivery.adopt(left)
        assert await drain(house) == 0
        assert plugins.calls == [(name, left.session, OfflineReason.CRASHED) for name in ("a", "raises", "c")]
        assert engine.marks == [("other-1", "a"), ("other-1", "raises"), ("other-1", "c")]
        assert engine.out == [], "it is out of the store already"

    run(test)


def test_a_plugin_that_is_not_here_is_named_and_done(build: Build, caplog: pytest.LogCaptureFixture) -> None:
    async def test() -> None:
        plugins, engine = Plugins(), Shared()
        house = await build(plugins.hooks("a"), engine=engine)
        house.delivery.adopt(job(plugins=("gone", "a")))
        await drain(house)
        assert plugins.names == ["a"]
        assert sorted(engine.marks) == [("other-1", "a"), ("other-1", "gone")]

    run(test)
    assert lines(caplog) == ["plugin gone: ws_offline for session other-1 is left out, the plugin is not here"]


def test_an_adopted_job_can_be_taken_over_too(build: Build) -> None:
    async def test() -> None:
        plugins, engine = Plugins(), Shared()
        engine.taken = {"other-1"}
        house = await build(plugins.hooks("a"), engine=engine)
        house.delivery.adopt(job(plugins=("a", "gone")))
        await drain(house)
        assert (plugins.calls, engine.marks) == ([], [])

    run(test)


def test_thousands_are_taken_on_side_by_side_and_let_others_have_their_turn(
    build: Build, caplog: pytest.LogCaptureFixture
) -> None:
    count = 2000

    async def test() -> None:
        plugins, engine = Plugins(), Shared()
        house = await build(plugins.hooks("raises", "waits", "c"), engine=engine, cancel_after=120.0)
        for number in range(count):
            house.delivery.adopt(job(number, ("raises", "waits", "c")))
        most = before = 0
        while before < count:
            await asyncio.sleep(0)
            began = plugins.names.count("raises")
            most, before = max(most, began - before), began
        assert most == offline._ADOPTED_PER_TURN
        while plugins.names.count("c") < count:
            await asyncio.sleep(0)
        assert plugins.ended.count("waits") == 0
        plugins.gate.set()
        assert await drain(house) == 0
        assert len(engine.marks) == 3 * count

    with caplog.at_level(logging.CRITICAL, "msanic_core.offline"):
        run(test)


# A store that is away


def test_who_waits_for_the_store_at_the_deadline_is_left_to_others(
    build: Build, caplog: pytest.LogCaptureFixture
) -> None:
    async def test() -> None:
        plugins, engine = Plugins(), Shared()
        engine.go_on.clear()
        house = await build(plugins.hooks("a"), engine=engine)
        for _ in range(2):
            house.offline.lose(await house.session(), OfflineReason.SHUTDOWN)
        await turns()
        assert house.offline.leaving == 2
        assert await drain(house, 0.02) == 2
        assert house.offline.leaving == 0
        assert plugins.calls == []

    run(test)
    assert lines(caplog) == [
        "the engine's store was not told in time that 2 sessions are lost: another node or the next start runs their "
        "ws_offline"
    ]


def test_a_plugin_is_not_blamed_for_the_store(build: Build, caplog: pytest.LogCaptureFixture) -> None:
    async def test() -> None:
        plugins, engine = Plugins(), Shared()
        house = await build(plugins.hooks("a", "b"), engine=engine)
        house.delivery.adopt(job())
        engine.go_on.clear()
        while plugins.names != ["a", "b"]:
            await asyncio.sleep(0.001)
        engine.go_on.set()
        await drain(house)
        assert engine.marks == [("other-1", "a"), ("other-1", "b")]

    run(test)
    assert lines(caplog) == []


# Sessions that were never registered


def test_of_a_session_that_was_refused_nobody_is_told(build: Build) -> None:
    async def test() -> None:
        plugins, engine = Plugins(), Shared()
        house = await build(plugins.hooks("a"), engine=engine)
        session = await house.session()
        session.registered = False
        session.state, session.opened = SessionState.OPENING, asyncio.get_running_loop().create_future()
        house.offline.lose(session, OfflineReason.KICKED)
        session.opening_ended()
        assert await drain(house) == 0
        assert (plugins.calls, engine.out) == ([], [])

    run(test)


def test_a_session_that_may_have_been_registered_is_taken_out_and_nobody_is_told(build: Build) -> None:
    async def test() -> None:
        plugins, engine = Plugins(), Shared()
        house = await build(plugins.hooks("a"), engine=engine)
        session, gone = await house.session(), await house.session()
        session.registered = gone.registered = False
        house.offline.lose(gone, OfflineReason.KICKED)
        for each in (session, gone):
            house.offline.give_up(each)
        assert session.socket.closed == (1013, "server is full, try later")
        assert gone.socket.closed == (4504, "kicked")
        assert await drain(house) == 0
        assert plugins.calls == []
        assert engine.out == [(each.info.id, OfflineReason.SHUTDOWN, []) for each in (session, gone)]
        assert not await engine.online("ada")

    run(test)


def test_a_hook_that_is_cancelled_from_within_is_done(build: Build, caplog: pytest.LogCaptureFixture) -> None:
    async def test() -> None:
        plugins, engine = Plugins(), Shared()

        async def cancelled(session: SessionInfo, reason: OfflineReason) -> None:
            raise asyncio.CancelledError

        hooks = [offline.OfflineHook("cancelled", cancelled), *plugins.hooks("a")]
        house = await build(hooks, engine=engine)
        house.offline.lose(await house.session(), OfflineReason.LOST)
        assert await drain(house) == 0
        assert plugins.names == ["a"]
        assert engine.marks == [("session-1", "cancelled"), ("session-1", "a")]

    run(test)
    assert lines(caplog) == ["plugin cancelled: ws_offline for session session-1 raised"]
