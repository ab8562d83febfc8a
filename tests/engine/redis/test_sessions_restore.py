"""Sessions that are recorded again, and those of a store that was emptied."""

import asyncio
from typing import Any

import pytest

from msanic_core.engine.redis.records import OPEN
from tests.support.engines import MULTI, SINGLE, info
from tests.support.redis_parts import Make
from tests.support.redis_sessions import LEASE, LOST, PLUGINS, ids_of, keys_left, run_with


def test_restoring_changes_nothing_that_is_known(redis_url: str) -> None:
    async def test(make: Make, redis: Any) -> None:
        node = make("a")
        session = info("s1")
        await node.sessions.register(session, SINGLE)
        key = node.names.sessions("ada")
        before = await node.pipeline.command("HGETALL", key)
        for _ in range(2):
            mark, _last = await node.sessions.restore(session)
            assert mark == OPEN
        assert await node.pipeline.command("HGETALL", key) == before

    run_with(redis_url, test)


def test_restored_in_an_empty_store_the_newest_stays(redis_url: str) -> None:
    async def test(make: Make, redis: Any) -> None:
        a, b, c = make("a"), make("b"), make("c")
        sessions = [(a, info("s1", opened_at=1.0)), (b, info("s2", opened_at=2.0)), (c, info("s3", opened_at=3.0))]
        for node, session in sessions:
            await node.sessions.register(session, SINGLE)
        await redis.flushall()
        marks = [(await node.sessions.restore(session))[0] for node, session in (sessions[1], sessions[2], sessions[0])]
        # The second is told by a message, and when it is restored again.
        assert marks == [OPEN, OPEN, "replaced"]
        assert (await b.sessions.restore(sessions[1][1]))[0] == "replaced"
        assert await ids_of(a) == ["s3"]

    run_with(redis_url, test)


def test_a_mark_survives_restoring(redis_url: str) -> None:
    async def test(make: Make, redis: Any) -> None:
        node = make("a")
        for number in (1, 2):
            await node.sessions.register(info(f"s{number}"), MULTI)
        assert await node.sessions.kick("ada", "s1") == 1
        assert (await node.sessions.restore(info("s1")))[0] == "kicked"
        assert (await node.sessions.restore(info("s2")))[0] == OPEN
        assert await ids_of(node) == ["s2"]

    run_with(redis_url, test)


def test_restored_after_it_was_lost_it_is_not_there_again(redis_url: str) -> None:
    """restore.lua runs again because its answer got lost, and the session was lost in between."""

    async def test(make: Make, redis: Any) -> None:
        node = make("a")
        await node.sessions.register(info("s1"), MULTI)
        assert await node.sessions.unregister(info("s1"), LOST, PLUGINS) is not None
        assert (await node.sessions._scripts.restore(info("s1"), "a.1", replace=False))[0] == "crashed"
        assert await ids_of(node) == []
        assert await node.sessions.holds("s1")

    run_with(redis_url, test)


@pytest.mark.parametrize("steps", range(6))
def test_lost_while_it_is_restored(redis_url: str, steps: int) -> None:
    async def test(make: Make, redis: Any) -> None:
        node = make("a")
        session = info("s1", groups=("red",))
        await node.sessions.register(session, MULTI)
        await node.groups.join(session, "red")
        await redis.flushall()
        restoring = asyncio.create_task(node.sessions.restore(session))
        for _ in range(steps):
            await asyncio.sleep(0.001)
        lost = await node.sessions.unregister(session, LOST, PLUGINS)
        await restoring
        assert lost is not None
        assert await ids_of(node) == []
        assert await node.groups.members("red") == []
        # The job is in the list, where other nodes find it.
        assert await redis.smembers(node.names.held(node.lease.owner)) == {"s1\nada"}
        for plugin in PLUGINS:
            await node.sessions.done(session, plugin)
        assert await keys_left(redis) == set()

    run_with(redis_url, test)


def test_lost_after_the_store_was_emptied(redis_url: str) -> None:
    """Its job is recorded all the same, and other nodes find it."""

    async def test(make: Make, redis: Any) -> None:
        node, other = make("a", LEASE), make("b", LEASE)
        await node.sessions.register(info("s1"), MULTI)
        await redis.flushall()
        lost = await node.sessions.unregister(info("s1"), LOST, PLUGINS)
        assert lost is not None
        await other.until_dead("a.1")
        assert await other.sessions.held("a.1", 10) == [("ada", "s1")]
        job = await other.sessions.claim("a.1", "ada", "s1", ["chat", "new"])
        assert job is not None
        assert sorted(job.plugins) == PLUGINS
        assert job.reason is LOST

    run_with(redis_url, test)


def test_every_plugin_is_told_though_the_store_was_emptied_in_between(redis_url: str) -> None:
    async def test(make: Make, redis: Any) -> None:
        node = make("a")
        await node.sessions.register(info("s1"), MULTI)
        await node.sessions.unregister(info("s1"), LOST, PLUGINS)
        await redis.flushall()
        await node.sessions.done(info("s1"), "chat")
        assert await node.sessions.holds("s1")
        await node.sessions.done(info("s1"), "shop")
        assert node.sessions.idle

    run_with(redis_url, test)
