"""Nodes whose Redis goes away and comes back, comes back empty, or could not be heard for a while."""

import asyncio
from pathlib import Path

from msanic_core.codes import OfflineReason
from msanic_core.testing import redis_process
from msanic_core.wire import Push
from tests.support.engines import SINGLE, info
from tests.support.redis_parts import client, connect, healthy, nodes, until


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
            # The second was registered after the store had forgotten the first.
            b.online["s2"] = info("s2", node="b", opened_at=2.0)
            await process.restart(empty=True)
            assert await b.engine.register(b.online["s2"], SINGLE)
            await until(lambda: bool(a.closed))
            assert a.closed == [("s1", OfflineReason.REPLACED)]
            assert b.closed == []

    asyncio.run(run())


def test_messages_that_came_while_the_subscription_was_away_are_read(redis_url: str) -> None:
    async def run() -> None:
        async with nodes(redis_url) as start, client(redis_url) as redis:
            a, b = await start("a"), await start("b")
            await connect(a, "s1")
            await connect(a, "s2", "bob")
            message_id = await b.engine.push("ada", Push("x.y", 1), True)
            await redis.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
            await until(lambda: len(a.behind) >= 2)
            assert ("s1", message_id) in a.behind
            # Restoring the session finds the order to close it that was missed.
            await until(lambda: healthy(a))

    asyncio.run(run())


def test_a_kick_that_was_missed_is_found_later(redis_url: str) -> None:
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


def test_no_node_is_condemned_because_redis_was_away(tmp_path: Path) -> None:
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
