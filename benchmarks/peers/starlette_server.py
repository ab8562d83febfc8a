"""Starlette on uvicorn with what uvicorn[standard] brings: uvloop and httptools."""

import uvicorn
from command_line import BACKLOG, HOST, arguments
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket


async def echo(websocket: WebSocket) -> None:
    """Send everything back."""
    await websocket.accept()
    async for text in websocket.iter_text():
        await websocket.send_text(text)


if __name__ == "__main__":
    uvicorn.run(
        Starlette(routes=[WebSocketRoute("/echo", echo)]),
        host=HOST,
        port=arguments().port,
        backlog=BACKLOG,
        loop="uvloop",
        http="httptools",
        ws_per_message_deflate=False,
        log_level="warning",
        access_log=False,
    )
