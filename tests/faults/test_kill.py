"""Processes that are killed: every session they held is lost once, and every plugin is told of it once."""

import asyncio
from pathlib import Path

from msanic_core.testing.redis import redis_process
from tests.faults.checker import check
from tests.faults.history import read_history
from tests.faults.plugins import OFFLINE_PLUGINS
from tests.faults.sizes import size
from tests.faults.stage import stage

SETTINGS = {"offline.yield_after": 0.1, "offline.cancel_after": 0.5, "redis.lease": 1.0, "redis.timeout": 0.5,
            "ws.max_connections_per_address": 10000}  # fmt: skip
SESSIONS = size(200, 2_000)


def test_the_sessions_of_a_killed_node_are_taken_over(tmp_path: Path) -> None:
    async def run() -> None:
        async with redis_process(tmp_path) as redis, stage(tmp_path, {**SETTINGS, "redis.url": redis.url}) as set_up:
            one, two = await set_up.nodes.start(), await set_up.nodes.start()
            clients = [await set_up.client(one, f"user-{number}") for number in range(SESSIONS)]
            stays = await set_up.client(two, "stays")
            await one.kill()
            set_up.history.record("killed", target=one.pid)
            calls = await set_up.until("offline_end", SESSIONS * len(OFFLINE_PLUGINS))
            assert {call["pid"] for call in calls} == {two.pid}
            for client in clients:
                await client.until_closed()
            assert check(read_history(set_up.path), OFFLINE_PLUGINS) == []
            await stays.close()
            await set_up.until("offline_end", (SESSIONS + 1) * len(OFFLINE_PLUGINS))
            assert check(read_history(set_up.path), OFFLINE_PLUGINS) == []

    asyncio.run(run())
