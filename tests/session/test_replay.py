import asyncio
from typing import Any

import pytest

from msanic_core.codes import OfflineReason
from msanic_core.engine.base import InboxLimits, InboxPage
from msanic_core.engine.memory.memory_engine import MemoryEngine
from msanic_core.session.state import InboxState
from msanic_core.wire import Push
from tests.support.replays import Build, Sent, in_house, left, losses, numbers, push, replay, turns

# Order


@pytest.mark.parametrize("count", [0, 1, 99, 100, 101, 350])
def test_everything_comes_in_order_and_once(build: Build, sent: Sent, count: int) -> None:
    async def test(house: Any) -> None:
        await push(house, *range(count))
        session = await house.session()
        await replay(house, session)
        assert numbers(sent(session)) == list(range(count))
        assert session.inbox is InboxState.LIVE
        await push(house, count)
        await turns(2)
        assert numbers(sent(session)) == list(range(count + 1))

    in_house(build, test)


def test_what_is_pushed_meanwhile_does_not_overtake(build: Build, sent: Sent) -> None:
    async def test(house: Any) -> None:
        await push(house, *range(250))
        session = await house.session(outbox=2000)
        pushed = 250

        async def keep_pushing() -> None:
            nonlocal pushed
            while session.inbox is not InboxState.LIVE and pushed < 600:
                await push(house, pushed)
                await house.engine.push("ada", Push("passing.message", -1), False)
                pushed += 1
                await asyncio.sleep(0)

        page = await house.replay.first_page(session, None)
        pushing = asyncio.create_task(keep_pushing())
        await asyncio.wait_for(house.replay.run(session, page), 10)
        await pushing
        await push(house, pushed)
        await turns(2)
        assert pushed > 255, "the replay waited for the outbox, and meanwhile messages came"
        durable = [message for message in sent(session) if "id" in message]
        assert numbers(durable) == list(range(pushed + 1))

    in_house(build, test)


@pytest.mark.parametrize("before", [0, 3])
def test_one_pushed_between_the_first_page_and_the_rest(build: Build, sent: Sent, before: int) -> None:
    async def test(house: Any) -> None:
        await push(house, *range(before))
        session = await house.session()
        page = await house.replay.first_page(session, None)
        await push(house, before)
        await asyncio.wait_for(house.replay.run(session, page), 10)
        await turns(2)
        assert numbers(sent(session)) == list(range(before + 1))

    in_house(build, test)


def test_a_replay_waits_for_room_and_not_for_a_whole_page(build: Build, sent: Sent) -> None:
    """A page of an inbox can be larger than an outbox."""

    async def test(house: Any) -> None:
        for number in range(80):
            await house.engine.push("ada", Push("n.n", number, hint="x" * 1000), True)
        session = await house.session(outbox=5000)
        await replay(house, session)
        assert not session.closed
        assert numbers(sent(session)) == list(range(80))
        socket: Any = session.socket
        assert max(map(len, socket.writes)) <= 5000

    in_house(build, test)


def test_a_message_larger_than_the_outbox_is_sent_all_the_same(build: Build, sent: Sent) -> None:
    async def test(house: Any) -> None:
        for number, size in enumerate((10, 9000, 10, 9000)):
            await house.engine.push("ada", Push("n.n", number, hint="x" * size), True)
        session = await house.session(outbox=5000)
        await replay(house, session)
        assert not session.closed
        assert numbers(sent(session)) == [0, 1, 2, 3]

    in_house(build, test)


def test_a_client_that_does_not_read_holds_up_its_own_replay_only(build: Build, sent: Sent) -> None:
    async def test(house: Any) -> None:
        await push(house, *range(300))
        stuck, other = await house.session(outbox=2000), await house.session(outbox=2000)
        stuck.writable(False)
        page = await house.replay.first_page(stuck, None)
        waiting = asyncio.create_task(house.replay.run(stuck, page))
        await replay(house, other)
        assert numbers(sent(other)) == list(range(300))
        assert sent(stuck) == []
        stuck.writable(True)
        await asyncio.wait_for(waiting, 10)
        await turns(2)
        assert numbers(sent(stuck)) == list(range(300))

    in_house(build, test)


def test_a_replay_ends_with_its_session(build: Build, sent: Sent) -> None:
    async def test(house: Any) -> None:
        await push(house, *range(300))
        session = await house.session(outbox=2000)
        session.writable(False)
        page = await house.replay.first_page(session, None)
        running = asyncio.create_task(house.replay.run(session, page))
        await turns(3)
        session.connection_lost(OfflineReason.LOST)
        await asyncio.wait_for(running, 10)
        assert len(sent(session)) < 300
        assert len(await left(house)) == 300
        await house.offline.drain(asyncio.get_running_loop().time() + 5)

    in_house(build, test)


# Losses


LIMITS = [{"max_messages": 4}, {"max_bytes": 450}, {"max_age": 10.0}]


@pytest.mark.parametrize("limits", LIMITS, ids=["messages", "bytes", "age"])
def test_the_first_message_says_how_many_were_trimmed(build: Build, sent: Sent, limits: dict[str, Any]) -> None:
    async def test(house: Any) -> None:
        for number in range(10):
            await house.engine.push("ada", Push("n.n", number, hint="x" * 90), True)
            house.now += 2.2
        session = await house.session()
        await replay(house, session)
        assert numbers(sent(session)) == [6, 7, 8, 9]
        assert losses(sent(session)) == [6, 0, 0, 0]

    in_house(build, test, **limits)


def test_what_is_trimmed_during_a_replay_is_said_too(build: Build, sent: Sent) -> None:
    async def test(house: Any) -> None:
        await push(house, *range(150))
        session = await house.session(outbox=2000)
        session.writable(False)
        page = await house.replay.first_page(session, None)
        running = asyncio.create_task(house.replay.run(session, page))
        await turns(3)
        await push(house, *range(150, 300))
        session.writable(True)
        await asyncio.wait_for(running, 10)
        await turns(2)
        messages = sent(session)
        assert numbers(messages) == [*range(100), *range(150, 300)], "one page, then what was left by then"
        assert losses(messages) == [0] * 100 + [50] + [0] * 149

    in_house(build, test, max_messages=150)


def test_when_nothing_is_left_the_next_message_says_it(build: Build, sent: Sent) -> None:
    async def test(house: Any) -> None:
        await push(house, *range(3))
        house.now += 61
        session = await house.session()
        await replay(house, session)
        assert sent(session) == []
        await push(house, 3, 4)
        await turns(2)
        assert numbers(sent(session)) == [3, 4]
        assert losses(sent(session)) == [3, 0]

    in_house(build, test, max_age=60.0)


def test_a_loss_is_not_counted_twice(build: Build, sent: Sent) -> None:
    async def test(house: Any) -> None:
        await push(house, *range(3))
        house.now += 61
        session = await house.session()
        page = await house.replay.first_page(session, None)
        assert page.lost == 3
        await push(house, 3)
        await asyncio.wait_for(house.replay.run(session, page), 10)
        await turns(2)
        assert losses(sent(session)) == [3]

    in_house(build, test, max_age=60.0)


# Failure


def test_an_inbox_that_cannot_be_read_further_ends_the_session_and_loses_nothing(build: Build, sent: Sent) -> None:
    class Failing(MemoryEngine):
        """Gives the first page and fails on the second, until it is well again."""

        well = False

        async def inbox(self, user: str, client: str, after: int | None, limit: int) -> InboxPage:
            if after is not None and not self.well:
                raise ConnectionError("the store is away")
            return await super().inbox(user, client, after, limit)

    async def run() -> None:
        engine = Failing(InboxLimits(1000, 1_000_000, 3600.0))
        house = await build(engine=engine)
        await push(house, *range(150))
        session = await house.session()
        await replay(house, session)
        assert session.closed
        assert session.socket.closed[0] == 1013
        assert numbers(sent(session)) == list(range(100))
        engine.well = True
        again = await house.session()
        await replay(house, again)
        assert numbers(sent(again)) == list(range(150))

    asyncio.run(run())
