"""Whom a killed node held is no longer shown as there once its lease is over, however long it takes to reap them."""

import asyncio
import time
from pathlib import Path

from msanic_core.testing import redis_process
from tests.faults.checker import check
from tests.faults.history import read_history
from tests.faults.outage import SETTINGS
from tests.faults.plugins import OFFLINE_PLUGINS
from tests.faults.sizes import report, size
from tests.faults.stage import stage

# More than are taken over at once.
USERS = [f"user-{number}" for number in range(size(600, 2_000))]
SOME = USERS[:: len(USERS) // 10]
GROUP = {"group": "everybody"}


def test_nobody_is_shown_whose_node_is_dead(tmp_path: Path) -> None:
    async def run() -> None:
        async with redis_process(tmp_path) as redis, stage(tmp_path, {**SETTINGS, "redis.url": redis.url}) as set_up:
            one, two = await set_up.nodes.start(), await set_up.nodes.start()
            clients = await set_up.clients([one], USERS)
            await asyncio.gather(*(client.ask("fault.join", GROUP) for client in clients))
            stays = await set_up.client(two, "stays")
            await stays.ask("fault.join", GROUP)

            async def members() -> list[str]:
                names: list[str] = (await stays.ask("fault.members", GROUP))["data"]
                return names

            async def online() -> set[bool]:
                return {bool((await stays.ask("fault.sessions", {"user": user}))["data"]) for user in SOME}

            def calls() -> int:
                return len([event for event in read_history(set_up.path) if event["event"] == "offline"])

            everybody = sorted([*USERS, "stays"])
            assert await members() == everybody
            assert await online() == {True}
            await one.kill()
            began = time.time()
            set_up.history.record("killed", target=one.pid)
            while (shown := await members()) == everybody:
                await asyncio.sleep(0.001)
            seconds, reaped = time.time() - began, calls()
            # From all to those who are there in one step, and that is that.
            assert shown == ["stays"]
            while calls() < len(USERS):
                assert await online() == {False}
                assert await members() == ["stays"]
            await set_up.until("offline_end", len(USERS) * len(OFFLINE_PLUGINS))
            assert check(read_history(set_up.path), OFFLINE_PLUGINS) == []
            await stays.close()
            report("no longer shown after kill -9", seconds=f"{seconds:.2f}", calls_before_that=reaped)

    asyncio.run(run())
