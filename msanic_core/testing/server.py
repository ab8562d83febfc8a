"""A real server in the test's own event loop, on a free port of 127.0.0.1."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlencode

from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from msanic_core.config import settings_from
from msanic_core.node.lifecycle import RunningNode
from msanic_core.node.node import Node
from msanic_core.plugins.loading import load_plugins
from msanic_core.process.bind import bind

HOST = "127.0.0.1"


class TestServer:
    """A running server for a test: its address, its parts, and clients for it."""

    __test__ = False

    def __init__(self, running: RunningNode, port: int) -> None:
        self.running = running
        self.node = running.node
        self.server = running.node.server
        self.port = port
        self.url = f"http://{HOST}:{port}"

    def websocket_url(self, user: str | None = None, **parameters: str) -> str:
        """The address of the WebSocket, with the query for an anonymous login."""
        query = urlencode({**({} if user is None else {"user": user}), **parameters})
        return f"ws://{HOST}:{self.port}{self.node.settings.ws.path}" + (f"?{query}" if query else "")

    async def connect(
        self, user: str | None = None, *, subprotocol: str | None = None, client: str | None = None, **options: Any
    ) -> ClientConnection:
        """Connect a client of the `websockets` package. `options` are passed to its `connect`."""
        parameters = {} if client is None else {"client": client}
        offered = None if subprotocol is None else [Subprotocol(subprotocol)]
        return await connect(self.websocket_url(user, **parameters), subprotocols=offered, proxy=None, **options)


@asynccontextmanager
async def serving(
    plugins: Mapping[str, object], settings: Mapping[str, Any] | None = None, *, port: int = 0
) -> AsyncIterator[TestServer]:
    """Serve these plugins (name to module or object) and no installed ones. Stops at the end of the block.

    `settings`: sections as in msanic.toml. Unless they differ, the login is anonymous, the database is in memory,
    migrations are applied, and the time to stop is short. `port`: 0 takes a free one. Raises `PluginError` and
    `ConfigError` as `serve` does.
    """
    sections: dict[str, Any] = {"auth": {"mode": "anonymous"}, **(settings or {})}
    sections["db"] = {"url": "sqlite://:memory:", "migrate": True, **sections.get("db", {})}
    sections["server"] = {"drain_timeout": 5.0, **sections.get("server", {})}
    sections["plugins"] = {"load": [], **sections.get("plugins", {})}
    checked = settings_from(sections)
    node = Node(checked, load_plugins(checked, plugins))
    # Sanic's touch-up rewrites its classes for the app that starts, which works for only one app per process.
    node.app.config.TOUCHUP = False
    with bind(HOST, port, checked.server.backlog) as sock:
        running = await RunningNode.start(node, sock)
        try:
            yield TestServer(running, sock.getsockname()[1])
        finally:
            await running.stop()
