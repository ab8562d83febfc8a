"""The link between a client and its node."""

import asyncio
from pathlib import Path

from msanic_core.testing import redis_process, tcp_proxy
from tests.faults.checker import check
from tests.faults.client import FaultClient
from tests.faults.history import read_history
from tests.faults.outage import SETTINGS, push
from tests.faults.plugins import OFFLINE_PLUGINS
from tests.faults.stage import stage


def test_a_client_on_a_link_that_swallows_everything_is_missed_and_gets_what_waits_on_another_node(
    tmp_path: Path,
) -> None:
    async def run() -> None:
        settings = {**SETTINGS, "ws.ping_interval": 0.4, "ws.ping_timeout": 0.2}
        async with redis_process(tmp_path) as redis, stage(tmp_path, {**settings, "redis.url": redis.url}) as set_up:
            one, two = await set_up.nodes.start(), await set_up.nodes.start()
            bob = await set_up.client(two, "bob")
            async with tcp_proxy("127.0.0.1", one.port) as link:
                ada = FaultClient(set_up.history, f"ws://127.0.0.1:{link.port}/ws", "ada", "phone")
                await ada.open()
                await push(bob, "ada", 1)
                await ada.until_received(1)
                link.black_hole(True)
                await push(bob, "ada", 2)
                calls = await set_up.until("offline", len(OFFLINE_PLUGINS))
                assert {(call["user"], call["reason"], call["last"]) for call in calls} == {("ada", "heartbeat", True)}
                await ada.cut()
            again = await set_up.client(two, "ada")
            await again.until_received(2)
            assert again.received[-1] == 2
            for client in (again, bob):
                await client.close()
            await set_up.until("offline_end", 3 * len(OFFLINE_PLUGINS))
            assert check(read_history(set_up.path), OFFLINE_PLUGINS) == []

    asyncio.run(run())
