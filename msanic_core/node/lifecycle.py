"""Start and stop of a node. The order of the steps is part of the guarantees."""

import asyncio
import logging
import socket

from sanic import Sanic

from msanic_core.codes import OfflineReason
from msanic_core.node.banner import banner
from msanic_core.node.node import Node
from msanic_core.plugins import calling
from msanic_core.transport.listener import Listener

log = logging.getLogger("msanic_core.lifecycle")

_BATCHES = 20
_BATCH_PAUSE = 0.05
_MIN_BATCH = 100
_POLL = 0.02


class RunningNode:
    """A node that serves on a bound, listening socket."""

    def __init__(self, node: Node, sock: socket.socket, listener: Listener, heartbeat: asyncio.Task[None]) -> None:
        self.node = node
        self._sock = sock
        self._listener = listener
        self._heartbeat = heartbeat

    @classmethod
    async def start(cls, node: Node, sock: socket.socket) -> "RunningNode":
        """Start database, engine and plugins, then accept connections. Raises `PluginError` if a plugin fails.

        Raises `StoreUnavailableError` if the database or Redis is unavailable, `MigrationError` if migrations are
        missing.
        """
        with node.db.entered():
            return await cls._start(node, sock)

    @classmethod
    async def _start(cls, node: Node, sock: socket.socket) -> "RunningNode":
        try:
            await _open_database(node)
            await node.engine.start(node.id, node.delivery, node.offline.plugins)
        except BaseException:
            await node.db.close()
            raise
        try:
            await calling.start_plugins(node.plugins, node.server)
            if node.relay is not None:
                node.relay.start()
        except BaseException:
            await _release(node)
            raise
        listener = await Listener.start(node.app, sock, node.settings.server.backlog)
        heartbeat = asyncio.get_running_loop().create_task(node.heartbeat.run())
        return cls(node, sock, listener, heartbeat)

    @property
    def banner(self) -> str:
        """The text that is shown when the node is ready, see `banner`."""
        return banner(self.node, self._sock)

    async def stop(self) -> None:
        """Refuse new connections, end sessions with 1012, finish handlers and hooks, all within `drain_timeout`."""
        with self.node.db.entered():
            await self._stop()

    async def _stop(self) -> None:
        node = self.node
        loop = asyncio.get_running_loop()
        began = loop.time()
        log.info("stopping: %d sessions", len(node.registry))
        timeout = node.settings.server.drain_timeout
        await self._listener.stop_accepting()
        node.admission.accepting = False
        await self._listener.before_stop()
        await self._close_sessions()
        # A fifth of the time is kept for cancelled handlers and hooks, and for the steps after them.
        deadline, grace = began + 0.8 * timeout, timeout / 20
        late_handlers = await node.dispatcher.stop(deadline, grace)
        late_hooks = await node.offline.drain(deadline, grace)
        await self._close_sockets(deadline)
        if late_handlers or late_hooks:
            log.warning(
                "cancelled at the deadline: %d handlers, %d offline chains and hooks", late_handlers, late_hooks
            )
        await calling.stop_plugins(node.plugins, node.server, began + timeout)
        self._heartbeat.cancel()
        await self._listener.stop()
        await _release(node)
        log.info("stopped in %.1f s", loop.time() - began)

    async def _close_sockets(self, deadline: float) -> None:
        """Close idle HTTP connections; wait for running requests, including logins, and for closing handshakes.

        If the process ended earlier, clients could lose close frames that they have not read yet.
        """
        loop = asyncio.get_running_loop()
        while loop.time() < deadline:
            idle = self._listener.close_idle()
            if idle and not self.node.admission.connections:
                break
            await asyncio.sleep(_POLL)

    async def _close_sessions(self) -> None:
        """Close in batches: otherwise all clients would reconnect to the other nodes at the same time."""
        sessions = self.node.registry.all()
        size = max(_MIN_BATCH, -(-len(sessions) // _BATCHES))
        for start in range(0, len(sessions), size):
            if start:
                await asyncio.sleep(_BATCH_PAUSE)
            for session in sessions[start : start + size]:
                self.node.offline.lose(session, OfflineReason.SHUTDOWN)


async def _open_database(node: Node) -> None:
    await node.db.open()
    if not node.db.apps:
        return
    # The import of Tortoise is slow.
    from msanic_core.db.migration.migrator import Migrator

    migrator = Migrator(node.db, log.info)
    if node.settings.db.migrate and await migrator.pending():
        await migrator.migrate()
    else:
        await migrator.check()


async def _release(node: Node) -> None:
    if node.relay is not None:
        await node.relay.stop()
    await node.engine.stop()
    await node.db.close()
    Sanic.unregister_app(node.app)
