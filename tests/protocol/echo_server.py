"""A raw WebSocket echo through the server's own socket adapter, for protocol suites: `echo_server.py PORT`.

Port 0 takes a free one. When it listens it prints `ready PORT`.
"""

import argparse
import asyncio
import sys
from collections.abc import Callable

import aiofastnet
import uvloop
from sanic import Request, Sanic

from msanic_core.codes import OfflineReason
from msanic_core.process.bind import bind
from msanic_core.session.outbox import Flusher
from msanic_core.session.socket import SocketReceiver
from msanic_core.transport.http_connection import HttpConnection
from msanic_core.transport.intake import Intake
from msanic_core.transport.upgrade import take_over
from msanic_core.transport.websocket import WebSocketConnection
from msanic_core.wire import BINARY, TEXT, server_frame

LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "uvloop": uvloop.new_event_loop,
    "aiofastnet": aiofastnet.loop_factory(uvloop.new_event_loop),
    "asyncio": aiofastnet.loop_factory(asyncio.new_event_loop),
}
"""What it can run on; `aiofastnet` is what `serve` does."""


class Echo(SocketReceiver):
    """Sends every message back as it came."""

    def __init__(self, connection: WebSocketConnection) -> None:
        self._connection = connection

    def message(self, payload: str | bytes) -> None:
        if isinstance(payload, str):
            self._connection.write(server_frame(TEXT, payload.encode()))
        else:
            self._connection.write(server_frame(BINARY, payload))

    def control(self) -> None: ...

    def writable(self, yes: bool) -> None: ...

    def connection_lost(self, reason: OfflineReason, code: int | None = None, text: str = "") -> None: ...


async def serve(options: argparse.Namespace) -> None:
    """Serve one WebSocket, at `/` of 127.0.0.1, until cancelled."""
    app = Sanic("msanic_core_echo", configure_logging=False)
    app.config.update({"HEAD_TIMEOUT": 10.0, "MOTD": False})

    loop = asyncio.get_running_loop()
    intake = Intake(loop, Flusher(loop))

    async def echo(request: Request) -> None:
        limits = (options.max_message, options.max_fragments, options.close_timeout)
        connection = WebSocketConnection(intake, *limits)
        take_over(request, connection)
        connection.attach(Echo(connection))

    echo.is_websocket = True  # type: ignore[attr-defined]
    app.add_route(echo, "/")
    with bind("127.0.0.1", options.port, backlog=128) as sock:
        server = await app.create_server(sock=sock, protocol=HttpConnection, return_asyncio_server=True)
        assert server is not None
        await server.startup()  # type: ignore[no-untyped-call]
        sys.stdout.write(f"ready {sock.getsockname()[1]}\n")
        sys.stdout.flush()
        await server.serve_forever()  # type: ignore[no-untyped-call]


def main() -> None:
    """Run with the options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("--loop", choices=LOOPS, default="aiofastnet")
    parser.add_argument("--max-message", type=int, default=64 * 1024 * 1024, metavar="BYTES")
    parser.add_argument("--max-fragments", type=int, default=1 << 20, metavar="FRAMES")
    parser.add_argument("--close-timeout", type=float, default=5.0, metavar="SECONDS")
    options = parser.parse_args()
    with asyncio.Runner(loop_factory=LOOPS[options.loop]) as runner:
        runner.run(serve(options))


if __name__ == "__main__":
    main()
