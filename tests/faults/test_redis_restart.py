"""Redis that is killed and started again, with its data and without."""

import asyncio
from pathlib import Path

import pytest

from msanic_core.client import Backoff, Client
from msanic_core.codes import ReplyCode
from msanic_core.testing import RedisProcess, redis_process
from tests.faults.checker import check
from tests.faults.client import FaultClient
from tests.faults.history import read_history
from tests.faults.outage import SETTINGS, push, until_ready
from tests.faults.plugins import OFFLINE_PLUGINS
from tests.faults.sizes import report, size
from tests.faults.stage import Stage, stage

SESSIONS = size(60, 1_000)
LEAVING = SESSIONS // 10
GROUP = "tea"
AT_ONCE = Backoff(base=0.02, cap=0.1, spread=0.1)


async def restart(redis: RedisProcess, set_up: Stage, *, empty: bool) -> None:
    if empty:
        set_up.history.record("forgetting")
    await redis.restart(empty=empty)
    if empty:
        set_up.history.record("forgot")


async def assert_recorded(asker: FaultClient, clients: list[FaultClient]) -> None:
    """Every session is known to a node: which of them it holds itself makes no difference."""
    answers = await asyncio.gather(*(asker.ask("fault.sessions", {"user": client.user}) for client in clients))
    assert [answer["data"] for answer in answers] == [[client.session] for client in clients]
    members = (await asker.ask("fault.members", {"group": GROUP}))["data"]
    assert members == sorted(client.user for client in clients)


@pytest.mark.parametrize("empty", [False, True], ids=["with its data", "without its data"])
def test_what_nodes_hold_is_recorded_again(tmp_path: Path, empty: bool) -> None:
    async def run() -> None:
        async with (
            redis_process(tmp_path, append_only=True) as redis,
            stage(tmp_path, {**SETTINGS, "redis.url": redis.url}) as set_up,
        ):
            nodes = [await set_up.nodes.start(), await set_up.nodes.start()]
            clients = await set_up.clients(nodes, [f"user-{number}" for number in range(SESSIONS)])
            for answer in await asyncio.gather(*(client.ask("fault.join", {"group": GROUP}) for client in clients)):
                assert answer["code"] == ReplyCode.OK
            await push(clients[0], "absent", 1)
            await redis.kill()
            await until_ready(nodes, 503)
            leaving, clients = clients[:LEAVING], clients[LEAVING:]
            for client in leaving:
                await client.close()
            for answer in await asyncio.gather(*(client.ask("fault.who") for client in clients)):
                assert answer["code"] == ReplyCode.OK
            await restart(redis, set_up, empty=empty)
            healthy = await until_ready(nodes)
            calls = await set_up.until("offline_end", LEAVING * len(OFFLINE_PLUGINS))
            assert len(calls) == LEAVING * len(OFFLINE_PLUGINS)
            if empty:
                for client in clients:
                    await client.until_welcomed(2)
            pair = clients[:2]
            assert {(await client.ask("fault.who"))["data"]["pid"] for client in pair} == {node.pid for node in nodes}
            for asker in pair:
                await assert_recorded(asker, clients)
            for number, caller in enumerate(pair):
                await asyncio.gather(*(push(caller, client.user, number) for client in clients))
                await caller.ask("fault.call", {"group": GROUP, "number": number})
                for client in clients:
                    await client.until_received(number)
                    await client.until_called(number)
            await set_up.client(nodes[0], "absent")
            newcomer = await set_up.client(nodes[1], "newcomer")
            for client in clients:
                assert client.epochs[-1] == newcomer.epochs[0]
                assert len(set(client.epochs)) == len(client.epochs) == (2 if empty else 1)
            assert {event["code"] for event in read_history(set_up.path) if event["event"] == "close"} == {1000}
            report(f"Redis killed, empty {empty}", sessions=SESSIONS, healthy_after=f"{healthy:.2f} s")
            assert check(read_history(set_up.path), OFFLINE_PLUGINS) == []

    asyncio.run(run())


def test_a_client_of_the_library_goes_on_with_an_emptied_redis(tmp_path: Path) -> None:
    async def run() -> None:
        async with (
            redis_process(tmp_path) as redis,
            stage(tmp_path, {**SETTINGS, "redis.url": redis.url}) as set_up,
        ):
            nodes = [await set_up.nodes.start(), await set_up.nodes.start()]
            pusher = await set_up.client(nodes[0], "pusher")
            urls = [node.websocket_url() for node in reversed(nodes)]
            async with Client(urls, user="ada", client_id="phone", backoff=AT_ONCE) as client:
                pushes = client.pushes()
                for number in range(3):
                    await push(pusher, "ada", number)
                    assert (await anext(pushes)).data == {"number": number}
                await redis.restart(empty=True)
                await until_ready(nodes)
                for number in range(3, 6):
                    await push(pusher, "ada", number)
                    assert (await anext(pushes)).data == {"number": number}
                await nodes[1].kill()
                await push(pusher, "ada", 6)
                assert (await anext(pushes)).data == {"number": 6}

    asyncio.run(run())


def test_the_ids_of_what_a_crash_lost_are_not_given_again(tmp_path: Path) -> None:
    """Redis comes back as it was when it was saved last; what the user has got since then is not there."""

    async def run() -> None:
        async with (
            redis_process(tmp_path) as redis,
            stage(tmp_path, {**SETTINGS, "redis.url": redis.url}) as set_up,
        ):
            nodes = [await set_up.nodes.start(), await set_up.nodes.start()]
            one, two = await set_up.clients(nodes, ["one", "two"])
            await push(one, "two", 0)
            await redis.execute("SAVE")
            for number in (1, 2):
                lost = await push(one, "two", number)
            await two.until_received(2)
            set_up.history.record("forgetting")
            await redis.kill()
            await redis.restart()
            set_up.history.record("forgot")
            assert await push(one, "two", 3) > lost
            await push(one, "two", 4)
            await two.until_received(4)
            assert two.received == list(range(5))
            assert check(read_history(set_up.path), OFFLINE_PLUGINS) == []

    asyncio.run(run())
