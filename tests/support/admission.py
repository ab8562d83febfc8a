"""For tests of admission: an engine whose store is slow or fails, and a server with it."""

import asyncio
from collections.abc import Sequence
from typing import Any

from msanic_core import OfflineReason, Server, SessionInfo
from msanic_core.engine.base import InboxPage, SessionPolicy
from msanic_core.engine.memory.memory_engine import MemoryEngine
from msanic_core.testing import TestServer


class Gate:
    """A call that waits until the test lets it go on or fail. `calls` counts the callers."""

    def __init__(self) -> None:
        self.calls = 0
        self.failure: Exception | None = None
        self._open = asyncio.Event()
        self._open.set()

    def close(self) -> None:
        self._open.clear()

    def open(self) -> None:
        self._open.set()

    async def __call__(self) -> None:
        self.calls += 1
        await self._open.wait()
        if self.failure is not None:
            # A new one each time: an exception keeps the frames that it has passed, and what is in them.
            raise type(self.failure)(*self.failure.args)

    async def reached(self, calls: int) -> None:
        async with asyncio.timeout(10):
            while self.calls < calls:
                await asyncio.sleep(0)


class SlowEngine(MemoryEngine):
    """An engine with a gate before and after each call for a session."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.asked, self.registered, self.read, self.losing = Gate(), Gate(), Gate(), Gate()

    async def register(self, session: SessionInfo, policy: SessionPolicy) -> bool:
        await self.asked()
        registered = await super().register(session, policy)
        await self.registered()
        return registered

    async def inbox(self, user: str, client: str, after: int | None, limit: int) -> InboxPage:
        await self.read()
        return await super().inbox(user, client, after, limit)

    async def unregister(self, session: SessionInfo, reason: OfflineReason, plugins: Sequence[str]) -> SessionInfo:
        await self.losing()
        return await super().unregister(session, reason, plugins)


class House:
    """A server with that engine, and the calls of its plugin's hooks: session id, and "online" or the reason."""

    def __init__(self, server: TestServer, told: list[tuple[str, str]]) -> None:
        self.test_server = server
        self.server: Server = server.server
        self.node = server.node
        engine: Any = server.node.engine
        self.engine: SlowEngine = engine
        self.told = told

    async def until_told(self, count: int) -> None:
        async with asyncio.timeout(10):
            while len(self.told) < count:
                await asyncio.sleep(0)

    async def settled(self) -> None:
        """Wait until no session is being opened or closed."""
        async with asyncio.timeout(10):
            while self.node.offline._tasks or any(session.opened for session in self.node.registry.all()):
                await asyncio.sleep(0)
