"""Sends a session the messages in its user's inbox, in order, before any newer message."""

import asyncio
import logging
from collections.abc import Callable
from contextvars import Context

from msanic_core.codes import CloseCode, OfflineReason
from msanic_core.engine.base import Engine, InboxPage
from msanic_core.errors import StoreUnavailableError
from msanic_core.identity import SessionInfo
from msanic_core.session.session import Offline, Session
from msanic_core.session.state import InboxState
from msanic_core.wire import Push

log = logging.getLogger("msanic_core.replay")

_PAGE = 100
_PAUSE = 1.0
"""Seconds between two attempts while the store is unavailable."""

Welcome = Callable[[SessionInfo, str], Push]
"""Makes `sys.welcome` for a session and an epoch."""


def confirm_written(session: Session, engine: Engine) -> None:
    """For a client that cannot acknowledge: after a clean close it has received everything that was written."""
    if not session.acknowledges and (settled := session.outbox.settled_id()):
        engine.acknowledge(session.info.user, session.info.client, settled)


def confirm_alive(session: Session, engine: Engine) -> None:
    """For a client that cannot acknowledge, at each tick of the heartbeat.

    If the client sent anything since the last tick, it has received everything written before that tick.
    """
    if session.acknowledges:
        return
    if session.settled_id and not session.quiet and not session.reading_paused:
        engine.acknowledge(session.info.user, session.info.client, session.settled_id)
        if session.outbox.written_id == session.settled_id:
            session.outbox.written_id = 0
    session.settled_id = session.outbox.settled_id()


class Replay:
    """Reads an inbox page by page into an outbox, as fast as the client reads.

    While a replay runs, new durable messages are not sent to the session directly: they are in the inbox too, and the
    replay reads them there. It ends at the end of the inbox if no message has come since the last page was read. So no
    message is sent twice or out of order. A session has at most one replay at a time.
    """

    def __init__(self, engine: Engine, offline: Offline, welcome: Welcome) -> None:
        self._engine = engine
        self._offline = offline
        self._welcome = welcome
        self._tasks: set[asyncio.Task[None]] = set()

    async def first_page(self, session: Session, after: int | None) -> InboxPage:
        """Read the first page after an id; None: after the id that the client has acknowledged. Then call `run`.

        Marks the session as replaying, and sends `sys.welcome` if the client does not know the inbox's epoch yet.
        Raises what `Engine.inbox` raises; then the session is live again.
        """
        session.inbox = InboxState.REPLAYING
        try:
            page = await self._read(session, after)
        except BaseException:
            behind, session.inbox = session.inbox is InboxState.BEHIND, InboxState.LIVE
            if behind:
                self.catch_up(session)
            raise
        session.lost_before = 0
        return page

    async def run(self, session: Session, page: InboxPage | None = None) -> None:
        """Send this page and all following ones; without a page, everything after the last id the session received.

        While the store is unavailable this waits. If the inbox cannot be read for another reason the session is closed
        with 1013, and the client gets the messages on its next connection.
        """
        try:
            await self._send_all(session, page)
        except Exception:
            log.exception("the inbox of session %s cannot be replayed", session.info.id)
            self._offline.lose(session, OfflineReason.SHUTDOWN, CloseCode.TRY_LATER)

    def catch_up(self, session: Session) -> None:
        """Send every message after the last id the session received. If a replay runs already, it does so."""
        if session.inbox is not InboxState.LIVE:
            session.inbox = InboxState.BEHIND
            return
        session.inbox = InboxState.REPLAYING
        # An empty context: the caller's may hold a whole request.
        task = asyncio.get_running_loop().create_task(self.run(session), context=Context())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _send_all(self, session: Session, page: InboxPage | None) -> None:
        while not session.closed:
            if page is not None:
                await self._send(session, page)
                if session.received >= page.last_id and session.inbox is not InboxState.BEHIND:
                    break
            page = await self._read_on(session)
        session.inbox = InboxState.LIVE

    async def _send(self, session: Session, page: InboxPage) -> None:
        session.lost_before += page.lost
        for message in page.messages:
            await session.outbox.drained()
            session.send_durable(message)
        if not page.messages:
            # Every message was trimmed, or the client has claimed an id that does not exist yet.
            session.received = page.last_id

    async def _read_on(self, session: Session) -> InboxPage | None:
        """The next page; None if the session was closed while the store was unavailable."""
        waits = False
        while not session.closed:
            try:
                return await self._read(session, session.received or None)
            except StoreUnavailableError as error:
                if not waits:
                    log.warning("the inbox of session %s cannot be read yet: %s", session.info.id, error)
                waits = True
                await asyncio.sleep(_PAUSE)
        return None

    async def _read(self, session: Session, after: int | None) -> InboxPage:
        session.inbox = InboxState.REPLAYING
        info = session.info
        page = await self._engine.inbox(info.user, info.client, after, _PAGE)
        if page.epoch != session.epoch:
            emptied, session.epoch = session.epoch != "", page.epoch
            if session.acknowledges:
                session.outbox.send(session.codec.push(self._welcome(info, page.epoch)))
            if emptied:
                # `after` was an id of the old inbox, not of this one.
                session.received = 0
                return await self._read(session, None)
        return page
