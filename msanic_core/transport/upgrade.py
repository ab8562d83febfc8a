"""The WebSocket upgrade: the checks of the request, and the switch from HTTP to WebSocket.

The checks only read the request's headers (RFC 6455 section 4.2.1). `take_over` answers 101 and gives the connection to
its new protocol.
"""

import asyncio
import base64
import binascii
import hashlib
import socket
from collections.abc import Awaitable, Callable, Collection, Coroutine, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple, cast
from urllib.parse import urlsplit

from sanic import HTTPResponse, Request

from msanic_core.transport.http_connection import HttpConnection
from msanic_core.transport.websocket import WebSocketConnection
from msanic_core.wire import SUBPROTOCOL_NAMES

_VERSION = "13"
_KEY_BYTES = 16
_RECEIVE_BUFFER = 128 * 1024
"""Bytes that the kernel buffers for a connection while the server does not read from it."""
_ACCEPT_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
"""RFC 6455 section 1.3."""


class UpgradeProblem(NamedTuple):
    """Why a request cannot become a WebSocket: the HTTP status, a text for the client, headers of the answer."""

    status: int
    hint: str
    headers: Mapping[str, str] = MappingProxyType({})


def websocket_handler(
    handle: Callable[[Request], Awaitable[HTTPResponse | None]],
) -> Callable[[Request], Coroutine[Any, Any, HTTPResponse | None]]:
    """Make the Sanic handler of the WebSocket route: it may return None after `take_over`."""

    async def websocket(request: Request) -> HTTPResponse | None:
        return await handle(request)

    # Sanic lets handlers with this attribute return without a response.
    websocket.is_websocket = True  # type: ignore[attr-defined]
    return websocket


def check_upgrade(request: Request) -> UpgradeProblem | None:
    """Check the headers of a handshake, except Origin. Returns None if they are valid."""
    headers = request.headers
    if headers.get("upgrade", "").lower() != "websocket" or "upgrade" not in headers.get("connection", "").lower():
        return UpgradeProblem(426, "this address is a WebSocket", {"Upgrade": "websocket"})
    if headers.get("sec-websocket-version") != _VERSION:
        return UpgradeProblem(426, "WebSocket version 13 is spoken here", {"Sec-WebSocket-Version": _VERSION})
    if not _is_key(headers.get("sec-websocket-key", "")):
        return UpgradeProblem(400, "Sec-WebSocket-Key must be 16 bytes in base64")
    if headers.get("content-length", "0") != "0" or "transfer-encoding" in headers:
        return UpgradeProblem(400, "a handshake has no body")
    return None


def origin_allowed(request: Request, allowed: Collection[str]) -> bool:
    """Whether the request comes from a page of the server's own host, of an `allowed` origin, or from no browser.

    Browsers send cross-site requests with cookies, and Origin tells them apart: RFC 6455 section 10.2.
    """
    origin = request.headers.get("origin")
    return origin is None or _is_of_host(origin, request.host) or origin in allowed or "*" in allowed


def choose_subprotocol(request: Request) -> str | None:
    """The first subprotocol offered by the client that the server supports; None if there is none."""
    # RFC 6455 section 11.3.4: the list may be spread over several header lines.
    lines = request.headers.getall("sec-websocket-protocol", [])
    offered = [name.strip() for line in lines for name in line.split(",")]
    return next((name for name in offered if name in SUBPROTOCOL_NAMES), None)


def take_over(request: Request, connection: WebSocketConnection, *, subprotocol: str | None = None) -> None:
    """Answer 101 to a handshake that Sanic has parsed, and give the HTTP connection's transport to `connection`.

    The headers must have been checked. `connection` does not read before `WebSocketConnection.attach`. The Sanic
    handler that called this must return None.

    Not public, of Sanic 25.12: `request.transport.get_protocol()` is the `HttpConnection`; a handler with the attribute
    `is_websocket` may return None; a request with `Upgrade: websocket` ends Sanic's connection task after it.
    """
    protocol = request.transport.get_protocol()
    assert isinstance(protocol, HttpConnection), "the app must be served with protocol=HttpConnection"
    transport, rest = protocol.detach()
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
    transport.set_protocol(cast(asyncio.BufferedProtocol, connection))
    connection.connection_made(transport)
    accept = base64.b64encode(hashlib.sha1(request.headers["sec-websocket-key"].encode() + _ACCEPT_GUID).digest())
    chosen = "" if subprotocol is None else f"Sec-WebSocket-Protocol: {subprotocol}\r\n"
    transport.write(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: %b\r\n%b\r\n" % (accept, chosen.encode())
    )
    if rest:
        connection.keep(rest)


def _is_key(key: str) -> bool:
    try:
        return len(base64.b64decode(key, validate=True)) == _KEY_BYTES
    except (binascii.Error, ValueError):
        return False


def _is_of_host(origin: str, host: str) -> bool:
    try:
        return urlsplit(origin).netloc.lower() == host.lower()
    except ValueError:
        return False
