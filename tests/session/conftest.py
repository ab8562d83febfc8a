"""The parts of a node that sessions need, the real ones, without a network."""

import asyncio
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec
import pytest

from msanic_core.codes import OfflineReason
from msanic_core.engine.base import InboxLimits, SessionPolicy
from msanic_core.engine.memory.memory_engine import MemoryEngine
from msanic_core.identity import Identity, SessionInfo
from msanic_core.session.delivery import LocalDelivery
from msanic_core.session.membership import Membership
from msanic_core.session.offline import OfflineChain, OfflineHook, OfflineLimits
from msanic_core.session.outbox import Flusher, Outbox
from msanic_core.session.registry import Registry
from msanic_core.session.replay import Replay
from msanic_core.session.session import Receiver, Session, SessionLimits
from msanic_core.wire import Codec, Codecs, Push

POLICY = SessionPolicy(100)


class RecordingSocket:
    """A connection whose speed the test controls. `stuck`: bytes the kernel has not taken."""

    def __init__(self) -> None:
        self.writes: list[bytes] = []
        self.stuck = 0
        self.calls: list[str] = []
        self.closed: tuple[int, str] | None = None

    def write(self, data: bytes) -> None:
        assert self.closed is None, "nothing may follow a close frame"
        self.writes.append(data)

    def buffered(self) -> int:
        return self.stuck

    def ping(self) -> None:
        self.calls.append("ping")

    def pause_reading(self) -> None:
        self.calls.append("pause")

    def resume_reading(self) -> None:
        self.calls.append("resume")

    def close(self, code: int, reason: str) -> None:
        assert self.closed is None
        self.closed = (code, reason)


class RecordingReceiver(Receiver):
    """Takes messages and does nothing with them."""

    def __init__(self) -> None:
        self.messages: list[str | bytes] = []

    def receive(self, session: Session, payload: str | bytes) -> None:
        self.messages.append(payload)

    def writable(self, session: Session) -> None: ...


class House:
    """A registry, an engine and an offline chain that belong together, and sessions for them."""

    def __init__(
        self,
        hooks: Sequence[OfflineHook] = (),
        *,
        engine: MemoryEngine | None = None,
        yield_after: float = 0.02,
        cancel_after: float = 0.2,
        **inbox: Any,
    ) -> None:
        self.now = 1000.0
        self.registry = Registry()
        limits = InboxLimits(**{"max_messages": 1000, "max_bytes": 1_000_000, "max_age": 3600.0, **inbox})
        self.engine = engine or MemoryEngine(limits, lambda: self.now)
        self.offline = OfflineChain(self.registry, self.engine, hooks, OfflineLimits(yield_after, cancel_after))
        self.replay = Replay(self.engine, self.offline, lambda info, epoch: Push("sys.welcome", {"epoch": epoch}))
        self.delivery = LocalDelivery(self.registry, self.offline, self.replay, Membership(self.registry, self.engine))
        self.receiver = RecordingReceiver()
        self.codecs = Codecs()
        self.flusher = Flusher(asyncio.get_running_loop())
        self._ids = map("session-{}".format, itertools.count(1))

    async def session(
        self,
        user: str = "ada",
        *,
        client: str = "",
        acknowledges: bool = False,
        codec: Codec | None = None,
        expires_at: float | None = None,
        outbox: int = 100_000,
        queue: int = 4,
        rate: int = 0,
        burst: int = 10,
    ) -> Session:
        """A session that is connected; its inbox has not been read."""
        socket = RecordingSocket()
        info = SessionInfo(next(self._ids), user, "node", self.now, "127.0.0.1", client)
        session = Session(
            info,
            Identity(user, expires_at=expires_at),
            socket,
            codec or self.codecs.json,
            SessionLimits(queue, rate, burst),
            self.receiver,
            self.offline,
            acknowledges=acknowledges,
        )

        def overflow() -> None:
            self.offline.lose(session, OfflineReason.SLOW)

        session.outbox = Outbox(socket, self.flusher, outbox, overflow)
        self.registry.add(session)
        session.registered = await self.engine.register(info, POLICY)
        assert session.registered
        session.opening_ended()
        return session


def parse(data: bytes) -> Iterator[dict[str, Any]]:
    """The messages in written bytes: unmasked text frames."""
    while data:
        assert data[0] == 0x81
        length, start = data[1], 2
        if length == 126:
            length, start = int.from_bytes(data[2:4]), 4
        elif length == 127:
            length, start = int.from_bytes(data[2:10]), 10
        yield msgspec.json.decode(data[start : start + length])
        data = data[start + length :]


@pytest.fixture
def build() -> Callable[..., Any]:
    """`await build(...)` gives a `House` whose engine is started."""

    async def build_(*args: Any, **options: Any) -> House:
        house = House(*args, **options)
        await house.engine.start("node", house.delivery, house.offline.plugins)
        return house

    return build_


@pytest.fixture
def sent() -> Callable[[Session], list[dict[str, Any]]]:
    """The messages that were written to a session's socket so far."""

    def sent_(session: Session) -> list[dict[str, Any]]:
        socket: Any = session.socket
        return list(parse(b"".join(socket.writes)))

    return sent_
