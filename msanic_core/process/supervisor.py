"""`serve` with several workers: starts them on one socket, replaces those that die, stops and reloads them.

It is small on purpose: it imports nothing of the server itself, so it starts fast and little can fail.
"""

import asyncio
import gc
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, NamedTuple

from msanic_core.config.sections import Settings
from msanic_core.process.bind import bind
from msanic_core.process.worker import STOP_MARGIN
from msanic_core.process.worker_process import WorkerProcess

log = logging.getLogger("msanic_core.supervisor")

LOG_FORMAT = "%(asctime)s %(levelname)s supervisor[%(process)d] %(name)s: %(message)s"


class Limits(NamedTuple):
    """Times are in seconds."""

    start: float
    """A worker must be ready within this time; otherwise it is killed."""
    stop: float
    """A worker must end in this time after SIGTERM; then it is killed."""
    failed_starts: int = 3
    """The server stops after this number of failed starts in a row."""
    first_pause: float = 0.5
    """Pause before the second restart in a row, doubled for each further one; the first has no pause."""
    longest_pause: float = 5.0
    proven: float = 10.0
    """If a worker was ready for at least this time, its restart counts as the first one again."""


class StartError(Exception):
    """A worker has ended, or was killed, before it was ready. `code`: the exit code for the server."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


class Slot:
    """The place of one worker. Its processes change, its number stays."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.worker: WorkerProcess | None = None
        """The process in this place, starting or ready."""
        self.keeper: asyncio.Task[None] | None = None
        """The task that starts a new process whenever one ends."""
        self.was_ready = False
        self.early_ends = 0
        """Workers in a row that ended before `Limits.proven`."""
        self.failed_starts = 0
        """Failed starts in a row."""


class Supervisor:
    """Runs `workers` processes of `command` that share `listener`. Make it inside a running event loop.

    `announce` is called once, when all workers have been ready, with the banner of one of them.
    """

    def __init__(
        self,
        command: Sequence[str],
        workers: int,
        listener: socket.socket,
        limits: Limits,
        announce: Callable[[str], None],
    ) -> None:
        self._command = command
        self._listener = listener
        self._limits = limits
        self._announce = announce
        self._slots = [Slot(number) for number in range(1, workers + 1)]
        self._alive: set[WorkerProcess] = set()
        self._exit_code: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._announced = asyncio.Event()
        self._reload_asked = asyncio.Event()

    async def run(self) -> int:
        """Run until `stop`, or until starts fail too often. Closes the listening socket.

        Returns the exit code: that of the worker that did not start, else 0 if all workers ended well, else 1.
        """
        reloader = self._task(self._reload_when_asked())
        for slot in self._slots:
            slot.keeper = self._task(self._keep(slot))
        code = await self._exit_code
        tasks = [reloader, *(slot.keeper for slot in self._slots if slot.keeper is not None)]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        # The workers close theirs too: then new clients are refused at once and do not wait for an accept.
        self._listener.close()
        log.info("stopping: %d workers", len(self._alive))
        all_well = await self._stop(list(self._alive))
        return code or (0 if all_well else 1)

    def stop(self) -> None:
        """Stop the workers gracefully. A second call, while they stop, kills them."""
        if not self._exit_code.done():
            self._exit_code.set_result(0)
            return
        for worker in self._alive:
            worker.kill()

    def reload(self) -> None:
        """Replace all workers, one after the other. During a replacement: do it once more afterwards."""
        self._reload_asked.set()

    async def _keep(self, slot: Slot) -> None:
        """Keep a worker running in this place: start a new one whenever it ends."""
        while True:
            try:
                if slot.worker is None:
                    slot.worker = await self._spawn(slot.number)
                    banner = await self._until_ready(slot.worker)
                    self._is_ready(slot, banner)
                worker = slot.worker
                await asyncio.shield(worker.end)
            except StartError as error:
                slot.failed_starts += 1
                what = str(error)
                if self._is_hopeless(slot, error.code):
                    self._give_up(what, error.code)
                    return
            else:
                what = f"{worker} {worker.how_it_ended()}"
                if worker.lived() >= self._limits.proven:
                    slot.early_ends = 0
            slot.worker = None
            slot.early_ends += 1
            pause = self._pause(slot.early_ends)
            log.warning("%s; the next one is started %s", what, f"in {pause:g} s" if pause else "at once")
            await asyncio.sleep(pause)

    def _is_ready(self, slot: Slot, banner: str) -> None:
        log.info("%s is ready", slot.worker)
        slot.was_ready = True
        slot.failed_starts = 0
        if not self._announced.is_set() and all(each.was_ready for each in self._slots):
            self._announced.set()
            self._announce(banner)

    def _is_hopeless(self, slot: Slot, code: int) -> bool:
        """Whether the server gives up.

        Until the server has been ready once, the failed starts of all workers are counted together, because they
        usually have one cause. Afterwards each worker has its own count, and a start that fails because Redis or
        the database is unavailable is repeated for ever: the other workers also run without them.
        """
        if code == os.EX_TEMPFAIL and self._announced.is_set():
            return False
        slots = [slot] if self._announced.is_set() else self._slots
        return sum(each.failed_starts for each in slots) >= self._limits.failed_starts

    def _give_up(self, why: str, code: int) -> None:
        if not self._exit_code.done():
            log.error("%s, and so did those before it: the server stops", why)
            self._exit_code.set_result(code)

    def _pause(self, early_ends: int) -> float:
        """Return the seconds until the next start."""
        if early_ends == 1:
            return 0.0
        return min(self._limits.first_pause * 2.0 ** min(early_ends - 2, 30), self._limits.longest_pause)

    async def _reload_when_asked(self) -> None:
        await self._announced.wait()
        while True:
            await self._reload_asked.wait()
            self._reload_asked.clear()
            await self._replace_all()

    async def _replace_all(self) -> None:
        log.info("reload: %d workers are replaced, one after the other", len(self._slots))
        for slot in self._slots:
            try:
                new = await self._spawn(slot.number)
                await self._until_ready(new)
            except StartError as error:
                done = slot.number - 1
                log.error("%s: the reload is given up, %d of %d workers replaced", error, done, len(self._slots))
                return
            await self._replace(slot, new)
        log.info("reload: all workers are replaced")

    async def _replace(self, slot: Slot, new: WorkerProcess) -> None:
        """Put a worker that is ready in this place, and stop the old one."""
        log.info("%s is ready", new)
        assert slot.keeper is not None, "the server has started"
        slot.keeper.cancel()
        old, slot.worker = slot.worker, new
        slot.failed_starts = slot.early_ends = 0
        slot.keeper = self._task(self._keep(slot))
        if old is not None:
            await self._stop([old])

    async def _spawn(self, number: int) -> WorkerProcess:
        try:
            worker = await WorkerProcess.start(number, self._command, self._listener)
        except OSError as error:
            raise StartError(f"worker {number} cannot be started: {error}", 1) from error
        self._alive.add(worker)
        worker.end.add_done_callback(lambda _: self._alive.discard(worker))
        return worker

    async def _until_ready(self, worker: WorkerProcess) -> str:
        """Wait until a worker is ready and return its banner. Raises `StartError`."""
        limit = self._limits.start
        try:
            async with asyncio.timeout(limit):
                banner = await worker.ready()
        except TimeoutError:
            worker.kill()
            await asyncio.shield(worker.end)
            raise StartError(f"{worker} was not ready within {limit:g} s and has been killed", 1) from None
        if banner is None:
            code = worker.end.result()
            # 128 + the signal's number, as in a shell. 128 also for exit code 0: a plugin that calls `exit(0)` is an
            # error.
            raise StartError(f"{worker} {worker.how_it_ended()} before it was ready", code if code > 0 else 128 - code)
        return banner

    async def _stop(self, workers: Sequence[WorkerProcess]) -> bool:
        """Stop workers, and kill them after the limit. Returns whether all ended well."""
        for worker in workers:
            worker.terminate()
        ends = {worker.end for worker in workers}
        late = (await asyncio.wait(ends, timeout=self._limits.stop))[1] if ends else set()
        for worker in workers:
            if worker.end in late:
                log.error("%s still runs %g s after SIGTERM and is killed", worker, self._limits.stop)
                worker.kill()
        if late:
            await asyncio.wait(late)
        bad = [worker for worker in workers if not worker.ended_well()]
        for worker in bad:
            if worker.end not in late:
                log.error("%s %s while it stopped", worker, worker.how_it_ended())
        return not bad

    def _task(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run a part of the supervisor as a task. `run` raises its errors."""
        task = asyncio.create_task(work)
        task.add_done_callback(self._check)
        return task

    def _check(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None and not self._exit_code.done():
            self._exit_code.set_exception(error)


def supervise(settings: Settings) -> int:
    """Serve with several workers until a signal; returns the exit code. Raises `OSError` if the port is taken."""
    logging.basicConfig(level=logging.INFO, format=LOG_FORMAT, stream=sys.stderr)
    gc.freeze()
    gc.enable()
    with bind(settings.server.host, settings.server.port, settings.server.backlog) as listener:
        return asyncio.run(_supervise(settings, listener))


async def _supervise(settings: Settings, listener: socket.socket) -> int:
    server = settings.server
    supervisor = Supervisor(
        # The command of this process. An environment variable makes the new process a worker.
        [sys.executable, *sys.orig_argv[1:]],
        server.workers,
        listener,
        Limits(start=server.start_timeout, stop=server.drain_timeout + STOP_MARGIN),
        _show,
    )
    in_terminal = os.isatty(0)

    def hang_up() -> None:
        # A terminal that is closed sends the same signal.
        if in_terminal and not os.isatty(0):
            supervisor.stop()
        else:
            supervisor.reload()

    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGHUP, hang_up)
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, supervisor.stop)
    return await supervisor.run()


def _show(banner: str) -> None:
    sys.stderr.write(banner + "\n")
    sys.stderr.flush()
