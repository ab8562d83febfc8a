"""The Redis engine as a whole: several nodes that hear of each other, and take over from each other."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from msanic_core.codes import OfflineReason
from msanic_core.testing import cluster_setup, sentinel_setup
from msanic_core.wire import Push
from tests.support.engines import info
from tests.support.redis_parts import connect, nodes, until

Setup = Callable[[Path], AbstractAsyncContextManager[Any]]


def test_messages_find_users_and_groups_on_other_nodes(redis_url: str) -> None:
    async def run() -> None:
        async with nodes(redis_url) as start:
            a, b, c = await start("a"), await start("b"), await start("c")
            await connect(a, "s1")
            await connect(b, "s2")
            await connect(c, "s3", "bob")
            await b.engine.join(info("s2", node="b"), "red")
            message_id = await c.engine.push("ada", Push("x.y", 1), True)
            await c.engine.push("ada", Push("x.y", 2), False)
            await c.engine.broadcast("red", Push("x.y", 3))
            await c.engine.broadcast(None, Push("x.y", 4))
            await until(lambda: len(a.to_groups) == len(c.to_groups) == 1 and len(b.to_groups) == 2)
            assert [(push.data, push.id) for _, push in a.to_users] == [(1, message_id), (2, None)]
            assert a.to_users == b.to_users
            assert c.to_users == []
            assert b.to_groups == [("red", Push("x.y", 3)), (None, Push("x.y", 4))]
            assert [each.id for each in await c.engine.sessions("ada")] == ["s1", "s2"]
            assert await c.engine.kick("ada", "s1") == 1
            await until(lambda: a.closed == [("s1", OfflineReason.KICKED)])
            assert b.closed == []
            assert {node.engine.describe()["nodes"] for node in (a, b, c)} <= {1, 2, 3}

    asyncio.run(run())


@pytest.mark.parametrize("setup", [sentinel_setup, cluster_setup], ids=["sentinel", "cluster"])
def test_nodes_find_each_other_and_follow_each_other_whatever_redis_is(tmp_path: Path, setup: Setup) -> None:
    async def run() -> None:
        async with setup(tmp_path) as redis, nodes(redis.url) as start:
            a, b = await start("a"), await start("b")
            for number in range(10):
                await connect(a, f"s{number}", f"user{number}")
                await a.engine.join(info(f"s{number}", f"user{number}", node="a"), f"group{number % 3}")
                await b.engine.push(f"user{number}", Push("x.y", number), True)
            await b.engine.broadcast("group1", Push("x.y", None))
            await until(lambda: len(a.to_users) == 10 and bool(a.to_groups))
            await a.kill()
            await until(lambda: len(b.adopted) == 10)
            for job in b.adopted:
                await b.engine.done(job.session, "chat")
            assert await b.engine.members("group1") == []
            page = await b.engine.inbox("user3", "", None, 10)
            assert [push.data for push in page.messages] == [3]

    asyncio.run(run())


def test_users_of_a_dead_node_are_offline_before_it_is_taken_over(redis_url: str) -> None:
    async def run() -> None:
        async with nodes(redis_url) as start:
            a, b = await start("a"), await start("b")
            await connect(a, "s1")
            await connect(b, "b1", "bob")
            for node, session in ((a, info("s1", node="a")), (b, info("b1", "bob", node="b"))):
                await node.engine.join(session, "red")
            while await b.engine.count(None) != 2:
                await asyncio.sleep(0.01)
            # A takeover begins with this call, and gets no further.
            b.engine._reaper.reap = lambda owner: None
            await a.kill()
            while await b.engine.online("ada"):
                await asyncio.sleep(0.01)
            assert await b.engine.sessions("ada") == []
            assert await b.engine.members("red") == ["bob"]
            assert await b.engine.count("red") == 1
            assert await b.engine.count(None) == 1
            assert b.adopted == []

    asyncio.run(run())


def test_a_dead_nodes_sessions_are_taken_over(redis_url: str) -> None:
    async def run() -> None:
        async with nodes(redis_url) as start:
            a, b = await start("a"), await start("b", ["chat", "shop"])
            await connect(a, "s1")
            await connect(a, "s2")
            lost = await a.engine.unregister(info("s2", node="a"), OfflineReason.SLOW, ["chat", "shop"])
            assert lost is not None
            await a.engine.done(lost, "chat")
            await a.kill()
            await until(lambda: len(b.adopted) == 2)
            told = {job.session.id: (job.reason, sorted(job.plugins)) for job in b.adopted}
            assert told == {
                "s1": (OfflineReason.CRASHED, ["chat", "shop"]),
                "s2": (OfflineReason.SLOW, ["shop"]),
            }
            for job in b.adopted:
                assert await b.engine.holds(job.session.id)
                for plugin in job.plugins:
                    await b.engine.done(job.session, plugin)
            assert not await b.engine.online("ada")

    asyncio.run(run())


def test_a_node_that_is_told_to_stop_leaves_what_is_not_done(redis_url: str) -> None:
    async def run() -> None:
        # The others need not wait for a lease to run out.
        async with nodes(redis_url, lease=3.0) as start:
            a, b = await start("a"), await start("b")
            await connect(a, "s1")
            await a.engine.unregister(info("s1", node="a"), OfflineReason.SHUTDOWN, ["chat"])
            await a.engine.stop()
            await until(lambda: bool(b.adopted))
            assert b.adopted[0].reason is OfflineReason.SHUTDOWN

    asyncio.run(run())


def test_a_condemned_node_closes_everything_and_starts_anew(redis_url: str) -> None:
    async def run() -> None:
        async with nodes(redis_url) as start:
            a, b = await start("a"), await start("b")
            await connect(a, "s1")
            task = a.engine._lease._task
            assert task is not None
            task.cancel()
            await until(lambda: bool(b.adopted))
            assert await a.engine.unregister(info("s1", node="a"), OfflineReason.LOST, ["chat"]) is None
            assert a.fenced == 1
            await connect(a, "s2")
            assert [each.id for each in await b.engine.sessions("ada")] == ["s2"]
            assert len(b.adopted) == 1
            assert a.adopted == []

    asyncio.run(run())
