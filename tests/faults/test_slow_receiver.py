"""One of many receivers stops reading while everybody is sent to all the time."""

import asyncio
import re
import time
from pathlib import Path

from tests.faults.checker import check
from tests.faults.client import FaultClient
from tests.faults.crowd import Listener, open_crowd
from tests.faults.history import read_history
from tests.faults.plugins import OFFLINE_PLUGINS
from tests.faults.sizes import report, size
from tests.faults.stage import stage

RECEIVERS = size(100, 1_000)
STALL = size(1.0, 10.0)
"""Seconds without progress after which a client counts as too slow."""
ROUNDS = size(20, 200)
"""Broadcasts that are timed before one stops reading."""
MESSAGE = 8_192
OUTBOX = 1_048_576
SETTINGS = {
    "ws.outbox_stall": STALL, "ws.outbox_bytes": OUTBOX, "ws.max_connections_per_address": 10_000,
    "offline.yield_after": 0.1, "offline.cancel_after": 0.3,
}  # fmt: skip


class Storm:
    """Broadcasts to everybody, the next one as soon as each receiver that reads has the last one."""

    def __init__(self, sender: FaultClient, receivers: list[Listener]) -> None:
        self._sender = sender
        self._receivers = receivers
        self._missing = 0
        self._all_have_it = asyncio.Event()
        for receiver in receivers:
            receiver.on_message = self._came

    async def round(self) -> None:
        self._missing = len(self._receivers)
        self._all_have_it.clear()
        await self._sender.ask("fault.flood", {"bytes": MESSAGE})
        await self._all_have_it.wait()

    def _came(self) -> None:
        self._missing -= 1
        if not self._missing:
            self._all_have_it.set()


def peak_kib(process: int) -> int:
    """The most memory that a process ever had."""
    match = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{process}/status").read_text())
    assert match is not None
    return int(match[1])


def test_it_is_closed_and_delays_nobody(tmp_path: Path) -> None:
    async def run() -> None:
        async with stage(tmp_path, SETTINGS) as set_up:
            server = await set_up.nodes.start()
            sender = await set_up.client(server, "sender")
            receivers = await open_crowd(
                set_up.history, server.port, [f"user-{number}" for number in range(RECEIVERS - 1)]
            )
            slow = Listener(set_up.history, "slow")
            await slow.open(server.port, narrow=True)
            storm = Storm(sender, receivers)
            for _ in range(ROUNDS // 4):
                await storm.round()
            began = time.monotonic()
            for _ in range(ROUNDS):
                await storm.round()
            rate_before = ROUNDS / (time.monotonic() - began)
            peak_before = peak_kib(server.pid)

            slow.stall()
            ended = asyncio.create_task(server.logged(r"of slow lost: slow"))
            began, rounds, closed_after = time.monotonic(), 0, 0.0
            while not closed_after or rounds < ROUNDS:
                await storm.round()
                rounds += 1
                if ended.done() and not closed_after:
                    closed_after = time.monotonic() - began
                    # What had left the server before it gave up comes, and then the reason.
                    slow.read_on()
            rate_after = rounds / (time.monotonic() - began)
            grown = peak_kib(server.pid) - peak_before
            assert await slow.until_closed() == 4001
            for receiver in receivers:
                receiver.abort()
            await sender.close()
            await set_up.until("offline_end", (RECEIVERS + 1) * len(OFFLINE_PLUGINS))
            events = read_history(set_up.path)
            assert check(events, OFFLINE_PLUGINS) == []
            assert [each["user"] for each in events if each["event"] == "offline" and each["reason"] == "slow"] == [
                "slow"
            ] * 3
            assert grown * 1024 < 4 * OUTBOX
            # That it delays nobody is a matter of all or nothing; how much is reported.
            assert rate_after > rate_before / 2
            report(
                "one of many stops reading", receivers=RECEIVERS, rate_of_the_others=f"{rate_after / rate_before:.3f}",
                broadcasts_per_second=f"{rate_before:.0f} and {rate_after:.0f}", closed_after=f"{closed_after:.1f} s",
                stall=f"{STALL:g} s", server_grew_by=f"{grown} KiB",
            )  # fmt: skip

    asyncio.run(run())
