"""Beats: which owners are condemned, by whom, and which are not."""

import asyncio
from pathlib import Path

import pytest

from msanic_core.engine.redis.lease import Silence
from msanic_core.errors import StoreUnavailableError
from msanic_core.testing import redis_process
from tests.support.redis_parts import client, parts

LEASE = 0.3


def test_an_owner_that_is_silent_for_a_lease() -> None:
    silence = Silence(10.0)
    for now in range(0, 10, 2):
        assert silence.look({"a": "1", "b": str(now)}, now) == {}
    assert silence.look({"a": "1", "b": "10"}, 10.0) == {"a": "1"}
    assert silence.look({"a": "2", "b": "12"}, 12.0) == {}
    assert silence.look({"b": "12"}, 16.0) == {}
    assert silence.look({"a": "2", "b": "12"}, 20.0) == {}
    assert silence.look({"a": "2", "b": "12"}, 22.0) == {"b": "12"}


def test_a_node_that_did_not_look_cannot_know_who_was_silent() -> None:
    silence = Silence(10.0)
    silence.look({"a": "1"}, 0.0)
    assert silence.look({"a": "1"}, 30.0) == {}
    assert silence.look({"a": "1"}, 34.0) == {}
    assert silence.look({"a": "1"}, 39.5) == {}
    for now in range(40, 50):
        assert silence.look({"a": "1"}, now) == {}
    assert silence.look({"a": "1"}, 50.0) == {"a": "1"}


def test_a_node_that_gives_no_sign_of_life_is_condemned_once(redis_url: str) -> None:
    async def run() -> None:
        async with parts(redis_url) as make:
            a, b, c = (make(name, LEASE) for name in "abc")
            for node in (a, b, c):
                await node.lease.beat()
            while not a.dead + b.dead:
                await asyncio.gather(a.lease.beat(), b.lease.beat())
                await asyncio.sleep(0.02)
            for _ in range(3):
                await asyncio.gather(a.lease.beat(), b.lease.beat())
            assert a.dead + b.dead == ["c.1"]
            assert a.lease.dead == b.lease.dead == {"c.1"}
            assert a.lease.nodes == 2

    asyncio.run(run())


@pytest.mark.parametrize("done", [False, True], ids=["being taken over", "taken over"])
def test_a_condemned_node_is_told_and_goes_on_under_another_name(redis_url: str, done: bool) -> None:
    async def run() -> None:
        async with parts(redis_url) as make, client(redis_url) as redis:
            a, c = make("a", LEASE), make("c", LEASE)
            await c.lease.beat()
            assert c.lease.fresh
            await a.until_dead("c.1")
            assert not c.lease.fresh
            if done:
                await redis.hdel(a.names.dead, "c.1")
            await c.lease.confirm()
            assert c.condemned == ["c.1"]
            assert c.lease.owner == "c.2"
            assert c.lease.fresh
            assert "c.2" in await redis.hkeys(a.names.beats)
            await c.lease.beat()
            assert c.condemned == ["c.1"]

    asyncio.run(run())


def test_an_owner_that_beats_in_time_is_not_condemned(redis_url: str) -> None:
    """A node decides by beats that it read a moment ago; the owner may have beaten since."""

    async def run() -> None:
        async with parts(redis_url) as make:
            a, c = make("a"), make("c")
            await c.lease.beat()
            seen = "1"
            await c.lease.beat()
            assert not await a.lease._condemn("c.1", seen, "a.1")
            await c.lease.beat()
            assert c.condemned == []

    asyncio.run(run())


def test_one_node_condemns_and_may_repeat_it(redis_url: str) -> None:
    """The call is repeated when its answer got lost."""

    async def run() -> None:
        async with parts(redis_url) as make:
            a, b, c = make("a"), make("b"), make("c")
            await c.lease.beat()
            for _ in range(2):
                assert await a.lease._condemn("c.1", c.lease._given, "a.1")
                assert not await b.lease._condemn("c.1", c.lease._given, "b.1")

    asyncio.run(run())


def test_no_owner_is_condemned_because_redis_stood_still(tmp_path: Path) -> None:
    """The first node that reaches Redis again sees the beats of the others from a lease ago."""

    async def run() -> None:
        async with redis_process(tmp_path) as redis, parts(redis.url) as make:
            a, c = make("a", LEASE, patience=0.1), make("c", LEASE)
            await c.lease.beat()
            await a.lease.beat()
            redis.freeze()
            with pytest.raises(StoreUnavailableError):
                # It takes longer than a lease to give up.
                await a.lease.beat()
            assert not a.lease.fresh
            redis.thaw()
            await a.lease.beat(wait=True)
            assert a.dead == []
            assert a.lease.dead == frozenset()
            await c.lease.beat()
            assert c.condemned == []

    asyncio.run(run())


def test_nobody_is_condemned_when_the_store_was_emptied(redis_url: str) -> None:
    async def run() -> None:
        async with parts(redis_url) as make, client(redis_url) as redis:
            nodes = [make(name, LEASE) for name in "ab"]
            for node in nodes:
                await node.lease.beat()
            epoch = nodes[0].lease.epoch
            await redis.flushall()
            for node in nodes:
                await node.lease.beat()
                assert node.new_stores == 1
                assert node.condemned == []
            assert nodes[0].lease.epoch == nodes[1].lease.epoch != epoch
            assert nodes[0].lease.owner == "a.1"

    asyncio.run(run())


def test_an_observer_that_was_frozen_condemns_nobody(redis_url: str) -> None:
    async def run() -> None:
        async with parts(redis_url) as make:
            a, c = make("a", LEASE), make("c", LEASE)
            await c.lease.beat()
            await a.lease.beat()
            await asyncio.sleep(2 * LEASE)
            await a.lease.beat()
            assert a.dead == []
            await c.lease.beat()
            assert c.condemned == []

    asyncio.run(run())


def test_the_next_node_goes_on_for_a_condemner_that_has_died(redis_url: str) -> None:
    async def run() -> None:
        async with parts(redis_url) as make:
            a, b, c = make("a", LEASE), make("b", LEASE), make("c", LEASE)
            await c.lease.beat()
            await b.until_dead("c.1")
            await a.until_dead("b.1", "c.1")
            for _ in range(3):
                await a.lease.beat()
            assert sorted(a.dead) == ["b.1", "c.1"]

    asyncio.run(run())


def test_a_node_that_leaves_something_behind_is_taken_over_at_once(redis_url: str) -> None:
    async def run() -> None:
        async with parts(redis_url) as make:
            a, c = make("a", 3600.0), make("c", 3600.0)
            await c.lease.start()
            await c.lease.stop(clean=False)
            await a.lease.beat()
            assert a.dead == ["c.1"]

    asyncio.run(run())


def test_a_node_that_leaves_nothing_behind_is_forgotten(redis_url: str) -> None:
    async def run() -> None:
        async with parts(redis_url) as make, client(redis_url) as redis:
            a, c = make("a"), make("c")
            await c.lease.start()
            await c.lease.stop(clean=True)
            await a.lease.beat()
            assert a.dead == []
            assert await redis.hkeys(a.names.beats) == ["a.1"]

    asyncio.run(run())


def test_many_calls_that_need_a_beat_share_one(redis_url: str) -> None:
    async def run() -> None:
        async with parts(redis_url) as make, client(redis_url) as redis:
            a = make("a")
            await asyncio.gather(*(a.lease.confirm() for _ in range(20)))
            await a.lease.confirm()
            assert await redis.hget(a.names.beats, "a.1") == "1 0"

    asyncio.run(run())


def test_no_sign_of_life_can_be_given_without_redis(tmp_path: Path) -> None:
    async def run() -> None:
        async with redis_process(tmp_path) as redis, parts(redis.url) as make:
            a = make("a", LEASE, patience=0.1)
            await a.lease.beat()
            await redis.kill()
            with pytest.raises(StoreUnavailableError):
                await a.lease.beat()
            waiting = asyncio.create_task(a.lease.beat(wait=True))
            await redis.restart()
            await waiting
            assert a.new_stores == 1

    asyncio.run(run())
