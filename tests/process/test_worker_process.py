"""A worker as the supervisor sees it."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from msanic_core.process.bind import bind
from msanic_core.process.worker_process import WorkerProcess

READY = """
import os, signal, subprocess, sys
from msanic_core.process.worker import Worker
worker = Worker.from_environment(os.environ)
worker.ready("the banner")
"""


@asynccontextmanager
async def started(source: str) -> AsyncIterator[WorkerProcess]:
    with bind("127.0.0.1", 0, 5) as listener:
        worker = await WorkerProcess.start(3, [sys.executable, "-c", source], listener)
        try:
            yield worker
        finally:
            worker.kill()
            await worker.end
            # Processes that it leaves are in its process group.
            with suppress(ProcessLookupError):
                os.killpg(worker.pid, signal.SIGKILL)


def test_a_worker_that_becomes_ready_and_stops() -> None:
    async def run() -> None:
        async with started(READY + "signal.pause()") as worker:
            assert await worker.ready() == "the banner"
            assert str(worker) == f"worker 3 (pid {worker.pid})"
            assert not worker.end.done()
            worker.terminate()
            assert await worker.end == -signal.SIGTERM
            assert worker.how_it_ended() == "was killed by SIGTERM"
            assert worker.ended_well()
            worker.terminate()
            worker.kill()

    asyncio.run(run())


@pytest.mark.parametrize("text", ["x", "banner " * 100_000])
def test_one_that_ends_as_soon_as_it_is_ready_was_ready(text: str) -> None:
    async def run() -> None:
        async with started(READY.replace('"the banner"', f"{text[:7]!r} * {len(text) // len(text[:7])}")) as worker:
            assert await worker.ready() == text
            assert await worker.end == 0
            assert worker.ended_well()

    asyncio.run(run())


# A process that it leaves keeps the socket to the supervisor open, so the supervisor sees no end of the stream.
LEAVES_A_CHILD = """
import os, signal, sys
if os.fork() == 0:
    signal.alarm(60)
    signal.pause()
sys.exit(4)
"""


@pytest.mark.parametrize("source", ["raise SystemExit(4)", LEAVES_A_CHILD])
def test_one_that_ends_before_it_is_ready(source: str) -> None:
    async def run() -> None:
        async with started(source) as worker:
            async with asyncio.timeout(30):
                assert await worker.ready() is None
            assert worker.lived() == 0
            assert worker.how_it_ended() == "ended with exit code 4"
            assert not worker.ended_well()

    asyncio.run(run())


def test_a_command_that_does_not_exist() -> None:
    async def run() -> None:
        with bind("127.0.0.1", 0, 5) as listener, pytest.raises(FileNotFoundError):
            await WorkerProcess.start(1, ["/nothing/here"], listener)

    asyncio.run(run())
