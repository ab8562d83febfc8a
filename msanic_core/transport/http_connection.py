"""Sanic's HTTP protocol, with a limit for the whole request head and a way to hand its socket over.

Not public, of Sanic 25.12: `recv_buffer`, `connections`, `transport`, `close`, `abort`, `http.stage` and
`_callback_check_timeouts` of its `HttpProtocol`; `tests/transport/test_sanic_contract.py` fails when an upgrade moves
one of them.
"""

import asyncio
import logging
from typing import Any

from sanic.http.constants import Stage
from sanic.server.protocols.http_protocol import HttpProtocol

log = logging.getLogger("msanic_core.http")


class HttpConnection(HttpProtocol):
    """One HTTP connection. The app's `HEAD_TIMEOUT` is in seconds; Sanic's own limit starts again with every byte.

    All connections of the app read into `app.ctx.read_buffer`, if it is set. Without it aiofastnet's transports
    allocate 256 KiB for each read.
    """

    __slots__ = ("_buffer", "_detached", "_head_since", "_head_timer")

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._buffer: memoryview | None = getattr(self.app.ctx, "read_buffer", None)
        self._head_since = 0.0
        self._head_timer: asyncio.TimerHandle | None = None
        self._detached = False

    def connection_made(self, transport: Any) -> None:
        """Start the time limit of the first request."""
        super().connection_made(transport)  # type: ignore[no-untyped-call]
        self._head_timer = self.loop.call_later(self.app.config.HEAD_TIMEOUT, self._check_head)

    @property
    def expects(self) -> bool:
        """Whether the first request has not come yet, or received bytes have not been parsed yet."""
        return not self._head_since or bool(self.recv_buffer)

    def data_received(self, data: bytes) -> None:
        """Start the time limit when a request head begins, also while an earlier request is still being answered."""
        if self._head_timer is None or self.http is None or self.http.stage is Stage.IDLE:
            self._head_since = self.loop.time()
            if self._head_timer is None:
                self._head_timer = self.loop.call_later(self.app.config.HEAD_TIMEOUT, self._check_head)
        super().data_received(data)

    def is_buffered_protocol(self) -> bool:
        """Tell aiofastnet's transports whether to read into `get_buffer`."""
        return self._buffer is not None

    def get_buffer(self, _size: int) -> memoryview:
        """Return the buffer for the next read."""
        assert self._buffer is not None, "only called if is_buffered_protocol() is true"
        return self._buffer

    def buffer_updated(self, size: int) -> None:
        """Process the bytes in the buffer."""
        self.data_received(self.get_buffer(size)[:size].tobytes())

    def close(self, timeout: float | None = None) -> None:
        """Close the socket, unless it belongs to a WebSocket now."""
        self._stop_timers()
        if not self._detached:
            super().close(timeout=timeout)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timers."""
        self._stop_timers()
        super().connection_lost(exc)  # type: ignore[no-untyped-call]

    def detach(self) -> tuple[asyncio.Transport, bytes]:
        """Return the transport, and the bytes read after the request. Sanic's task of the connection then ends."""
        self._detached = True
        self._stop_timers()
        self.connections.discard(self)
        rest = bytes(self.recv_buffer)
        self.recv_buffer.clear()
        transport = self.transport
        assert transport is not None, "a request is being handled"
        transport.pause_reading()
        return transport, rest

    def _stop_timers(self) -> None:
        if self._callback_check_timeouts is not None:
            self._callback_check_timeouts.cancel()
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _check_head(self) -> None:
        self._head_timer = None
        silent = not self._head_since
        if self.http is None or (self.http.stage is not Stage.REQUEST and not silent):
            return
        left = self._head_since + self.app.config.HEAD_TIMEOUT - self.loop.time()
        if left > 0:
            self._head_timer = self.loop.call_later(left, self._check_head)
        else:
            log.info("closed: no complete request head within %g s", self.app.config.HEAD_TIMEOUT)
            # Not `self.abort`: it removes the transport, and Sanic's task needs that until the connection is lost.
            transport = self.transport
            assert transport is not None, "the connection is there"
            transport.abort()
