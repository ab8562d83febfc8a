"""SIGTERM under many sessions, some of whose clients have stopped reading."""

import asyncio
import itertools
import json
import re
import signal
import time
from pathlib import Path

from websockets.asyncio.client import ClientConnection, connect

from msanic_core.testing import ServerProcess, redis_process
from tests.faults.checker import check
from tests.faults.history import read_history
from tests.faults.outage import SETTINGS
from tests.faults.plugins import OFFLINE_PLUGINS
from tests.faults.sizes import report, size
from tests.faults.stage import stage

SESSIONS = size(300, 2_000)
STALLED = 10
DRAIN = size(8.0, 20.0)
BATCH_PAUSE = 0.05
"""Between two batches, see node/lifecycle.py."""


async def stall(server: ServerProcess, number: int) -> ClientConnection:
    """A client that asks for more than the kernel's buffers hold, and does not read."""
    client = await connect(server.websocket_url(f"user=stalled-{number}"), proxy=None, max_queue=1, ping_interval=None)
    client.transport.pause_reading()
    sent = 0

    async def send() -> None:
        nonlocal sent
        while True:
            await client.send(json.dumps({"cmd": "sys.ping", "data": "x" * 60_000}))
            sent += 1

    sending = asyncio.create_task(send())
    # The server reads no more from a client whose answers have nowhere to go: then nothing moves.
    before = -1
    while sent != before or not client.transport.get_write_buffer_size():
        before = sent
        await asyncio.sleep(0.1)
    assert not sending.done()
    sending.cancel()
    return client


def test_all_are_told_in_batches_and_the_process_ends_in_time(tmp_path: Path) -> None:
    async def run() -> None:
        settings = {**SETTINGS, "server.drain_timeout": DRAIN, "ws.close_timeout": 1.0}
        async with redis_process(tmp_path) as redis, stage(tmp_path, {**settings, "redis.url": redis.url}) as set_up:
            server = await set_up.nodes.start()
            clients = await set_up.clients([server], [f"user-{number}" for number in range(SESSIONS)])
            stalled = await asyncio.gather(*(stall(server, number) for number in range(STALLED)))
            began = time.time_ns()
            server.signal(signal.SIGTERM)
            for client in clients:
                assert await client.until_closed() == 1012
            assert await server.exit_code() == 0
            ended = time.time_ns()
            for other in stalled:
                other.transport.abort()
            events = read_history(set_up.path)
            assert check(events, OFFLINE_PLUGINS) == []
            calls = [event for event in events if event["event"] == "offline"]
            assert len(calls) == (SESSIONS + STALLED) * len(OFFLINE_PLUGINS)
            assert {call["reason"] for call in calls} == {"shutdown"}
            assert not any(re.search("cancelled at the deadline", line) for line in server.log)
            told = sorted(event["time"] for event in events if event["event"] == "close")
            pauses = [after - before for before, after in itertools.pairwise(told)]
            batches = 1 + sum(pause > BATCH_PAUSE * 1e9 / 2 for pause in pauses)
            assert batches > 1
            report(
                "SIGTERM", sessions=SESSIONS, stalled=STALLED, told_after=_seconds(told[0] - began),
                last_told_after=_seconds(told[-1] - began), batches_at_least=batches,
                exit_after=_seconds(ended - began), drain_timeout=f"{DRAIN:g} s",
            )  # fmt: skip

    asyncio.run(run())


def _seconds(nanoseconds: int) -> str:
    return f"{nanoseconds / 1e9:.2f} s"
