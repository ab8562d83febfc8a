"""One tick for all sessions: pings, silence, stalled sockets, rate tokens, expired logins, acknowledgements."""

import asyncio
import logging
import time

import msgspec

from msanic_core.codes import OfflineReason
from msanic_core.engine.base import Engine
from msanic_core.session.registry import Registry
from msanic_core.session.replay import confirm_alive
from msanic_core.session.session import Offline, Session

log = logging.getLogger("msanic_core.heartbeat")

_SESSIONS_PER_SLICE = 2000


class HeartbeatLimits(msgspec.Struct, frozen=True):
    """Limits in seconds."""

    ping_interval: float
    """Silence of the client before it is pinged."""
    ping_timeout: float
    """Silence after the ping before the session is lost."""
    outbox_stall: float
    """Time in which the socket takes no data although data waits, before the session is lost."""

    @property
    def tick(self) -> float:
        """Seconds between two ticks: a quarter of the smallest limit, at most 1."""
        return min(1.0, self.ping_interval / 4, self.ping_timeout / 4, self.outbox_stall / 4)


class Heartbeat:
    """Ends sessions whose client is silent, reads too slowly, or has a login that has expired.

    Silence is counted in ticks, not in seconds: while this process is blocked there is no tick, so no session is lost
    because of a delay of the server.
    """

    def __init__(self, registry: Registry, engine: Engine, offline: Offline, limits: HeartbeatLimits) -> None:
        self._registry = registry
        self._engine = engine
        self._offline = offline
        self._tick = limits.tick
        self._ping_ticks = round(limits.ping_interval / limits.tick)
        self._dead_ticks = round((limits.ping_interval + limits.ping_timeout) / limits.tick)
        self._stall_ticks = round(limits.outbox_stall / limits.tick)

    async def run(self) -> None:
        """Tick until cancelled."""
        clock = asyncio.get_running_loop().time
        last = clock()
        while True:
            await asyncio.sleep(self._tick)
            now, passed = time.time(), clock() - last
            last += passed
            for number, session in enumerate(self._registry.all(), 1):
                if not session.closed:
                    self._beat_safely(session, now, passed)
                if number % _SESSIONS_PER_SLICE == 0:
                    await asyncio.sleep(0)

    def _beat_safely(self, session: Session, now: float, passed: float) -> None:
        try:
            self.beat(session, now, passed)
        except Exception:
            log.exception("the heartbeat of session %s failed", session.info.id)

    def beat(self, session: Session, now: float, passed: float) -> None:
        """Do one tick for one session. `now`: seconds since the epoch. `passed`: seconds since the last tick."""
        session.refill(passed)
        confirm_alive(session, self._engine)
        expires_at = session.identity.expires_at
        if expires_at is not None and now >= expires_at:
            self._offline.lose(session, OfflineReason.EXPIRED)
        elif self._is_stalled(session):
            self._offline.lose(session, OfflineReason.SLOW)
        elif not session.reading_paused:
            self._listen(session)

    def _listen(self, session: Session) -> None:
        session.quiet += 1
        if session.quiet > self._dead_ticks:
            self._offline.lose(session, OfflineReason.HEARTBEAT)
        elif session.quiet == self._ping_ticks:
            session.socket.ping()

    def _is_stalled(self, session: Session) -> bool:
        """Whether the socket has taken no data for too long although data waits."""
        if not session.outbox.blocked:
            session.stalled = (0, 0)
            return False
        buffered, ticks = session.stalled
        now_buffered = session.socket.buffered()
        session.stalled = (now_buffered, ticks + 1 if now_buffered == buffered else 0)
        return session.stalled[1] >= self._stall_ticks
