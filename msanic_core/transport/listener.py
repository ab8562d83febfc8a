"""Sanic's HTTP server on a listening socket: start, end of accepting, stop."""

import asyncio
import socket
from typing import Any

import aiofastnet
from sanic import Sanic
from sanic.server.async_server import AsyncioServer

from msanic_core.transport.http_connection import HttpConnection

_POLL = 0.02
_ACCEPT_TURNS = 5
"""The most turns of the event loop between the accept of a socket and its `connection_made`."""
_FIRST_REQUEST = 0.25
"""Seconds in which a client sends its first request, unless it has connected in advance."""


class Listener:
    """The HTTP connections of an app, and its listening socket.

    Not public, of Sanic 25.12: `AsyncioServer` with `startup`, `before_start`, `start_serving`, `after_start`,
    `before_stop`, `after_stop`, `connections` and `server`.
    """

    def __init__(self, sock: socket.socket, server: AsyncioServer) -> None:
        self._sock = sock
        self._server = server

    @classmethod
    async def start(cls, app: "Sanic[Any, Any]", sock: socket.socket, backlog: int) -> "Listener":
        """Run the `before_server_start` listeners, then accept connections on a bound, listening socket."""
        # Its transports are compiled and use the socket directly; the loop's own transports cost twice as much.
        aiofastnet.patch_loop()
        server = await app.create_server(
            sock=sock,
            protocol=HttpConnection,
            backlog=backlog,
            return_asyncio_server=True,
            # Otherwise Sanic would accept connections before the `before_server_start` listeners of blueprints have
            # run.
            asyncio_server_kwargs={"start_serving": False},
        )
        if server is None:
            raise RuntimeError("Sanic returned no server")
        await server.startup()  # type: ignore[no-untyped-call]
        await server.before_start()  # type: ignore[no-untyped-call]
        await server.start_serving()  # type: ignore[no-untyped-call]
        await server.after_start()  # type: ignore[no-untyped-call]
        return cls(sock, server)

    async def stop_accepting(self) -> None:
        """Accept no more connections, and wait shortly for the first request of those that were just accepted.

        Without the wait, clients would lose connections that another worker would have served.
        """
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._sock)
        for _ in range(_ACCEPT_TURNS):
            await asyncio.sleep(0)
        until = loop.time() + _FIRST_REQUEST
        while any(connection.expects for connection in self._server.connections) and loop.time() < until:
            await asyncio.sleep(_POLL)
        if self._server.server is not None:
            self._server.server.close()

    async def before_stop(self) -> None:
        """Run the `before_server_stop` listeners of blueprints."""
        await self._server.before_stop()  # type: ignore[no-untyped-call]

    def close_idle(self) -> bool:
        """Close the connections that have no running request. Returns True if no other connection is left."""
        idle = [connection.close_if_idle() for connection in list(self._server.connections)]
        return all(idle)

    async def stop(self) -> None:
        """Abort the remaining connections and run the `after_server_stop` listeners of blueprints."""
        for connection in list(self._server.connections):
            connection.abort()
        await self._server.after_stop()  # type: ignore[no-untyped-call]
