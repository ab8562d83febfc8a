"""One process that serves: bind, show the banner, run until SIGINT or SIGTERM, stop gracefully."""

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
    """A running server."""

    @property
    def banner(self) -> str:
        """The text that is shown when it is ready."""

    async def stop(self) -> None:
        """Stop serving, within the limit in the settings."""


def run(
    settings: Settings,
    make: Callable[[Settings], Made],
    start: Callable[[Made, socket.socket], Awaitable[Running]],
    worker: Worker | None = None,
) -> int:
    """Serve until a signal stops it; returns the exit code.

    `make` is called inside the event loop; `start` gets its result and a listening socket. `worker`: this process, if
    it is one of several; None: it is the only one. Raises what `make` and `start` raise, and `OSError` if the port is
    taken.
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
    # Before the start: a signal during it must not end the process before started plugins are stopped.
    loop.add_signal_handler(signal.SIGTERM, stopped.set)
    # A worker ignores Ctrl-C and SIGHUP, even if all processes get the signal: the supervisor handles them.
    loop.add_signal_handler(signal.SIGINT, stopped.set if worker is None else _ignore)
    if worker is not None:
        loop.add_signal_handler(signal.SIGHUP, _ignore)
    running = await start(made, sock)
    # Objects that exist now stay: the garbage collector, which the command line has disabled, can skip them.
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
