import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from msanic_core.codes import OfflineReason
from msanic_core.session.session import Session
from msanic_core.wire import Push, WireEncodeError

Build = Callable[..., Any]
Sent = Callable[[Any], list[dict[str, Any]]]
Run = Callable[[Callable[[Any], Awaitable[None]]], None]


@pytest.fixture
def run(build: Build) -> Run:
    def run_(test: Callable[[Any], Awaitable[None]]) -> None:
        async def main() -> None:
            await test(await build())

        asyncio.run(main())

    return run_


def test_a_message_is_encoded_once_per_codec(run: Run, sent: Sent) -> None:
    async def test(house: Any) -> None:
        json = [await house.session(f"json-{number}") for number in range(20)]
        packed = [await house.session(f"packed-{number}", codec=house.codecs.msgpack) for number in range(20)]
        assert house.delivery.to_group(None, Push("a.b", 1)) == 40
        assert house.delivery.to_group("red", Push("a.b", 2)) == 0
        await asyncio.sleep(0)
        # The same object for all: had it been encoded again, there would be another one.
        assert len({id(frame) for session in json for frame in session.socket.writes}) == 1
        assert [sent(session) for session in json] == [[{"cmd": "a.b", "data": 1, "code": 0, "hint": ""}]] * 20
        assert {b"".join(session.socket.writes) for session in packed} == {house.codecs.msgpack.push(Push("a.b", 1))}

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
        session.replaying = True
        other.received = 4
        assert house.delivery.to_user("ada", Push("durable.message", id=5)) == 2
        house.delivery.to_user("ada", Push("passing.message"))
        await asyncio.sleep(0)
        assert session.passed_over
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
