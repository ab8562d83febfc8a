"""Inboxes in Redis: what the conformance suite cannot see from outside."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from msanic_core.engine.redis.redis_call import RedisCall
from msanic_core.testing import redis_process
from msanic_core.wire import Push
from tests.support.engines import MULTI, info
from tests.support.redis_parts import LIMITS, Make, Parts, client, parts


def run_with(redis_url: str, test: Callable[[Make, Any], Awaitable[None]]) -> None:
    async def run() -> None:
        async with parts(redis_url) as make, client(redis_url) as redis:
            await test(make, redis)

    asyncio.run(run())


async def waiting(node: Parts, client_id: str = "", after: int | None = None, limit: int = 10_000) -> list[object]:
    page = await node.inboxes.read("ada", client_id, after, limit, "epoch")
    return [push.data for push in page.messages]


def test_a_call_that_is_repeated_stores_and_sends_once(tmp_path: Path) -> None:
    """Redis runs the script, and its answer gets lost."""

    async def run() -> None:
        async with redis_process(tmp_path) as process, parts(process.url) as make, Redis.from_url(process.url) as redis:
            node = make("a")
            await node.sessions.register(info("s1", node="a"), MULTI)
            assert await waiting(node) == []
            async with redis.pubsub() as pubsub:
                await pubsub.subscribe(node.names.node_channel + "a")
                process.freeze()
                storing = asyncio.create_task(node.inboxes.store("ada", Push("a.b", 1), None))
                while not node.pipeline.away:
                    await asyncio.sleep(0.01)
                process.thaw()
                first = await storing
                second = await node.inboxes.store("ada", Push("a.b", 2), None)
                assert second == first + 1
                assert await waiting(node) == [1, 2]
                heard: list[Any] = []
                while len(heard) < 3:
                    message = await pubsub.get_message(ignore_subscribe_messages=False, timeout=1)
                    if message is not None:
                        heard.append(message["data"])
                assert [text.partition(b"\n")[0] for text in heard[1:]] == [b"p%d" % first, b"p%d" % second]

    asyncio.run(run())


def test_keys_of_callers_and_of_calls_do_not_meet(redis_url: str) -> None:
    async def test(make: Make, redis: Any) -> None:
        node, other = make("a"), make("b")
        first = await node.inboxes.store("ada", Push("a.b", 1), None)
        # The key that the process gave the first call.
        second = await other.inboxes.store("ada", Push("a.b", 2), "a:1")
        assert second == first + 1
        assert await other.inboxes.store("ada", Push("a.b", 3), "a:1") == second
        assert await other.inboxes.store("bob", Push("a.b", 3), "a:1") != second
        assert await waiting(node) == [1, 2]

    run_with(redis_url, test)


def test_a_thousand_keys_are_remembered(redis_url: str) -> None:
    async def test(make: Make, redis: Any) -> None:
        node = make("a")
        calls = [node.inboxes.store("ada", Push("a.b", number), f"k{number}") for number in range(1001)]
        ids = await asyncio.gather(*calls)
        assert await node.inboxes.store("ada", Push("a.b", "again"), "k1") == ids[1]
        assert await node.inboxes.store("ada", Push("a.b", "new"), "k0") == ids[-1] + 1
        assert await redis.zcard(node.names.keys("ada")) == 1000
        assert len(await waiting(node)) == LIMITS.max_messages

    run_with(redis_url, test)


def test_every_key_of_an_inbox_expires(redis_url: str) -> None:
    async def test(make: Make, redis: Any) -> None:
        node = make("a")
        age = round(LIMITS.max_age * 1000)
        await node.inboxes.store("ada", Push("a.b", 1), None)
        await node.inboxes.store("ada", Push("a.b", 1), "key")
        await node.sessions.register(info("s1", "bob"), MULTI)
        await node.inboxes.read("cay", "phone", None, 10, "epoch")
        expected = {"inbox": 2 * age, "meta": 2 * age, "keys": age, "sent": 60_000}
        ttls = {key: await redis.pttl(key) for key in await redis.keys("*") if "{u:" in key and "sessions" not in key}
        assert {key.rpartition(":")[2] for key in ttls} == set(expected)
        for key, ttl in ttls.items():
            limit = expected[key.rpartition(":")[2]]
            assert limit - 10_000 < ttl <= limit

    run_with(redis_url, test)


def test_an_acknowledgement_that_waits_is_raised(redis_url: str) -> None:
    async def test(make: Make, redis: Any) -> None:
        node = make("a")
        ids = [await node.inboxes.store("ada", Push("a.b", number), None) for number in range(20)]
        assert len(await waiting(node)) == 20
        posted: list[RedisCall] = []
        post = node.pipeline.post

        def count(*arguments: Any) -> RedisCall:
            posted.append(post(*arguments))
            return posted[-1]

        node.pipeline.post = count  # type: ignore[method-assign, assignment]
        for message_id in (*ids[:15], ids[3]):
            node.inboxes.acknowledge("ada", "", message_id)
        node.inboxes.acknowledge("ada", "phone", ids[1])
        assert await waiting(node) == list(range(15, 20))
        assert len(posted) == 2
        node.inboxes.acknowledge("ada", "", ids[-1])
        assert await waiting(node) == []
        assert len(posted) == 3
        assert node.inboxes._acknowledgements == {}

    run_with(redis_url, test)


def test_the_client_that_is_furthest_behind_makes_room(redis_url: str) -> None:
    async def test(make: Make, redis: Any) -> None:
        node = make("a")
        await node.inboxes.read("ada", "c0", None, 1, "epoch")
        ids = [await node.inboxes.store("ada", Push("a.b", number), None) for number in range(3)]
        for number in range(1, 100):
            node.inboxes.acknowledge("ada", f"c{number}", ids[0])
        for number in range(100, 150):
            node.inboxes.acknowledge("ada", f"c{number}", ids[1])
        assert await waiting(node, "c149") == [2]
        clients = [field for field in await redis.hkeys(node.names.meta("ada")) if field.startswith("c:")]
        assert len(clients) == 100
        assert "c:c0" not in clients
        # The first message was dropped: no known client needs it any more.
        assert await waiting(node, "another") == [1, 2]

    run_with(redis_url, test)


def test_connected_clients_are_known_whichever_script_makes_the_inbox(redis_url: str) -> None:
    """Also when the inbox was forgotten meanwhile: else the first acknowledgement drops the messages of all."""

    async def test(make: Make, redis: Any) -> None:
        for how in ("register", "read", "store", "restore"):
            node = make(how)
            phone, laptop = (info(f"{how}-{name}", client=name) for name in ("phone", "laptop"))
            await node.sessions.register(phone, MULTI)
            await redis.delete(*(of("ada") for of in (node.names.meta, node.names.inbox, node.names.sent)))
            if how == "register":
                await node.sessions.register(laptop, MULTI)
            elif how == "read":
                await node.inboxes.read("ada", "laptop", None, 10, "epoch")
            elif how == "restore":
                await redis.flushall()
                await node.inboxes.read("ada", "laptop", None, 10, "epoch")
                await node.sessions.restore(phone)
            message_id = await node.inboxes.store("ada", Push("a.b", how), None)
            node.inboxes.acknowledge("ada", "laptop", message_id)
            assert await waiting(node, "phone") == [how]
            await redis.flushall()

    run_with(redis_url, test)


def test_bytes_are_counted_right_after_everything(redis_url: str) -> None:
    async def test(make: Make, redis: Any) -> None:
        node = make("a")
        await node.inboxes.read("ada", "", None, 1, "epoch")
        ids = [
            await node.inboxes.store("ada", Push("a.b", "x" * (number % 7 * 100)), f"{number}") for number in range(350)
        ]
        for acknowledged in (0, 120, 121, 349):
            node.inboxes.acknowledge("ada", "", ids[acknowledged])
            assert len(await waiting(node)) == 349 - acknowledged
            key = node.names.inbox("ada")
            entries = await node.pipeline.command("XRANGE", key, "-", "+")
            noted = await redis.hget(node.names.meta("ada"), "bytes")
            assert int(noted) == sum(len(fields[b"p"]) for _, fields in entries)

    run_with(redis_url, test)


@pytest.mark.parametrize("count", [1000])
def test_a_full_inbox_holds_redis_up_for_a_moment_only(redis_url: str, count: int) -> None:
    """A script that empties the inbox drops a hundred messages in each step."""

    async def test(make: Make, redis: Any) -> None:
        node = make("a")
        await node.inboxes.read("ada", "", None, 1, "epoch")
        ids = await asyncio.gather(*(node.inboxes.store("ada", Push("a.b", n), None) for n in range(count)))
        await redis.config_resetstat()
        node.inboxes.acknowledge("ada", "", ids[-1])
        assert await waiting(node) == []
        calls = await redis.info("commandstats")
        assert calls["cmdstat_xdel"]["calls"] <= count / 100 + 2

    run_with(redis_url, test)


async def begin_new_history(redis: Any) -> None:
    """What happens to a replica that is promoted and has all its data."""
    await redis.replicaof("127.0.0.1", 1)
    await redis.replicaof("NO", "ONE")


def test_ids_go_on_from_the_clock_after_a_promotion(redis_url: str) -> None:
    """The last writes of the old master may be lost: their ids lie between the ids before and after."""

    async def test(make: Make, redis: Any) -> None:
        node = make("a")
        first = await node.inboxes.store("ada", Push("a.b", 1), None)
        assert await node.inboxes.store("ada", Push("a.b", 2), None) == first + 1
        await begin_new_history(redis)
        began = time.time_ns() // 1_000_000 * 1_000
        third = await node.inboxes.store("ada", Push("a.b", 3), None)
        assert third > began
        assert await node.inboxes.store("ada", Push("a.b", 4), None) == third + 1
        for seen, left in ((first + 1, [3, 4]), (third - 1, [3, 4]), (third, [4])):
            page = await node.inboxes.read("ada", "", seen, 10, "epoch")
            assert ([push.data for push in page.messages], page.lost) == (left, 0)

    run_with(redis_url, test)


def test_what_was_trimmed_is_counted_right_after_promotions(redis_url: str) -> None:
    async def test(make: Make, redis: Any) -> None:
        node = make("a")
        ids: list[int] = []
        for _ in range(4):
            ids += [await node.inboxes.store("ada", Push("a.b", len(ids) + n), None) for n in range(3)]
            await begin_new_history(redis)
        key = node.names.inbox("ada")
        for trimmed in range(1, len(ids)):
            await redis.xdel(key, f"{ids[trimmed - 1]}-0")
            for seen in range(len(ids)):
                page = await node.inboxes.read("ada", "", ids[seen], 100, "epoch")
                assert page.lost == max(0, trimmed - seen - 1)
                assert [push.data for push in page.messages] == list(range(max(trimmed, seen + 1), len(ids)))

    run_with(redis_url, test)


def test_of_many_promotions_the_oldest_is_forgotten(redis_url: str) -> None:
    """Losses before it are not reported any more; all later ones are reported right."""

    async def test(make: Make, redis: Any) -> None:
        node = make("a")
        await node.inboxes.read("ada", "phone", None, 1, "epoch")
        ids: list[int] = []
        for _ in range(103):
            ids.append(await node.inboxes.store("ada", Push("a.b"), None))
            await begin_new_history(redis)
        await redis.xdel(node.names.inbox("ada"), *(f"{each}-0" for each in ids[:50]))
        page = await node.inboxes.read("ada", "phone", None, 100, "epoch")
        assert [push.id for push in page.messages] == ids[50:]
        assert page.lost == 48

    run_with(redis_url, test)
