"""Delivers the rows of the outbox once their transactions have committed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from msanic_core.db.faults import DatabaseFault, fault_of
from msanic_core.db.outbox.models import OutboxMessage
from msanic_core.errors import LockLostError, StoreUnavailableError
from msanic_core.wire import WireEncodeError
from msanic_core.wire.packed import unpack_push

if TYPE_CHECKING:
    from msanic_core.db.database import Database
    from msanic_core.engine.base import Engine

log = logging.getLogger("msanic_core.relay")

LOCK = "msanic_core.outbox"
_BATCH = 200
_SOON = 0.005
"""Seconds until the relay first checks whether a transaction of this process has committed."""


class _Outcome(NamedTuple):
    """What became of one user's messages: the ids of the delivered ones, and the error of the next one."""

    delivered: list[int]
    error: Exception | None


class Relay:
    """Pushes rows of the outbox in the order of their ids, and deletes them.

    One node at a time does so, for all nodes, under a lock of the engine: this keeps the order of a user's messages. If
    a process dies after a push and before the deletion, the row is pushed again with the same key, and the inbox
    ignores it. No event tells that a transaction has committed: the relay looks soon after a row was written, then at
    growing intervals of at most `interval` seconds. So it also finds the rows of processes that have died.
    """

    def __init__(self, engine: Engine, database: Database, interval: float) -> None:
        self._engine = engine
        self._database = database
        self._interval = interval
        self._added = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start delivering, with the rows that earlier processes have left."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        """Stop. Another node, or the next start, delivers the remaining rows."""
        while self._task is not None and not self._task.done():
            # Repeated, since asyncmy may lose a cancellation that arrives together with a response.
            self._task.cancel()
            await asyncio.wait({self._task}, timeout=_SOON)

    def added(self) -> None:
        """A transaction of this process has written a row."""
        self._added.set()

    async def _run(self) -> None:
        pause = _SOON
        troubled = False
        while True:
            try:
                if await self._deliver_all():
                    pause = _SOON
                if troubled:
                    log.info("the outbox is delivered again")
                troubled = False
            except Exception as error:
                if not _passes(error):
                    log.exception("the outbox cannot be delivered")
                elif not troubled:
                    log.warning("the outbox cannot be delivered yet: %s", error)
                troubled, pause = True, self._interval
            pause = await self._wait(pause)

    async def _wait(self, pause: float) -> float:
        """Wait until it is time to look again; returns the next pause if nothing is found."""
        try:
            async with asyncio.timeout(pause):
                await self._added.wait()
        except TimeoutError:
            return min(2 * pause, self._interval)
        self._added.clear()
        await asyncio.sleep(_SOON)
        return _SOON

    async def _deliver_all(self) -> int:
        """Deliver all rows; returns how many there were."""
        connection = await self._database.connection()
        waiting = OutboxMessage.filter(failure=None).using_db(connection).order_by("id").limit(_BATCH)
        # A query costs less than the lock.
        if not await waiting.exists():
            return 0
        count = 0
        async with self._engine.lock(LOCK, None):
            while rows := await waiting:
                await self._deliver(rows)
                count += len(rows)
        return count

    async def _deliver(self, rows: Iterable[OutboxMessage]) -> None:
        connection = await self._database.connection()
        by_user: dict[str, list[OutboxMessage]] = {}
        for row in rows:
            by_user.setdefault(row.user, []).append(row)
        outcomes = await asyncio.gather(*map(self._deliver_in_order, by_user.values()))
        if delivered := [row_id for each in outcomes for row_id in each.delivered]:
            await OutboxMessage.filter(id__in=delivered).using_db(connection).delete()
        for each in outcomes:
            if each.error is not None:
                raise each.error

    async def _deliver_in_order(self, rows: list[OutboxMessage]) -> _Outcome:
        """Push one user's messages one after another: each when the previous one is stored."""
        delivered: list[int] = []
        for row in rows:
            try:
                await self._engine.push(row.user, unpack_push(row.message), durable=True, key=row.key)
            except WireEncodeError as error:
                # [inbox] max_bytes was lowered after the row was written. The user's other messages need not wait.
                log.error("message %d of the outbox for %s cannot be delivered: %s", row.id, row.user, error)
                row.failure = str(error)
                await row.save(using_db=await self._database.connection(), update_fields=["failure"])
            except Exception as error:
                return _Outcome(delivered, error)
            else:
                delivered.append(row.id)
        return _Outcome(delivered, None)


def _passes(error: Exception) -> bool:
    """Whether trying again later can help."""
    return isinstance(error, StoreUnavailableError | LockLostError) or fault_of(error) is DatabaseFault.TRY_AGAIN
