"""Sanic's HTTP protocol with what it lacks: a limit for the whole request head, and a way to let its socket go.

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
    """One HTTP connection. The app's `HEAD_TIMEOUT` is in seconds; Sanic's own limit starts anew with every byte.

    `app.ctx.read_buffer`, where there is one, is what all connections of the app read into: aiofastnet's transports ask
    for it, and make 256 KiB anew for each read otherwise.
    """

    __slots__ = ("_buffer", "_head_since", "_head_timer", "_let_go")

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._buffer: memoryview | None = getattr(self.app.ctx, "read_buffer", None)
        self._head_since = 0.0
        self._head_timer: asyncio.TimerHandle | None = None
        self._let_go = False

    def connection_made(self, transport: Any) -> None:
        """Expect the first request."""
        super().connection_made(transport)  # type: ignore[no-untyped-call]
        self._head_timer = self.loop.call_later(self.app.config.HEAD_TIMEOUT, self._check_head)

    @property
    def expects(self) -> bool:
        """Whether the first request is still to come, or something has come that nobody has looked at yet."""
        return not self._head_since or bool(self.recv_buffer)

    def data_received(self, data: bytes) -> None:
        """Note when a request head begins, or may have begun behind a request that took its time."""
        if self._head_timer is None or self.http is None or self.http.stage is Stage.IDLE:
            self._head_since = self.loop.time()
            if self._head_timer is None:
                self._head_timer = self.loop.call_later(self.app.config.HEAD_TIMEOUT, self._check_head)
        super().data_received(data)

    def is_buffered_protocol(self) -> bool:
        """Tell aiofastnet's transports how to hand over what they read."""
        return self._buffer is not None

    def get_buffer(self, _size: int) -> memoryview:
        """Give the room for the next read."""
        assert self._buffer is not None, "who has none is not asked"
        return self._buffer

    def buffer_updated(self, size: int) -> None:
        """Take what was read."""
        self.data_received(self.get_buffer(size)[:size].tobytes())

    def close(self, timeout: float | None = None) -> None:
        """Close the socket, unless it belongs to a WebSocket by now."""
        self._stop_timers()
        if not self._let_go:
            super().close(timeout=timeout)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop watching the clock."""
        self._stop_timers()
        super().connection_lost(exc)  # type: ignore[no-untyped-call]

    def let_go(self) -> tuple[asyncio.Transport, bytes]:
        """Give up the transport, with what was read beyond the request. Sanic's task for it then ends by itself."""
        self._let_go = True
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
            # Not `self.abort`: Sanic's task, which ends by the loss of the connection, fails without its transport.
            transport = self.transport
            assert transport is not None, "the connection is there"
            transport.abort()
