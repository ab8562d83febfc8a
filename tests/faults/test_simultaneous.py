"""Many connections of one user at the same moment, on two nodes."""

import asyncio
from pathlib import Path

from websockets.exceptions import ConnectionClosed

from msanic_core.testing import redis_process
from tests.faults.checker import check
from tests.faults.client import FaultClient
from tests.faults.history import read_history
from tests.faults.outage import SETTINGS
from tests.faults.plugins import OFFLINE_PLUGINS
from tests.faults.sizes import report, size
from tests.faults.stage import stage

CONNECTIONS = 50
ROUNDS = size(3, 40)


async def code_of(client: FaultClient) -> int | None:
    """Connect and wait for the end; returns the close code."""
    try:
        await client.open()
    except ConnectionClosed as closed:
        return None if closed.rcvd is None else closed.rcvd.code
    return await client.until_closed()


def test_one_of_fifty_stays_and_the_registry_points_to_it(tmp_path: Path) -> None:
    async def run() -> None:
        async with redis_process(tmp_path) as redis, stage(tmp_path, {**SETTINGS, "redis.url": redis.url}) as set_up:
            nodes = [await set_up.nodes.start(), await set_up.nodes.start()]
            observer = await set_up.client(nodes[0], "observer")
            for number in range(ROUNDS):
                user = f"user-{number}"
                urls = [nodes[index % 2].websocket_url() for index in range(CONNECTIONS)]
                clients = [FaultClient(set_up.history, url, user, f"c{index}") for index, url in enumerate(urls)]
                ends = {asyncio.create_task(code_of(client)): client for client in clients}
                left = set(ends)
                while len(left) > 1:
                    _, left = await asyncio.wait(left, return_when=asyncio.FIRST_COMPLETED)
                [last] = left
                stays = ends.pop(last)
                assert [end.result() for end in ends] == [4503] * (CONNECTIONS - 1)
                assert (await stays.ask("fault.who"))["data"]["session"] == stays.session
                assert (await observer.ask("fault.sessions", {"user": user}))["data"] == [stays.session]
                await stays.close()
                await last
            await observer.close()
            online = [event for event in read_history(set_up.path) if event["event"] == "online"]
            await set_up.until("offline_end", len(online) * len(OFFLINE_PLUGINS))
            assert check(read_history(set_up.path), OFFLINE_PLUGINS) == []
            report("simultaneous connects", connections=CONNECTIONS, nodes=2, rounds=ROUNDS, open_at_the_end=1)

    asyncio.run(run())
