"""A raw WebSocket echo through the server's own socket adapter, for protocol suites: `echo_server.py PORT`."""

import asyncio
import sys

from sanic import Request, Sanic

from msanic_core.codes import OfflineReason
from msanic_core.server.websocket import Connection, HttpConnection, take_over
from msanic_core.wire import BINARY, TEXT, server_frame

MAX_MESSAGE = 64 * 1024 * 1024
MAX_FRAGMENTS = 1 << 20


class Echo:
    """Sends every message back as it came."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def message(self, payload: str | bytes) -> None:
        if isinstance(payload, str):
            self._connection.write(server_frame(TEXT, payload.encode()))
        else:
            self._connection.write(server_frame(BINARY, payload))

    def control(self) -> None: ...

    def start_of_read(self) -> None: ...

    def end_of_read(self) -> None: ...

    def writable(self, yes: bool) -> None: ...

    def lost(self, reason: OfflineReason) -> None: ...


def build_app() -> Sanic:
    """The application: one WebSocket at `/`."""
    app = Sanic("msanic_core_echo")
    app.config.HEAD_TIMEOUT = 10.0

    async def echo(request: Request) -> None:
        connection = Connection(MAX_MESSAGE, MAX_FRAGMENTS, close_timeout=5.0)
        take_over(request, connection, max_message=MAX_MESSAGE)
        connection.attach(Echo(connection))

    echo.is_websocket = True  # type: ignore[attr-defined]
    app.add_route(echo, "/")
    return app


async def serve(port: int) -> None:
    """Serve on 127.0.0.1 until cancelled."""
    app = build_app()
    server = await app.create_server("127.0.0.1", port, protocol=HttpConnection, return_asyncio_server=True)
    assert server is not None
    await server.startup()
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
