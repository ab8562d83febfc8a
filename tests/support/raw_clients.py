"""A client that sends raw bytes, and plugins made of functions: for tests of sockets, logins and routes."""

import asyncio
import json
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from types import SimpleNamespace
from typing import Any

from msanic_core import hookimpl

BOUND = 10.0
"""The limit in seconds for everything that a test waits for."""


class RawClient:
    """One TCP connection to the server: requests as they are written, frames as they come."""

    def __init__(self, sock: socket.socket, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.socket = sock
        self._reader = reader
        self._writer = writer

    async def send(self, data: bytes | str) -> None:
        self._writer.write(data.encode() if isinstance(data, str) else data)
        await self._writer.drain()

    async def send_frame(self, opcode: int, payload: bytes | str = b"") -> None:
        """A final frame with the mask 0."""
        await self.send(self.frame(opcode, payload))

    @staticmethod
    def frame(opcode: int, payload: bytes | str = b"") -> bytes:
        data = payload.encode() if isinstance(payload, str) else payload
        size = len(data)
        extended = b"" if size < 126 else size.to_bytes(2 if size < 65536 else 8, "big")
        return (
            bytes((0x80 | opcode, 0x80 | (size if size < 126 else 126 if size < 65536 else 127)))
            + extended
            + bytes(4)
            + data
        )

    @staticmethod
    def handshake(path: str = "/ws", **headers: Any) -> str:
        """An upgrade request as Firefox sends it; a header that is given replaces that one, None leaves it out."""
        fields = {
            "Host": "server.example",
            "Connection": "keep-alive, Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": "AAECAwQFBgcICQoLDA0ODw==",
            "Sec-WebSocket-Extensions": "permessage-deflate",
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        lines = [f"{name}: {value}\r\n" for name, value in fields.items() if value is not None]
        return f"GET {path} HTTP/1.1\r\n{''.join(lines)}\r\n"

    async def head(self) -> tuple[int, dict[str, str]]:
        """Status and headers, in lower case, of the next response."""
        async with asyncio.timeout(BOUND):
            lines = (await self._reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines[1:] if line)
        return int(lines[0].split(" ")[1]), headers

    async def response(self) -> tuple[int, dict[str, str], Any]:
        """The next response with its JSON body."""
        status, headers = await self.head()
        async with asyncio.timeout(BOUND):
            body = await self._reader.readexactly(int(headers["content-length"]))
        return status, headers, json.loads(body)

    async def request(self, method: str, path: str, body: str = "", **headers: str) -> tuple[int, dict[str, str], Any]:
        fields = {"Host": "server.example", **({"Content-Length": str(len(body))} if body else {}), **headers}
        lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in fields.items())
        await self.send(f"{method} {path} HTTP/1.1\r\n{lines}\r\n{body}")
        return await self.response()

    async def next_frame(self) -> tuple[int, bytes]:
        """Opcode and payload of the server's next frame."""
        async with asyncio.timeout(BOUND):
            first, size = await self._reader.readexactly(2)
            if size > 125:
                size = int.from_bytes(await self._reader.readexactly(2 if size == 126 else 8), "big")
            return first & 0xF, await self._reader.readexactly(size)

    async def next_message(self) -> Any:
        """The JSON in the server's next frame, which must be text."""
        opcode, payload = await self.next_frame()
        assert opcode == 1, (opcode, payload)
        return json.loads(payload)

    async def close_frame(self) -> tuple[int, str]:
        """Code and reason of the server's next frame, which must be the close frame."""
        opcode, payload = await self.next_frame()
        assert opcode == 8, (opcode, payload)
        return int.from_bytes(payload[:2], "big"), payload[2:].decode()

    async def at_end(self) -> bool:
        """Whether the server closes the connection and sends nothing more."""
        async with asyncio.timeout(BOUND):
            try:
                return not await self._reader.read(1)
            except ConnectionResetError:
                return True

    def half_close(self) -> None:
        self._writer.write_eof()

    def reset(self) -> None:
        """End with RST instead of FIN."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()


class _Plugin(SimpleNamespace):
    """Two that have the same hook functions are still two."""

    def __eq__(self, other: object) -> bool:
        return self is other


Raw = Callable[..., AbstractAsyncContextManager[RawClient]]
MakePlugin = Callable[..., SimpleNamespace]


@asynccontextmanager
async def connect_raw(port: int, receive_buffer: int | None = None) -> AsyncIterator[RawClient]:
    """Connect to a port; `receive_buffer`: bytes the kernel holds for the client, by default as many as it likes."""
    sock = socket.socket()
    sock.setblocking(False)
    if receive_buffer is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", port))
    reader, writer = await asyncio.open_connection(sock=sock)
    try:
        yield RawClient(sock, reader, writer)
    finally:
        writer.transport.abort()


def make_plugin_of(**hooks: Callable[..., Any]) -> SimpleNamespace:
    """Make a plugin of hook functions: `make_plugin_of(ws_command=lambda: [...])`."""
    return _Plugin(**{name: hookimpl(function) for name, function in hooks.items()})
