"""One WebSocket: opened, welcomed, watched, left."""

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

# At DEBUG the library logs requests with their queries and headers: tokens.
_library_log = logging.getLogger("msanic_core.client.websockets")
_library_log.setLevel(logging.INFO)

CLOSE_TIMEOUT = 5.0
"""Seconds that a closing handshake may take, and so may what is sent before it."""
WELCOME = "sys.welcome"
_TRY_AGAIN = frozenset({408, 425, 429})
_TICKS = 4
"""Looks at a connection within the shorter of the two limits of the heartbeat."""


class AttemptError(Exception):
    """An attempt to connect has failed, and another may not. `code`: the close code, if that is how it failed."""

    def __init__(self, text: str, code: int | None = None) -> None:
        super().__init__(text)
        self.code = code


class Welcome(msgspec.Struct):
    """`data` of `sys.welcome`. `max_message` in bytes, the heartbeat's limits in seconds."""

    epoch: str
    max_message: int
    ping_interval: float
    ping_timeout: float


class WatchedConnection(ClientConnection):
    """A connection of the `websockets` package; `quiet` counts the looks at it since something came, pongs included."""

    quiet: int = 0

    def data_received(self, data: bytes) -> None:
        """Take what was read."""
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
        # The text of these may have an address in it, and so a token.
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
    """Give code and reason of the server's close frame; None if it ended without one, or with one of ours."""
    if error.rcvd is None or error.rcvd_then_sent is False:
        return None, "the connection broke off"
    return error.rcvd.code, error.rcvd.reason


def failure_of(error: ConnectionClosed) -> AttemptError | RefusedError:
    """Say what it means that a connection was closed before it was of any use."""
    code, reason = close_of(error)
    if code is None:
        return AttemptError(reason)
    return AttemptError(f"closed with {code} {reason}", code) if may_reconnect(code) else RefusedError(code, reason)


async def watch(connection: WatchedConnection, welcome: Welcome, held: Callable[[], bool]) -> None:
    """End a connection from which nothing comes: the other end may be gone without a word (half-open).

    `held`: whether this side does not read, so that silence says nothing.

    The server pings a client that is silent. One that goes on sending while its first command takes long is not silent,
    and hears nothing all the same: so this side pings, too. Silence is counted in looks, as the server does it: while
    this process is held up nobody looks, and the server is not blamed for it.
    """
    interval, timeout = welcome.ping_interval, welcome.ping_timeout
    tick = min(interval, timeout) / _TICKS
    ping_at = round(interval / tick) + 1
    dead_at = round((interval + timeout) / tick) + 2
    while connection.quiet < dead_at:
        if connection.quiet == ping_at:
            # Where the socket takes no more this would wait, and a dead connection never be noticed.
            with suppress(TimeoutError, ConnectionClosed):
                async with asyncio.timeout(tick):
                    await connection.ping()
        await asyncio.sleep(tick)
        connection.quiet = 0 if held() else connection.quiet + 1
    connection.transport.abort()


async def leave(connection: WatchedConnection) -> None:
    """Close in order; when cancelled, at once. What still comes is read: the server's close frame is behind it."""
    closing = asyncio.ensure_future(connection.close())
    try:
        with suppress(ConnectionClosed):
            while True:
                await connection.recv(decode=False)
    finally:
        connection.transport.abort()
        await asyncio.wait([closing])
