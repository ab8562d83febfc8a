"""Workers and their supervisor that are killed, one or all of them."""

import asyncio
import os
import re
import signal
import time
from collections import defaultdict
from contextlib import suppress
from pathlib import Path

import pytest

from msanic_core.testing import ServerProcess, redis_process
from tests.faults.checker import check
from tests.faults.client import FaultClient
from tests.faults.history import read_history
from tests.faults.outage import LEASE, SETTINGS
from tests.faults.plugins import OFFLINE_PLUGINS
from tests.faults.sizes import report, size
from tests.faults.stage import Stage, stage
from tests.support.workers import gone

SESSIONS = size(200, 2_000)
"""Of each worker, as nearly as the kernel shares connections out."""

WORKERS = {**SETTINGS, "server.workers": 2}
READY = r"worker \d \(pid (\d+)\) is ready"


async def by_process(clients: list[FaultClient]) -> dict[int, list[FaultClient]]:
    """The clients of each process."""
    found: defaultdict[int, list[FaultClient]] = defaultdict(list)
    for client, answer in zip(clients, await asyncio.gather(*(each.ask("fault.who") for each in clients)), strict=True):
        found[answer["data"]["pid"]].append(client)
    return found


async def connect(set_up: Stage, server: ServerProcess) -> list[FaultClient]:
    return await set_up.clients([server], [f"user-{number}" for number in range(2 * SESSIONS)])


async def kill(set_up: Stage, *processes: int) -> int:
    """Kill them and write it down; returns when that was, in nanoseconds."""
    for process in processes:
        os.kill(process, signal.SIGKILL)
    killed_at = time.time_ns()
    for process in processes:
        await gone(process)
        set_up.history.record("killed", target=process)
    return killed_at


def test_of_a_killed_worker_everything_is_taken_over_and_it_is_back(tmp_path: Path) -> None:
    async def run() -> None:
        async with redis_process(tmp_path) as redis, stage(tmp_path, {**WORKERS, "redis.url": redis.url}) as set_up:
            server = await set_up.nodes.start()
            workers = await by_process(await connect(set_up, server))
            victim = max(workers, key=lambda process: len(workers[process]))
            lines = len(server.log)
            killed_at = await kill(set_up, victim)
            await server.logged(READY, lines)
            back = (time.time_ns() - killed_at) / 1e9
            lost = workers.pop(victim)
            for client in lost:
                assert await client.until_closed() is None
            await set_up.until("offline_end", len(lost) * len(OFFLINE_PLUGINS))
            events = read_history(set_up.path)
            assert check(events, OFFLINE_PLUGINS) == []
            calls = [event["time"] for event in events if event["event"] == "offline"]
            assert len(calls) == len(lost) * len(OFFLINE_PLUGINS)
            [others] = workers.values()
            assert len(await by_process(others)) == 1
            report(
                "kill -9 of a worker", sessions=len(lost), plugins=len(OFFLINE_PLUGINS), calls=len(calls),
                lease=f"{LEASE:g} s", last_call_after=f"{(max(calls) - killed_at) / 1e9:.2f} s",
                worker_back_after=f"{back:.2f} s",
            )  # fmt: skip

    asyncio.run(run())


@pytest.mark.parametrize("supervisor", [False, True], ids=["all workers", "everything"])
def test_after_the_death_of_all_every_session_is_reaped_once(tmp_path: Path, supervisor: bool) -> None:
    async def run() -> None:
        async with redis_process(tmp_path) as redis, stage(tmp_path, {**WORKERS, "redis.url": redis.url}) as set_up:
            server = await set_up.nodes.start()
            clients = await connect(set_up, server)
            workers = await by_process(clients)
            killed_at = await kill(set_up, *([server.pid] if supervisor else []), *workers)
            if supervisor:
                server = await set_up.nodes.start(server.port)
            await set_up.until("offline_end", len(clients) * len(OFFLINE_PLUGINS))
            # Nobody is called twice: what comes later than the last one would be seen with these.
            late = await set_up.client(server, "late")
            await late.close()
            await set_up.until("offline_end", (len(clients) + 1) * len(OFFLINE_PLUGINS))
            events = read_history(set_up.path)
            assert check(events, OFFLINE_PLUGINS) == []
            calls = [event["time"] for event in events if event["event"] == "offline" and event["user"] != "late"]
            report(
                f"kill -9 of {'everything' if supervisor else 'all workers'}", sessions=len(clients),
                calls=len(calls), last_call_after=f"{(max(calls) - killed_at) / 1e9:.2f} s",
            )  # fmt: skip

    asyncio.run(run())


def test_without_their_supervisor_workers_stop_in_order_and_leave_the_port(tmp_path: Path) -> None:
    async def run() -> None:
        async with redis_process(tmp_path) as redis, stage(tmp_path, {**WORKERS, "redis.url": redis.url}) as set_up:
            server = await set_up.nodes.start()
            clients = await connect(set_up, server)
            workers = await by_process(clients)
            os.kill(server.pid, signal.SIGKILL)
            for client in clients:
                assert await client.until_closed() == 1012
            for process in workers:
                await gone(process)
            # They have told the plugins themselves, and nothing is left to the next one.
            events = read_history(set_up.path)
            assert {event["pid"] for event in events if event["event"] == "offline"} == set(workers)
            assert check(events, OFFLINE_PLUGINS) == []
            again = await set_up.nodes.start(server.port)
            assert not any(re.search("is dead", line) for line in again.log)
            with suppress(TimeoutError):
                await asyncio.wait_for(set_up.until("offline", len(clients) * len(OFFLINE_PLUGINS) + 1), 1.5 * LEASE)
            assert check(read_history(set_up.path), OFFLINE_PLUGINS) == []

    asyncio.run(run())
