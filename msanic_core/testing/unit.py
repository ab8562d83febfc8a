"""Contexts for unit tests of handlers, made of a server's real parts, without loaded plugins, a port or a client."""

import asyncio
import time
import uuid
from collections.abc import Mapping
from typing import Any, Generic, NamedTuple

import msgspec
from typing_extensions import TypeVar

from msanic_core.admission.registration import Registration
from msanic_core.admission.welcome import welcome
from msanic_core.codes import OfflineReason
from msanic_core.config.sections import WebSocketSettings
from msanic_core.context import Context, Server
from msanic_core.db.database import Database
from msanic_core.db.outbox.transaction import TransactionOutbox
from msanic_core.engine.base import InboxLimits
from msanic_core.engine.memory.memory_engine import MemoryEngine
from msanic_core.identity import Identity, SessionInfo
from msanic_core.session.delivery import LocalDelivery
from msanic_core.session.membership import Membership
from msanic_core.session.offline import OfflineChain, OfflineHook, OfflineLimits
from msanic_core.session.outbox import Flusher
from msanic_core.session.registry import Registry
from msanic_core.session.replay import Replay
from msanic_core.session.session import Receiver, Session, SessionLimits
from msanic_core.session.state import InboxState
from msanic_core.wire import JsonCodec

Settings = TypeVar("Settings", default=Any)
State = TypeVar("State", default=Any)

_BOUND = 10.0
"""Seconds for the end of a session, its hook included."""
_INBOX = InboxLimits(max_messages=1000, max_bytes=1_048_576, max_age=3600.0)


class UnitServer(Generic[Settings, State]):
    """A server for unit tests of handlers, with the memory engine, and sessions without sockets.

        server = UnitServer(settings=ChatSettings(), state=Rooms())
        ada, bob = await server.context("ada"), await server.context("bob")
        await join(bob, InRoom("tea"))
        await say(ada, Say("tea", "hello"))
        assert [message["cmd"] for message in await server.received(bob)] == ["chat.said"]

    `settings`, `state`: those of the handlers' plugin. `plugin`: its name. There is no database and no other plugin:
    use `msanic_core.testing.serving` for these. Make it within a running event loop.
    """

    def __init__(self, *, settings: Settings | None = None, state: State | None = None, plugin: str = "plugin") -> None:
        self._plugin = plugin
        self._sessions: dict[str, Session] = {}
        self._lost: dict[str, SessionInfo] = {}
        self._ws = WebSocketSettings(sessions="multi", max_sessions_per_user=1_000_000)
        registry, self._engine = Registry(), MemoryEngine(_INBOX)
        self._offline = OfflineChain(
            registry, self._engine, [OfflineHook(plugin, self._note_lost)], OfflineLimits(_BOUND, _BOUND)
        )
        replay = Replay(self._engine, self._offline, lambda session, epoch: welcome(self._ws, session, epoch))
        membership = Membership(registry, self._engine)
        self._delivery = LocalDelivery(registry, self._offline, replay, membership)
        self._registration = Registration(
            self._ws, self._engine, registry, self._offline, replay, _announce, Flusher(asyncio.get_running_loop())
        )
        self.server = Server(
            "unit",
            self._engine,
            membership,
            Database("sqlite://:memory:"),
            TransactionOutbox(_INBOX.max_bytes, None),
            {plugin: _Values(settings, state)},
            _call_hook,
        )

    async def context(
        self, user: str = "guest", *, client: str = "", claims: Mapping[str, Any] | None = None
    ) -> Context[Settings, State]:
        """Open a session of a user, and return the context of its commands."""
        if not self._sessions:
            await self._engine.start(self.server.node, self._delivery, [self._plugin])
        info = SessionInfo(uuid.uuid4().hex, user, self.server.node, time.time(), "127.0.0.1", client)
        session = Session(
            info, Identity(user, dict(claims or {})), _RecordingSocket(), JsonCodec(), SessionLimits(64, 0, 0),
            _IdleReceiver(), self._offline, acknowledges=False,
        )  # fmt: skip
        await self._registration.admit(session)
        self._sessions[info.id] = session
        return Context(self.server, session, self._plugin)

    async def received(self, ctx: Context[Any, Any]) -> list[dict[str, Any]]:
        """Return the messages sent to the context's session since the last call, in order, decoded from JSON."""
        session = self._sessions[ctx.session.id]
        while session.inbox is not InboxState.LIVE:
            await asyncio.sleep(0)
        session.outbox.flush()
        socket = session.socket
        assert isinstance(socket, _RecordingSocket), "`context` makes it"
        return socket.take()

    async def lose(self, ctx: Context[Any, Any]) -> SessionInfo:
        """End the session of a context. Returns the session as `ws_offline` gets it."""
        self._offline.lose(self._sessions[ctx.session.id], OfflineReason.CLOSED)
        await self._offline.drain(asyncio.get_running_loop().time() + _BOUND)
        return self._lost[ctx.session.id]

    async def _note_lost(self, session: SessionInfo, _: OfflineReason) -> None:
        self._lost[session.id] = session


class _Values(NamedTuple):
    settings: Any
    state: Any


class _RecordingSocket:
    """A socket that records the bytes that are written to it."""

    def __init__(self) -> None:
        self._written = b""

    def write(self, data: bytes) -> None:
        self._written += data

    def buffered(self) -> int:
        return 0

    def ping(self) -> None: ...

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    def close(self, code: int, reason: str) -> None: ...

    def take(self) -> list[dict[str, Any]]:
        """Decode and remove the written messages, which are unmasked text frames (RFC 6455 section 5.2)."""
        messages, data, self._written = [], self._written, b""
        while data:
            length, start = data[1], 2
            if length > 125:
                start = 4 if length == 126 else 10
                length = int.from_bytes(data[2:start], "big")
            messages.append(msgspec.json.decode(data[start : start + length], type=dict[str, Any]))
            data = data[start + length :]
        return messages


class _IdleReceiver(Receiver):
    """Ignores messages: these sessions have no client that could send any."""

    def receive(self, session: Session, payload: str | bytes) -> None: ...

    def writable(self, session: Session) -> None: ...


async def _announce(_: SessionInfo) -> None:
    """Do nothing: there is no plugin with `ws_online`."""


async def _call_hook(name: str, _: Mapping[str, Any]) -> Any:
    raise LookupError(f"there is no hook {name!r}: a UnitServer has no plugins")
