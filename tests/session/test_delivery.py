import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest

from msanic_core.codes import OfflineReason
from msanic_core.session.session import Session
from msanic_core.session.state import InboxState, SessionState
from msanic_core.wire import Push, WireEncodeError
from tests.support.replays import Build, LossyEngine, Sent, in_house, losses, numbers, push, replay, turns

Run = Callable[[Callable[[Any], Awaitable[None]]], None]


@pytest.fixture
def run(build: Build) -> Run:
    def run_(test: Callable[[Any], Awaitable[None]]) -> None:
        async def main() -> None:
            await test(await build(engine=LossyEngine()))

        asyncio.run(main())

    return run_


@pytest.mark.parametrize("message_id", [None, 1])
def test_a_message_is_encoded_once_per_codec(run: Run, message_id: int | None) -> None:
    async def test(house: Any) -> None:
        # One user, and the codecs mixed: they come in turns.
        sessions = [await house.session(codec=codec) for _ in range(20) for codec in house.codecs.all]
        push = Push("a.b", 1, id=message_id)
        assert house.delivery.to_user("ada", push) == 60
        assert house.delivery.to_group("red", Push("a.b", 2)) == 0
        await asyncio.sleep(0)
        for codec in house.codecs.all:
            frames = [frame for session in sessions if session.codec is codec for frame in session.socket.writes]
            assert frames == [codec.push(push)] * 20
            # The same object for all sessions: encoding it again would make another object.
            assert len({id(frame) for frame in frames}) == 1

    run(test)


def test_a_broadcast_is_encoded_once_per_codec(run: Run) -> None:
    async def test(house: Any) -> None:
        sessions = [await house.session(f"user-{n}", codec=codec) for n in range(20) for codec in house.codecs.all]
        assert house.delivery.to_group(None, Push("a.b", 1)) == 60
        await asyncio.sleep(0)
        assert len({id(frame) for session in sessions for frame in session.socket.writes}) == len(house.codecs.all)

    run(test)


def test_a_message_goes_to_all_sessions_of_its_user_and_to_no_other(run: Run, sent: Sent) -> None:
    async def test(house: Any) -> None:
        one, two, bob = await house.session(), await house.session(), await house.session("bob")
        house.registry.join(bob, "red")
        assert house.delivery.to_user("ada", Push("a.b")) == 2
        assert house.delivery.to_user("nobody", Push("a.b")) == 0
        assert house.delivery.to_group("red", Push("c.d")) == 1
        await asyncio.sleep(0)
        assert [[message["cmd"] for message in sent(session)] for session in (one, two, bob)] == [
            ["a.b"], ["a.b"], ["c.d"]
        ]  # fmt: skip

    run(test)


def test_a_session_that_is_replayed_gets_durable_messages_from_its_inbox(run: Run, sent: Sent) -> None:
    async def test(house: Any) -> None:
        session, other = await house.session(), await house.session()
        session.inbox = InboxState.REPLAYING
        other.received = 4
        assert house.delivery.to_user("ada", Push("durable.message", id=5)) == 2
        house.delivery.to_user("ada", Push("passing.message"))
        await asyncio.sleep(0)
        assert session.inbox is InboxState.BEHIND
        assert [message["cmd"] for message in sent(session)] == ["passing.message"]
        assert session.outbox.written_id == 0
        assert [message["cmd"] for message in sent(other)] == ["durable.message", "passing.message"]
        assert other.outbox.written_id == 5

    run(test)


def test_a_loss_is_said_to_the_session_it_concerns(run: Run, sent: Sent) -> None:
    async def test(house: Any) -> None:
        one, two = await house.session(), await house.session()
        one.lost_before = one.received = two.received = 4
        for message_id in (5, 6):
            house.delivery.to_user("ada", Push("a.b", id=message_id))
        await asyncio.sleep(0)
        assert [message.get("lost") for message in sent(one)] == [4, None]
        assert [message.get("lost") for message in sent(two)] == [None, None]

    run(test)


def test_what_cannot_be_encoded_is_raised_to_the_sender(run: Run) -> None:
    async def test(house: Any) -> None:
        session = await house.session()
        with pytest.raises(WireEncodeError):
            house.delivery.to_group(None, Push("a.b", {None: 1}))
        house.delivery.to_group(None, Push("a.b", 1))
        await asyncio.sleep(0)
        assert len(session.socket.writes) == 1

    run(test)


def test_a_session_that_overflows_while_all_are_served_is_lost_alone(run: Run, sent: Sent) -> None:
    async def test(house: Any) -> None:
        sessions: list[Session] = [await house.session(f"user-{number}", outbox=1000) for number in range(3)]
        sessions[0].writable(False)
        for number in range(10):
            house.delivery.to_group(None, Push("a.b", [number, "x" * 200]))
        await asyncio.sleep(0)
        assert [session.closed for session in sessions] == [True, False, False]
        socket: Any = sessions[0].socket
        assert socket.closed == (4001, "reads too slowly")
        assert [len(sent(session)) for session in sessions] == [0, 10, 10]
        await house.offline.drain(asyncio.get_running_loop().time() + 5)

    run(test)


def test_closing_by_id(run: Run) -> None:
    async def test(house: Any) -> None:
        session = await house.session()
        assert not house.delivery.close("session-9", OfflineReason.KICKED)
        assert house.delivery.close("session-1", OfflineReason.KICKED)
        assert not house.delivery.close("session-1", OfflineReason.KICKED)
        assert session.socket.closed == (4504, "kicked")
        await house.offline.drain(asyncio.get_running_loop().time() + 5)

    run(test)


# Ids


def test_what_a_session_has_is_not_sent_again(run: Run, sent: Sent) -> None:
    async def test(house: Any) -> None:
        session = await house.session()
        for message_id in (1, 2, 1, 2, 2, 3):
            assert house.delivery.to_user("ada", Push("a.b", message_id, id=message_id)) == 1
        await asyncio.sleep(0)
        assert [message["id"] for message in sent(session)] == [1, 2, 3]
        assert session.received == session.outbox.written_id == 3
        assert session.inbox is InboxState.LIVE

    run(test)


def test_one_session_has_it_and_the_other_does_not(run: Run, sent: Sent) -> None:
    async def test(house: Any) -> None:
        one, two = await house.session(), await house.session(codec=house.codecs.json)
        one.received = 1
        house.delivery.to_user("ada", Push("a.b", id=1))
        house.delivery.to_user("ada", Push("a.b", id=2))
        await asyncio.sleep(0)
        assert [[message["id"] for message in sent(session)] for session in (one, two)] == [[2], [1, 2]]

    run(test)


def test_what_cannot_be_encoded_was_not_received(run: Run) -> None:
    async def test(house: Any) -> None:
        session = await house.session()
        with pytest.raises(WireEncodeError):
            house.delivery.to_user("ada", Push("a.b", {None: 1}, id=1))
        assert session.received == session.outbox.written_id == 0

    run(test)


@pytest.mark.parametrize(("missed", "then"), [(1, 0), (1, 1), (3, 2), (150, 1)])
def test_a_gap_is_closed_before_what_follows_it_is_sent(run: Run, sent: Sent, missed: int, then: int) -> None:
    """Every message comes once and in order, including the one that revealed the gap."""

    async def test(house: Any) -> None:
        session, other = await house.session(), await house.session()
        for each in (session, other):
            await replay(house, each)
        await push(house, 0)
        house.engine.deaf = True
        await push(house, *range(1, 1 + missed))
        house.engine.deaf = False
        await push(house, *range(1 + missed, 2 + missed + then))
        await turns(5 * (missed // 100) + 5)
        for each in (session, other):
            assert numbers(sent(each)) == list(range(2 + missed + then))
            assert losses(sent(each)) == [0] * (2 + missed + then)
            assert each.inbox is InboxState.LIVE
            assert each.received == 2 + missed + then

    run(test)


def test_what_was_trimmed_in_a_gap_is_said(build: Build, sent: Sent) -> None:
    async def test(house: Any) -> None:
        session = await house.session()
        await replay(house, session)
        await push(house, 0)
        house.engine.deaf = True
        await push(house, *range(1, 6))
        house.engine.deaf = False
        await push(house, 6, 7)
        await turns(5)
        assert numbers(sent(session)) == [0, 5, 6, 7]
        assert losses(sent(session)) == [0, 4, 0, 0]

    in_house(build, test, engine=LossyEngine(3))


def test_catching_up_without_a_message(run: Run, sent: Sent) -> None:
    async def test(house: Any) -> None:
        session = await house.session()
        await replay(house, session)
        house.engine.deaf = True
        await push(house, 0, 1)
        house.delivery.catch_up("session-9", 2)
        house.delivery.catch_up("session-1", 2)
        await turns(5)
        assert numbers(sent(session)) == [0, 1]
        house.delivery.catch_up("session-1", 2)
        assert session.inbox is InboxState.LIVE, "it is there already"
        house.engine.deaf = False
        await push(house, 2)
        await turns(5)
        assert numbers(sent(session)) == [0, 1, 2]

    run(test)


def test_where_nothing_is_known_the_clients_own_position_counts(run: Run, sent: Sent) -> None:
    async def test(house: Any) -> None:
        session = await house.session(client="phone")
        house.engine.deaf = True
        await push(house, *range(4))
        house.engine.acknowledge("ada", "phone", 2)
        assert session.received == 0
        house.delivery.catch_up("session-1", 4)
        await turns(5)
        assert numbers(sent(session)) == [2, 3]

    run(test)


# Sessions that come and go


def test_a_session_that_is_being_opened_gets_only_what_waits_for_it(run: Run, sent: Sent) -> None:
    async def test(house: Any) -> None:
        session = await house.session()
        session.state, session.inbox = SessionState.OPENING, InboxState.REPLAYING
        house.delivery.to_user("ada", Push("passing.message"))
        house.delivery.to_group(None, Push("passing.message"))
        await push(house, 0)
        session.opening_ended()
        await replay(house, session)
        house.delivery.to_user("ada", Push("passing.message", 1))
        await turns(2)
        assert numbers(sent(session)) == [0, 1]

    run(test)


def test_the_sessions_the_engine_should_know(run: Run) -> None:
    async def test(house: Any) -> None:
        one, opening, gone = await house.session(), await house.session(), await house.session()
        opening.registered = False
        for group in ("red", "blue"):
            house.registry.join(one, group)
        house.offline.lose(gone, OfflineReason.LOST)
        assert house.delivery.sessions() == [msgspec.structs.replace(one.info, groups=("blue", "red"))]
        opening.registered = True
        assert list(house.delivery.sessions())[1] == opening.info
        await house.offline.drain(asyncio.get_running_loop().time() + 5)

    run(test)
