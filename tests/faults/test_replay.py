"""Clients that are lost while what waited for them is being sent, under pushes from two nodes."""

import asyncio
import random
from pathlib import Path

from msanic_core.testing import redis_process, tcp_proxy
from tests.faults.checker import check
from tests.faults.client import FaultClient
from tests.faults.history import read_history
from tests.faults.outage import SETTINGS, push
from tests.faults.plugins import OFFLINE_PLUGINS
from tests.faults.sizes import report, size
from tests.faults.stage import stage

WAITING = 1_000
LIVE = size(200, 2_000)
ROUNDS = size(2, 10)
PUSHERS = 8
SEED = 4


async def push_all(pushers: list[FaultClient], numbers: range) -> None:
    """Push these numbers to ada, from all pushers side by side."""
    left = iter(numbers)

    async def work(pusher: FaultClient) -> None:
        for number in left:
            await push(pusher, "ada", number)

    await asyncio.gather(*map(work, pushers))


async def until_some(client: FaultClient, count: int) -> None:
    """Wait until so many messages came; or all that there will be, on a connection that is lost before."""
    while len(client.received) < count and client.code is None:
        await asyncio.sleep(0.005)


def test_the_rest_comes_later_in_order_and_on_another_node(tmp_path: Path) -> None:
    async def run() -> None:
        chance = random.Random(SEED)
        async with redis_process(tmp_path) as redis, stage(tmp_path, {**SETTINGS, "redis.url": redis.url}) as set_up:
            nodes = [await set_up.nodes.start(), await set_up.nodes.start()]
            pushers = await set_up.clients(nodes, [f"pusher-{number}" for number in range(PUSHERS)])
            pushed = 0
            for turn in range(ROUNDS):
                await push_all(pushers, range(pushed, pushed + WAITING))
                pushed += WAITING
                live = asyncio.create_task(push_all(pushers, range(pushed, pushed + LIVE)))
                pushed += LIVE
                async with tcp_proxy("127.0.0.1", nodes[turn % 2].port) as proxy:
                    # So slow that the replay is under way when the link breaks.
                    proxy.throttle(400_000)
                    first = FaultClient(set_up.history, f"ws://127.0.0.1:{proxy.port}/ws", "ada", "phone")
                    await first.open()
                    await until_some(first, chance.randrange(1, WAITING))
                    await proxy.cut()
                    await first.until_closed()
                again = await set_up.client(nodes[(turn + 1) % 2], "ada")
                await live
                await again.until_received(pushed - 1)
                while (
                    len({*first.received, *again.received} & set(range(pushed - WAITING - LIVE, pushed)))
                    < WAITING + LIVE
                ):
                    await asyncio.sleep(0.01)
                assert first.received
                await again.close()
            for pusher in pushers:
                await pusher.close()
            lost = len([each for each in read_history(set_up.path) if each["event"] == "online"])
            await set_up.until("offline_end", lost * len(OFFLINE_PLUGINS))
            assert check(read_history(set_up.path), OFFLINE_PLUGINS) == []
            report("lost in the middle of a replay", messages=pushed, times=ROUNDS)

    asyncio.run(run())
