"""Sessions that begin and end on their own node: recorded once, lost once, and nothing is left of them."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from msanic_core.codes import OfflineReason
from msanic_core.engine.base import SessionPolicy
from msanic_core.engine.redis.records import OPEN
from msanic_core.errors import StoreUnavailableError
from msanic_core.testing import redis_process
from tests.support.engines import MULTI, SINGLE, info
from tests.support.redis_parts import Make, Parts, client, parts
from tests.support.redis_sessions import LEASE, LOST, PLUGINS, ids_of, keys_left, run_with


def test_nothing_is_left_of_a_session_that_is_done_with(redis_url: str) -> None:
    async def test(make: Make, redis: Any) -> None:
        node = make("a")
        session = info("s1", groups=("red", "blue"))
        assert await node.sessions.register(session, MULTI)
        for group in session.groups:
            await node.groups.join(session, group)
        lost = await node.sessions.unregister(session, LOST, PLUGINS)
        assert lost is not None
        assert lost.last
        for plugin in PLUGINS:
            assert await node.sessions.holds("s1")
            await node.sessions.done(session, plugin)
        assert not await node.sessions.holds("s1")
        assert node.sessions.idle
        assert await keys_left(redis) == set()

    run_with(redis_url, test)


def test_nothing_is_left_when_no_plugin_has_to_be_told(redis_url: str) -> None:
    async def test(make: Make, redis: Any) -> None:
        node = make("a")
        session = info("s1")
        await node.sessions.register(session, MULTI)
        await node.groups.join(session, "red")
        # The session was lost while it joined: its node does not know of the group yet.
        assert await node.sessions.unregister(session, LOST, []) is not None
        assert node.sessions.idle
        assert await keys_left(redis) == set()

    run_with(redis_url, test)


def test_a_session_is_lost_once(redis_url: str) -> None:
    async def test(make: Make, redis: Any) -> None:
        node = make("a")
        await node.sessions.register(info("s1"), MULTI)
        results = await asyncio.gather(*(node.sessions.unregister(info("s1"), LOST, PLUGINS) for _ in range(5)))
        assert len([result for result in results if result is not None]) == 1
        assert await node.sessions.unregister(info("never"), LOST, PLUGINS) is None

    run_with(redis_url, test)


def test_a_refused_session_leaves_nothing(redis_url: str) -> None:
    async def test(make: Make, redis: Any) -> None:
        node = make("a")
        policy = SessionPolicy(1)
        await node.sessions.register(info("s1"), policy)
        before = await keys_left(redis)
        assert not await node.sessions.register(info("s2"), policy)
        assert await keys_left(redis) == before
        assert await redis.smembers(node.names.held("a.1")) == {"s1\nada"}

    run_with(redis_url, test)


@pytest.mark.parametrize("client_id", ["a\nb", "a\n\n\n\n", "\n", "a:b{c}", "%0A"])
def test_what_a_client_calls_itself_breaks_no_record(redis_url: str, client_id: str) -> None:
    async def test(make: Make, redis: Any) -> None:
        node, other = make("a", LEASE), make("b", LEASE)
        session = info("s1", client=client_id)
        await node.sessions.register(session, SINGLE)
        assert await node.sessions.of_user("ada") == [session]
        assert await node.sessions.restore(session) == (OPEN, int(await redis.hget("test:{u:ada}:meta", "last")))
        await other.until_dead("a.1")
        job = await other.sessions.claim("a.1", "ada", "s1", PLUGINS)
        assert job is not None
        assert job.session.client == client_id

    run_with(redis_url, test)


def test_replaced_before_its_registration_was_answered(redis_url: str) -> None:
    """The order to close it comes on another connection, and may be quicker."""

    async def test(make: Make, redis: Any) -> None:
        node = make("a")
        await node.lease.beat()
        first = asyncio.create_task(node.sessions.register(info("s1"), SINGLE))
        while not node.sessions.count:
            await asyncio.sleep(0)
        assert not first.done()
        lost = await node.sessions.unregister(info("s1"), OfflineReason.REPLACED, PLUGINS)
        assert lost is not None
        assert await first
        assert await ids_of(node) == []
        assert await node.sessions.holds("s1")

    run_with(redis_url, test)


def test_lost_before_it_was_recorded(redis_url: str) -> None:
    async def test(make: Make, redis: Any) -> None:
        node = make("a")
        first = asyncio.create_task(node.sessions.register(info("s1"), MULTI))
        await asyncio.sleep(0)
        assert await node.sessions.unregister(info("s1"), LOST, PLUGINS) is None
        with pytest.raises(StoreUnavailableError, match="lost"):
            await first
        await until_idle(node)
        assert await keys_left(redis) == set()

    run_with(redis_url, test)


async def until_idle(node: Parts) -> None:
    while not node.sessions.idle:
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("how", ["timeout", "cancelled"])
def test_a_registration_that_fails_leaves_nothing_once_redis_is_back(tmp_path: Path, how: str) -> None:
    """The script was sent, so Redis may run it although nobody gets the answer."""

    async def run() -> None:
        async with redis_process(tmp_path) as process, parts(process.url) as make, client(process.url) as redis:
            node = make("a", lease=60.0, patience=0.2)
            await node.sessions.register(info("s0"), MULTI)
            registering = asyncio.create_task(node.sessions.register(info("s1"), MULTI))
            while node.sessions.count < 2:
                await asyncio.sleep(0)
            process.freeze()
            if how == "cancelled":
                registering.cancel()
            await asyncio.wait({registering})
            if not registering.cancelled():
                assert registering.exception() is None or how == "timeout"
            process.thaw()
            if not registering.cancelled() and registering.exception() is None:
                await node.sessions.unregister(info("s1"), LOST, [])
            while node.sessions._undoing:
                await asyncio.sleep(0.01)
            assert await ids_of(node) == ["s0"]
            assert await redis.smembers(node.names.held("a.1")) == {"s0\nada"}

    asyncio.run(run())
