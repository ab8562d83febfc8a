"""The WebSocket connection: it takes over the transport after Sanic has parsed the HTTP request.

`wire/reader.py` decodes the bytes to messages. This file has control frames, the close handshake and back-pressure.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import cast

from msanic_core.codes import CloseCode, OfflineReason
from msanic_core.session.socket import SocketReceiver
from msanic_core.transport.intake import Intake, SocketReader
from msanic_core.wire import CLOSE, PING, PONG, MessageReader, ProtocolViolation, parse_close, server_frame

log = logging.getLogger("msanic_core.websocket")

_REASON_BYTES = 123
_PING_FRAME = server_frame(PING, b"")


class WebSocketConnection(SocketReader):
    """One WebSocket on the server's side: the `Socket` of a session, and the protocol of its transport.

    It has the methods of `asyncio.BufferedProtocol` but does not derive from it, because mypyc could not compile it
    then. aiofastnet's transports call `is_buffered_protocol` instead.

    Nothing is read before `attach`. `max_message`: in bytes. `close_timeout`: seconds that a client has to answer a
    close frame; then the connection is cut. `on_end` is called when the socket is closed. `intake`: one for all
    connections of an event loop.
    """

    __slots__ = ("_begun", "_blocked", "_close_timeout", "_closing", "_discarding", "_held", "_intake",
                 "_on_end", "_reader", "_reading", "_receiver", "_transport", "gone", "write")  # fmt: skip

    def __init__(
        self,
        intake: Intake,
        max_message: int,
        max_fragments: int,
        close_timeout: float,
        on_end: Callable[["WebSocketConnection"], None] | None = None,
    ) -> None:
        self._intake = intake
        self._close_timeout = close_timeout
        self._on_end = on_end
        self._receiver: SocketReceiver | None = None
        self._transport: asyncio.Transport | None = None
        self._reader = MessageReader(max_message, max_fragments, None, self._control)
        self._reader.held = True
        self._begun = False
        self._reading = False
        self._held = False
        self._blocked = False
        self._closing = False
        self._discarding = False
        self.write: Callable[[bytes], None] = _ignore
        """See `Socket.write`: the transport's method, until a close frame is sent or the connection ends."""
        self.gone = False
        """Whether the connection has ended or is being closed."""

    # What the session calls

    def attach(self, receiver: SocketReceiver) -> None:
        """Start to read, for this receiver. It gets bytes that came earlier in the next turn of the event loop."""
        self._receiver = receiver
        if self.gone:
            receiver.connection_lost(OfflineReason.LOST)
            return
        self._reader.receiver = receiver
        # In the server's context: the loop's reader keeps the context in which it is added, and Sanic's holds the
        # request.
        asyncio.get_running_loop().call_soon(self._begin, context=self._intake.context.copy())

    def buffered(self) -> int:
        """See `Socket.buffered`."""
        return 0 if self._transport is None else self._transport.get_write_buffer_size()

    def ping(self) -> None:
        """See `Socket.ping`."""
        self.write(_PING_FRAME)

    def pause_reading(self) -> None:
        """See `Socket.pause_reading`."""
        self._held = True
        self._adjust_reading()

    def resume_reading(self) -> None:
        """See `Socket.resume_reading`."""
        self._held = False
        self._adjust_reading()

    def close(self, code: int, reason: str) -> None:
        """See `Socket.close`. Only the first call has an effect, and none once the connection has ended."""
        if self._closing or self._transport is None:
            return
        text = reason.encode()[:_REASON_BYTES].decode(errors="ignore").encode()
        self.write(server_frame(CLOSE, code.to_bytes(2, "big") + text))
        self.write = _ignore
        self._closing = self.gone = self._begun = True
        # Read on, even if reading was paused, for the client's close frame. Messages before it are dropped.
        self._reader.receiver = None
        self._held = self._blocked = False
        self._adjust_reading()
        asyncio.get_running_loop().call_later(self._close_timeout, self.cut)

    # What the transport calls

    def is_buffered_protocol(self) -> bool:
        """Tell aiofastnet's transports to read into `get_buffer`."""
        return True

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - there is one size
        """Return the buffer for the next read."""
        return self._intake.buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Let the intake process the bytes in the buffer at the end of the turn."""
        self._intake.take(self, nbytes)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport; reading starts later."""
        self._transport = cast(asyncio.Transport, transport)
        # aiofastnet's `write_nocheck` does not check the thread and the type of the data; this file guarantees both.
        self.write = getattr(transport, "write_nocheck", self._transport.write)

    def eof_received(self) -> None:
        """Let the transport close: a client that has ended its stream is gone."""

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - it is lost, whatever the cause
        """Tell the session that the connection has ended."""
        self.gone = self._closing = self._discarding = True
        receiver, self._receiver, self._transport = self._receiver, None, None
        self.write = self._reader.control = _ignore
        self._reader.receiver = None
        if receiver is not None:
            receiver.connection_lost(OfflineReason.LOST)
        if self._on_end is not None:
            self._on_end(self)

    def pause_writing(self) -> None:
        """The transport's buffer is full: write no more, and read nothing that needs a reply."""
        if not self._closing:
            self._blocked = True
            self._adjust_reading()
        if self._receiver is not None:
            self._receiver.writable(False)

    def resume_writing(self) -> None:
        """The transport's buffer has drained: write and read again."""
        self._blocked = False
        self._adjust_reading()
        if self._receiver is not None:
            self._receiver.writable(True)

    # What the intake calls

    def process(self, data: bytes) -> None:
        """Pass the messages in these bytes to the receiver."""
        if not self._discarding:
            try:
                self._reader.feed(data)
            except ProtocolViolation as violation:
                self._violated(violation)

    def cut(self) -> None:
        """End the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    # Internal

    def keep(self, rest: bytes) -> None:
        """Keep bytes that came after the HTTP request, until `attach`."""
        self._reader.feed(rest)

    def _begin(self) -> None:
        self._begun = True
        self._adjust_reading()

    def _adjust_reading(self) -> None:
        reading = self._begun and not (self._held or self._blocked)
        if reading == self._reading or self._transport is None:
            return
        self._reading = reading
        self._reader.held = not reading
        if not self._transport.is_closing():
            (self._transport.resume_reading if reading else self._transport.pause_reading)()
        if self._reader.waiting:
            asyncio.get_running_loop().call_soon(self._process_kept)

    def _process_kept(self) -> None:
        """Process the bytes that were kept while reading was paused."""
        self.process(b"")

    def _violated(self, violation: ProtocolViolation) -> None:
        log.info("close %d: %s", violation.code, violation.reason)
        self._end(OfflineReason.PROTOCOL, violation.code, violation.reason)
        self._end_stream()

    def _control(self, opcode: int, payload: bytes) -> None:
        if opcode == CLOSE:
            self._closed_by_client(payload)
        elif self._receiver is not None:
            self._receiver.control()
            if opcode == PING:
                self.write(server_frame(PONG, payload))

    def _closed_by_client(self, payload: bytes) -> None:
        code, _ = parse_close(payload)
        self._end(OfflineReason.CLOSED, CloseCode.NORMAL if code is None else code, "")
        self._discarding = self._reader.held = True
        if self._transport is not None:
            self._transport.close()

    def _end(self, reason: OfflineReason, code: int, text: str) -> None:
        """Close for a reason of the client. The receiver first: its unsent frames go before the close frame."""
        if self._receiver is not None and not self._closing:
            self._receiver.connection_lost(reason, code, text)
        self.close(code, text)

    def _end_stream(self) -> None:
        """Send the end of the stream after the close frame, and discard everything that still arrives.

        If a socket is closed with unread data the kernel sends a reset, and the client may lose the close frame.
        """
        self._discarding = True
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write_eof()


def _ignore(*_arguments: object) -> None:
    """Take the place of `write` or `control` before the connection is made and after its end."""
