"""websockets: its asyncio server, with its C extension, on uvloop as its page on performance recommends."""

import asyncio

import uvloop
import websockets.speedups  # noqa: F401 - without the C extension masking is slow: then this is not to run at all
from command_line import BACKLOG, HOST, arguments
from websockets.asyncio.server import ServerConnection, serve


async def echo(connection: ServerConnection) -> None:
    """Send everything back."""
    async for message in connection:
        await connection.send(message)


async def main() -> None:
    """Serve."""
    async with serve(echo, HOST, arguments().port, compression=None, backlog=BACKLOG) as server:
        await server.serve_forever()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
