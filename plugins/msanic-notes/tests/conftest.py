import json
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import msanic_notes
import pytest
from websockets.asyncio.client import ClientConnection

from msanic_core.testing import TestServer, serving

Connect = Callable[..., Awaitable["User"]]


class User:
    """A client that keeps apart what answers it and what is pushed to it."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self._pushes: deque[dict[str, Any]] = deque()

    async def ask(self, cmd: str | int, **data: Any) -> Any:
        """Send a command and return the reply."""
        await self.connection.send(json.dumps({"cmd": cmd, "data": data, "req": 1}))
        while True:
            message = json.loads(await self.connection.recv())
            if "req" in message:
                return message
            self._pushes.append(message)

    async def data(self, cmd: str | int, **data: Any) -> Any:
        """Send a command that succeeds and return its data."""
        reply = await self.ask(cmd, **data)
        assert reply["code"] == 0, reply
        return reply["data"]

    async def push(self) -> tuple[str, Any]:
        """The next push: its command and its data."""
        message = self._pushes.popleft() if self._pushes else json.loads(await self.connection.recv())
        assert message.get("req") is None, message
        return message["cmd"], message["data"]


@pytest.fixture
def connect() -> Connect:
    """`await connect(server, "ada")` is a `User`."""

    async def connect(server: TestServer, name: str, **options: Any) -> User:
        return User(await server.connect(name, **options))

    return connect


@pytest.fixture
def serve(database_url: str) -> Callable[..., Any]:
    """`async with serve() as server`, on each database; settings as for `serving`."""

    @asynccontextmanager
    async def serve(settings: dict[str, Any] | None = None) -> AsyncIterator[TestServer]:
        async with serving({"notes": msanic_notes}, {"db": {"url": database_url}, **(settings or {})}) as server:
            yield server

    return serve
