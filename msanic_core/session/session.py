"""One session: a logged-in connection, its limits, and the order of its commands."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from typing import TYPE_CHECKING, Any, Final, Protocol

import msgspec
from mypy_extensions import mypyc_attr

from msanic_core.codes import CLOSE_CODES, OFFLINE_CLOSE_CODES, OfflineReason
from msanic_core.session.socket import SocketReceiver
from msanic_core.session.state import InboxState, SessionState

if TYPE_CHECKING:
    import asyncio

    from msanic_core.identity import Identity, SessionInfo
    from msanic_core.session.outbox import Outbox
    from msanic_core.session.socket import Socket
    from msanic_core.wire import Codec, Push


_OPENING: Final = SessionState.OPENING
_CLOSED: Final = SessionState.CLOSED


class SessionLimits(msgspec.Struct, frozen=True):
    """`queue`: commands that may wait. `rate`: frames per second, 0: no limit. `burst`: size of the token bucket."""

    queue: int
    rate: int
    burst: int


@mypyc_attr(allow_interpreted_subclasses=True)
class Receiver(ABC):
    """Where a session's messages go: the dispatcher."""

    @abstractmethod
    def receive(self, session: Session, payload: str | bytes) -> None:
        """Process one complete message: text as str, binary as bytes."""

    @abstractmethod
    def writable(self, session: Session) -> None:
        """Process waiting commands: the socket takes replies again."""


class Offline(Protocol):
    """Where a session goes when it is lost: the offline chain."""

    def lose(self, session: Session, reason: OfflineReason, code: int | None = None, text: str = "") -> bool:
        """End a session; later calls do nothing. `code`, `text`: in place of the close code and text of `reason`."""


class Session(SocketReceiver):
    """A connection that has logged in. The socket adapter calls the methods of `SocketReceiver`.

    `waiting` holds decoded commands that came while another command ran (`busy`) or while the socket took no data.
    When `limits.queue` of them wait, the socket is not read until half are done. `tokens` is the token bucket for
    commands and control frames. `quiet` counts heartbeat ticks without a frame from the client.
    """

    __slots__ = ("_limits", "_offline", "_paused", "_receiver", "acknowledges", "busy", "codec", "context",
                 "context_plugin", "contexts", "epoch", "groups", "identity", "inbox", "info", "lost_before", "online",
                 "opened", "outbox", "quick", "quiet", "received", "registered", "running",
                 "settled_id", "socket", "stalled", "state", "tokens", "waiting")  # fmt: skip

    def __init__(
        self,
        info: SessionInfo,
        identity: Identity,
        socket: Socket,
        codec: Codec,
        limits: SessionLimits,
        receiver: Receiver,
        offline: Offline,
        *,
        acknowledges: bool,
    ) -> None:
        self.info = info
        self.identity = identity
        self.socket = socket
        self.codec = codec
        self.acknowledges = acknowledges
        """Whether the client sends `sys.ack`. For other clients see `replay.confirm_alive`."""
        self.outbox: Outbox
        self.groups: set[str] = set()
        self.contexts: dict[str, Any] = {}
        """By the plugin's name: the `ctx` of its handlers."""
        self.context: Any = None
        """The last used of `contexts`, of the plugin `context_plugin`: most often it is also the next."""
        self.context_plugin = ""
        self.quick = True
        """Whether the dispatcher tries to decode the envelope and the typed data in one step for this client."""
        self.busy = False
        self.running = 0
        # Few of ten thousand sessions ever have a waiting command: an empty tuple costs no memory.
        self.waiting: deque[Any] | tuple[()] = ()
        self.state = SessionState.OPENING
        self.inbox = InboxState.LIVE
        self.opened: asyncio.Future[None] | None = None
        """Done when the session has been registered and welcomed, or refused; None before and afterwards."""
        self.registered = False
        """Whether the engine has registered it. Otherwise no `ws_offline` is called for it."""
        self.received = 0
        """The highest durable id that the session was sent or had before; 0: unknown."""
        self.epoch = ""
        """The epoch of the inbox that `received` belongs to, see `InboxPage.epoch`; "" before the first replay."""
        self.lost_before = 0
        """Durable messages that the inbox dropped before they were sent: the next message reports the number."""
        self.online: asyncio.Task[None] | None = None
        """The task of the `ws_online` hooks: `ws_offline` runs after them."""
        self.tokens: float = float(limits.burst)
        self.quiet = 0
        self.settled_id = 0
        """The highest durable id that the kernel had taken at the last heartbeat tick; 0: none."""
        self.stalled = (0, 0)
        """Bytes in the transport's buffer at the last heartbeat tick, and ticks in which the number did not change."""
        self._limits = limits
        self._receiver = receiver
        self._offline = offline
        self._paused = False

    def message(self, payload: str | bytes) -> None:
        """Take a complete message from the client."""
        # The same as `control`, inlined: this runs once per message.
        self.quiet = 0
        self.tokens -= 1
        if self.tokens < 0:
            self._out_of_tokens()
        if self.state is not _CLOSED:
            self._receiver.receive(self, payload)

    def control(self) -> None:
        """Note a ping or pong from the client: it takes a token, as a message does."""
        self.quiet = 0
        self.tokens -= 1
        if self.tokens < 0:
            self._out_of_tokens()

    def _out_of_tokens(self) -> None:
        if self._limits.rate:
            self._offline.lose(self, OfflineReason.RATE)

    def refill(self, seconds: float) -> None:
        """Add the tokens of the seconds that have passed."""
        self.tokens = min(float(self._limits.burst), self.tokens + self._limits.rate * seconds)

    def enqueue(self, command: Any) -> None:
        """Queue a command; pause reading when too many wait."""
        if not self.waiting:
            self.waiting = deque()
        self.waiting.append(command)
        if len(self.waiting) >= self._limits.queue and not self._paused:
            self._paused = True
            self.socket.pause_reading()

    def dequeued(self) -> None:
        """Commands were taken from `waiting`: resume reading when half of the queue is free."""
        if self._paused and 2 * len(self.waiting) <= self._limits.queue:
            self._paused = False
            self.socket.resume_reading()

    @property
    def closed(self) -> bool:
        """Whether it has ended."""
        return self.state is _CLOSED

    def opening_ended(self) -> None:
        """The session is registered and welcomed, or was closed or refused before that."""
        if self.state is _OPENING:
            self.state = SessionState.OPEN
        opened, self.opened = self.opened, None
        if opened is not None:
            opened.set_result(None)

    @property
    def crowded(self) -> bool:
        """Whether the limit of concurrent commands is reached; it is that of the queue."""
        return self.running >= self._limits.queue

    @property
    def occupied(self) -> bool:
        """Whether a command has to wait for an earlier one."""
        return self.busy or bool(self.waiting)

    @property
    def reading_paused(self) -> bool:
        """Whether the server does not read from the client, so that its silence means nothing."""
        return self._paused or self.outbox.blocked or self.state is _OPENING

    def send_durable(self, push: Push) -> None:
        """Send a message that has an id, with the number of messages lost before it."""
        assert push.id is not None, "only durable messages have a place in the inbox"
        frame = self.codec.push(msgspec.structs.replace(push, lost=self.lost_before))
        self.lost_before = 0
        self.received = self.outbox.written_id = push.id
        self.outbox.send(frame)

    def writable(self, yes: bool) -> None:
        """Note that the socket takes data again (True), or takes no data (False)."""
        self.outbox.block(not yes)
        if yes:
            self._receiver.writable(self)

    def connection_lost(self, reason: OfflineReason, code: int | None = None, text: str = "") -> None:
        """End the session: the client or the network has ended the connection."""
        self._offline.lose(self, reason, code, text)

    def close(self, reason: OfflineReason, code: int | None = None, text: str = "") -> None:
        """Close the connection. Call this only after `Registry.remove` has returned True."""
        self.state = _CLOSED
        self.waiting = ()
        if code is None:
            code = OFFLINE_CLOSE_CODES[reason]
        if not text and code in CLOSE_CODES:
            text = CLOSE_CODES[code].reason
        self.outbox.close()
        self.socket.close(code, text)
