"""A client that is cut off in the middle of a replay, again and again, while others go on pushing to it."""

import asyncio
import random
from contextlib import AsyncExitStack
from pathlib import Path

from msanic_core.testing import redis_process, tcp_proxy
from tests.faults.checker import check
from tests.faults.client import FaultClient
from tests.faults.history import read_history
from tests.faults.outage import SETTINGS, push
from tests.faults.plugins import OFFLINE_PLUGINS
from tests.faults.sizes import SEED, report, size
from tests.faults.stage import stage

WAITING = 1_000
CUTS = size(5, 50)
BYTES_PER_SECOND = 100_000
"""So that a replay takes a while: a message has a hundred bytes."""


async def keep_pushing(client: FaultClient, first: int, stop: asyncio.Event) -> int:
    """Push until told to stop; returns the number of the last one."""
    number = first
    await push(client, "ada", number)
    while not stop.is_set():
        number += 1
        await push(client, "ada", number)
    return number


def test_a_replay_goes_on_where_it_was_cut_off(tmp_path: Path) -> None:
    async def run() -> None:
        chance = random.Random(SEED)
        async with (
            redis_process(tmp_path) as redis,
            stage(tmp_path, {**SETTINGS, "redis.url": redis.url, "inbox.max_messages": 100_000}) as set_up,
            AsyncExitStack() as stack,
        ):
            nodes = [await set_up.nodes.start(), await set_up.nodes.start()]
            proxies = [await stack.enter_async_context(tcp_proxy("127.0.0.1", node.port)) for node in nodes]
            pushers = await set_up.clients(nodes, ["one", "two"])
            await (await set_up.client(nodes[0], "ada")).close()
            for number in range(WAITING):
                await push(pushers[0], "ada", number)
            stop = asyncio.Event()
            firsts = [WAITING * 100, WAITING * 200]
            pushing = asyncio.gather(*map(keep_pushing, pushers, firsts, [stop] * len(pushers)))
            for cut in range(CUTS):
                proxy = proxies[cut % len(proxies)]
                proxy.throttle(BYTES_PER_SECOND)
                client = await set_up.client(proxy, "ada")
                await client.until_some(chance.randrange(1, WAITING // 4))
                await proxy.cut()
                await client.until_closed()
            client = await set_up.client(nodes[CUTS % len(nodes)], "ada")
            await client.until_some(1)
            stop.set()
            for last in await pushing:
                await client.until_received(last)
            events = read_history(set_up.path)
            received = {event["number"] for event in events if event["event"] == "received"}
            pushed = {event["number"] for event in events if event["event"] == "pushed"}
            assert received == pushed >= set(range(WAITING)), f"seed {SEED}"
            await set_up.until("offline_end", (CUTS + 1) * len(OFFLINE_PLUGINS))
            assert check(read_history(set_up.path), OFFLINE_PLUGINS) == [], f"seed {SEED}"
            report("Replay cut off", seed=SEED, waiting=WAITING, cuts=CUTS, pushed_meanwhile=len(pushed) - WAITING)

    asyncio.run(run())
