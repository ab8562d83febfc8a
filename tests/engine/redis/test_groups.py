"""Groups over several nodes: who is in them, and which nodes are told."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from msanic_core.codes import OfflineReason
from tests.support.engines import MULTI, info
from tests.support.redis_parts import Make, Parts, client, parts


def run_with(redis_url: str, test: Callable[[Make, Any], Awaitable[None]]) -> None:
    async def run() -> None:
        async with parts(redis_url) as make, client(redis_url) as redis:
            await test(make, redis)

    asyncio.run(run())


async def enter(node: Parts, session_id: str, user: str, *groups: str) -> None:
    session = info(session_id, user, node=node.node)
    await node.sessions.register(session, MULTI)
    for group in groups:
        await node.groups.join(session, group)


async def counts(redis: Any, node: Parts, group: str) -> dict[str, str]:
    found: dict[str, str] = await redis.hgetall(node.names.nodes(group))
    return found


def test_members_are_counted_by_node(redis_url: str) -> None:
    async def test(make: Make, redis: Any) -> None:
        a, b = make("a"), make("b")
        await enter(a, "s1", "ada", "red", "red", "blue")
        await enter(a, "s2", "ada", "red")
        await enter(b, "s3", "bob", "red")
        assert await a.groups.members("red") == await b.groups.members("red") == ["ada", "bob"]
        assert await counts(redis, a, "red") == {"a": "2", "b": "1"}
        for _ in range(2):
            await a.groups.leave(info("s1", node="a"), "red")
        assert await counts(redis, a, "red") == {"a": "1", "b": "1"}
        await a.groups.leave(info("s2", node="a"), "red")
        await b.groups.leave(info("s3", "bob", node="b"), "red")
        await a.groups.leave(info("s1", node="a"), "blue")
        assert not [key for key in await redis.keys("*") if "g:" in key or "groups:" in key]

    run_with(redis_url, test)


def test_a_message_goes_to_nodes_with_members_only(redis_url: str) -> None:
    async def test(make: Make, redis: Any) -> None:
        a, b, c = make("a"), make("b"), make("c")
        await enter(a, "s1", "ada", "red")
        await enter(b, "s2", "bob", "red")
        await enter(c, "s3", "cay", "blue")
        async with redis.pubsub() as pubsub:
            await pubsub.psubscribe("test:0:*")
            await a.groups.broadcast("red", b"hello")
            await a.groups.broadcast("nobody", b"hello")
            await a.groups.broadcast(None, b"hello")
            heard = []
            while (a.names.everybody, "a\nhello") not in heard:
                message = await pubsub.get_message(ignore_subscribe_messages=True, timeout=1)
                if message is not None:
                    heard.append((message["channel"], message["data"]))
        channel = a.names.node_channel
        assert sorted(heard[:-1]) == [(f"{channel}a", "gred\nhello"), (f"{channel}b", "gred\nhello")]

    run_with(redis_url, test)


def test_lost_while_it_joins(redis_url: str) -> None:
    """Whichever comes first, no session stays behind in the group."""

    async def test(make: Make, redis: Any) -> None:
        node = make("a")
        for steps in range(12):
            session = info(f"s{steps}")
            await node.sessions.register(session, MULTI)
            joining = asyncio.create_task(node.groups.join(session, "red"))
            for _ in range(steps):
                await asyncio.sleep(0)
            await node.sessions.unregister(session, OfflineReason.LOST, ["chat"])
            await joining
            await node.sessions.done(session, "chat")
            assert await node.groups.members("red") == []
            assert await counts(redis, node, "red") == {}

    run_with(redis_url, test)
