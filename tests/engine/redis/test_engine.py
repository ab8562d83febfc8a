"""The Redis engine as a whole: several nodes, and a Redis that goes away, comes back, or has forgotten everything."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from msanic_core.codes import OfflineReason
from msanic_core.engine.redis.engine import RedisEngine, RedisOptions
from msanic_core.errors import ConfigError, StoreUnavailableError
from msanic_core.testing import cluster_setup, redis_process, sentinel_setup
from msanic_core.wire import Push
from tests.support.engines import MULTI, SINGLE, info
from tests.support.nodes import Node
from tests.support.redis_parts import LIMITS, RedisNode, client, nodes

Setup = Callable[[Path], AbstractAsyncContextManager[Any]]


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0.01)


async def connect(node: RedisNode, session_id: str, user: str = "ada", **fields: object) -> None:
    session = info(session_id, user, node=node.name, **fields)
    node.online[session_id] = session
    assert await node.engine.register(session, SINGLE if fields.get("opened_at") else MULTI)


def healthy(node: RedisNode) -> bool:
    return bool(node.engine.describe()["healthy"])


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


def test_everything_is_recorded_again_in_a_redis_that_comes_back_empty(tmp_path: Path) -> None:
    async def run() -> None:
        async with redis_process(tmp_path) as process, nodes(process.url) as start:
            a, b = await start("a"), await start("b")
            await connect(a, "s1", groups=("red",))
            await connect(b, "s2", "bob")
            await a.engine.join(info("s1", node="a"), "red")
            epoch = (await a.engine.inbox("ada", "", None, 1)).epoch
            await process.kill()
            await until(lambda: all(each.engine.describe().get("problem") == "Redis is away" for each in (a, b)))
            assert not healthy(a)
            await process.restart(empty=True)
            await until(lambda: bool(a.behind and b.behind and healthy(a) and healthy(b)))
            assert await b.engine.online("ada")
            assert await a.engine.online("bob")
            assert await b.engine.members("red") == ["ada"]
            assert {session_id for session_id, _ in a.behind} == {"s1"}
            page = await a.engine.inbox("ada", "", None, 1)
            assert page.epoch != epoch
            await b.engine.push("ada", Push("x.y", 1), True)
            await b.engine.broadcast("red", Push("x.y", 2))
            await until(lambda: bool(a.to_users and a.to_groups))
            assert a.fenced == b.fenced == 0
            assert a.adopted == b.adopted == []

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


def test_an_emptied_store_is_noticed_though_redis_was_never_away(redis_url: str) -> None:
    async def run() -> None:
        async with nodes(redis_url) as start, client(redis_url) as redis:
            a, b = await start("a"), await start("b")
            await connect(a, "s1")
            await redis.flushall()
            await until(lambda: bool(a.behind))
            assert await b.engine.online("ada")
            assert a.fenced == 0

    asyncio.run(run())


def test_the_older_of_two_that_should_have_been_replaced_meanwhile_is_closed(tmp_path: Path) -> None:
    async def run() -> None:
        async with redis_process(tmp_path) as process, nodes(process.url) as start:
            a, b = await start("a"), await start("b")
            await connect(a, "s1", opened_at=1.0)
            # It was registered while the first was forgotten already.
            b.online["s2"] = info("s2", node="b", opened_at=2.0)
            await process.restart(empty=True)
            assert await b.engine.register(b.online["s2"], SINGLE)
            await until(lambda: bool(a.closed))
            assert a.closed == [("s1", OfflineReason.REPLACED)]
            assert b.closed == []

    asyncio.run(run())


def test_what_came_while_the_subscription_was_away_is_looked_for(redis_url: str) -> None:
    async def run() -> None:
        async with nodes(redis_url) as start, client(redis_url) as redis:
            a, b = await start("a"), await start("b")
            await connect(a, "s1")
            await connect(a, "s2", "bob")
            message_id = await b.engine.push("ada", Push("x.y", 1), True)
            await redis.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
            await until(lambda: len(a.behind) >= 2)
            assert ("s1", message_id) in a.behind
            # A word that was missed is found with the session.
            await until(lambda: healthy(a))

    asyncio.run(run())


def test_a_kick_that_was_not_heard_is_found_later(redis_url: str) -> None:
    async def run() -> None:
        async with nodes(redis_url, lease=3600.0) as start, client(redis_url) as redis:
            a, b = await start("a"), await start("b")
            await connect(a, "s1")
            await a.engine._subscription.stop()
            assert await b.engine.kick("ada", None) == 1
            assert a.closed == []
            await a.engine._subscription.start()
            await redis.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
            await until(lambda: a.closed == [("s1", OfflineReason.KICKED)])

    asyncio.run(run())


def test_who_was_on_a_dead_node_is_not_there_though_nobody_has_taken_over_yet(redis_url: str) -> None:
    async def run() -> None:
        async with nodes(redis_url) as start:
            a, b = await start("a"), await start("b")
            await connect(a, "s1")
            await connect(b, "b1", "bob")
            for node, session in ((a, info("s1", node="a")), (b, info("b1", "bob", node="b"))):
                await node.engine.join(session, "red")
            while await b.engine.count(None) != 2:
                await asyncio.sleep(0.01)
            # Taking over begins with this, and gets no further.
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
            lost = await a.engine.lost(info("s2", node="a"), OfflineReason.SLOW, ["chat", "shop"])
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
        # Nobody has to wait until a lease has run out.
        async with nodes(redis_url, lease=3.0) as start:
            a, b = await start("a"), await start("b")
            await connect(a, "s1")
            await a.engine.lost(info("s1", node="a"), OfflineReason.SHUTDOWN, ["chat"])
            await a.engine.stop()
            await until(lambda: bool(b.adopted))
            assert b.adopted[0].reason is OfflineReason.SHUTDOWN

    asyncio.run(run())


def test_who_was_taken_for_dead_closes_everything_and_starts_anew(redis_url: str) -> None:
    async def run() -> None:
        async with nodes(redis_url) as start:
            a, b = await start("a"), await start("b")
            await connect(a, "s1")
            task = a.engine._lease._task
            assert task is not None
            task.cancel()
            await until(lambda: bool(b.adopted))
            assert await a.engine.lost(info("s1", node="a"), OfflineReason.LOST, ["chat"]) is None
            assert a.fenced == 1
            await connect(a, "s2")
            assert [each.id for each in await b.engine.sessions("ada")] == ["s2"]
            assert len(b.adopted) == 1
            assert a.adopted == []

    asyncio.run(run())


def test_nobody_is_taken_for_dead_for_a_redis_that_was_away(tmp_path: Path) -> None:
    async def run() -> None:
        async with redis_process(tmp_path, append_only=True) as process, nodes(process.url, patience=0.1) as start:
            a, b = await start("a"), await start("b")
            await connect(a, "s1")
            process.freeze()
            await asyncio.sleep(1.2)
            process.thaw()
            await until(lambda: healthy(a) and healthy(b))
            beats = a.engine._lease._beat, b.engine._lease._beat
            await until(lambda: a.engine._lease._beat > beats[0] + 6 and b.engine._lease._beat > beats[1] + 6)
            assert await b.engine.online("ada")
            assert a.fenced == b.fenced == 0

    asyncio.run(run())


@pytest.mark.parametrize(
    "url", ["redis://127.0.0.1:1/0", "redis+sentinel://127.0.0.1:1/x", "redis+cluster://127.0.0.1:1"]
)
def test_without_redis_there_is_no_start(url: str) -> None:
    async def run() -> None:
        engine = RedisEngine(RedisOptions(url, patience=0.1, timeout=0.2), LIMITS)
        with pytest.raises(StoreUnavailableError, match=r"correct redis\.url") as caught:
            await engine.start("a", Node(), [])
        assert url in str(caught.value)

    asyncio.run(run())


def test_a_redis_that_starts_a_moment_later_is_waited_for(tmp_path: Path) -> None:
    async def run() -> None:
        async with redis_process(tmp_path) as process:
            await process.kill()
            async with nodes(process.url, patience=30.0) as start:
                starting = asyncio.create_task(start("a"))
                await asyncio.sleep(0.2)
                assert not starting.done()
                await process.restart()
                assert healthy(await starting)

    asyncio.run(run())


def test_a_wrong_password_is_said_and_not_shown(tmp_path: Path) -> None:
    async def run() -> None:
        async with redis_process(tmp_path, configuration=["user ada on >right ~* &* +@all"]) as process:
            url = f"redis://ada:secret@127.0.0.1:{process.port}/0"
            engine = RedisEngine(RedisOptions(url, patience=0.1), LIMITS)
            with pytest.raises(StoreUnavailableError, match=r"(?i)password") as caught:
                await engine.start("a", Node(), [])
            assert "secret" not in str(caught.value)

    asyncio.run(run())


def test_a_user_who_may_not_do_what_is_needed_is_told(tmp_path: Path) -> None:
    async def run() -> None:
        configuration = ["user ada on >x ~* &* +@all -info"]
        async with redis_process(tmp_path, configuration=configuration) as process:
            engine = RedisEngine(RedisOptions(f"redis://ada:x@127.0.0.1:{process.port}/0", patience=0.1), LIMITS)
            with pytest.raises(StoreUnavailableError, match="info"):
                await engine.start("a", Node(), [])

    asyncio.run(run())


def test_an_unreadable_address_is_told_before_anything_begins() -> None:
    async def run() -> None:
        with pytest.raises(ConfigError):
            RedisEngine(RedisOptions("nothing"), LIMITS)

    asyncio.run(run())


def test_a_redis_that_may_drop_things_is_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def run() -> None:
        configuration = ["maxmemory-policy allkeys-lru"]
        async with redis_process(tmp_path, configuration=configuration) as process, nodes(process.url) as start:
            await start("a")

    asyncio.run(run())
    assert "maxmemory-policy is allkeys-lru" in caplog.text
