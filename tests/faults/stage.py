"""What every fault test begins with: nodes with the plugins of fault tests, and a history."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from msanic_core.testing import Nodes, Proxy, ServerProcess, serve_nodes
from tests.faults.client import FaultClient
from tests.faults.history import Event, History, read_history
from tests.faults.plugins import HISTORY_VARIABLE, install_fault_plugins

_AT_ONCE = 50


class Stage:
    """Nodes with the plugins of fault tests, and the history that they and the clients write."""

    def __init__(self, nodes: Nodes, path: Path) -> None:
        self.nodes = nodes
        self.path = path
        self.history = History(path)
        self._clients: list[FaultClient] = []

    async def client(self, node: ServerProcess | Proxy, user: str, client: str = "phone") -> FaultClient:
        """Connect as this user's device to a node, or to what is in front of it, and wait for the welcome."""
        opened = FaultClient(self.history, f"ws://127.0.0.1:{node.port}/ws", user, client)
        await opened.open()
        self._clients.append(opened)
        return opened

    async def clients(self, nodes: Sequence[ServerProcess], users: Sequence[str]) -> list[FaultClient]:
        """Connect all these users, in turn to each of the nodes."""
        opened: list[FaultClient] = []
        while len(opened) < len(users):
            number = len(opened)
            chunk = users[number : number + _AT_ONCE]
            places = [nodes[(number + index) % len(nodes)] for index in range(len(chunk))]
            opened += await asyncio.gather(*map(self.client, places, chunk))
        return opened

    async def until(self, event: str, count: int) -> list[Event]:
        """Wait until the history has that many events of a kind, and return them."""
        while len(found := [each for each in read_history(self.path) if each["event"] == event]) < count:
            await asyncio.sleep(0.02)
        return found

    async def close(self) -> None:
        """End what the clients are still doing."""
        await asyncio.gather(*(client.cut() for client in self._clients))
        self.history.close()


@asynccontextmanager
async def stage(directory: Path, settings: Mapping[str, Any]) -> AsyncIterator[Stage]:
    """Nothing is started yet; `settings` are those of every node."""
    install_fault_plugins(directory)
    path = directory / "history"
    async with serve_nodes(directory, settings, {HISTORY_VARIABLE: str(path)}) as nodes:
        set_up = Stage(nodes, path)
        try:
            yield set_up
        finally:
            await set_up.close()
