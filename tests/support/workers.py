"""For tests of the supervisor: workers that start at once, and a log that tests can wait for."""

import asyncio
import logging
import os
import re
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from msanic_core.process.bind import bind
from msanic_core.process.supervisor import Limits, Supervisor, log

SOURCE = """
import os, signal, sys, time
from msanic_core.process.worker import Worker

worker = Worker.from_environment(os.environ)
worker.watch(0.1)
{before}
signal.signal(signal.SIGTERM, lambda *_: ({on_stop}))
worker.ready("the banner")
{after}
while True:
    signal.pause()
"""

LIMITS = Limits(start=30.0, stop=30.0, first_pause=0.02, longest_pause=0.05)


class Workers:
    """A supervisor of workers whose source can be changed, and what it says."""

    def __init__(self, source: Path) -> None:
        self._source = source
        self.log: list[str] = []
        self.banners: list[str] = []
        self.supervisor: Supervisor
        self._said = asyncio.Event()

    def write(self, before: str = "", after: str = "", on_stop: str = "sys.exit(0)") -> None:
        """Set what new workers do before they are ready, when they are ready, and on SIGTERM."""
        self._source.write_text(SOURCE.format(before=before, after=after, on_stop=on_stop))

    def say(self, line: str) -> None:
        self.log.append(line)
        self._said.set()

    def matches(self, pattern: str) -> list[re.Match[str]]:
        return [match for line in self.log if (match := re.fullmatch(pattern, line))]

    async def said(self, pattern: str, times: int = 1) -> list[re.Match[str]]:
        """Wait until this number of log lines match the regular expression."""
        async with asyncio.timeout(30):
            while len(found := self.matches(pattern)) < times:
                self._said.clear()
                await self._said.wait()
        return found

    async def ready(self, number: int, times: int = 1) -> int:
        """Wait until a worker has been ready this number of times; returns the pid of the last one."""
        return int((await self.said(rf"worker {number} \(pid (\d+)\) is ready", times))[times - 1][1])


class _Handler(logging.Handler):
    def __init__(self, workers: Workers) -> None:
        super().__init__()
        self._workers = workers

    def emit(self, record: logging.LogRecord) -> None:
        self._workers.say(record.getMessage())


@asynccontextmanager
async def supervised(
    directory: Path, workers: int = 2, limits: Limits = LIMITS, command: Sequence[str] | None = None, **source: Any
) -> AsyncIterator[tuple[Workers, asyncio.Task[int]]]:
    """Run a supervisor; the task is that of `run`. The end of the block kills the remaining processes."""
    script = directory / "worker.py"
    told = Workers(script)
    told.write(**source)
    handler = _Handler(told)
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    try:
        with bind("127.0.0.1", 0, 5) as listener:
            told.supervisor = Supervisor(
                command or [sys.executable, str(script)], workers, listener, limits, told.banners.append
            )
            running = asyncio.create_task(told.supervisor.run())
            try:
                yield told, running
            finally:
                if not running.done():
                    told.supervisor.stop()
                    told.supervisor.stop()
                await asyncio.wait({running})
    finally:
        log.removeHandler(handler)
        log.setLevel(logging.NOTSET)


def is_alive(pid: int) -> bool:
    """Whether the process exists and is not a zombie."""
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False


async def written(file: Path) -> None:
    """Wait until a worker has made this file."""
    async with asyncio.timeout(30):
        while not os.path.exists(file):  # noqa: ASYNC240 - it does not block
            await asyncio.sleep(0.005)


async def gone(pid: int) -> None:
    """Wait until a process has ended. Its files are closed, one after the other, a moment earlier."""
    async with asyncio.timeout(30):
        while is_alive(pid):
            await asyncio.sleep(0.005)
