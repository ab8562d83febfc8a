"""A background task of a plugin: it starts with the server, sends the time to all users, and ends with the server."""

import asyncio
import time

import msgspec

from msanic_core import Server, hookimpl


class Settings(msgspec.Struct):
    """The section `[plugins.ticker]` in msanic.toml. `interval`: seconds between two messages."""

    interval: float = 1.0


class Ticker:
    """A plugin with state is an object. Its entry point names the object: `ticker = "ticker:plugin"`."""

    def __init__(self) -> None:
        self._task: asyncio.Task[None] | None = None

    @hookimpl
    def plugin_settings(self) -> type[Settings]:
        """Declare the settings of `[plugins.ticker]`."""
        return Settings

    @hookimpl
    def server_start(self, server: Server, settings: Settings) -> None:
        """Start the task."""
        self._task = asyncio.get_running_loop().create_task(self._tick(server, settings.interval))

    @hookimpl
    async def server_stop(self) -> None:
        """Stop the task."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    async def _tick(self, server: Server, interval: float) -> None:
        while True:
            await asyncio.sleep(interval)
            await server.broadcast(None, "ticker.time", {"time": time.time()})


plugin = Ticker()
