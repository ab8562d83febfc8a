"""`serve`: bind, show what is served, run until SIGINT or SIGTERM, stop cleanly."""

import asyncio
import gc
import logging
import signal
import socket
import sys

import uvloop

from msanic_core.config import Settings
from msanic_core.plugins import load_plugins
from msanic_core.server.app import Node
from msanic_core.server.banner import banner
from msanic_core.server.lifecycle import RunningNode
from msanic_core.wire import Codecs

log = logging.getLogger("msanic_core")


def run(settings: Settings) -> int:
    """Serve until told to stop; returns the exit code. Raises `PluginError`, and `OSError` if the port is taken."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    with (
        bind(settings.server.host, settings.server.port, settings.server.backlog) as sock,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        return runner.run(_serve(settings, sock))


def bind(host: str, port: int, backlog: int) -> socket.socket:
    """A listening TCP socket; port 0 takes a free one."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.create_server((host, port), family=family, backlog=backlog)
    sock.setblocking(False)
    return sock


async def _serve(settings: Settings, sock: socket.socket) -> int:
    codecs = Codecs(max_containers=settings.ws.max_containers, max_depth=settings.ws.max_depth)
    node = Node(settings, load_plugins(settings), codecs)
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    # Before the start: a plugin that has started is stopped, too.
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    running = await RunningNode.start(node, sock)
    # What is there now stays: the collector, which the command line has kept waiting, need not look at it again.
    gc.freeze()
    gc.enable()
    sys.stderr.write(banner(node, sock) + "\n")
    sys.stderr.flush()
    await stopped.wait()
    for number in (signal.SIGINT, signal.SIGTERM):
        # A second signal ends the process at once.
        loop.remove_signal_handler(number)
    log.info("stopping: %d sessions", len(node.registry))
    await running.stop()
    return 0
