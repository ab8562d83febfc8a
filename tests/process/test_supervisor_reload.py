"""Workers are replaced one by one."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import TYPE_CHECKING

from tests.support.workers import LIMITS, is_alive, supervised, written

if TYPE_CHECKING:
    from pathlib import Path

DONE = "reload: all workers are replaced"


def test_each_new_worker_is_ready_before_the_old_one_stops(tmp_path: Path) -> None:
    async def run() -> None:
        events = tmp_path / "events"

        def note(event: str) -> str:
            return f"open({str(events)!r}, 'a').write('{event} %d\\n' % worker.number)"

        async with supervised(tmp_path, on_stop=f"{note('stop')}, sys.exit(0)") as (workers, _):
            old = [await workers.ready(1), await workers.ready(2)]
            workers.write(before=note("new"))
            workers.supervisor.reload()
            await workers.said(DONE)
            new = [await workers.ready(1, times=2), await workers.ready(2, times=2)]
            assert events.read_text().splitlines() == ["new 1", "stop 1", "new 2", "stop 2"]
            assert not any(map(is_alive, old))
            assert all(map(is_alive, new))
            assert workers.banners == ["the banner"]
            assert not [line for line in workers.log if "next one" in line]
            # The supervisor also replaces the new workers when they die.
            os.kill(new[1], signal.SIGKILL)
            await workers.ready(2, times=3)

    asyncio.run(run())


def test_a_new_worker_that_does_not_start_ends_the_reload(tmp_path: Path) -> None:
    async def run() -> None:
        async with supervised(tmp_path) as (workers, _):
            old = [await workers.ready(1), await workers.ready(2)]
            workers.write(before="worker.number == 2 and sys.exit(2)")
            workers.supervisor.reload()
            await workers.said(
                r"worker 2 \(pid \d+\) ended with exit code 2 before it was ready: "
                "the reload is given up, 1 of 2 workers replaced"
            )
            assert [is_alive(pid) for pid in old] == [False, True]
            workers.write()
            workers.supervisor.reload()
            await workers.said(DONE)
            assert not is_alive(old[1])

    asyncio.run(run())


def test_one_that_is_asked_for_during_a_reload_comes_after_it(tmp_path: Path) -> None:
    async def run() -> None:
        async with supervised(tmp_path) as (workers, _):
            workers.supervisor.reload()
            await workers.said("reload: 2 workers are replaced, one after the other")
            # Before it the workers had to start.
            assert len([line for line in workers.log if "is ready" in line]) == 2
            for _ in range(3):
                workers.supervisor.reload()
            await workers.said(DONE, times=2)
            for number in (1, 2):
                await workers.ready(number, times=3)
            assert len([line for line in workers.log if "one after the other" in line]) == 2

    asyncio.run(run())


def test_a_place_that_waits_for_its_next_worker_is_filled_at_once(tmp_path: Path) -> None:
    async def run() -> None:
        limits = LIMITS._replace(first_pause=600.0, longest_pause=600.0)
        async with supervised(tmp_path, 1, limits, after="sys.exit(3)") as (workers, running):
            await workers.said(".* ended with exit code 3; the next one is started in 600 s")
            workers.write()
            workers.supervisor.reload()
            await workers.said(DONE)
            assert is_alive(await workers.ready(1, times=3))
            workers.supervisor.stop()
            assert await running == 0

    asyncio.run(run())


def test_an_old_worker_that_does_not_stop_is_killed(tmp_path: Path) -> None:
    async def run() -> None:
        async with supervised(tmp_path, 1, LIMITS._replace(stop=0.2), on_stop="None") as (workers, running):
            old = await workers.ready(1)
            workers.write()
            workers.supervisor.reload()
            await workers.said(DONE)
            assert f"worker 1 (pid {old}) still runs 0.2 s after SIGTERM and is killed" in workers.log
            workers.supervisor.stop()
            assert await running == 0

    asyncio.run(run())


def test_a_stop_during_a_reload_stops_old_and_new(tmp_path: Path) -> None:
    async def run() -> None:
        asked = tmp_path / "asked"
        # The old one is slow: it ends with the second SIGTERM.
        on_stop = f"os.mkdir({str(asked)!r}), signal.signal(signal.SIGTERM, signal.SIG_DFL)"
        async with supervised(tmp_path, 1, on_stop=on_stop) as (workers, running):
            old = await workers.ready(1)
            workers.write()
            workers.supervisor.reload()
            await written(asked)
            new = await workers.ready(1, times=2)
            workers.supervisor.stop()
            await running
            assert not is_alive(old)
            assert not is_alive(new)

    asyncio.run(run())
