"""Sessions and offline jobs: recorded once, lost once, taken over once, whatever comes in between."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from msanic_core.codes import OfflineReason
from msanic_core.engine.base import OfflineJob, SessionInfo, SessionPolicy
from msanic_core.engine.redis import scripts
from msanic_core.engine.redis.records import OPEN
from msanic_core.errors import StoreUnavailableError
from msanic_core.testing import redis_process
from tests.support.engines import MULTI, SINGLE, info
from tests.support.redis_parts import Make, Parts, client, parts

LEASE = 0.3
PLUGINS = ["chat", "shop"]
LOST = OfflineReason.LOST


def run_with(redis_url: str, test: Callable[[Make, Any], Awaitable[None]]) -> None:
    async def run() -> None:
        async with parts(redis_url) as make, client(redis_url) as redis:
            await test(make, redis)

    asyncio.run(run())


async def ids_of(node: Parts, user: str = "ada") -> list[str]:
    return [session.id for session in await node.sessions.of_user(user)]


async def keys_left(redis: Any) -> set[str]:
    """What is stored, but for signs of life and inboxes."""
    found = await redis.keys("*")
    return {key for key in found if "{nodes}" not in key and not key.endswith((":meta", ":inbox"))}


def test_nothing_is_left_of_a_session_that_is_done_with(redis_url: str) -> None:
    async def test(make: Make, redis: Any) -> None:
        node = make("a")
        session = info("s1", groups=("red", "blue"))
        assert await node.sessions.register(session, MULTI)
        for group in session.groups:
            await node.groups.join(session, group)
        lost = await node.sessions.lost(session, LOST, PLUGINS)
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
        # It joined while it was being lost: its own node does not know yet.
        assert await node.sessions.lost(session, LOST, []) is not None
        assert node.sessions.idle
        assert await keys_left(redis) == set()

    run_with(redis_url, test)


def test_a_session_is_lost_once(redis_url: str) -> None:
    async def test(make: Make, redis: Any) -> None:
        node = make("a")
        await node.sessions.register(info("s1"), MULTI)
        results = await asyncio.gather(*(node.sessions.lost(info("s1"), LOST, PLUGINS) for _ in range(5)))
        assert len([result for result in results if result is not None]) == 1
        assert await node.sessions.lost(info("never"), LOST, PLUGINS) is None

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
    """The word of it comes on another connection, and may be quicker."""

    async def test(make: Make, redis: Any) -> None:
        node = make("a")
        await node.lease.beat()
        first = asyncio.create_task(node.sessions.register(info("s1"), SINGLE))
        while not node.sessions._open:
            await asyncio.sleep(0)
        assert not first.done()
        lost = await node.sessions.lost(info("s1"), OfflineReason.REPLACED, PLUGINS)
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
        assert await node.sessions.lost(info("s1"), LOST, PLUGINS) is None
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
    """It was sent, so that it is made though nobody gets the answer."""

    async def run() -> None:
        async with redis_process(tmp_path) as process, parts(process.url) as make, client(process.url) as redis:
            node = make("a", lease=60.0, patience=0.2)
            await node.sessions.register(info("s0"), MULTI)
            registering = asyncio.create_task(node.sessions.register(info("s1"), MULTI))
            while "s1" not in node.sessions._open:
                await asyncio.sleep(0)
            process.freeze()
            if how == "cancelled":
                registering.cancel()
            await asyncio.wait({registering})
            if not registering.cancelled():
                assert registering.exception() is None or how == "timeout"
            process.thaw()
            if not registering.cancelled() and registering.exception() is None:
                await node.sessions.lost(info("s1"), LOST, [])
            while node.sessions._undoing:
                await asyncio.sleep(0.01)
            assert await ids_of(node) == ["s0"]
            assert await redis.smembers(node.names.held("a.1")) == {"s0\nada"}

    asyncio.run(run())


def test_restoring_changes_nothing_that_is_known(redis_url: str) -> None:
    async def test(make: Make, redis: Any) -> None:
        node = make("a")
        session = info("s1")
        await node.sessions.register(session, SINGLE)
        key = node.names.of_user("ada", "sessions")
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
        # The second learns of it by a message, and when it asks again.
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
    """A call whose answer got lost is made again, and what was lost meanwhile came in between."""

    async def test(make: Make, redis: Any) -> None:
        node = make("a")
        await node.sessions.register(info("s1"), MULTI)
        assert await node.sessions.lost(info("s1"), LOST, PLUGINS) is not None
        node.sessions._open.add("s1")
        assert (await node.sessions.restore(info("s1")))[0] == "crashed"
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
        lost = await node.sessions.lost(session, LOST, PLUGINS)
        await restoring
        assert lost is not None
        assert await ids_of(node) == []
        assert await node.groups.members("red") == []
        # The job is where others find it.
        assert await redis.smembers(node.names.held(node.lease.owner)) == {"s1\nada"}
        for plugin in PLUGINS:
            await node.sessions.done(session, plugin)
        assert await keys_left(redis) == set()

    run_with(redis_url, test)


def test_lost_after_the_store_was_emptied(redis_url: str) -> None:
    """Its job is recorded all the same, and found by others."""

    async def test(make: Make, redis: Any) -> None:
        node, other = make("a", LEASE), make("b", LEASE)
        await node.sessions.register(info("s1"), MULTI)
        await redis.flushall()
        lost = await node.sessions.lost(info("s1"), LOST, PLUGINS)
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
        await node.sessions.lost(info("s1"), LOST, PLUGINS)
        await redis.flushall()
        await node.sessions.done(info("s1"), "chat")
        assert await node.sessions.holds("s1")
        await node.sessions.done(info("s1"), "shop")
        assert node.sessions.idle

    run_with(redis_url, test)


def test_a_session_of_a_dead_node_is_claimed_once(redis_url: str) -> None:
    async def test(make: Make, redis: Any) -> None:
        dead, *others = [make(name, LEASE) for name in "abcd"]
        for number in range(20):
            await dead.sessions.register(info(f"s{number}", f"user{number}"), MULTI)
        for other in others:
            await other.lease.beat()
        claims = [
            other.sessions.claim("a.1", f"user{number}", f"s{number}", PLUGINS)
            for number in range(20)
            for other in others
        ]
        jobs = [job for job in await asyncio.gather(*claims) if job is not None]
        assert sorted(job.session.id for job in jobs) == sorted(f"s{number}" for number in range(20))
        assert all(job.reason is OfflineReason.CRASHED and job.session.last for job in jobs)
        assert await redis.scard(dead.names.held("a.1")) == 0
        assert sum([await redis.scard(dead.names.held(f"{name}.1")) for name in "bcd"]) == 20

    run_with(redis_url, test)


def test_a_job_goes_on_where_its_node_has_ended(redis_url: str) -> None:
    async def test(make: Make, redis: Any) -> None:
        first, second, third = (make(name, LEASE) for name in "abc")
        session = info("s1", groups=("red",))
        await first.sessions.register(session, MULTI)
        await first.sessions.lost(session, OfflineReason.HEARTBEAT, PLUGINS)
        await first.sessions.done(session, "chat")
        job = await second.sessions.claim("a.1", "ada", "s1", PLUGINS)
        assert job is not None
        assert job.plugins == ("shop",)
        assert job.reason is OfflineReason.HEARTBEAT
        assert job.session.groups == ("red",)
        # Who had it has nothing to say any more.
        await first.sessions.done(session, "shop")
        again = await third.sessions.claim("b.1", "ada", "s1", PLUGINS)
        assert again is not None
        assert again.plugins == ("shop",)
        await third.sessions.done(again.session, "shop")
        assert await third.sessions.claim("a.1", "ada", "s1", PLUGINS) is None
        assert await keys_left(redis) == set()

    run_with(redis_url, test)


def test_what_two_dead_nodes_held_is_given_out_once(redis_url: str) -> None:
    """One took it over from the other, and died before it could say so."""

    async def test(make: Make, redis: Any) -> None:
        first, second, third = (make(name, LEASE) for name in "abc")
        await first.sessions.register(info("s1"), MULTI)
        assert await second.sessions.claim("a.1", "ada", "s1", PLUGINS) is not None
        await redis.sadd(first.names.held("a.1"), "s1\nada")
        jobs: list[OfflineJob | None] = []
        while held := [(owner, *each) for owner in ("a.1", "b.1") for each in await third.sessions.held(owner, 10)]:
            jobs += await asyncio.gather(*(third.sessions.claim(*each, PLUGINS) for each in held))
        assert len([job for job in jobs if job is not None]) == 1
        assert await third.sessions.holds("s1")

    run_with(redis_url, test)


def test_what_this_node_has_taken_over_is_not_left_with_another_that_is_dead(redis_url: str) -> None:
    async def test(make: Make, redis: Any) -> None:
        first, second, third = (make(name, LEASE) for name in "abc")
        await first.sessions.register(info("s1"), MULTI)
        assert await second.sessions.claim("a.1", "ada", "s1", PLUGINS) is not None
        await redis.sadd(first.names.held("a.1"), "s1\nada")
        assert await third.sessions.claim("b.1", "ada", "s1", PLUGINS) is not None
        assert await third.sessions.held("a.1", 10) == [("ada", "s1")]
        assert await third.sessions.claim("a.1", "ada", "s1", PLUGINS) is None
        assert await third.sessions.held("a.1", 10) == []
        assert await third.sessions.holds("s1")

    run_with(redis_url, test)


def test_a_dead_nodes_sessions_are_not_online_while_they_are_taken_over(redis_url: str) -> None:
    async def test(make: Make, redis: Any) -> None:
        dead, other = make("a", LEASE), make("b", LEASE)
        session = info("s1")
        await dead.sessions.register(session, MULTI)
        await dead.groups.join(session, "red")
        assert await ids_of(other) == ["s1"]
        await other.until_dead("a.1")
        assert await ids_of(other) == []
        assert await other.groups.members("red") == []
        await other.sessions.claim("a.1", "ada", "s1", [])
        assert await redis.exists(dead.names.of_group("red", "nodes"), dead.names.of_group("red", "members")) == 0

    run_with(redis_url, test)


async def taken_over(make: Make, session: SessionInfo) -> tuple[Parts, Parts]:
    """A node that was only frozen, and one that has taken over its session, told the plugins, and forgotten it."""
    frozen, other = make("a", LEASE), make("b", LEASE)
    await frozen.sessions.register(session, SINGLE)
    await other.until_dead("a.1")
    job = await other.sessions.claim("a.1", session.user, session.id, ["chat"])
    assert job is not None
    await other.sessions.done(job.session, "chat")
    await other.pipeline.command("HDEL", other.names.dead, "a.1")
    return frozen, other


@pytest.mark.parametrize("first", ["lost", "restore", "register another", "holds"])
def test_a_node_that_was_frozen_comes_back(redis_url: str, first: str) -> None:
    """Whatever it does first: nobody is told a second time of what others have taken over."""

    async def test(make: Make, redis: Any) -> None:
        session = info("s1")
        frozen, other = await taken_over(make, session)
        if first == "restore":
            assert (await frozen.sessions.restore(session))[0] == "crashed"
            assert await frozen.sessions.lost(session, OfflineReason.CRASHED, PLUGINS) is None
        elif first == "register another":
            # All it had is closed, and so is this.
            with pytest.raises(StoreUnavailableError):
                await frozen.sessions.register(info("s2"), SINGLE)
            assert await frozen.sessions.register(info("s3"), SINGLE)
            assert await ids_of(other) == ["s3"]
        assert await frozen.sessions.lost(session, LOST, PLUGINS) is None
        assert not await frozen.sessions.holds("s1")
        await frozen.lease.confirm()
        assert frozen.condemned == ["a.1"]
        assert "s1" not in await ids_of(other)
        assert await redis.exists(frozen.names.job("ada", "s1")) == 0

    run_with(redis_url, test)


@pytest.mark.parametrize("known", [False, True], ids=["it does not know", "it knows"])
def test_what_a_frozen_node_has_joined_too_late_is_left(redis_url: str, known: bool) -> None:
    async def test(make: Make, redis: Any) -> None:
        session = info("s1", groups=("red",))
        frozen, _ = await taken_over(make, session)
        # It had asked whether the session is recorded just before it was taken over.
        keys = [frozen.names.of_group("red", what) for what in ("members", "nodes")]
        await frozen.pipeline.run(scripts.ENTER, keys, "s1", "a.1", "a", "ada")
        if known:
            await frozen.lease.beat()
        assert await frozen.sessions.lost(session, LOST, PLUGINS) is None
        assert await redis.exists(*keys) == 0

    run_with(redis_url, test)


def test_frozen_between_a_sign_of_life_and_what_follows(redis_url: str) -> None:
    """It does not know yet that it was condemned; what it does with the old name is found out afterwards."""

    async def test(make: Make, redis: Any) -> None:
        session = info("s1")
        frozen, _ = await taken_over(make, session)
        answer = await frozen.sessions._record_lost(session, "a.1", LOST, PLUGINS, 1.0, force=True)
        assert answer is None
        frozen.lease._valid_until = asyncio.get_running_loop().time() + 1
        assert await frozen.sessions.register(info("s2"), SINGLE)
        assert await frozen.sessions.held("a.1", 10) == [("ada", "s2")]

    run_with(redis_url, test)


def test_sessions_of_other_users_and_done_ones_are_nobodys(redis_url: str) -> None:
    async def test(make: Make, redis: Any) -> None:
        node, other = make("a"), make("b")
        await node.sessions.register(info("s1"), MULTI)
        assert await other.sessions.claim("x.1", "ada", "s1", PLUGINS) is None
        assert await other.sessions.claim("a.1", "ada", "unknown", PLUGINS) is None
        assert await other.sessions.kick("bob", None) == 0
        assert await ids_of(node) == ["s1"]
        assert other.sessions.idle

    run_with(redis_url, test)


def test_times_and_ids_come_through_unchanged(redis_url: str) -> None:
    async def test(make: Make, redis: Any) -> None:
        node, other = make("a"), make("b")
        session = msgspec.structs.replace(info("s1"), opened_at=1_764_000_000.1234567)
        await node.sessions.register(session, MULTI)
        lost = await node.sessions.lost(session, LOST, PLUGINS)
        assert lost is not None
        job = await other.sessions.claim("a.1", "ada", "s1", PLUGINS)
        assert job is not None
        assert job.session == lost

    run_with(redis_url, test)
