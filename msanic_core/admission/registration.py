"""Registers a session after its login: registry, engine, first page of the inbox, `ws_online`."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from contextvars import copy_context
from typing import Any

from msanic_core.codes import CloseCode, OfflineReason
from msanic_core.config.sections import WebSocketSettings
from msanic_core.engine.base import Engine, InboxPage, SessionPolicy
from msanic_core.errors import StoreUnavailableError
from msanic_core.identity import SessionInfo
from msanic_core.session.offline import OfflineChain
from msanic_core.session.outbox import Flusher, Outbox
from msanic_core.session.registry import Registry
from msanic_core.session.replay import Replay
from msanic_core.session.session import Session
from msanic_core.session.state import InboxState

log = logging.getLogger("msanic_core.handshake")


class Registration:
    """Registers sessions, first in the registry and then in the engine; only then are the plugins told.

    `announce` runs the plugins' `ws_online`.
    """

    def __init__(
        self,
        ws: WebSocketSettings,
        engine: Engine,
        registry: Registry,
        offline: OfflineChain,
        replay: Replay,
        announce: Callable[[SessionInfo], Coroutine[Any, Any, None]],
        flusher: Flusher,
    ) -> None:
        self._engine = engine
        self._registry = registry
        self._offline = offline
        self._replay = replay
        self._announce = announce
        self._policy = SessionPolicy(ws.max_sessions_per_user, replace=ws.sessions == "single")
        self._outbox_bytes = ws.outbox_bytes
        self._flusher = flusher
        self._context = copy_context()
        self._tasks: set[asyncio.Task[None]] = set()

    async def admit(self, session: Session) -> bool:
        """Register a session and start the replay of its inbox. Returns False if it was refused or lost: it is closed.

        The session enters the registry first: from then on a newer connection can replace it.
        """
        session.outbox = Outbox(
            session.socket,
            self._flusher,
            self._outbox_bytes,
            lambda: session.connection_lost(OfflineReason.SLOW),
        )
        # Durable messages that arrive from now on are read from the inbox, after the registration.
        session.inbox = InboxState.REPLAYING
        session.opened = asyncio.get_running_loop().create_future()
        self._registry.add(session)
        try:
            page = await self._first_page(session) if await self._register(session) else None
        finally:
            session.opening_ended()
        if page is None:
            return False
        self._track(self._replay.run(session, page))
        return True

    async def _register(self, session: Session) -> bool:
        try:
            session.registered = await self._engine.register(session.info, self._policy)
        except BaseException as error:
            self._offline.give_up(session)
            if not isinstance(error, Exception):
                raise
            log_failure(error, "session %s cannot be registered", session.info.id)
            return False
        if not session.registered and self._registry.remove(session):
            session.close(OfflineReason.KICKED, CloseCode.CONNECTION_LIMIT, "too many connections of this user")
        return session.registered

    async def _first_page(self, session: Session) -> InboxPage | None:
        """Welcome a registered session and read its inbox. In every case, also an error, `ws_online` is called then."""
        try:
            return None if session.closed else await self._replay.first_page(session, None)
        except BaseException as error:
            self._offline.lose(session, OfflineReason.SHUTDOWN, CloseCode.TRY_LATER)
            if not isinstance(error, Exception):
                raise
            log_failure(error, "the inbox of session %s cannot be read", session.info.id)
            return None
        finally:
            session.online = self._track(self._announce(session.info))

    def _track(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        # In the server's context: Sanic's holds the request, and the session keeps the task.
        task = asyncio.get_running_loop().create_task(work, context=self._context.copy())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def log_failure(error: Exception, text: str, what: str) -> None:
    """Log a failure, without a traceback if the store is unavailable: that is no defect of the server."""
    if isinstance(error, StoreUnavailableError):
        log.warning(f"{text}: %s", what, error)
    else:
        log.error(text, what, exc_info=error)
