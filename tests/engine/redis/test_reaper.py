"""Taking over from dead nodes: everything, once, whichever node dies meanwhile."""

import asyncio
from collections import Counter

import pytest

from msanic_core.codes import OfflineReason
from msanic_core.engine.base import OfflineJob
from msanic_core.identity import SessionInfo
from tests.support.engines import MULTI, info
from tests.support.redis_parts import RedisNode, client, nodes, until


async def fill(node: RedisNode, count: int) -> list[SessionInfo]:
    """Sessions of as many users, each in a group."""
    sessions = [info(f"s{number}", f"user{number}", node=node.name) for number in range(count)]
    await asyncio.gather(*(node.engine.register(session, MULTI) for session in sessions))
    await asyncio.gather(*(node.engine.join(session, "all") for session in sessions))
    return sessions


def told(*living: RedisNode) -> Counter[str]:
    return Counter(job.session.id for node in living for job in node.adopted)


def test_two_thousand_sessions_are_taken_over_once_by_two_that_compete(redis_url: str) -> None:
    async def run() -> None:
        # A lease in which a busy machine can fill a node and still beat.
        async with nodes(redis_url, prefix="test", lease=2.0) as start, client(redis_url) as redis:
            dead, a, b = await start("dead"), await start("a"), await start("b")
            sessions = await fill(dead, 2000)
            await dead.kill()
            await until(lambda: bool(a.adopted or b.adopted))
            # Only one node has condemned it; both take over.
            for node in (a, b):
                node.engine._reaper.reap("dead.1")
            await until(lambda: not a.engine._reaper._tasks and not b.engine._reaper._tasks)
            assert told(a, b) == Counter(session.id for session in sessions)
            assert a.adopted
            assert b.adopted
            job = a.adopted[0]
            assert job.reason is OfflineReason.CRASHED
            assert job.plugins == ("chat",)
            assert job.session.groups == ("all",)
            assert job.session.last
            assert await a.engine.members("all") == []
            await asyncio.gather(*(node.engine.done(each.session, "chat") for node in (a, b) for each in node.adopted))
            left = {key for key in await redis.keys("*") if not key.endswith((":meta", ":inbox"))}
            assert {key for key in left if ":taken:" not in key} == {"test:{nodes}:beats", "test:{nodes}:epoch"}
            assert all([0 < await redis.ttl(key) <= 3600 for key in left if ":taken:" in key])

    asyncio.run(run())


def test_a_third_finishes_what_a_reaper_leaves_that_dies_in_the_middle(redis_url: str) -> None:
    async def run() -> None:
        async with nodes(redis_url) as start:
            dead, second = await start("dead"), await start("second")
            sessions = await fill(dead, 600)
            await dead.kill()
            adopted: list[OfflineJob] = []
            done: list[str] = []
            await until(lambda: len(second.adopted) >= 200)
            # Of some sessions it has told all plugins; the others are left when it dies.
            for job in second.adopted[:50]:
                await second.engine.done(job.session, "chat")
                done.append(job.session.id)
            adopted += second.adopted
            await second.kill()
            third = await start("third")
            await until(lambda: len({*done, *told(third)}) == len(sessions))
            await until(lambda: not third.engine._reaper._tasks)
            assert told(third) == Counter({session.id for session in sessions} - set(done))

    asyncio.run(run())


def test_a_reaper_that_is_stopped_leaves_the_rest_to_others(redis_url: str) -> None:
    async def run() -> None:
        async with nodes(redis_url) as start:
            dead, second = await start("dead"), await start("second")
            sessions = await fill(dead, 600)
            await dead.kill()
            await until(lambda: bool(second.engine._reaper._tasks))
            await second.engine.stop()
            third = await start("third")
            await until(lambda: len(told(third)) == len(sessions))
            assert told(third) == Counter(session.id for session in sessions)

    asyncio.run(run())


def test_an_owner_is_taken_over_from_once_at_a_time(redis_url: str, caplog: pytest.LogCaptureFixture) -> None:
    """Otherwise the first task would be forgotten, and go on after the node has stopped."""

    async def run() -> None:
        async with nodes(redis_url, lease=3600.0) as start:
            dead, a = await start("dead"), await start("a")
            await fill(dead, 3)
            await dead.kill()
            for _ in range(2):
                a.engine._reaper.reap("dead.1")
            await until(lambda: not a.engine._reaper._tasks)
            assert told(a) == Counter(["s0", "s1", "s2"])
            assert caplog.messages.count("node dead.1 is dead: taking over its sessions") == 1
            # A session that it recorded too late is found when the owner is reaped again.
            a.engine._reaper.reap("dead.1")
            await until(lambda: not a.engine._reaper._tasks)

    asyncio.run(run())
    assert caplog.messages.count("node dead.1 is dead: taking over its sessions") == 2


def test_one_record_that_cannot_be_read_keeps_no_other(redis_url: str, caplog: pytest.LogCaptureFixture) -> None:
    async def run() -> None:
        async with nodes(redis_url, prefix="test") as start, client(redis_url) as redis:
            dead, a = await start("dead"), await start("a")
            await fill(dead, 3)
            await redis.hset("test:{u:user1}:sessions", "s1", "-\ndead.1\ndead\n\nnot a session")
            await dead.kill()
            await until(lambda: len(a.adopted) == 2 and not a.engine._reaper._tasks)
            assert await redis.exists("test:{held:dead.1}", "test:{nodes}:dead") == 0

    asyncio.run(run())
    assert "session s1 of user1 cannot be taken over" in caplog.text
