"""Sessions and offline jobs of dead nodes: taken over once, also when the node was only frozen."""

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from msanic_core.codes import OfflineReason
from msanic_core.engine.base import OfflineJob
from msanic_core.engine.redis import scripts
from msanic_core.errors import StoreUnavailableError
from msanic_core.identity import SessionInfo
from tests.support.engines import MULTI, SINGLE, info
from tests.support.redis_parts import Make, Parts
from tests.support.redis_sessions import LEASE, LOST, PLUGINS, ids_of, keys_left, run_with


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
        await first.sessions.unregister(session, OfflineReason.HEARTBEAT, PLUGINS)
        await first.sessions.done(session, "chat")
        job = await second.sessions.claim("a.1", "ada", "s1", PLUGINS)
        assert job is not None
        assert job.plugins == ("shop",)
        assert job.reason is OfflineReason.HEARTBEAT
        assert job.session.groups == ("red",)
        # The former owner cannot mark anything any more.
        await first.sessions.done(session, "shop")
        again = await third.sessions.claim("b.1", "ada", "s1", PLUGINS)
        assert again is not None
        assert again.plugins == ("shop",)
        await third.sessions.done(again.session, "shop")
        assert await third.sessions.claim("a.1", "ada", "s1", PLUGINS) is None
        assert await keys_left(redis) == set()

    run_with(redis_url, test)


def test_what_two_dead_nodes_held_is_given_out_once(redis_url: str) -> None:
    """The second claimed it from the first, and died before it took it out of the list of the first."""

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
        assert await redis.exists(dead.names.nodes("red"), dead.names.members("red")) == 0

    run_with(redis_url, test)


async def taken_over(make: Make, session: SessionInfo) -> tuple[Parts, Parts]:
    """A frozen node, and a node that has taken over its session, told the plugins and finished."""
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
    """Whatever it does first, no plugin is told a second time of a session that another node has taken over."""

    async def test(make: Make, redis: Any) -> None:
        session = info("s1")
        frozen, other = await taken_over(make, session)
        if first == "restore":
            assert (await frozen.sessions.restore(session))[0] == "crashed"
            assert await frozen.sessions.unregister(session, OfflineReason.CRASHED, PLUGINS) is None
        elif first == "register another":
            # All sessions of the node are closed, this one too.
            with pytest.raises(StoreUnavailableError):
                await frozen.sessions.register(info("s2"), SINGLE)
            assert await frozen.sessions.register(info("s3"), SINGLE)
            assert await ids_of(other) == ["s3"]
        assert await frozen.sessions.unregister(session, LOST, PLUGINS) is None
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
        # join.lua ran just before the session was claimed, enter.lua runs after it.
        keys = [frozen.names.members("red"), frozen.names.nodes("red")]
        await frozen.pipeline.run(scripts.ENTER, keys, "s1", "a.1", "a", "ada")
        if known:
            await frozen.lease.beat()
        assert await frozen.sessions.unregister(session, LOST, PLUGINS) is None
        assert await redis.exists(*keys) == 0

    run_with(redis_url, test)


def test_frozen_between_a_sign_of_life_and_what_follows(redis_url: str) -> None:
    """It does not know yet that it was condemned, and acts under the old name: the reaper finds that later."""

    async def test(make: Make, redis: Any) -> None:
        session = info("s1")
        frozen, _ = await taken_over(make, session)
        answer = await frozen.sessions._scripts.unregister(session, "a.1", LOST, PLUGINS, 1.0, force=True)
        assert answer is None
        frozen.lease._valid_until = asyncio.get_running_loop().time() + 1
        assert await frozen.sessions.register(info("s2"), SINGLE)
        assert await frozen.sessions.held("a.1", 10) == [("ada", "s2")]

    run_with(redis_url, test)


def test_sessions_of_living_owners_and_unknown_ones_are_not_claimed(redis_url: str) -> None:
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
        lost = await node.sessions.unregister(session, LOST, PLUGINS)
        assert lost is not None
        job = await other.sessions.claim("a.1", "ada", "s1", PLUGINS)
        assert job is not None
        assert job.session == lost

    run_with(redis_url, test)


@pytest.mark.parametrize("claimant", ["a", "c"])
@pytest.mark.parametrize("first", ["the claim", "the end of the hook"])
def test_condemned_in_the_middle_of_a_job(redis_url: str, first: str, claimant: str) -> None:
    """The condemning node has died, and somebody claims the job while a hook runs, or after it has ended."""

    async def test(make: Make, redis: Any) -> None:
        node, condemner, third = make("a", LEASE), make("b", LEASE), make("c", LEASE)
        told: list[str] = []
        end = asyncio.Event()

        async def tell(by: Parts, session: SessionInfo, plugins: Sequence[str]) -> None:
            for plugin in plugins:
                if not await by.sessions.holds(session.id):
                    return
                told.append(plugin)
                await end.wait()
                await by.sessions.done(session, plugin)

        await node.sessions.register(info("s1"), MULTI)
        lost = await node.sessions.unregister(info("s1"), LOST, PLUGINS)
        assert lost is not None
        tasks = [asyncio.create_task(tell(node, lost, PLUGINS))]
        while not told:
            await asyncio.sleep(0)
        await condemner.until_dead("a.1")
        await node.lease.beat()
        assert node.condemned == ["a.1"]
        if first == "the end of the hook":
            end.set()
            await tasks[0]
        by = node if claimant == "a" else third
        for user, session_id in await by.sessions.held("a.1", 10):
            if (job := await by.sessions.claim("a.1", user, session_id, PLUGINS)) is not None:
                tasks.append(asyncio.create_task(tell(by, job.session, job.plugins)))
        end.set()
        await asyncio.gather(*tasks)
        # A hook that runs while another node claims the job is called again: nobody can know whether it will end.
        again = ["chat"] if (first, claimant) == ("the claim", "c") else []
        assert sorted(told) == sorted([*PLUGINS, *again])
        assert node.sessions.idle
        assert third.sessions.idle
        assert await keys_left(redis) == set()

    run_with(redis_url, test)
