"""A process that stands still for longer than its lease, and then goes on."""

import asyncio
from pathlib import Path

from msanic_core.testing import redis_process
from tests.faults.checker import check
from tests.faults.history import read_history
from tests.faults.outage import LEASE, SETTINGS, push, until_ready
from tests.faults.plugins import OFFLINE_PLUGINS
from tests.faults.sizes import report, size
from tests.faults.stage import stage

SESSIONS = size(60, 1_000)


def test_a_frozen_node_does_no_harm_when_it_wakes_up(tmp_path: Path) -> None:
    """Of its users a third stay, a third move to the other node, and a third close while it is frozen."""

    async def run() -> None:
        async with redis_process(tmp_path) as redis, stage(tmp_path, {**SETTINGS, "redis.url": redis.url}) as set_up:
            one, two = await set_up.nodes.start(), await set_up.nodes.start()
            users = [f"user-{number}" for number in range(SESSIONS)]
            clients = await set_up.clients([one], users)
            stay, moving, close = clients[::3], clients[1::3], clients[2::3]
            # Hooks are under way when it freezes: those of this session hang.
            hooked = await set_up.client(one, "hooked")
            await hooked.close()
            while not any(
                event["event"] == "offline" and event["plugin"] == "hangs" for event in read_history(set_up.path)
            ):
                await asyncio.sleep(0.005)
            one.freeze()
            set_up.history.record("frozen", target=one.pid)
            frozen_until = asyncio.create_task(asyncio.sleep(2 * LEASE))
            moved = await set_up.clients([two], [client.user for client in moving])
            for client in close:
                await client.cut()
            # All are taken over by the other node while this one stands still, the hook that hung too.
            while len({event["session"] for event in _offline(set_up.path) if event["pid"] == two.pid}) < SESSIONS + 1:
                await asyncio.sleep(0.02)
            await frozen_until
            set_up.history.record("thawed", target=one.pid)
            one.thaw()
            await one.logged("was taken for dead")
            for client in stay:
                assert await client.until_closed() == 1012
            await until_ready([one, two])
            # Nobody who moved was touched, and the node serves again.
            fresh = await set_up.client(one, "fresh")
            for client in moved:
                assert (await client.ask("fault.who"))["data"]["session"] == client.session
                assert (await client.ask("fault.sessions", {"user": client.user}))["data"] == [client.session]
            await push(fresh, moved[0].user, 1)
            await moved[0].until_received(1)
            for client in [*moved, fresh]:
                await client.close()
            own = {client.session for client in [*moved, fresh]}
            while len([event for event in _offline(set_up.path) if event["session"] in own]) < 3 * len(own):
                await asyncio.sleep(0.02)
            events = read_history(set_up.path)
            assert check(events, OFFLINE_PLUGINS) == []
            again = [
                event for event in _offline(set_up.path) if event["pid"] == one.pid and event["session"] not in own
            ]
            assert {event["session"] for event in again} == {hooked.session}
            names = {client.name for client in moved}
            evicted = [each for each in events if each["event"] == "close" and each["connection"] in names]
            evicted = [each for each in evicted if each["code"] != 1000]
            report(
                "SIGSTOP for two leases", sessions=SESSIONS, lease=f"{LEASE:g} s", moved=len(moved),
                second_calls=len(again) - len({event["plugin"] for event in again}), evicted=len(evicted),
            )  # fmt: skip
            assert evicted == []

    asyncio.run(run())


def _offline(path: Path) -> list[dict[str, object]]:
    return [event for event in read_history(path) if event["event"] == "offline"]
