"""The link between a client and its node: half-open, reset, slow."""

import asyncio
from collections import defaultdict
from pathlib import Path

from msanic_core.testing import redis_process, tcp_proxy
from tests.faults.checker import check
from tests.faults.client import FaultClient
from tests.faults.history import read_history
from tests.faults.outage import SETTINGS, push
from tests.faults.plugins import OFFLINE_PLUGINS
from tests.faults.sizes import report, size
from tests.faults.stage import Stage, stage

PUSHES = size(200, 5_000)
CUTS = size(5, 50)
SILENT = size(10, 500)
PING = {"ws.ping_interval": size(0.3, 1.0), "ws.ping_timeout": size(0.3, 1.0)}


async def push_all(client: FaultClient, user: str, count: int) -> None:
    for number in range(count):
        await push(client, user, number)


def assert_complete(set_up: Stage, users: list[str], count: int) -> None:
    """All that was pushed to these users came to their devices, and everything else is well."""
    events = read_history(set_up.path)
    received: defaultdict[str, set[int]] = defaultdict(set)
    owners = {event["connection"]: event["user"] for event in events if event["event"] == "opening"}
    for event in events:
        if event["event"] == "received":
            received[owners[event["connection"]]].add(event["number"])
    assert received == {user: set(range(count)) for user in users}
    assert check(events, OFFLINE_PLUGINS) == []


def test_a_link_that_is_half_open_is_noticed_and_nothing_is_lost(tmp_path: Path) -> None:
    async def run() -> None:
        async with (
            redis_process(tmp_path) as redis,
            stage(tmp_path, {**SETTINGS, **PING, "redis.url": redis.url}) as set_up,
        ):
            one, two = await set_up.nodes.start(), await set_up.nodes.start()
            async with tcp_proxy("127.0.0.1", one.port) as proxy:
                users = [f"user-{number}" for number in range(SILENT)]
                clients = [await set_up.client(proxy, user) for user in users]
                pusher = await set_up.client(two, "pusher")
                for user in users:
                    await push(pusher, user, 0)
                for client in clients:
                    await client.until_received(0)
                proxy.black_hole(True)
                # Written to sockets that nobody reads.
                for user in users:
                    await push(pusher, user, 1)
                lost = await set_up.until("offline", SILENT * len(OFFLINE_PLUGINS))
                assert {event["reason"] for event in lost} == {"heartbeat"}
                for user in users:
                    await push(pusher, user, 2)
                for client in clients:
                    await client.cut()
                back = await set_up.clients([two], users)
                for client in back:
                    await client.until_received(2)
                    assert client.received[-2:] == [1, 2]
                await set_up.until("offline_end", SILENT * len(OFFLINE_PLUGINS))
                assert_complete(set_up, users, 3)

    asyncio.run(run())


def test_a_link_that_is_reset_again_and_again_loses_nothing(tmp_path: Path) -> None:
    async def run() -> None:
        async with (
            redis_process(tmp_path) as redis,
            stage(tmp_path, {**SETTINGS, "redis.url": redis.url}) as set_up,
        ):
            nodes = [await set_up.nodes.start(), await set_up.nodes.start()]
            async with tcp_proxy("127.0.0.1", nodes[0].port) as proxy:
                pusher = await set_up.client(nodes[1], "pusher")
                pushing = asyncio.create_task(push_all(pusher, "ada", PUSHES))
                for part in range(CUTS):
                    client = await set_up.client(proxy, "ada")
                    await client.until_received(PUSHES * part // CUTS)
                    await proxy.cut()
                    assert await client.until_closed() is None
                client = await set_up.client(proxy, "ada")
                await pushing
                await client.until_received(PUSHES - 1)
                calls = await set_up.until("offline_end", CUTS * len(OFFLINE_PLUGINS))
                assert len(calls) == CUTS * len(OFFLINE_PLUGINS)
                assert_complete(set_up, ["ada"], PUSHES)
                report("Link to a client reset", resets=CUTS, pushes=PUSHES)

    asyncio.run(run())


def test_a_link_that_is_slow_is_not_taken_for_a_lost_one(tmp_path: Path) -> None:
    async def run() -> None:
        async with (
            redis_process(tmp_path) as redis,
            stage(tmp_path, {**SETTINGS, **PING, "redis.url": redis.url}) as set_up,
        ):
            node = await set_up.nodes.start()
            async with tcp_proxy("127.0.0.1", node.port) as proxy:
                client = await set_up.client(proxy, "ada")
                pusher = await set_up.client(node, "pusher")
                proxy.delay(0.1)
                proxy.throttle(PUSHES * 40)
                await push_all(pusher, "ada", PUSHES)
                await client.until_received(PUSHES - 1)
                assert client.received == list(range(PUSHES))
                assert_complete(set_up, ["ada"], PUSHES)
                assert [event for event in read_history(set_up.path) if event["event"] in ("offline", "close")] == []

    asyncio.run(run())
