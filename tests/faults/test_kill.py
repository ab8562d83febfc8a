"""Processes that are killed: every session they held is lost once, and every plugin is told of it once."""

import asyncio
from collections.abc import Iterable
from pathlib import Path

from msanic_core.testing.redis import redis_process
from tests.faults.checker import check
from tests.faults.history import Event, read_history
from tests.faults.plugins import OFFLINE_PLUGINS
from tests.faults.sizes import size
from tests.faults.stage import Stage, stage

SETTINGS = {"offline.yield_after": 0.1, "offline.cancel_after": 0.5, "redis.lease": 1.0, "redis.timeout": 0.5,
            "ws.max_connections_per_address": 10000}  # fmt: skip
SESSIONS = size(200, 2_000)
USERS = [f"user-{number}" for number in range(SESSIONS)]


def pairs(events: Iterable[Event]) -> set[tuple[str, str]]:
    return {(event["session"], event["plugin"]) for event in events}


def under_way(set_up: Stage, process: int) -> bool:
    """Whether a process has begun calls that have not ended."""
    own = [event for event in read_history(set_up.path) if event["pid"] == process]
    begun, ended = (pairs(event for event in own if event["event"] == name) for name in ("offline", "offline_end"))
    return begun != ended


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


def test_what_a_killed_node_had_told_is_not_told_again(tmp_path: Path) -> None:
    async def run() -> None:
        settings = {**SETTINGS, "offline.cancel_after": 60.0}
        async with redis_process(tmp_path) as redis, stage(tmp_path, {**settings, "redis.url": redis.url}) as set_up:
            one, two = await set_up.nodes.start(), await set_up.nodes.start()
            clients = await set_up.clients([one], USERS)
            witness = await set_up.client(one, "witness")
            for client in clients:
                await client.cut()
            # All plugins have been told, and of each session one is still at it.
            await set_up.until("offline_end", SESSIONS * (len(OFFLINE_PLUGINS) - 1))
            # The marks of what is done go the same way as this, and before it.
            await witness.ask("fault.sessions", {"user": "nobody"})
            await one.kill()
            set_up.history.record("killed", target=one.pid)
            told = SESSIONS * len(OFFLINE_PLUGINS)
            await set_up.until("offline", told + SESSIONS + len(OFFLINE_PLUGINS))
            # What is called later than this one would be seen with it.
            await (await set_up.client(two, "late")).close()
            calls = await set_up.until("offline", told + SESSIONS + 2 * len(OFFLINE_PLUGINS))
            again = [call["plugin"] for call in calls if call["pid"] == two.pid and call["user"] in USERS]
            assert again == ["hangs"] * SESSIONS
            assert check(read_history(set_up.path), OFFLINE_PLUGINS) == []

    asyncio.run(run())


def test_who_takes_over_is_killed_in_the_middle_of_it(tmp_path: Path) -> None:
    async def run() -> None:
        async with redis_process(tmp_path) as redis, stage(tmp_path, {**SETTINGS, "redis.url": redis.url}) as set_up:
            one, two = await set_up.nodes.start(), await set_up.nodes.start()
            clients = await set_up.clients([one], [f"user-{number}" for number in range(2 * SESSIONS)])
            await one.kill()
            set_up.history.record("killed", target=one.pid)
            await set_up.until("offline", 1)
            await two.kill()
            set_up.history.record("killed", target=two.pid)
            assert len(await set_up.until("offline", 1)) < len(clients) * len(OFFLINE_PLUGINS)
            three = await set_up.nodes.start()
            every = {(client.session, plugin) for client in clients for plugin in OFFLINE_PLUGINS}
            while pairs(await set_up.until("offline_end", 0)) != every or under_way(set_up, three.pid):
                await asyncio.sleep(0.1)
            assert check(read_history(set_up.path), OFFLINE_PLUGINS, unmarked=0.5) == []

    asyncio.run(run())
