"""What every engine promises (`msanic_core.engine.base.Engine`), whatever it keeps its data in."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest

from msanic_core.codes import OfflineReason
from msanic_core.engine.base import SessionInfo, SessionPolicy
from msanic_core.wire import Push, WireEncodeError

Start = Callable[..., Awaitable[Any]]

SINGLE = SessionPolicy(1, replace=True)
MULTI = SessionPolicy(3)


def info(session_id: str, user: str = "ada", **fields: Any) -> SessionInfo:
    return SessionInfo(session_id, user, "node-1", fields.pop("opened_at", 0.0), "127.0.0.1", **fields)


async def connect(bench: Any, session: SessionInfo, policy: SessionPolicy = MULTI) -> bool:
    """What a node does for a new session: it is known locally, then registered, then its inbox is read."""
    bench.node.sessions[session.id] = session
    registered: bool = await bench.engine.register(session, policy)
    if registered:
        await bench.engine.inbox(session.user, session.client, None, 100)
    else:
        del bench.node.sessions[session.id]
    return registered


async def disconnect(bench: Any, session: SessionInfo, reason: OfflineReason = OfflineReason.CLOSED) -> SessionInfo:
    bench.node.sessions.pop(session.id, None)
    lost: SessionInfo = await bench.engine.lost(session, reason, ["chat"])
    await bench.engine.done(session.id, "chat")
    return lost


async def push_numbers(bench: Any, numbers: range, user: str = "ada") -> list[int]:
    return [await bench.engine.push(user, Push("n.n", number), True) for number in numbers]


async def waiting(bench: Any, client: str = "", after: int | None = None, limit: int = 100) -> tuple[list[Any], int]:
    """The data of what waits, and how many messages before it were lost."""
    page = await bench.engine.inbox("ada", client, after, limit)
    return [message.data for message in page.messages], page.lost


# Sessions


def test_single_policy_replaces_the_older_session(start: Start) -> None:
    async def run() -> None:
        bench = await start()
        assert await connect(bench, info("s1"), SINGLE)
        assert await connect(bench, info("bob", "bob"), SINGLE)
        assert await connect(bench, info("s2"), SINGLE)
        assert bench.node.closed == [("s1", OfflineReason.REPLACED)]
        lost = await disconnect(bench, info("s1"), OfflineReason.REPLACED)
        assert not lost.last
        assert [each.id for each in await bench.engine.sessions("ada")] == ["s2"]

    asyncio.run(run())


def test_a_limit_above_one_refuses_and_records_nothing(start: Start) -> None:
    async def run() -> None:
        bench = await start()
        for number in range(3):
            assert await connect(bench, info(f"s{number}", opened_at=float(number)), MULTI)
        assert not await connect(bench, info("s3"), MULTI)
        assert [each.id for each in await bench.engine.sessions("ada")] == ["s0", "s1", "s2"]
        assert not bench.node.closed
        await disconnect(bench, info("s1"))
        assert await connect(bench, info("s4", opened_at=4.0), MULTI)
        assert [each.id for each in await bench.engine.sessions("ada")] == ["s0", "s2", "s4"]

    asyncio.run(run())


def test_a_limit_of_one_refuses_too_unless_it_replaces(start: Start) -> None:
    async def run() -> None:
        bench = await start()
        assert await connect(bench, info("s1"), SessionPolicy(1))
        assert not await connect(bench, info("s2"), SessionPolicy(1))
        assert not bench.node.closed
        assert [each.id for each in await bench.engine.sessions("ada")] == ["s1"]

    asyncio.run(run())


def test_lost_says_when_and_whether_it_was_the_last(start: Start) -> None:
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

    asyncio.run(run())


def test_sessions_come_oldest_first(start: Start) -> None:
    async def run() -> None:
        bench = await start()
        for opened_at in (1.0, 2.0, 3.0):
            await connect(bench, info(f"at {opened_at}", opened_at=opened_at))
        assert [each.opened_at for each in await bench.engine.sessions("ada")] == [1.0, 2.0, 3.0]
        assert await bench.engine.sessions("nobody") == []

    asyncio.run(run())


def test_kick_ends_one_or_all_sessions_of_that_user_only(start: Start) -> None:
    async def run() -> None:
        bench = await start()
        for session in (info("s1"), info("s2"), info("s3"), info("b1", "bob")):
            await connect(bench, session)
        assert await bench.engine.kick("ada", "s2") == 1
        assert await bench.engine.kick("ada", "b1") == 0
        assert bench.node.closed == [("s2", OfflineReason.KICKED)]
        await disconnect(bench, info("s2"), OfflineReason.KICKED)
        assert await bench.engine.kick("ada", None) == 2
        assert await bench.engine.kick("nobody", None) == 0
        assert {each for each, _ in bench.node.closed} == {"s1", "s2", "s3"}
        # Told already, though not yet taken out.
        assert await bench.engine.kick("ada", None) == 0

    asyncio.run(run())


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

    asyncio.run(run())


def test_a_lost_session_joins_nothing(start: Start) -> None:
    async def run() -> None:
        bench = await start()
        await connect(bench, info("s1"))
        await disconnect(bench, info("s1"))
        await bench.engine.join(info("s1"), "red")
        assert await bench.engine.members("red") == []

    asyncio.run(run())


def test_a_handshake_time_is_taken_once(start: Start) -> None:
    async def run() -> None:
        bench = await start()
        answers = [await bench.engine.newer_handshake("ada", time) for time in (0, 5, 5, 4, 6)]
        assert answers == [True, True, False, False, True]
        assert await bench.engine.newer_handshake("bob", 5)

    asyncio.run(run())


# Messages to those who are there


def test_a_push_that_is_not_durable_is_for_those_who_are_there(start: Start) -> None:
    async def run() -> None:
        bench = await start()
        await connect(bench, info("s1"))
        push = Push("a.b", {"x": [1, None, "ä"]})
        assert await bench.engine.push("ada", push, False) is None
        assert bench.node.to_users == [("ada", push)]
        assert await waiting(bench) == ([], 0)

    asyncio.run(run())


def test_a_durable_push_is_delivered_with_the_id_it_has_in_the_inbox(start: Start) -> None:
    async def run() -> None:
        bench = await start()
        await connect(bench, info("s1"))
        reply = Push(2001, {"x": 1}, 11, "no", req=7)
        message_id = await bench.engine.push("ada", reply, True)
        [(user, delivered)] = bench.node.to_users
        assert user == "ada"
        assert delivered == msgspec.structs.replace(reply, id=message_id)
        page = await bench.engine.inbox("ada", "", None, 10)
        assert list(page.messages) == [delivered]

    asyncio.run(run())


def test_a_stored_message_is_a_copy(start: Start) -> None:
    async def run() -> None:
        bench = await start()
        data: dict[str, Any] = {"list": [1]}
        await bench.engine.push("ada", Push("a.b", data), True)
        data["list"].append(2)
        assert await waiting(bench) == ([{"list": [1]}], 0)

    asyncio.run(run())


@pytest.mark.parametrize("data", [object(), {"x": 1j}, {None: 1}, {(1, 2): 3}, "\ud800", 2**70])
def test_what_no_client_could_read_is_refused_and_leaves_no_trace(start: Start, data: Any) -> None:
    async def run() -> None:
        bench = await start()
        await connect(bench, info("s1"))
        first = await bench.engine.push("ada", Push("a.b", 1), True)
        with pytest.raises(WireEncodeError):
            await bench.engine.push("ada", Push("a.b", data), True)
        second = await bench.engine.push("ada", Push("a.b", 2), True)
        assert second > first
        assert await waiting(bench) == ([1, 2], 0)
        assert [push.data for _, push in bench.node.to_users] == [1, 2]

    asyncio.run(run())


def test_broadcast_goes_to_the_group_or_to_all(start: Start) -> None:
    async def run() -> None:
        bench = await start()
        push = Push("a.b", 1)
        await bench.engine.broadcast("red", push)
        await bench.engine.broadcast(None, push)
        assert bench.node.to_groups == [("red", push), (None, push)]

    asyncio.run(run())


# The inbox


def test_ids_rise_and_pages_come_in_order(start: Start) -> None:
    async def run() -> None:
        bench = await start()
        ids = await push_numbers(bench, range(10))
        assert ids == sorted(set(ids))
        assert await waiting(bench, limit=4) == ([0, 1, 2, 3], 0)
        assert await waiting(bench, after=ids[3], limit=4) == ([4, 5, 6, 7], 0)
        assert await waiting(bench, after=ids[7], limit=4) == ([8, 9], 0)
        assert await waiting(bench, after=ids[9]) == ([], 0)
        assert await waiting(bench, after=0) == (list(range(10)), 0)
        # What only a broken client says.
        assert await waiting(bench, after=ids[9] + 1) == ([], 0)
        assert await waiting(bench, after=2**70) == ([], 0)

    asyncio.run(run())


def test_what_is_acknowledged_does_not_come_again(start: Start) -> None:
    async def run() -> None:
        bench = await start()
        await connect(bench, info("s1"))
        ids = await push_numbers(bench, range(5))
        bench.engine.acknowledge("ada", "", ids[2])
        assert await waiting(bench) == ([3, 4], 0)
        bench.engine.acknowledge("ada", "", ids[1])
        assert await waiting(bench) == ([3, 4], 0)
        bench.engine.acknowledge("ada", "", 2**70)
        assert await waiting(bench) == ([], 0)
        await push_numbers(bench, range(5, 6))
        assert await waiting(bench) == ([5], 0)
        bench.engine.acknowledge("nobody", "", 1)

    asyncio.run(run())


def test_each_client_has_its_own_position(start: Start) -> None:
    async def run() -> None:
        bench = await start()
        for session_id, client in (("s1", "phone"), ("s2", "laptop"), ("s3", "")):
            await connect(bench, info(session_id, client=client))
        ids = await push_numbers(bench, range(4))
        bench.engine.acknowledge("ada", "phone", ids[3])
        bench.engine.acknowledge("ada", "laptop", ids[0])
        assert await waiting(bench, "phone") == ([], 0)
        assert await waiting(bench, "laptop") == ([1, 2, 3], 0)
        assert await waiting(bench, "") == ([0, 1, 2, 3], 0)

    asyncio.run(run())


def test_a_connected_client_is_known_before_the_first_message(start: Start) -> None:
    """Else the first to acknowledge would take the message away from the other."""

    async def run() -> None:
        bench = await start()
        for session_id, client in (("s1", ""), ("s2", "laptop")):
            await connect(bench, info(session_id, client=client))
        [first] = await push_numbers(bench, range(1))
        bench.engine.acknowledge("ada", "laptop", first)
        assert await waiting(bench, "") == ([0], 0)

    asyncio.run(run())


def test_devices_that_take_turns_each_get_everything(start: Start) -> None:
    async def run() -> None:
        bench = await start()
        phone, laptop = info("p", client="phone"), info("l", client="laptop")
        for session in (phone, laptop):
            await connect(bench, session)
            await disconnect(bench, session)
        for number in range(3):
            [message_id] = await push_numbers(bench, range(number, number + 1))
            for session in (phone, laptop):
                await connect(bench, session)
                assert await waiting(bench, session.client) == ([number], 0)
                bench.engine.acknowledge("ada", session.client, message_id)
                await disconnect(bench, session)

    asyncio.run(run())


def test_a_new_client_has_missed_nothing_that_the_others_had(start: Start) -> None:
    async def run() -> None:
        bench = await start()
        await connect(bench, info("s1", client="phone"))
        ids = await push_numbers(bench, range(4))
        bench.engine.acknowledge("ada", "phone", ids[1])
        assert await waiting(bench, "laptop") == ([2, 3], 0)

    asyncio.run(run())


LIMITS = {
    "messages": {"max_messages": 4},
    "bytes": {"max_bytes": 450},
    "age": {"max_age": 10.0},
}


async def overfill(bench: Any, numbers: range) -> None:
    """Ten messages, of which each of the `LIMITS` keeps the last four."""
    for number in numbers:
        await bench.engine.push("ada", Push("n.n", number, hint="x" * 90), True)
        bench.clock.now += 2.2


@pytest.mark.parametrize("limits", LIMITS.values(), ids=LIMITS)
@pytest.mark.parametrize("known", ["never seen", "gone for a while", "connected"])
def test_what_was_trimmed_is_said(start: Start, limits: dict[str, Any], known: str) -> None:
    async def run() -> None:
        bench = await start(**limits)
        if known != "never seen":
            await connect(bench, info("s1"))
            [first] = await push_numbers(bench, range(1))
            bench.engine.acknowledge("ada", "", first)
        if known == "gone for a while":
            await disconnect(bench, info("s1"))
        await overfill(bench, range(10))
        kept, lost = await waiting(bench)
        assert lost
        assert kept == list(range(10))[lost:]
        assert len(kept) == 4
        # Said again until something after it is acknowledged.
        assert await waiting(bench) == (kept, lost)
        page = await bench.engine.inbox("ada", "", None, 100)
        bench.engine.acknowledge("ada", "", page.messages[0].id)
        assert await waiting(bench) == (kept[1:], 0)

    asyncio.run(run())


def test_a_loss_is_said_though_nothing_is_left(start: Start) -> None:
    async def run() -> None:
        bench = await start()
        await connect(bench, info("s1"))
        await push_numbers(bench, range(3))
        await disconnect(bench, info("s1"), OfflineReason.LOST)
        bench.clock.now += 61
        assert await waiting(bench) == ([], 3)

    asyncio.run(run())


def test_trimming_follows_the_slowest_client_within_the_bounds(start: Start) -> None:
    async def run() -> None:
        bench = await start(max_messages=6)
        for session_id, client in (("s1", "fast"), ("s2", "slow")):
            await connect(bench, info(session_id, client=client))
        for number in range(6):
            [message_id] = await push_numbers(bench, range(number, number + 1))
            bench.engine.acknowledge("ada", "fast", message_id)
        assert await waiting(bench, "slow") == ([0, 1, 2, 3, 4, 5], 0)
        await push_numbers(bench, range(6, 8))
        assert await waiting(bench, "slow") == ([2, 3, 4, 5, 6, 7], 2)
        assert await waiting(bench, "fast") == ([6, 7], 0)

    asyncio.run(run())


def test_one_message_that_fits_no_inbox_does_not_cost_the_others(start: Start) -> None:
    async def run() -> None:
        bench = await start(max_bytes=1000)
        await push_numbers(bench, range(3))
        with pytest.raises(WireEncodeError, match="max_bytes"):
            await bench.engine.push("ada", Push("a.b", "x" * 1000), True)
        assert await waiting(bench) == ([0, 1, 2], 0)

    asyncio.run(run())


def test_ids_rise_even_when_the_inbox_was_empty_in_between(start: Start) -> None:
    async def run() -> None:
        bench = await start()
        seen: list[int] = []
        for number in range(4):
            for user in ("ada", "bob"):
                session = info(f"{user}{number}", user)
                await connect(bench, session)
                ids = await push_numbers(bench, range(3), user)
                bench.engine.acknowledge(user, "", ids[-1])
                await disconnect(bench, session)
                if user == "ada":
                    seen += ids
        assert seen == sorted(set(seen))
        [later] = await push_numbers(bench, range(7, 8))
        assert later > seen[-1]
        # A client that resumes by an id from before gets what is new, and is told of no loss.
        assert await waiting(bench, after=seen[-1]) == ([7], 0)

    asyncio.run(run())


def test_inboxes_are_apart_and_have_one_epoch(start: Start) -> None:
    async def run() -> None:
        bench = await start()
        before = await bench.engine.inbox("nobody", "", None, 10)
        await push_numbers(bench, range(2))
        page = await bench.engine.inbox("ada", "", None, 10)
        other = await bench.engine.inbox("bob", "", None, 10)
        assert list(other.messages) == []
        assert before.epoch == page.epoch == other.epoch != ""

    asyncio.run(run())


def test_describe_says_who_it_is_and_that_it_is_well(start: Start) -> None:
    async def run() -> None:
        bench = await start()
        facts = bench.engine.describe()
        assert facts["name"] == bench.engine.name
        assert facts["healthy"] is True
        await bench.engine.stop()

    asyncio.run(run())
