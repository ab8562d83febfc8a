"""A cluster of three masters: all that is ordinary works there, and a master that is killed comes back empty."""

import asyncio
from pathlib import Path

from redis.crc import key_slot

from msanic_core.codes import ReplyCode
from msanic_core.testing import ClusterSetup, RedisProcess, ServerProcess, cluster_setup
from tests.faults.checker import check
from tests.faults.client import FaultClient
from tests.faults.history import read_history
from tests.faults.outage import SETTINGS, push, until_ready
from tests.faults.plugins import OFFLINE_PLUGINS
from tests.faults.sizes import report, size
from tests.faults.stage import Stage, stage

USERS = size(24, 300)
GROUP = "tea"
SLOTS = 16_384


def master_of(setup: ClusterSetup, tag: str) -> RedisProcess:
    """The master that has the keys with this hash tag."""
    return setup.nodes[key_slot(tag.encode()) * len(setup.nodes) // SLOTS]


async def assert_all_reach_all(callers: list[FaultClient], clients: list[FaultClient], number: int) -> None:
    """From each node: every user is there and gets pushes, the group and everybody get calls."""
    for caller in callers:
        for client in clients:
            assert (await caller.ask("fault.sessions", {"user": client.user}))["data"] == [client.session]
        members = (await caller.ask("fault.members", {"group": GROUP}))["data"]
        assert members == sorted(client.user for client in clients)
        await asyncio.gather(*(push(caller, client.user, number) for client in clients))
        await caller.ask("fault.call", {"group": GROUP, "number": number})
        await caller.ask("fault.call", {"group": None, "number": number + 1})
        for client in clients:
            await client.until_received(number)
            await client.until_called(number)
            await client.until_called(number + 1)
        number += 2


async def join(clients: list[FaultClient]) -> None:
    for client in clients:
        assert (await client.ask("fault.join", {"group": GROUP}))["code"] == ReplyCode.OK


async def replace(set_up: Stage, clients: list[FaultClient], nodes: list[ServerProcess]) -> list[FaultClient]:
    """Each user connects again, to these nodes in turn, and so replaces the older connection."""
    newer = await set_up.clients(nodes, [client.user for client in clients])
    for client in clients:
        assert await client.until_closed() == 4503
    return newer


def test_what_is_ordinary_works_on_a_cluster_and_a_killed_master_comes_back(tmp_path: Path) -> None:
    async def run() -> None:
        async with (
            cluster_setup(tmp_path) as setup,
            stage(tmp_path, {**SETTINGS, "redis.url": setup.url}) as set_up,
        ):
            nodes = [await set_up.nodes.start(), await set_up.nodes.start()]
            clients = await set_up.clients(nodes, [f"user-{number}" for number in range(USERS)])
            clients = await replace(set_up, clients, nodes[::-1])
            await join(clients)
            await assert_all_reach_all(clients[:2], clients, 0)

            # The first knows the epoch, the second perhaps not more than some of the users.
            healthy = []
            for tag in ("nodes", "u:user-0"):
                set_up.history.record("forgetting")
                await master_of(setup, tag).kill()
                await until_ready(nodes, 503)
                assert (await clients[0].ask("fault.who"))["code"] == ReplyCode.OK
                await master_of(setup, tag).restart(empty=True)
                set_up.history.record("forgot")
                await setup.ready()
                healthy.append(await until_ready(nodes))
                await assert_all_reach_all(clients[:2], clients, 10 * len(healthy))

            await nodes[0].kill()
            set_up.history.record("killed", target=nodes[0].pid)
            calls = await set_up.until("offline_end", (USERS + USERS // 2) * len(OFFLINE_PLUGINS))
            assert {call["pid"] for call in calls[USERS * len(OFFLINE_PLUGINS) :]} == {nodes[1].pid}
            assert check(read_history(set_up.path), OFFLINE_PLUGINS) == []
            report("Cluster, master killed", users=USERS, healthy_after=[f"{seconds:.2f} s" for seconds in healthy])

    asyncio.run(run())
