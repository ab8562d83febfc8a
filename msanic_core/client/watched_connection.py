"""One WebSocket connection: open it, wait for the welcome, watch it, close it."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from typing import cast

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, WebSocketException
from websockets.protocol import State
from websockets.typing import Subprotocol

from msanic_core.client.backoff import may_reconnect
from msanic_core.client.credentials import Credentials, CredentialsError
from msanic_core.client.message import Form, Message
from msanic_core.errors import RefusedError

# At DEBUG the library logs requests with their queries and headers, tokens included.
_library_log = logging.getLogger("msanic_core.client.websockets")
_library_log.setLevel(logging.INFO)

CLOSE_TIMEOUT = 5.0
"""Seconds for the closing handshake, and again for what is sent before it."""
WELCOME = "sys.welcome"
_TRY_AGAIN = frozenset({408, 425, 429})
_TICKS = 4
"""Checks of a connection within the shorter of the two limits of the heartbeat."""


class AttemptError(Exception):
    """An attempt to connect has failed; another one may succeed. `code`: the close code, if there was one."""

    def __init__(self, text: str, code: int | None = None) -> None:
        super().__init__(text)
        self.code = code


class Welcome(msgspec.Struct):
    """The `data` of `sys.welcome`. `max_message` is in bytes, the limits of the heartbeat are in seconds."""

    epoch: str
    max_message: int
    ping_interval: float
    ping_timeout: float


class WatchedConnection(ClientConnection):
    """A connection of the `websockets` package. `quiet` counts the checks since data last came, pongs included."""

    quiet: int = 0

    def data_received(self, data: bytes) -> None:
        """Take the bytes that were read, and reset `quiet`."""
        self.quiet = 0
        super().data_received(data)

    @property
    def is_open(self) -> bool:
        """Whether messages can be sent."""
        return self.state is State.OPEN


async def open_connection(url: str, credentials: Credentials, form: Form) -> tuple[WatchedConnection, Welcome]:
    """Connect and wait for the welcome. Raises `AttemptError`, `RefusedError`."""
    try:
        connection = await connect(
            await credentials.url(url),
            subprotocols=[Subprotocol(form.subprotocol)],
            additional_headers=await credentials.headers(),
            compression=None,
            open_timeout=None,
            ping_interval=None,  # see `watch`
            close_timeout=CLOSE_TIMEOUT,
            max_size=None,
            logger=_library_log,
            create_connection=WatchedConnection,
        )
    except CredentialsError as error:
        raise AttemptError(str(error)) from error
    except InvalidStatus as error:
        status = error.response.status_code
        if 400 <= status < 500 and status not in _TRY_AGAIN:
            raise RefusedError(status, error.response.reason_phrase) from None
        raise AttemptError(f"the answer was HTTP {status}") from error
    except (OSError, InvalidHandshake) as error:
        raise AttemptError(str(error) or type(error).__name__) from error
    except (WebSocketException, ValueError) as error:
        # The text of these errors may contain the address, and so a token.
        raise AttemptError(type(error).__name__) from error
    try:
        return cast(WatchedConnection, connection), await _welcome(connection, form)
    except BaseException:
        connection.transport.abort()
        raise


async def _welcome(connection: ClientConnection, form: Form) -> Welcome:
    if connection.subprotocol is None:
        raise AttemptError(f"the server does not speak {form.subprotocol}")
    try:
        while True:
            message: Message = form.message(await connection.recv(decode=False))
            if message.cmd == WELCOME:
                welcome: Welcome = form.data(message.data, Welcome)
                return welcome
    except ConnectionClosed as error:
        raise failure_of(error) from error
    except ValueError as error:
        raise AttemptError("the server's first message cannot be read") from error


def close_of(error: ConnectionClosed) -> tuple[int | None, str]:
    """Give code and reason of the server's close frame; the code is None if the server sent none on its own."""
    if error.rcvd is None or error.rcvd_then_sent is False:
        return None, "the connection broke off"
    return error.rcvd.code, error.rcvd.reason


def failure_of(error: ConnectionClosed) -> AttemptError | RefusedError:
    """Give the error for a connection that the server closed before the welcome or the resume was done."""
    code, reason = close_of(error)
    if code is None:
        return AttemptError(reason)
    return AttemptError(f"closed with {code} {reason}", code) if may_reconnect(code) else RefusedError(code, reason)


async def watch(connection: WatchedConnection, welcome: Welcome, held: Callable[[], bool]) -> None:
    """End a connection from which nothing comes: it may be half-open, with the server gone.

    `held`: whether this client has paused reading; silence then means nothing.

    The server pings only a silent client. A client that keeps sending while its first command runs is not silent, and
    hears nothing either. So the client pings too. Silence is counted in checks, as on the server: while this process is
    blocked there are no checks, and the connection does not count as dead.
    """
    interval, timeout = welcome.ping_interval, welcome.ping_timeout
    tick = min(interval, timeout) / _TICKS
    ping_at = round(interval / tick) + 1
    dead_at = round((interval + timeout) / tick) + 2
    while connection.quiet < dead_at:
        if connection.quiet == ping_at:
            # If the socket accepts no more bytes, ping() waits: without a limit a dead connection is never noticed.
            with suppress(TimeoutError, ConnectionClosed):
                async with asyncio.timeout(tick):
                    await connection.ping()
        await asyncio.sleep(tick)
        connection.quiet = 0 if held() else connection.quiet + 1
    connection.transport.abort()


async def leave(connection: WatchedConnection) -> None:
    """Close with a handshake; when cancelled, at once. Read what still comes: the close frame arrives after it."""
    closing = asyncio.ensure_future(connection.close())
    try:
        with suppress(ConnectionClosed):
            while True:
                await connection.recv(decode=False)
    finally:
        connection.transport.abort()
        await asyncio.wait([closing])
