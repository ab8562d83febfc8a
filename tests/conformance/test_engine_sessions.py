"""What every engine promises of sessions and groups."""

import msgspec

from msanic_core.codes import OfflineReason
from msanic_core.engine.base import SessionPolicy
from tests.support.engines import MULTI, SINGLE, Start, connect, disconnect, info


def test_single_policy_replaces_the_older_session(start: Start) -> None:
    async def run() -> None:
        bench = await start()
        assert await connect(bench, info("s1"), SINGLE)
        assert await connect(bench, info("bob", "bob"), SINGLE)
        assert await connect(bench, info("s2"), SINGLE)
        await bench.settle()
        assert bench.node.closed == [("s1", OfflineReason.REPLACED)]
        lost = await disconnect(bench, info("s1"), OfflineReason.REPLACED)
        assert not lost.last
        assert [each.id for each in await bench.engine.sessions("ada")] == ["s2"]

    start.run(run())


def test_a_limit_above_one_refuses_and_records_nothing(start: Start) -> None:
    async def run() -> None:
        bench = await start()
        for number in range(3):
            assert await connect(bench, info(f"s{number}", opened_at=float(number)), MULTI)
        assert not await connect(bench, info("s3"), MULTI)
        assert [each.id for each in await bench.engine.sessions("ada")] == ["s0", "s1", "s2"]
        await bench.settle()
        assert not bench.node.closed
        await disconnect(bench, info("s1"))
        assert await connect(bench, info("s4", opened_at=4.0), MULTI)
        assert [each.id for each in await bench.engine.sessions("ada")] == ["s0", "s2", "s4"]

    start.run(run())


def test_a_limit_of_one_refuses_too_unless_it_replaces(start: Start) -> None:
    async def run() -> None:
        bench = await start()
        assert await connect(bench, info("s1"), SessionPolicy(1))
        assert not await connect(bench, info("s2"), SessionPolicy(1))
        await bench.settle()
        assert not bench.node.closed
        assert [each.id for each in await bench.engine.sessions("ada")] == ["s1"]

    start.run(run())


def test_unregister_says_when_and_whether_it_was_the_last(start: Start) -> None:
    async def run() -> None:
        bench = await start()
        first, second = info("s1", groups=("red",)), info("s2")
        await connect(bench, first)
        await connect(bench, second)
        bench.clock.now += 5
        lost = await disconnect(bench, first)
        assert lost == msgspec.structs.replace(first, closed_at=bench.clock.now, last=False)
        assert await bench.engine.online("ada")
        lost = await disconnect(bench, second)
        assert lost.last
        assert not await bench.engine.online("ada")
        assert await bench.engine.sessions("ada") == []

    start.run(run())


def test_sessions_come_oldest_first(start: Start) -> None:
    async def run() -> None:
        bench = await start()
        for opened_at in (1.0, 2.0, 3.0):
            await connect(bench, info(f"at {opened_at}", opened_at=opened_at))
        assert [each.opened_at for each in await bench.engine.sessions("ada")] == [1.0, 2.0, 3.0]
        assert await bench.engine.sessions("nobody") == []

    start.run(run())


def test_kick_ends_one_or_all_sessions_of_that_user_only(start: Start) -> None:
    async def run() -> None:
        bench = await start()
        for session in (info("s1"), info("s2"), info("s3"), info("b1", "bob")):
            await connect(bench, session)
        assert await bench.engine.kick("ada", "s2") == 1
        assert await bench.engine.kick("ada", "b1") == 0
        await bench.settle()
        assert bench.node.closed == [("s2", OfflineReason.KICKED)]
        await disconnect(bench, info("s2"), OfflineReason.KICKED)
        assert await bench.engine.kick("ada", None) == 2
        assert await bench.engine.kick("nobody", None) == 0
        await bench.settle()
        assert {each for each, _ in bench.node.closed} == {"s1", "s2", "s3"}
        # It was told to end already, though it is not taken out yet.
        assert await bench.engine.kick("ada", None) == 0

    start.run(run())


def test_groups(start: Start) -> None:
    async def run() -> None:
        bench = await start()
        one, two, bob = info("s1"), info("s2"), info("b1", "bob")
        for session in (bob, one, two):
            await connect(bench, session)
            await bench.engine.join(session, "red")
        await bench.engine.join(one, "blue")
        assert await bench.engine.members("red") == ["ada", "bob"]
        assert await bench.engine.members("blue") == ["ada"]
        await bench.engine.leave(one, "red")
        await bench.engine.leave(one, "red")
        assert await bench.engine.members("red") == ["ada", "bob"]
        await disconnect(bench, msgspec.structs.replace(two, groups=("red",)))
        await disconnect(bench, msgspec.structs.replace(one, groups=("blue",)))
        assert await bench.engine.members("red") == ["bob"]
        assert await bench.engine.members("blue") == []
        await bench.engine.leave(bob, "green")
        assert await bench.engine.members("green") == []

    start.run(run())


def test_sessions_are_counted_in_all_and_in_a_group(start: Start) -> None:
    async def run() -> None:
        bench = await start()
        for session in (info("s1"), info("s2"), info("b1", "bob")):
            await connect(bench, session)
        for session in (info("s1"), info("s2")):
            await bench.engine.join(session, "red")
        assert await bench.engine.count(None) == 3
        assert await bench.engine.count("red") == 2
        assert await bench.engine.count("blue") == 0
        await disconnect(bench, info("s1", groups=("red",)))
        assert await bench.engine.count(None) == 2
        assert await bench.engine.count("red") == 1

    start.run(run())


def test_a_lost_session_joins_nothing(start: Start) -> None:
    async def run() -> None:
        bench = await start()
        await connect(bench, info("s1"))
        await disconnect(bench, info("s1"))
        await bench.engine.join(info("s1"), "red")
        assert await bench.engine.members("red") == []

    start.run(run())


def test_a_handshake_time_is_taken_once(start: Start) -> None:
    async def run() -> None:
        bench = await start()
        answers = [await bench.engine.newer_handshake("ada", time) for time in (0, 5, 5, 4, 6)]
        assert answers == [True, True, False, False, True]
        assert await bench.engine.newer_handshake("bob", 5)

    start.run(run())
