"""The socket adapter: Sanic parses the HTTP request, then the same connection goes on as a WebSocket under picows.

Everything here that leans on parts of Sanic and picows that are not public API is listed in the docstring of
`take_over` and held by `tests/server/test_upgrade_contract.py`, which fails when an upgrade moves one of them.

picows splits the stream into frames, unmasks them and refuses what no frame may look like. This file does the rest of
RFC 6455: messages out of fragments, UTF-8, reserved bits, control frames, the close handshake, and back-pressure.
"""

import asyncio
import logging
import socket
from collections.abc import Callable
from contextvars import Context
from typing import Any, Protocol

from picows import WSFrame, WSListener, WSMsgType, WSTransport, WSUpgradeResponse
from picows import WSUpgradeResponseWithListener as _UpgradeAnswer
from picows.picows import WSProtocol  # type: ignore[attr-defined]
from sanic import Request

from msanic_core.codes import CLOSE_CODES, CloseCode, OfflineReason
from msanic_core.server.http_connection import HttpConnection
from msanic_core.wire import Assembler, ProtocolViolation, parse_close

log = logging.getLogger("msanic_core.websocket")

_READ_BUFFER = 2048
"""First size of picows's read buffer, in bytes; it grows with what arrives. Most connections are idle."""
_RECEIVE_BUFFER = 128 * 1024
"""Bytes the kernel holds for a connection: bounds what one read can bring, and so the growth of the read buffer."""
_REASON_BYTES = 123

_TEXT = WSMsgType.TEXT
_BINARY = WSMsgType.BINARY
_CONTINUATION = WSMsgType.CONTINUATION
_PING = WSMsgType.PING
_PONG = WSMsgType.PONG


class MessageReceiver(Protocol):
    """What the adapter calls; `Session` is one. All calls come from the event loop, none may block."""

    def message(self, payload: str | bytes) -> None:
        """A complete message: text as str, binary as bytes."""

    def control(self) -> None:
        """A ping or pong."""

    def start_of_read(self) -> None:
        """Messages of one read follow, up to `end_of_read`."""

    def end_of_read(self) -> None:
        """The last message of a read was handed over."""

    def writable(self, yes: bool) -> None:
        """The socket takes data again, or takes no more."""

    def lost(self, reason: OfflineReason) -> None:
        """The connection ended, or is about to, on the client's side."""


class Connection(WSListener):
    """One WebSocket on the server's side: the `Socket` of a session.

    Nothing is read before `attach` gives the receiver. `max_message` in bytes, `close_timeout` in seconds: how long a
    client may take to follow a close frame before the connection is cut. `on_end` is called when the socket is closed.
    """

    def __init__(
        self,
        max_message: int,
        max_fragments: int,
        close_timeout: float,
        on_end: Callable[["Connection"], None] | None = None,
    ) -> None:
        self._limits = (max_message, max_fragments)
        self._close_timeout = close_timeout
        self._on_end = on_end
        self._receiver: MessageReceiver | None = None
        self._transport: WSTransport | None = None
        self._socket: asyncio.Transport
        self._assembler: Assembler | None = None
        self._parser: Any = None
        self._rest = b""
        self._begun = False
        self._reading = False
        self._held = False
        self._blocked = False
        self._closing = False
        self._in_read = False
        self.gone = False
        """Whether the connection has ended or is being closed."""

    # What the session calls

    def attach(self, receiver: MessageReceiver) -> None:
        """Begin to read, for this receiver. What came before is handed over in the next turn of the loop."""
        self._receiver = receiver
        if self.gone:
            receiver.lost(OfflineReason.LOST)
            return
        # In a new context: the loop's reader keeps the one it is made in, and in Sanic's is the whole request.
        asyncio.get_running_loop().call_soon(self._begin, context=Context())

    def write(self, data: bytes) -> None:
        """See `Socket.write`."""
        transport = self._transport
        # picows sends a close frame of its own when it refuses a frame; nothing may follow either.
        if transport is not None and not transport.is_close_frame_sent:
            self._socket.write(data)

    def buffered(self) -> int:
        """See `Socket.buffered`."""
        return self._socket.get_write_buffer_size()

    def ping(self) -> None:
        """See `Socket.ping`."""
        if self._transport is not None and not self._closing:
            self._transport.send_ping()

    def pause_reading(self) -> None:
        """See `Socket.pause_reading`."""
        self._held = True
        self._adjust_reading()

    def resume_reading(self) -> None:
        """See `Socket.resume_reading`."""
        self._held = False
        self._adjust_reading()

    def close(self, code: int, reason: str) -> None:
        """See `Socket.close`. Only the first call counts; without effect once the connection has ended."""
        if self._closing or self._transport is None:
            return
        self._closing = self.gone = self._begun = True
        text = reason.encode()[:_REASON_BYTES].decode(errors="ignore").encode()
        self._transport.send_close(code, text)  # type: ignore[arg-type] # any number is accepted
        # The client's close frame has to be read, however full its queue was, and where it is: after what came early.
        rest, self._rest = self._rest, b""
        _feed(self._parser, rest)
        self._held = self._blocked = False
        self._adjust_reading()
        asyncio.get_running_loop().call_later(self._close_timeout, self._cut)

    # What picows calls

    def on_ws_connected(self, transport: WSTransport) -> None:
        """Keep the transport."""
        self._transport = transport
        self._socket = transport.underlying_transport

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Work off one frame."""
        receiver = self._receiver
        if receiver is None or transport.is_close_frame_sent:
            if frame.msg_type is WSMsgType.CLOSE:
                transport.disconnect()
            return
        if not self._in_read:
            self._in_read = True
            receiver.start_of_read()
        kind = frame.msg_type
        try:
            if frame.rsv1 or frame.rsv2 or frame.rsv3:
                raise ProtocolViolation(CloseCode.PROTOCOL_ERROR, "a reserved bit is set and no extension was agreed")
            if kind is _TEXT and frame.fin and self._assembler is None:
                receiver.message(frame.get_payload_as_utf8_text())
            elif kind is _BINARY and frame.fin and self._assembler is None:
                receiver.message(frame.get_payload_as_bytes())
            elif kind is _TEXT or kind is _BINARY or kind is _CONTINUATION:
                self._fragment(receiver, frame)
            elif kind is _PING:
                receiver.control()
                if not self._closing:
                    transport.send_pong(frame.get_payload_as_bytes())
            elif kind is _PONG:
                receiver.control()
            else:
                self._closed_by_client(receiver, frame)
        except UnicodeDecodeError:
            self._violated(receiver, ProtocolViolation(CloseCode.INVALID_TEXT, "a text message is not UTF-8"))
        except ProtocolViolation as violation:
            self._violated(receiver, violation)
        if frame.last_in_buffer:
            self._in_read = False
            receiver.end_of_read()

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """The connection is over, whatever the cause; asyncio's `connection_lost` is behind this."""
        refused = transport.close_handshake is not None and not self._closing
        self.gone = self._closing = True
        receiver = self._receiver
        if receiver is not None:
            receiver.lost(OfflineReason.PROTOCOL if refused else OfflineReason.LOST)
        self._receiver = self._transport = self._parser = None
        if self._on_end is not None:
            self._on_end(self)

    def pause_writing(self) -> None:
        """The transport's buffer is full: neither write more nor read what would have to be answered."""
        self._blocked = True
        self._adjust_reading()
        if self._receiver is not None:
            self._receiver.writable(False)

    def resume_writing(self) -> None:
        """The transport's buffer has drained."""
        self._blocked = False
        self._adjust_reading()
        if self._receiver is not None:
            self._receiver.writable(True)

    # Its own

    def start_parsing(self, parser: Any, rest: bytes) -> None:
        """`parser` is picows's protocol object; `rest` is what came with the HTTP request, kept until `attach`."""
        self._parser = parser
        self._rest = rest

    def _begin(self) -> None:
        if not self.gone:
            rest, self._rest = self._rest, b""
            _feed(self._parser, rest)
        self._begun = True
        self._adjust_reading()

    def _adjust_reading(self) -> None:
        reading = self._begun and not (self._held or self._blocked)
        if reading != self._reading and self._transport is not None:
            self._reading = reading
            if not self._socket.is_closing():
                (self._socket.resume_reading if reading else self._socket.pause_reading)()

    def _fragment(self, receiver: MessageReceiver, frame: WSFrame) -> None:
        assembler = self._assembler
        if assembler is None:
            assembler = self._assembler = Assembler(*self._limits)
        message = assembler.feed(frame.msg_type.value, bool(frame.fin), frame.get_payload_as_bytes())
        if message is not None:
            self._assembler = None
            receiver.message(message)

    def _closed_by_client(self, receiver: MessageReceiver, frame: WSFrame) -> None:
        code, _ = parse_close(frame.get_payload_as_bytes())
        receiver.end_of_read()
        self.close(CloseCode.NORMAL if code is None else code, "")
        receiver.lost(OfflineReason.CLOSED)
        if self._transport is not None:
            self._transport.disconnect()

    def _violated(self, receiver: MessageReceiver, violation: ProtocolViolation) -> None:
        log.info("close %d: %s", violation.code, violation.reason)
        self.close(violation.code, violation.reason or CLOSE_CODES[violation.code].reason)
        receiver.lost(OfflineReason.PROTOCOL)

    def _cut(self) -> None:
        if self._transport is not None:
            self._transport.disconnect(graceful=False)


def take_over(request: Request, connection: Connection, *, max_message: int, subprotocol: str | None = None) -> None:
    """Turn the connection of a WebSocket handshake that Sanic has parsed into a WebSocket, and answer 101.

    Afterwards the connection belongs to `connection`, paused until `Connection.attach`; the Sanic handler that called
    this has to return None. The headers of the handshake must have been checked.

    Not public, of Sanic 25.12: `request.transport.get_protocol()` is the `HttpConnection`; a handler with the attribute
    `is_websocket` may return None; a request with `Upgrade: websocket` ends Sanic's connection task after it.
    Not public, of picows 2.3: `WSProtocol` and its arguments, fed by `connection_made`, `get_buffer`, `buffer_updated`.
    picows insists on a request of its own to start with; it gets the least that it accepts, not the client's.
    """
    protocol = request.transport.get_protocol()
    assert isinstance(protocol, HttpConnection), "the app must be served with protocol=HttpConnection"
    transport, rest = protocol.let_go()
    answer = WSUpgradeResponse.create_101_response(
        None if subprotocol is None else {"Sec-WebSocket-Protocol": subprotocol}
    )
    parser = WSProtocol(
        None,  # host_port and ws_path: for clients
        None,
        False,  # is_client_side
        lambda _request: _UpgradeAnswer(answer, connection),
        _PicowsLog(),
        True,  # disconnect_on_exception
        None,  # websocket_handshake_timeout: the handshake is here already
        False,  # enable_auto_ping, its idle and reply timeouts and strategy: session/heartbeat.py pings
        20,
        20,
        1,
        False,  # enable_auto_pong: pongs count against the rate
        max_message,
        None,  # extra_headers: for clients
        _READ_BUFFER,
    )
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
    transport.set_protocol(parser)
    parser.connection_made(transport)
    key = request.headers["sec-websocket-key"]
    head = f"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}"
    _feed(parser, f"GET / HTTP/1.1\r\n{head}\r\n\r\n".encode())
    connection.start_parsing(parser, rest)


def _feed(parser: Any, data: bytes) -> None:
    view = memoryview(data)
    while view:
        buffer = parser.get_buffer(-1)
        size = min(len(buffer), len(view))
        buffer[:size] = view[:size]
        parser.buffer_updated(size)
        view = view[size:]


class _PicowsLog:
    """The logger that picows gets: of its lines, people need the protocol errors (once each) and its own failures."""

    __slots__ = ("_refused",)

    def __init__(self) -> None:
        self._refused = False

    def isEnabledFor(self, _level: int) -> bool:  # noqa: N802 - the name logging gave it
        """Whether details are wanted: never."""
        return False

    def debug(self, *_arguments: object) -> None:
        """Leave details out."""

    info = warning = log = debug

    def error(self, message: str, *arguments: object) -> None:
        """Log a connection that picows refuses to read on: it says so again with every later read."""
        if not self._refused:
            self._refused = True
            log.info(message, *arguments)

    def exception(self, message: str, *arguments: object) -> None:
        """Log an exception that came out of our own callbacks."""
        log.exception(message, *arguments)
