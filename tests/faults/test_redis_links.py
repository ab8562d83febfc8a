"""The link between a node and Redis: half-open, reset, slow, and cut off for longer than a lease."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from msanic_core.codes import ReplyCode
from msanic_core.testing import Proxy, redis_process, tcp_proxy
from tests.faults.checker import check
from tests.faults.client import FaultClient
from tests.faults.history import read_history
from tests.faults.outage import LEASE, SETTINGS, push, until_ready
from tests.faults.plugins import OFFLINE_PLUGINS
from tests.faults.sizes import report, size
from tests.faults.stage import stage

SESSIONS = size(20, 500)
PUSHES = size(150, 2_000)
LONG_LEASE = 3 * LEASE

Spoil = Callable[[Proxy, FaultClient], Awaitable[None]]


async def reset(proxy: Proxy, receiver: FaultClient) -> None:
    """Five times in the middle of the traffic."""
    for part in range(5):
        await receiver.until_received(PUSHES * part // 5)
        await proxy.cut()


async def half_open(proxy: Proxy, receiver: FaultClient) -> None:
    """Within the traffic, and shorter than a lease."""
    await receiver.until_received(PUSHES // 3)
    proxy.black_hole(True)
    await asyncio.sleep(LONG_LEASE / 3)
    proxy.black_hole(False)


async def slow(proxy: Proxy, receiver: FaultClient) -> None:
    """Late, and little at a time."""
    await receiver.until_received(PUSHES // 3)
    proxy.delay(LEASE / 20)
    proxy.throttle(20_000)
    await receiver.until_received(PUSHES // 3 + PUSHES // 15)
    proxy.delay(0)
    proxy.throttle(None)


async def push_all(client: FaultClient, user: str) -> None:
    for number in range(PUSHES):
        await push(client, user, number)


@pytest.mark.parametrize("spoil", [reset, half_open, slow])
def test_what_is_pushed_over_a_bad_link_arrives(tmp_path: Path, spoil: Spoil) -> None:
    async def run() -> None:
        async with (
            redis_process(tmp_path) as redis,
            tcp_proxy("127.0.0.1", redis.port) as proxy,
            stage(tmp_path, {**SETTINGS, "redis.url": redis.url, "redis.lease": LONG_LEASE}) as set_up,
        ):
            bad = await set_up.nodes.start(own={"redis.url": f"redis://127.0.0.1:{proxy.port}/0"})
            good = await set_up.nodes.start()
            here, there = await set_up.clients([bad, good], ["here", "there"])
            await asyncio.gather(push_all(here, "there"), push_all(there, "here"), spoil(proxy, here))
            for client in (here, there):
                await client.until_received(PUSHES - 1)
                assert client.received == list(range(PUSHES))
            healthy = await until_ready([bad, good])
            assert [event for event in read_history(set_up.path) if event["event"] in ("offline", "close")] == []
            assert check(read_history(set_up.path), OFFLINE_PLUGINS) == []
            report(f"Link to Redis {spoil.__name__}", pushes=2 * PUSHES, healthy_after=f"{healthy:.2f} s")

    asyncio.run(run())


def test_a_node_that_was_cut_off_gives_up_what_others_took_over(tmp_path: Path) -> None:
    async def run() -> None:
        async with (
            redis_process(tmp_path) as redis,
            tcp_proxy("127.0.0.1", redis.port) as proxy,
            stage(tmp_path, {**SETTINGS, "redis.url": redis.url}) as set_up,
        ):
            bad = await set_up.nodes.start(own={"redis.url": f"redis://127.0.0.1:{proxy.port}/0"})
            good = await set_up.nodes.start()
            left = await set_up.clients([bad], [f"user-{number}" for number in range(SESSIONS)])
            stays = await set_up.client(good, "stays")
            set_up.history.record("frozen", target=bad.pid)
            proxy.black_hole(True)
            calls = await set_up.until("offline_end", SESSIONS * len(OFFLINE_PLUGINS))
            assert {call["pid"] for call in calls} == {good.pid}
            assert {event["reason"] for event in await set_up.until("offline", 1)} == {"crashed"}
            # Half of them come back to the other node; the connections that the first one still has are theirs too.
            moved = await set_up.clients([good], [client.user for client in left[::2]])
            for client in moved:
                await push(stays, client.user, 1)
                await client.until_received(1)
            assert (await left[0].ask("fault.who"))["code"] == ReplyCode.OK
            set_up.history.record("thawed", target=bad.pid)
            proxy.black_hole(False)
            for client in left:
                assert await client.until_closed() == 1012
            healthy = await until_ready([bad, good])
            back = await set_up.clients([bad], [client.user for client in left[1::2]])
            for client in (*moved, *back):
                assert (await stays.ask("fault.sessions", {"user": client.user}))["data"] == [client.session]
                await push(back[0], client.user, 2)
                await client.until_received(2)
            assert len(await set_up.until("offline_end", 0)) == SESSIONS * len(OFFLINE_PLUGINS)
            assert check(read_history(set_up.path), OFFLINE_PLUGINS) == []
            report("Node cut off from Redis", sessions=SESSIONS, healthy_after=f"{healthy:.2f} s")

    asyncio.run(run())
