"""A session that has missed messages reads them from the inbox, also if the store fails meanwhile."""

import asyncio
import logging
from typing import Any

import pytest

from msanic_core.codes import OfflineReason
from msanic_core.engine.base import InboxLimits, InboxPage
from msanic_core.errors import StoreUnavailableError
from msanic_core.session import replay as replay_module
from msanic_core.session.state import InboxState
from tests.support.replays import Build, LossyEngine, Sent, in_house, losses, numbers, push, replay, turns


class Store(LossyEngine):
    """An engine that counts reads of inboxes. A read can fail or wait, and the inboxes can be emptied."""

    def __init__(self, max_messages: int = 1000) -> None:
        super().__init__(max_messages)
        self.reads: list[int | None] = []
        self.failure: Exception | None = None
        self.failing_read = 0
        self.go_on = asyncio.Event()
        self.go_on.set()

    async def inbox(self, user: str, client: str, after: int | None, limit: int) -> InboxPage:
        self.reads.append(after)
        await self.go_on.wait()
        if self.failure is not None:
            raise self.failure
        if len(self.reads) == self.failing_read:
            raise StoreUnavailableError("no answer")
        return await super().inbox(user, client, after, limit)

    def empty(self) -> None:
        self._inboxes.clear()
        self._epoch = "another"


@pytest.fixture(autouse=True)
def impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay_module, "_PAUSE", 0.001)


def keep(house: Any, max_messages: int) -> None:
    house.engine._inboxes["ada"]._limits = InboxLimits(max_messages, 10_000, 60.0)


async def miss(house: Any, *messages: int) -> None:
    house.engine.deaf = True
    await push(house, *messages)
    house.engine.deaf = False


async def caught_up(session: Any) -> None:
    async with asyncio.timeout(10):
        while session.inbox is not InboxState.LIVE:
            await asyncio.sleep(0)
    await turns(2)


# How often it is read


@pytest.mark.parametrize(("count", "reads"), [(0, [None]), (3, [None]), (100, [None]), (101, [None, 100])])
def test_an_inbox_is_not_read_beyond_its_end(build: Build, count: int, reads: list[int | None]) -> None:
    async def test(house: Any) -> None:
        await push(house, *range(count))
        session = await house.session()
        await replay(house, session)
        assert house.engine.reads == reads
        assert session.received == count

    in_house(build, test, engine=Store())


def test_one_at_a_time(build: Build, sent: Sent) -> None:
    async def test(house: Any) -> None:
        session = await house.session()
        await replay(house, session)
        house.engine.reads.clear()
        house.engine.go_on.clear()
        await miss(house, 0, 1)
        house.replay.catch_up(session)
        await turns(2)
        house.replay.catch_up(session)
        await push(house, 2)
        await miss(house, 3)
        house.delivery.catch_up(session.info.id, 4)
        await turns(2)
        assert house.engine.reads == [None], "nothing is known, and the first read is under way"
        house.engine.go_on.set()
        await caught_up(session)
        assert numbers(sent(session)) == [0, 1, 2, 3]
        assert house.engine.reads == [None, 4], "again for what passed it over, once"

    in_house(build, test, engine=Store())


# Losses


def test_a_loss_that_was_not_told_yet_is_told_after_catching_up(build: Build, sent: Sent) -> None:
    async def test(house: Any) -> None:
        await push(house, 0, 1, 2)
        keep(house, 0)
        session = await house.session()
        await replay(house, session)
        assert (session.lost_before, session.received) == (3, 3)
        house.replay.catch_up(session)
        await caught_up(session)
        assert session.lost_before == 3
        keep(house, 1)
        await miss(house, 3, 4)
        await push(house, 5, 6)
        await caught_up(session)
        assert numbers(sent(session)) == [6]
        assert losses(sent(session)) == [6]

    in_house(build, test, engine=Store())


# Resuming


def test_a_loss_is_told_once_to_who_resumes_before_it(build: Build, sent: Sent) -> None:
    async def test(house: Any) -> None:
        await push(house, 0, 1, 2)
        keep(house, 0)
        session = await house.session()
        await replay(house, session)
        await replay(house, session, after=1)
        assert session.lost_before == 2
        keep(house, 10)
        await push(house, 3)
        await turns(2)
        assert losses(sent(session)) == [2]

    in_house(build, test)


def test_resuming_goes_back_and_then_on(build: Build, sent: Sent) -> None:
    async def test(house: Any) -> None:
        session = await house.session()
        await replay(house, session)
        await push(house, 0, 1, 2)
        await replay(house, session, after=1)
        await push(house, 3)
        await turns(2)
        assert numbers(sent(session)) == [0, 1, 2, 1, 2, 3]
        assert session.received == 4

    in_house(build, test)


def test_who_claims_more_than_there_is_gets_what_comes_meanwhile(build: Build, sent: Sent) -> None:
    async def test(house: Any) -> None:
        await push(house, 0)
        session = await house.session()
        page = await house.replay.first_page(session, 10**9)
        await push(house, 1)
        await asyncio.wait_for(house.replay.run(session, page), 10)
        await turns(2)
        assert numbers(sent(session)) == [1]

    in_house(build, test)


# Failure


def test_an_inbox_that_cannot_be_read_ends_the_session(build: Build) -> None:
    async def test(house: Any) -> None:
        session = await house.session()
        await replay(house, session)
        house.engine.failure = ConnectionError("a defect")
        await miss(house, 0)
        await push(house, 1)
        await turns(5)
        assert session.socket.closed[0] == 1013
        await house.offline.drain(asyncio.get_running_loop().time() + 5)

    in_house(build, test, engine=Store())


def test_a_store_that_is_away_is_waited_for(build: Build, sent: Sent, caplog: pytest.LogCaptureFixture) -> None:
    async def test(house: Any) -> None:
        session = await house.session()
        await replay(house, session)
        await miss(house, 0)
        house.engine.failure = StoreUnavailableError("no answer")
        house.engine.reads.clear()
        await push(house, 1)
        async with asyncio.timeout(10):
            while len(house.engine.reads) < 5:
                await asyncio.sleep(0.001)
        await push(house, 2)
        assert not session.closed
        assert sent(session) == []
        house.engine.failure = None
        await caught_up(session)
        await push(house, 3)
        await turns(2)
        assert numbers(sent(session)) == [0, 1, 2, 3]

    with caplog.at_level(logging.WARNING):
        in_house(build, test, engine=Store())
    assert [record.getMessage() for record in caplog.records] == [
        "the inbox of session session-1 cannot be read yet: no answer"
    ]


def test_nobody_waits_for_the_store_once_the_session_is_closed(build: Build) -> None:
    async def test(house: Any) -> None:
        session = await house.session()
        house.engine.failure = StoreUnavailableError("no answer")
        session.inbox = InboxState.REPLAYING
        running = asyncio.create_task(house.replay.run(session))
        await turns(3)
        session.connection_lost(OfflineReason.LOST)
        await asyncio.wait_for(running, 10)
        await house.offline.drain(asyncio.get_running_loop().time() + 5)

    in_house(build, test, engine=Store())


@pytest.mark.parametrize("meanwhile", [0, 1])
def test_a_replay_that_cannot_begin_leaves_the_session_where_it_was(build: Build, sent: Sent, meanwhile: int) -> None:
    async def test(house: Any) -> None:
        session = await house.session()
        await replay(house, session)
        await push(house, 0)
        house.engine.go_on.clear()
        house.engine.failure = StoreUnavailableError("no answer")
        beginning = asyncio.create_task(house.replay.first_page(session, 0))
        await turns(2)
        await push(house, *range(1, 1 + meanwhile))
        house.engine.go_on.set()
        with pytest.raises(StoreUnavailableError):
            await beginning
        assert (session.inbox is not InboxState.LIVE) is bool(meanwhile), "what has passed it over is sent to it"
        house.engine.failure = None
        await caught_up(session)
        await push(house, 1 + meanwhile)
        await turns(2)
        assert numbers(sent(session)) == list(range(2 + meanwhile))

    in_house(build, test, engine=Store())


# Epochs


@pytest.mark.parametrize("acknowledges", [True, False])
def test_an_inbox_of_another_epoch_is_read_from_its_beginning(build: Build, sent: Sent, acknowledges: bool) -> None:
    async def test(house: Any) -> None:
        session = await house.session(acknowledges=acknowledges)
        await replay(house, session)
        await push(house, 0, 1, 2)
        house.engine.empty()
        await miss(house, 3)
        house.delivery.catch_up(session.info.id, 1)
        await caught_up(session)
        await push(house, 4)
        await turns(2)
        messages = [(message["cmd"], message.get("id"), message["data"]) for message in sent(session)]
        durable = [(1, 0), (2, 1), (3, 2), (1, 3), (2, 4)]
        expected: list[Any] = [("n.n", message_id, data) for message_id, data in durable]
        if acknowledges:
            expected.insert(0, ("sys.welcome", None, {"epoch": messages[0][2]["epoch"]}))
            expected.insert(4, ("sys.welcome", None, {"epoch": "another"}))
        assert messages == expected

    in_house(build, test, engine=Store())


def test_a_store_that_is_away_again_does_not_hide_the_new_epoch(build: Build, sent: Sent) -> None:
    async def test(house: Any) -> None:
        session = await house.session()
        await replay(house, session)
        await push(house, 0, 1, 2)
        house.engine.empty()
        await miss(house, 3, 4)
        house.engine.failing_read = len(house.engine.reads) + 2
        house.delivery.catch_up(session.info.id, 2)
        await caught_up(session)
        assert numbers(sent(session)) == [0, 1, 2, 3, 4]
        assert session.received == 2

    in_house(build, test, engine=Store())
