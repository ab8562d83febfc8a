"""One process that serves: bind, show what is served, run until SIGINT or SIGTERM, stop cleanly."""

import asyncio
import gc
import logging
import signal
import socket
import sys
from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

import uvloop

from msanic_core.config.sections import Settings
from msanic_core.process.bind import bind
from msanic_core.process.worker import Worker

Made = TypeVar("Made")


class Running(Protocol):
    """What is being served."""

    @property
    def banner(self) -> str:
        """The lines that people are shown when it is ready."""

    async def stop(self) -> None:
        """Stop serving, within the time that the settings give."""


def run(
    settings: Settings,
    make: Callable[[Settings], Made],
    start: Callable[[Made, socket.socket], Awaitable[Running]],
    worker: Worker | None = None,
) -> int:
    """Serve until told to stop; returns the exit code. Raises what `make` and `start` raise, `OSError` from binding.

    `make` is called within the event loop; what it makes is served by `start`, on a listening socket. `worker`: what
    makes this process one of several; None: it is the only one.
    """
    place = "" if worker is None else f"worker {worker.number}[%(process)d] "
    form = f"%(asctime)s %(levelname)s {place}%(name)s: %(message)s"
    logging.basicConfig(level=logging.INFO, format=form, stream=sys.stderr)
    server = settings.server
    with (
        bind(server.host, server.port, server.backlog) if worker is None else worker.listener as sock,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        return runner.run(_serve(settings, make, start, sock, worker))


async def _serve(
    settings: Settings,
    make: Callable[[Settings], Made],
    start: Callable[[Made, socket.socket], Awaitable[Running]],
    sock: socket.socket,
    worker: Worker | None,
) -> int:
    made = make(settings)
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    # Before the start: a plugin that has started is stopped, too.
    loop.add_signal_handler(signal.SIGTERM, stopped.set)
    # A worker leaves Ctrl-C and SIGHUP to the supervisor, even where all processes are sent them.
    loop.add_signal_handler(signal.SIGINT, stopped.set if worker is None else _ignore)
    if worker is not None:
        loop.add_signal_handler(signal.SIGHUP, _ignore)
    running = await start(made, sock)
    # What is there now stays: the collector, which the command line has kept waiting, need not look at it again.
    gc.freeze()
    gc.enable()
    _say_ready(running.banner, worker)
    await stopped.wait()
    if worker is None:
        # A second signal ends the process at once; a worker is killed by the supervisor.
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
    await running.stop()
    return 0


def _say_ready(text: str, worker: Worker | None) -> None:
    if worker is None:
        sys.stderr.write(text + "\n")
        sys.stderr.flush()
    else:
        worker.ready(text)


def _ignore() -> None:
    pass
