"""Hands a session what waits in its user's inbox, in order, before anything newer."""

import logging

from msanic_core.codes import CloseCode, OfflineReason
from msanic_core.engine.base import Engine, InboxPage
from msanic_core.session.session import Offline, Session

log = logging.getLogger("msanic_core.replay")

_PAGE = 100


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
    message is sent twice or out of order.
    """

    def __init__(self, engine: Engine, offline: Offline) -> None:
        self._engine = engine
        self._offline = offline

    async def first_page(self, session: Session, after: int | None) -> InboxPage:
        """Begin: the session is marked as replaying and the first part of its inbox is read."""
        session.replaying = True
        return await self._engine.inbox(session.info.user, session.info.client, after, _PAGE)

    async def run(self, session: Session, page: InboxPage, after: int | None = None) -> None:
        """Send this page and all that follow it; `after` as for the first page.

        When the inbox cannot be read further the session is closed with 1013, to be replayed on its next connection.
        """
        try:
            await self._send_all(session, page, after)
        except Exception:
            log.exception("the inbox of session %s cannot be replayed", session.info.id)
            self._offline.lose(session, OfflineReason.SHUTDOWN, CloseCode.TRY_LATER)

    async def _send_all(self, session: Session, page: InboxPage, after: int | None) -> None:
        while not session.closed:
            session.lost_before = page.lost
            for message in page.messages:
                await session.outbox.drained()
                session.send_durable(message)
                after = message.id
            if not page.messages and not session.passed_over:
                break
            session.passed_over = False
            page = await self._engine.inbox(session.info.user, session.info.client, after, _PAGE)
        session.replaying = False
