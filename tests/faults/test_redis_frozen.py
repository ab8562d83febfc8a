"""Redis that answers nothing for longer than a lease, while its connections stay open."""

import asyncio
import time
from pathlib import Path

from msanic_core.codes import ReplyCode
from msanic_core.testing import ServerProcess, redis_process
from tests.faults.checker import check
from tests.faults.client import FaultClient
from tests.faults.history import read_history
from tests.faults.outage import LEASE, PATIENCE, SETTINGS, TIMEOUT, push, readiness, until_ready
from tests.faults.plugins import OFFLINE_PLUGINS
from tests.faults.sizes import report, size
from tests.faults.stage import stage

SESSIONS = size(200, 1_000)


async def ask_all(clients: list[FaultClient]) -> None:
    """Every node answers what needs no Redis."""
    for answer in await asyncio.gather(*(client.ask("fault.who") for client in clients)):
        assert answer["code"] == ReplyCode.OK


async def until_refused(client: FaultClient) -> float:
    """A command that needs Redis is answered with "try again"; returns after how many seconds."""
    began = time.monotonic()
    answer = await client.ask("fault.push", {"user": "nobody", "number": 1, "key": "key"})
    assert answer["code"] == ReplyCode.TRY_AGAIN
    return time.monotonic() - began


async def unready(nodes: list[ServerProcess]) -> None:
    await until_ready(nodes, 503)
    for node in nodes:
        assert not (await readiness(node))[1]["healthy"]


def test_nobody_is_lost_while_redis_is_frozen(tmp_path: Path) -> None:
    async def run() -> None:
        async with redis_process(tmp_path) as redis, stage(tmp_path, {**SETTINGS, "redis.url": redis.url}) as set_up:
            nodes = [await set_up.nodes.start(), await set_up.nodes.start()]
            clients = await set_up.clients(nodes, [f"user-{number}" for number in range(SESSIONS)])
            redis.freeze()
            outage = asyncio.create_task(asyncio.sleep(2 * LEASE))
            refused = await asyncio.gather(*map(until_refused, clients[:2]))
            await unready(nodes)
            await ask_all(clients)
            assert not outage.done(), "all of this was answered while Redis was frozen"
            await outage
            redis.thaw()
            healthy = await until_ready(nodes)
            # For as long as it takes to hold a node for dead.
            await asyncio.sleep(1.5 * LEASE)
            await ask_all(clients)
            for pusher, receiver in (clients[:2], clients[1::-1]):
                await push(pusher, receiver.user, 1)
                await receiver.until_received(1)
            assert [event for event in read_history(set_up.path) if event["event"] in ("offline", "close")] == []
            assert check(read_history(set_up.path), OFFLINE_PLUGINS) == []
            for client in clients:
                await client.close()
            calls = await set_up.until("offline_end", SESSIONS * len(OFFLINE_PLUGINS))
            assert len(calls) == SESSIONS * len(OFFLINE_PLUGINS)
            assert check(read_history(set_up.path), OFFLINE_PLUGINS) == []
            report(
                "Redis frozen", seconds=2 * LEASE, sessions=SESSIONS, refused_after=f"{max(refused):.2f} s",
                timeout_and_patience=f"{TIMEOUT + PATIENCE:g} s", healthy_after=f"{healthy:.2f} s",
            )  # fmt: skip

    asyncio.run(run())
