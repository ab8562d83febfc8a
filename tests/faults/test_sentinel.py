"""A master that is killed, or answers no more, and that Sentinels replace by its replica."""

import asyncio
import time
from pathlib import Path

import pytest

from msanic_core.codes import ReplyCode
from msanic_core.testing import SentinelSetup, sentinel_setup
from tests.faults.checker import check
from tests.faults.client import FaultClient
from tests.faults.history import read_history
from tests.faults.outage import SETTINGS, push, until_ready
from tests.faults.plugins import OFFLINE_PLUGINS
from tests.faults.sizes import report, size
from tests.faults.stage import stage

SESSIONS = size(40, 1_000)
WAITING = 20


async def until_replicated(setup: SentinelSetup) -> None:
    """Wait until the replica has whatever the master has accepted."""
    async with setup.master.client() as client:
        await client.set("until-replicated", "")
        assert await client.wait(1, 5_000) == 1


async def keep_pushing(client: FaultClient, user: str, first: int, stop: asyncio.Event) -> int:
    """Push until told to stop; returns the number that comes next."""
    number = first
    while not stop.is_set():
        await push(client, user, number)
        number += 1
    return number


async def exchange(one: FaultClient, two: FaultClient, number: int) -> None:
    """Push to each from the other's node."""
    for pusher, receiver in ((one, two), (two, one)):
        await push(pusher, receiver.user, number)
        await receiver.until_received(number)


@pytest.mark.parametrize("way", ["killed", "frozen"])
def test_the_service_goes_on_after_a_failover(tmp_path: Path, way: str) -> None:
    async def run() -> None:
        async with (
            sentinel_setup(tmp_path) as setup,
            stage(tmp_path, {**SETTINGS, "redis.url": setup.url}) as set_up,
        ):
            nodes = [await set_up.nodes.start(), await set_up.nodes.start()]
            clients = await set_up.clients(nodes, [f"user-{number}" for number in range(SESSIONS)])
            one, two = clients[:2]
            for number in range(WAITING):
                await push(one, "absent", number)
            await until_replicated(setup)
            stop = asyncio.Event()
            pushing = asyncio.create_task(keep_pushing(one, two.user, 0, stop))
            await two.until_received(0)
            old = setup.master
            began = time.monotonic()
            set_up.history.record("forgetting")
            if way == "killed":
                await old.kill()
            else:
                old.freeze()
            await setup.new_master()
            set_up.history.record("forgot")
            failover = time.monotonic() - began
            healthy = await until_ready(nodes)
            stop.set()
            number = await pushing
            await exchange(one, two, number)
            # The old one comes back, and learns that it is a replica now.
            if way == "killed":
                await old.start()
            else:
                old.thaw()
            await setup.ready()
            await until_ready(nodes)
            await exchange(one, two, number + 1)
            for client in clients:
                assert (await one.ask("fault.sessions", {"user": client.user}))["data"] == [client.session]
                assert (await client.ask("fault.who"))["code"] == ReplyCode.OK
            absent = await set_up.client(nodes[0], "absent")
            await absent.until_received(WAITING - 1)
            assert absent.received == list(range(WAITING))
            assert [event for event in read_history(set_up.path) if event["event"] in ("offline", "close")] == []
            for client in clients:
                await client.close()
            calls = await set_up.until("offline_end", SESSIONS * len(OFFLINE_PLUGINS))
            assert len(calls) == SESSIONS * len(OFFLINE_PLUGINS)
            assert check(read_history(set_up.path), OFFLINE_PLUGINS) == []
            report(
                f"Sentinel, master {way}", sessions=SESSIONS, failover=f"{failover:.2f} s",
                healthy_after_failover=f"{healthy:.2f} s", pushed_meanwhile=number,
                received=len(two.received) - 1,
            )  # fmt: skip

    asyncio.run(run())


def test_the_ids_of_what_a_failover_lost_are_not_given_again(tmp_path: Path) -> None:
    """A session that received a message with such an id would take the next one for a repeat."""

    async def run() -> None:
        async with (
            sentinel_setup(tmp_path) as setup,
            stage(tmp_path, {**SETTINGS, "redis.url": setup.url}) as set_up,
        ):
            nodes = [await set_up.nodes.start(), await set_up.nodes.start()]
            one, two = await set_up.clients(nodes, ["one", "two"])
            await push(one, "two", 0)
            await two.until_received(0)
            await until_replicated(setup)
            old = setup.master
            setup.replica.freeze()
            await old.execute("CLIENT KILL", "TYPE", "replica")
            lost = await push(one, "two", 1)
            await two.until_received(1)
            set_up.history.record("forgetting")
            await old.kill()
            setup.replica.thaw()
            set_up.history.record("forgot")
            assert await push(one, "two", 2) > lost
            await push(one, "two", 3)
            await two.until_received(3)
            await until_ready(nodes)
            await push(one, "two", 4)
            await two.until_received(4)
            assert two.received == list(range(5))
            assert check(read_history(set_up.path), OFFLINE_PLUGINS) == []

    asyncio.run(run())
