"""Where a replay begins: the id that a client has acknowledged, and the id that counts as received."""

import asyncio
from typing import Any

import pytest

from msanic_core.codes import OfflineReason
from msanic_core.session.replay import confirm_alive, confirm_written
from tests.support.replays import Build, Sent, in_house, left, numbers, push, replay, turns

# Resuming


def test_after_an_id_only_what_is_newer(build: Build, sent: Sent) -> None:
    async def test(house: Any) -> None:
        await push(house, *range(5))
        session = await house.session()
        await replay(house, session, after=3)
        assert numbers(sent(session)) == [3, 4]

    in_house(build, test)


def test_after_the_newest_id_nothing_old_comes_again(build: Build, sent: Sent) -> None:
    """The client's acknowledged position is lower than the id from which it resumes."""

    async def test(house: Any) -> None:
        await push(house, *range(5))
        session = await house.session()
        page = await house.replay.first_page(session, 5)
        await push(house, 5)
        await asyncio.wait_for(house.replay.run(session, page), 10)
        await turns(2)
        assert numbers(sent(session)) == [5]

    in_house(build, test)


# Receipts


def test_a_plain_client_that_closes_in_order_has_what_was_written(build: Build) -> None:
    async def test(house: Any) -> None:
        session = await house.session()
        await replay(house, session)
        await push(house, 0, 1)
        await turns(1)
        session.connection_lost(OfflineReason.CLOSED)
        assert await left(house) == []

    in_house(build, test)


def test_it_does_not_have_what_the_socket_had_not_taken(build: Build) -> None:
    async def test(house: Any) -> None:
        session = await house.session()
        await replay(house, session)
        await push(house, 0, 1)
        socket: Any = session.socket
        socket.stuck = 10
        session.writable(False)
        session.connection_lost(OfflineReason.CLOSED)
        assert await left(house) == [0, 1]

    in_house(build, test)


@pytest.mark.parametrize("reason", sorted(set(OfflineReason) - {OfflineReason.CLOSED}))
def test_after_any_other_end_it_gets_everything_again(build: Build, reason: OfflineReason) -> None:
    async def test(house: Any) -> None:
        session = await house.session()
        await replay(house, session)
        await push(house, 0, 1)
        await turns(1)
        session.connection_lost(reason)
        assert await left(house) == [0, 1]

    in_house(build, test)


def test_a_plain_client_that_is_heard_from_afterwards_has_what_was_written(build: Build) -> None:
    async def test(house: Any) -> None:
        def tick() -> None:
            confirm_alive(session, house.engine)
            session.quiet += 1

        session = await house.session()
        await replay(house, session)
        await push(house, 0, 1)
        await turns(1)
        for _ in range(5):
            tick()
        assert await left(house) == [0, 1], "it left this process, and nobody knows more"
        await push(house, 2)
        await turns(1)
        session.control()
        assert await left(house) == [0, 1, 2]
        tick()
        assert await left(house) == [2], "the third may have left after the client last spoke"
        tick()
        assert await left(house) == [2]
        session.message("x")
        tick()
        assert await left(house) == []

    in_house(build, test)


def test_a_client_that_acknowledges_itself_is_not_spoken_for(build: Build) -> None:
    async def test(house: Any) -> None:
        session = await house.session(acknowledges=True)
        await replay(house, session)
        await push(house, 0)
        await turns(1)
        for _ in range(3):
            session.control()
            confirm_alive(session, house.engine)
        confirm_written(session, house.engine)
        session.connection_lost(OfflineReason.CLOSED)
        assert await left(house) == [0]

    in_house(build, test)


def test_each_client_has_its_own_place(build: Build, sent: Sent) -> None:
    async def test(house: Any) -> None:
        for client in ("phone", "laptop"):
            session = await house.session(client=client, acknowledges=True)
            await replay(house, session)
            session.connection_lost(OfflineReason.CLOSED)
        await house.offline.drain(asyncio.get_running_loop().time() + 5)
        await push(house, *range(5))
        house.engine.acknowledge("ada", "phone", 3)
        sessions = {client: await house.session(client=client) for client in ("phone", "laptop")}
        for session in sessions.values():
            await replay(house, session)
        assert numbers(sent(sessions["phone"])) == [3, 4]
        assert numbers(sent(sessions["laptop"])) == [0, 1, 2, 3, 4]

    in_house(build, test)
