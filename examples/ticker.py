"""Work of the plugin's own: a task that starts with the server, tells everybody the time, and ends with the server."""

import asyncio
import time

import msgspec

from msanic_core import Server, hookimpl


class Settings(msgspec.Struct):
    """`[plugins.ticker]` in msanic.toml. `interval`: seconds between two messages."""

    interval: float = 1.0


class Ticker:
    """A plugin with state is an object; its entry point names the object: `ticker = "ticker:plugin"`."""

    def __init__(self) -> None:
        self._task: asyncio.Task[None] | None = None

    @hookimpl
    def plugin_settings(self) -> type[Settings]:
        """Say what `[plugins.ticker]` may hold."""
        return Settings

    @hookimpl
    def server_start(self, server: Server, settings: Settings) -> None:
        """Begin."""
        self._task = asyncio.get_running_loop().create_task(self._tick(server, settings.interval))

    @hookimpl
    async def server_stop(self) -> None:
        """End."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    async def _tick(self, server: Server, interval: float) -> None:
        while True:
            await asyncio.sleep(interval)
            await server.broadcast(None, "ticker.time", {"time": time.time()})


plugin = Ticker()
