"""What the tests of sessions in Redis share."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from msanic_core.codes import OfflineReason
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
    """The stored keys, except beats and inboxes."""
    found = await redis.keys("*")
    return {key for key in found if "{nodes}" not in key and not key.endswith((":meta", ":inbox"))}
