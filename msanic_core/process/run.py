"""`serve`: bind, show what is served, run until SIGINT or SIGTERM, stop cleanly."""

import asyncio
import gc
import logging
import signal
import socket
import sys

import uvloop

from msanic_core.config.sections import Settings
from msanic_core.node.lifecycle import RunningNode
from msanic_core.node.node import Node
from msanic_core.plugins.loading import load_plugins
from msanic_core.process.banner import banner
from msanic_core.process.worker import Worker
from msanic_core.transport.listener import bind
from msanic_core.wire import Codecs

log = logging.getLogger("msanic_core")


def run(settings: Settings, worker: Worker | None = None) -> int:
    """Serve until told to stop; returns the exit code. Raises `PluginError`, and `OSError` if the port is taken.

    `worker`: what makes this process one of several; None: it is the only one.
    """
    place = "" if worker is None else f"worker {worker.number}[%(process)d] "
    form = f"%(asctime)s %(levelname)s {place}%(name)s: %(message)s"
    logging.basicConfig(level=logging.INFO, format=form, stream=sys.stderr)
    server = settings.server
    with (
        bind(server.host, server.port, server.backlog) if worker is None else worker.listener as sock,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        return runner.run(_serve(settings, sock, worker))


async def _serve(settings: Settings, sock: socket.socket, worker: Worker | None) -> int:
    ws = settings.ws
    codecs = Codecs(max_containers=ws.max_containers, max_depth=ws.max_depth, json_frames=ws.json_frames)
    node = Node(settings, load_plugins(settings), codecs)
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    # Before the start: a plugin that has started is stopped, too.
    loop.add_signal_handler(signal.SIGTERM, stopped.set)
    # A worker leaves Ctrl-C and SIGHUP to the supervisor, even where all processes are sent them.
    loop.add_signal_handler(signal.SIGINT, stopped.set if worker is None else _ignore)
    if worker is not None:
        loop.add_signal_handler(signal.SIGHUP, _ignore)
    running = await RunningNode.start(node, sock)
    # What is there now stays: the collector, which the command line has kept waiting, need not look at it again.
    gc.freeze()
    gc.enable()
    _say_ready(banner(node, sock), worker)
    await stopped.wait()
    if worker is None:
        # A second signal ends the process at once; a worker is killed by the supervisor.
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
    log.info("stopping: %d sessions", len(node.registry))
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
