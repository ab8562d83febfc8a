"""Sanic's HTTP server on a listening socket: when it begins to accept, and how it lets go."""

import asyncio
import socket
from typing import Any

import aiofastnet
from sanic import Sanic
from sanic.server.async_server import AsyncioServer

from msanic_core.transport.http_connection import HttpConnection

_POLL = 0.02
_ACCEPT_TURNS = 5
"""So many turns of the loop, at most, lie between a socket that is accepted and the connection that it becomes."""
_FIRST_REQUEST = 0.25
"""Seconds within which the first request follows a connection, unless it was made in advance."""


class Listener:
    """The HTTP connections of an app, and the socket on which they come in.

    Not public, of Sanic 25.12: `AsyncioServer` with `startup`, `before_start`, `start_serving`, `after_start`,
    `before_stop`, `after_stop`, `connections` and `server`.
    """

    def __init__(self, sock: socket.socket, server: AsyncioServer) -> None:
        self._sock = sock
        self._server = server

    @classmethod
    async def start(cls, app: "Sanic[Any, Any]", sock: socket.socket, backlog: int) -> "Listener":
        """Run the `before_server_start` listeners, then accept connections on a bound, listening socket."""
        # Its transports are compiled and read and write the socket directly; those of the loop cost twice as much.
        aiofastnet.patch_loop()
        server = await app.create_server(
            sock=sock,
            protocol=HttpConnection,
            backlog=backlog,
            return_asyncio_server=True,
            # Otherwise it would take connections before the listeners of blueprints have run.
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
        """Take no more connections, and wait a moment for the first request of those that were just taken.

        If they were closed unheard, clients would be refused whom the next worker, or another one, would have served.
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
        """Close the connections that have no request under way; True when no other is left."""
        idle = [connection.close_if_idle() for connection in list(self._server.connections)]
        return all(idle)

    async def stop(self) -> None:
        """Cut what is left and run the `after_server_stop` listeners of blueprints."""
        for connection in list(self._server.connections):
            connection.abort()
        await self._server.after_stop()  # type: ignore[no-untyped-call]
