"""python-socketio: its AsyncServer on uvicorn, an event that is acknowledged with what it brought."""

from typing import Any

import socketio
import uvicorn
from command_line import BACKLOG, HOST, arguments

server = socketio.AsyncServer(async_mode="asgi")


@server.event
async def echo(_: str, data: Any) -> Any:
    """Acknowledge with the event's data."""
    return data


if __name__ == "__main__":
    uvicorn.run(
        socketio.ASGIApp(server),
        host=HOST,
        port=arguments().port,
        backlog=BACKLOG,
        loop="uvloop",
        http="httptools",
        ws_per_message_deflate=False,
        log_level="warning",
        access_log=False,
    )
