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
    """`queue`: commands that may wait. `rate`: frames per second, 0 for no limit. `burst`: frames at once."""

    queue: int
    rate: int
    burst: int


@mypyc_attr(allow_interpreted_subclasses=True)
class Receiver(ABC):
    """Where a session's messages go: the dispatcher."""

    @abstractmethod
    def receive(self, session: Session, payload: str | bytes) -> None:
        """Work off one complete message: text as str, binary as bytes."""

    @abstractmethod
    def writable(self, session: Session) -> None:
        """Go on with what waits: the socket takes answers again."""


class Offline(Protocol):
    """Where a session goes when it is lost: the offline chain."""

    def lose(self, session: Session, reason: OfflineReason, code: int | None = None, text: str = "") -> bool:
        """End a session, once. `code` and `text` replace the close code and text that belong to `reason`."""


class Session(SocketReceiver):
    """A connection that has logged in. The socket adapter calls what `SocketReceiver` lists.

    `waiting` holds decoded commands that came while another one was `busy`, or while answers had nowhere to go; when
    `limits.queue` of them wait, the socket is not read from until half are done. `tokens` is the bucket for commands
    and control frames; `quiet` counts heartbeat ticks without any frame from the client.
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
        """Whether the client acknowledges durable messages itself; else they count as received when written."""
        self.outbox: Outbox
        self.groups: set[str] = set()
        self.contexts: dict[str, Any] = {}
        """By plugin: what its handlers get as `ctx`."""
        self.context: Any = None
        """The one of `contexts` that was used last, that of the plugin `context_plugin`: most often it is the next."""
        self.context_plugin = ""
        self.quick = True
        """Whether the dispatcher's quick way to decode is worth trying for this client."""
        self.busy = False
        self.running = 0
        # Of ten thousand connections few ever have something here: what is empty is not looked up in memory.
        self.waiting: deque[Any] | tuple[()] = ()
        self.state = SessionState.OPENING
        self.inbox = InboxState.LIVE
        self.opened: asyncio.Future[None] | None = None
        """Done when the session is registered and welcomed, or refused; None before and afterwards."""
        self.registered = False
        """Whether the engine has it. Of one that was never registered no plugin is told."""
        self.received = 0
        """Highest durable id that was handed to it, or known to have been before it; 0: nothing is known."""
        self.epoch = ""
        """Of which inbox `received` is an id, see `InboxPage.epoch`; "" before the first replay."""
        self.lost_before = 0
        """How many durable messages the inbox has dropped unsent: the next one that is sent says so."""
        self.online: asyncio.Task[None] | None = None
        """The `ws_online` hooks of this session, while they run: `ws_offline` comes after them."""
        self.tokens: float = float(limits.burst)
        self.quiet = 0
        self.settled_id = 0
        """Highest durable id that had left this process at the last heartbeat tick."""
        self.stalled = (0, 0)
        self._limits = limits
        self._receiver = receiver
        self._offline = offline
        self._paused = False

    def message(self, payload: str | bytes) -> None:
        """A complete message came in."""
        # As `control`, without the call: this is once per message.
        self.quiet = 0
        self.tokens -= 1
        if self.tokens < 0:
            self._overdraw()
        if self.state is not _CLOSED:
            self._receiver.receive(self, payload)

    def control(self) -> None:
        """A ping or pong came in: it counts as a message does."""
        self.quiet = 0
        self.tokens -= 1
        if self.tokens < 0:
            self._overdraw()

    def _overdraw(self) -> None:
        if self._limits.rate:
            self._offline.lose(self, OfflineReason.RATE)

    def refill(self, seconds: float) -> None:
        """Put tokens back for the time that has passed."""
        self.tokens = min(float(self._limits.burst), self.tokens + self._limits.rate * seconds)

    def wait_in_line(self, command: Any) -> None:
        """Keep a command for later; hold the client back when too many wait."""
        if not self.waiting:
            self.waiting = deque()
        self.waiting.append(command)
        if len(self.waiting) >= self._limits.queue and not self._paused:
            self._paused = True
            self.socket.pause_reading()

    def line_moved(self) -> None:
        """Commands were taken from `waiting`: let the client send again when half of the line is free."""
        if self._paused and 2 * len(self.waiting) <= self._limits.queue:
            self._paused = False
            self.socket.resume_reading()

    @property
    def closed(self) -> bool:
        """Whether its life is over."""
        return self.state is _CLOSED

    def opening_ended(self) -> None:
        """It is registered and welcomed, or was closed before it came so far."""
        if self.state is _OPENING:
            self.state = SessionState.OPEN
        opened, self.opened = self.opened, None
        if opened is not None:
            opened.set_result(None)

    @property
    def crowded(self) -> bool:
        """Whether as many concurrent commands run as may wait."""
        return self.running >= self._limits.queue

    @property
    def occupied(self) -> bool:
        """Whether a command has to wait for others that came before it."""
        return self.busy or bool(self.waiting)

    @property
    def held_back(self) -> bool:
        """Whether we ourselves do not read from the client, so that its silence says nothing."""
        return self._paused or self.outbox.blocked or self.state is _OPENING

    def send_durable(self, push: Push) -> None:
        """Send a message that has an id, and with it how many before it were lost."""
        assert push.id is not None, "only durable messages have a place in the inbox"
        frame = self.codec.push(msgspec.structs.replace(push, lost=self.lost_before))
        self.lost_before = 0
        self.received = self.outbox.written_id = push.id
        self.outbox.send(frame)

    def writable(self, yes: bool) -> None:
        """The socket takes data again, or takes no more."""
        self.outbox.block(not yes)
        if yes:
            self._receiver.writable(self)

    def connection_lost(self, reason: OfflineReason, code: int | None = None, text: str = "") -> None:
        """The connection is gone or going, for a reason that lies with the client or the network."""
        self._offline.lose(self, reason, code, text)

    def close(self, reason: OfflineReason, code: int | None = None, text: str = "") -> None:
        """End the connection; only the offline chain calls this, after the registry let the session go."""
        self.state = _CLOSED
        self.waiting = ()
        if code is None:
            code = OFFLINE_CLOSE_CODES[reason]
        if not text and code in CLOSE_CODES:
            text = CLOSE_CODES[code].reason
        self.outbox.close()
        self.socket.close(code, text)
