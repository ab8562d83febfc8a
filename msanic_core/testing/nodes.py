"""Several server processes with the same plugins and settings, usually on one Redis. Tests kill and restart them."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from msanic_core.testing.ports import free_port
from msanic_core.testing.process import ServerProcess, serve_process

_TRIES = 5


class Nodes:
    """Starts server processes."""

    def __init__(
        self, stack: AsyncExitStack, python_path: Path, settings: Mapping[str, Any], environ: Mapping[str, str]
    ) -> None:
        self._stack = stack
        self._python_path = python_path
        self._settings = settings
        self._environ = environ

    async def start(self, port: int | None = None, own: Mapping[str, Any] | None = None) -> ServerProcess:
        """Start another server, on this port or a free one, and wait until it is ready.

        `own`: settings for this server alone. Raises `RuntimeError` with the log if it does not start.
        """
        tries = 1 if port else _TRIES
        while True:
            settings = {**self._settings, **(own or {}), "server.port": port or free_port()}
            process = serve_process(self._python_path, settings, self._environ)
            try:
                return await self._stack.enter_async_context(process)
            except RuntimeError as error:
                tries -= 1
                if not tries or "already in use" not in str(error):
                    raise

    async def restart(self, node: ServerProcess) -> ServerProcess:
        """Kill a server, if it runs, and start a new one on its port. Returns the new one."""
        await node.kill()
        return await self.start(node.port)


@asynccontextmanager
async def serve_nodes(
    python_path: Path, settings: Mapping[str, Any], environ: Mapping[str, str] | None = None
) -> AsyncIterator[Nodes]:
    """Start servers within the block, with settings as for `serve_process`. At its end they are killed."""
    async with AsyncExitStack() as stack:
        yield Nodes(stack, python_path, settings, environ or {})
