"""The supervisor with workers that start, die, hang and stop. `integration/` has real workers."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.support.workers import LIMITS, is_alive, supervised, written

if TYPE_CHECKING:
    from pathlib import Path

ENDED = r"worker \d+ \(pid \d+\) ended with exit code 3; the next one is started (.*)"


def test_it_is_announced_once_when_all_are_ready(tmp_path: Path) -> None:
    async def run() -> None:
        go_on = tmp_path / "go_on"
        waits = f"while worker.number == 2 and not os.path.exists({str(go_on)!r}): time.sleep(0.005)"
        async with supervised(tmp_path, before=waits) as (workers, _):
            os.kill(await workers.ready(1), signal.SIGKILL)
            await workers.ready(1, times=2)
            assert workers.banners == []
            go_on.touch()
            os.kill(await workers.ready(2), signal.SIGKILL)
            await workers.ready(2, times=2)
            assert workers.banners == ["the banner"]

    asyncio.run(run())


def test_a_worker_that_is_killed_is_replaced_at_once(tmp_path: Path) -> None:
    async def run() -> None:
        async with supervised(tmp_path) as (workers, running):
            first, other = await workers.ready(1), await workers.ready(2)
            os.kill(first, signal.SIGKILL)
            second = await workers.ready(1, times=2)
            assert second != first
            assert f"worker 1 (pid {first}) was killed by SIGKILL; the next one is started at once" in workers.log
            assert is_alive(other)
            workers.supervisor.stop()
            assert await running == 0
            assert not is_alive(second)
            assert not is_alive(other)

    asyncio.run(run())


def test_workers_that_die_one_after_the_other_are_started_more_and_more_slowly(tmp_path: Path) -> None:
    async def run() -> None:
        async with supervised(tmp_path, after="sys.exit(3)", workers=1) as (workers, running):
            lines = await workers.said(ENDED, times=5)
            assert [line[1] for line in lines] == ["at once", "in 0.02 s", "in 0.04 s", "in 0.05 s", "in 0.05 s"]
            assert not running.done()

    asyncio.run(run())


def test_a_worker_that_has_lived_for_some_time_is_replaced_at_once_again(tmp_path: Path) -> None:
    async def run() -> None:
        limits = LIMITS._replace(proven=0.0)
        async with supervised(tmp_path, after="sys.exit(3)", workers=1, limits=limits) as (workers, _):
            lines = await workers.said(ENDED, times=4)
            assert {line[1] for line in lines} == {"at once"}

    asyncio.run(run())


def test_a_worker_that_does_not_start_three_times_in_a_row_stops_the_others(tmp_path: Path) -> None:
    async def run() -> None:
        stopped = tmp_path / "stopped"
        on_stop = f"open({str(stopped)!r}, 'w').close(), sys.exit(0)"
        async with supervised(tmp_path, on_stop=on_stop) as (workers, running):
            first, second = await workers.ready(1), await workers.ready(2)
            workers.write(before="sys.exit(7)")
            os.kill(first, signal.SIGKILL)
            assert await running == 7
            assert stopped.exists()
            assert not is_alive(second)
            early = r"worker 1 \(pid \d+\) ended with exit code 7 before it was ready"
            assert [line[1] for line in workers.matches(early + "; the next one is started (.*)")] == [
                "in 0.02 s",
                "in 0.04 s",
            ]
            assert workers.matches(early + ", and so did those before it: the server stops")

    asyncio.run(run())


def test_failed_starts_in_between_are_forgotten(tmp_path: Path) -> None:
    async def run() -> None:
        counter = tmp_path / "counter"
        counter.write_text("")
        # Of every three starts the third succeeds, and ends as soon as it is ready.
        before = f"open({str(counter)!r}, 'a').write('x'), os.stat({str(counter)!r}).st_size % 3 and sys.exit(7)"
        async with supervised(tmp_path, 1, before=before, after="sys.exit(3)") as (workers, running):
            await workers.said(ENDED, times=3)
            assert not running.done()

    asyncio.run(run())


def test_a_server_that_has_been_ready_outlives_starts_that_miss_redis(tmp_path: Path) -> None:
    async def run() -> None:
        async with supervised(tmp_path) as (workers, running):
            first, second = await workers.ready(1), await workers.ready(2)
            workers.write(before="sys.exit(os.EX_TEMPFAIL)")
            os.kill(first, signal.SIGKILL)
            await workers.said(r"worker 1 \(pid \d+\) ended with exit code 75 before it was ready; .*", times=5)
            assert is_alive(second)
            workers.write()
            await workers.ready(1, times=2)
            assert not running.done()

    asyncio.run(run())


@pytest.mark.parametrize(
    ("before", "code", "how"),
    [
        ("sys.exit(2)", 2, "ended with exit code 2 before it was ready"),
        ("sys.exit(os.EX_TEMPFAIL)", 75, "ended with exit code 75 before it was ready"),
        ("sys.exit(0)", 128, "ended with exit code 0 before it was ready"),
        ("os.kill(os.getpid(), 9)", 137, "was killed by SIGKILL before it was ready"),
        ("time.sleep(60)", 1, "was not ready within 1 s and has been killed"),
    ],
)
def test_when_none_starts_it_is_said_three_times_in_all(tmp_path: Path, before: str, code: int, how: str) -> None:
    async def run() -> None:
        limits = LIMITS._replace(start=1.0 if "sleep" in before else 30.0)
        async with supervised(tmp_path, before=before, workers=3, limits=limits) as (workers, running):
            assert await running == code
            assert len([line for line in workers.log if re.match(rf"worker \d \(pid \d+\) {how}", line)]) == 3
            assert workers.banners == []

    asyncio.run(run())


def test_a_command_that_cannot_be_run(tmp_path: Path) -> None:
    async def run() -> None:
        async with supervised(tmp_path, command=[str(tmp_path / "nothing")]) as (workers, running):
            assert await running == 1
            assert "worker 1 cannot be started: [Errno 2]" in workers.log[0]

    asyncio.run(run())


@pytest.mark.parametrize(
    ("on_stop", "code", "line"),
    [
        ("sys.exit(0)", 0, None),
        ("sys.exit(3)", 1, r"worker 1 \(pid \d+\) ended with exit code 3 while it stopped"),
        ("None", 1, r"worker 1 \(pid \d+\) still runs 0\.2 s after SIGTERM and is killed"),
    ],
)
def test_stop(tmp_path: Path, on_stop: str, code: int, line: str | None) -> None:
    async def run() -> None:
        limits = LIMITS._replace(stop=0.2 if on_stop == "None" else 30.0)
        async with supervised(tmp_path, on_stop=on_stop, limits=limits) as (workers, running):
            pids = [await workers.ready(1), await workers.ready(2)]
            workers.supervisor.stop()
            assert await running == code
            assert not any(map(is_alive, pids))
            assert len(workers.matches(line or ".*stopped")) == (line is not None)

    asyncio.run(run())


def test_the_second_stop_kills(tmp_path: Path) -> None:
    async def run() -> None:
        said = tmp_path / "said"
        os.mkfifo(said)
        async with supervised(tmp_path, on_stop=f"open({str(said)!r}, 'w').write('no')", workers=1) as (
            workers,
            running,
        ):
            pid = await workers.ready(1)
            workers.supervisor.stop()
            await written(said)
            workers.supervisor.stop()
            assert await running == 1
            assert not is_alive(pid)

    asyncio.run(run())


def test_a_worker_that_is_still_starting_stops_too(tmp_path: Path) -> None:
    async def run() -> None:
        began = tmp_path / "began"
        before = f"os.mkdir({str(began)!r}), time.sleep(60)"
        async with supervised(tmp_path, before=before, workers=1) as (workers, running):
            await written(began)
            workers.supervisor.stop()
            assert await running == 0

    asyncio.run(run())


def test_nobody_is_restarted_while_the_server_stops(tmp_path: Path) -> None:
    async def run() -> None:
        async with supervised(tmp_path) as (workers, running):
            pids = [await workers.ready(1), await workers.ready(2)]
            workers.supervisor.stop()
            os.kill(pids[0], signal.SIGKILL)
            assert await running == 1
            assert not [line for line in workers.log if "next one" in line]
            assert len([line for line in workers.log if "is ready" in line]) == 2

    asyncio.run(run())


def test_the_supervisor_imports_nothing_of_the_server() -> None:
    source = "import sys, msanic_core.cli.serve, msanic_core.process.supervisor; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True)
    modules = set(run.stdout.split())
    assert "msanic_core.process.supervisor" in modules
    assert {"sanic", "uvloop", "aiofastnet", "redis", "tortoise", "pluggy", "websockets"}.isdisjoint(modules)
