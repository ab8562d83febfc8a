"""Hands a session what waits in its user's inbox, in order, before anything newer."""

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
"""Seconds before a store that is away is asked again."""

Welcome = Callable[[SessionInfo, str], Push]
"""Makes `sys.welcome` for a session and an epoch."""


def confirm_written(session: Session, engine: Engine) -> None:
    """Acknowledge for a client that does not do so itself: closing in order, it has what had left this process."""
    if not session.acknowledges and (settled := session.outbox.settled_id()):
        engine.acknowledge(session.info.user, session.info.client, settled)


def confirm_alive(session: Session, engine: Engine) -> None:
    """Acknowledge for such a client at each tick: heard from since the last one, it has what had left by then."""
    if session.acknowledges:
        return
    if session.settled_id and not session.quiet and not session.held_back:
        engine.acknowledge(session.info.user, session.info.client, session.settled_id)
        if session.outbox.written_id == session.settled_id:
            session.outbox.written_id = 0
    session.settled_id = session.outbox.settled_id()


class Replay:
    """Reads an inbox page by page into an outbox, no faster than the client takes it.

    While a replay runs, live durable messages pass the session over: they are in the inbox too, and the replay comes
    to them. It ends when the inbox was read to its end and nothing has passed the session over meanwhile, so that no
    message is sent twice or out of order. There is one at a time for each session.
    """

    def __init__(self, engine: Engine, offline: Offline, welcome: Welcome) -> None:
        self._engine = engine
        self._offline = offline
        self._welcome = welcome
        self._tasks: set[asyncio.Task[None]] = set()

    async def first_page(self, session: Session, after: int | None) -> InboxPage:
        """Begin above an id (None: above the client's acknowledged position); `run` has to follow.

        The session is marked as replaying, and welcomed where it has not been in the inbox's epoch. When this raises,
        as `Engine.inbox` does, the session is where it was.
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
        """Send this page and all that follow it; without one, what follows the last id that the session received.

        A store that is away is waited for. When the inbox cannot be read for another reason the session is closed with
        1013, to be replayed on its next connection.
        """
        try:
            await self._send_all(session, page)
        except Exception:
            log.exception("the inbox of session %s cannot be replayed", session.info.id)
            self._offline.lose(session, OfflineReason.SHUTDOWN, CloseCode.TRY_LATER)

    def catch_up(self, session: Session) -> None:
        """Send what follows the last id that the session received. A replay that is under way comes to it."""
        if session.inbox is not InboxState.LIVE:
            session.inbox = InboxState.BEHIND
            return
        session.inbox = InboxState.REPLAYING
        # In a new context: in that of the caller may be a whole request.
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
            # All before it was trimmed, or the client claimed to have more than there is.
            session.received = page.last_id

    async def _read_on(self, session: Session) -> InboxPage | None:
        """The next page; None when the session was closed while the store was away."""
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
                # The id that was read after is not one of this inbox.
                session.received = 0
                return await self._read(session, None)
        return page
