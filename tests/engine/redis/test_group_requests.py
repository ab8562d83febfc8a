"""A node asks the node of a session to change its groups."""

import asyncio

import pytest

from msanic_core.engine.redis.records import GroupAnswer
from msanic_core.errors import StoreUnavailableError
from tests.support.engines import info
from tests.support.redis_parts import RedisNode, connect, nodes


def test_the_node_of_the_session_does_it_before_the_answer(redis_url: str) -> None:
    async def run() -> None:
        async with nodes(redis_url) as start:
            a, b = await start("a"), await start("b")
            await connect(a, "s1")
            session = info("s1", node="a")
            assert await b.engine.ask_to_change_group(session, "red:ä", True)
            assert await b.engine.ask_to_change_group(session, "red:ä", False)
            assert a.changed == [("s1", "red:ä", True), ("s1", "red:ä", False)]
            assert b.changed == []

    asyncio.run(run())


def test_a_session_that_is_gone(redis_url: str) -> None:
    async def run() -> None:
        async with nodes(redis_url) as start:
            a, b = await start("a"), await start("b")
            await connect(a, "s1")
            assert not await b.engine.ask_to_change_group(info("s2", node="a"), "red", True)
            assert not await b.engine.ask_to_change_group(info("s3", node="nowhere"), "red", True)
            assert a.changed == []
            # Its node knows already what the store is not told yet.
            a.online.clear()
            assert not await b.engine.ask_to_change_group(info("s1", node="a"), "red", True)

    asyncio.run(run())


class Hanging(RedisNode):
    async def change_group(self, session_id: str, group: str, member: bool) -> bool:
        await asyncio.Event().wait()
        return True


class Away(RedisNode):
    async def change_group(self, session_id: str, group: str, member: bool) -> bool:
        raise StoreUnavailableError("away")


class Broken(RedisNode):
    async def change_group(self, session_id: str, group: str, member: bool) -> bool:
        raise LookupError("broken")


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (Hanging, "node a gave no answer within 0.3 s"),
        (Away, "node a cannot change the group now"),
        (Broken, "node a cannot change the group now"),
    ],
)
def test_a_node_that_does_not_do_it(redis_url: str, kind: type[RedisNode], text: str) -> None:
    async def run() -> None:
        async with nodes(redis_url, patience=0.3) as start:
            a, b = await start("a", kind=kind), await start("b")
            await connect(a, "s1")
            with pytest.raises(StoreUnavailableError, match=text):
                await b.engine.ask_to_change_group(info("s1", node="a"), "red", True)

    asyncio.run(run())


def test_an_answer_that_comes_too_late_is_for_nobody(redis_url: str) -> None:
    async def run() -> None:
        async with nodes(redis_url) as start:
            a = await start("a")
            a.engine._requests.answered(GroupAnswer(7, True))
            assert not a.engine._requests._waiting

    asyncio.run(run())
