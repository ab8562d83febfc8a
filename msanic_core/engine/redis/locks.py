"""Locks over all nodes: a key in Redis that expires, and that a watchdog renews while the holder runs.

Nodes stand in line in Redis, and tasks in their node: only the first task of a node asks Redis. A release publishes to
the node that is next, so its task wakes at once. A waiting task also asks again every second: the message may get lost,
and the node that is next may be dead.
"""

import asyncio
import logging
import random
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from types import TracebackType

from msanic_core.engine.base import Lock
from msanic_core.engine.local_locks import LocalLocks, not_free
from msanic_core.engine.redis import scripts
from msanic_core.engine.redis.names import Names
from msanic_core.engine.redis.pipeline import Pipeline
from msanic_core.errors import LockLostError, StoreUnavailableError

log = logging.getLogger("msanic_core.redis")

_RENEWALS_PER_LEASE = 5
_SHORTEST_PAUSE = 0.5
_LONGEST_PAUSE = 1.0


class Locks:
    """The locks of one node. `lease`: seconds after which the lock of a dead process ends."""

    def __init__(self, names: Names, pipeline: Pipeline, node: str, lease: float) -> None:
        self._names = names
        self._pipeline = pipeline
        self._node = node
        self._lease = lease
        self._milliseconds = round(lease * 1000)
        self._loop = asyncio.get_running_loop()
        self._turns = LocalLocks()
        self._releases: dict[str, asyncio.Event] = {}
        """For each lock that a task here waits for: set when it was released."""

    @asynccontextmanager
    async def lock(self, name: str, wait: float | None) -> AsyncIterator[Lock]:
        """See `Engine.lock`."""
        token = uuid.uuid4().hex
        only_now = wait is not None and wait <= 0
        try:
            async with asyncio.timeout(None if only_now else wait):
                fence, until = await self._wait_for(name, token, only_now)
        except TimeoutError:
            raise not_free(name, wait) from None
        try:
            async with Watchdog(name, lambda: self._renew(name, token), self._lease, until):
                yield Lock(name, fence)
        finally:
            self._release(name, token)

    def released(self, name: str) -> None:
        """A lock was released, and it is this node's turn."""
        if event := self._releases.get(name):
            event.set()
        else:
            self._pass_on(name)

    async def _wait_for(self, name: str, token: str, only_now: bool) -> tuple[int, float]:
        """The fence, and when the lock ends by the loop's clock."""
        turn = self._turns.of(name)
        # With `only_now`: only if no other task here has the turn.
        async with asyncio.timeout(0 if only_now else None):
            await turn.acquire()
        released = self._releases[name] = asyncio.Event()
        try:
            return await self._ask(name, token, only_now, released)
        except BaseException:
            if released.is_set():
                self._pass_on(name)
            raise
        finally:
            del self._releases[name]
            turn.release()

    async def _ask(self, name: str, token: str, only_now: bool, released: asyncio.Event) -> tuple[int, float]:
        while True:
            released.clear()
            until = self._loop.time() + self._lease
            fence, left = await self._take(name, token, waits=not only_now)
            if fence and self._loop.time() < until:
                return fence, until
            if fence:
                # The answer came so late that the lock may have ended: ask again.
                continue
            if only_now:
                raise TimeoutError
            with suppress(TimeoutError):
                async with asyncio.timeout(min(left, random.uniform(_SHORTEST_PAUSE, _LONGEST_PAUSE))):
                    await released.wait()

    async def _take(self, name: str, token: str, *, waits: bool) -> tuple[int, float]:
        """The fence and 0; or 0, and the seconds after which the lock ends if its holder does not renew it."""
        keys = [self._names.lock(name), self._names.fence(name), self._names.waiting(name)]
        try:
            fence, *left = await self._pipeline.run(
                scripts.LOCK, keys, token, self._milliseconds, self._node, int(waits)
            )
        except BaseException:
            # Redis may have given the lock all the same.
            self._release(name, token)
            raise
        return int(fence), (left[0] + 1) / 1000 if left else 0.0

    async def _renew(self, name: str, token: str) -> bool:
        return bool(await self._pipeline.run(scripts.RENEW, [self._names.lock(name)], token, self._milliseconds))

    def _release(self, name: str, token: str) -> None:
        """Does not wait for Redis: so no cancellation interrupts it, and a Redis that is away delays nobody."""
        keys = [self._names.lock(name), self._names.waiting(name)]
        call = self._pipeline.post(scripts.UNLOCK, keys, token, self._names.node_channel, name)
        call.answer.add_done_callback(lambda answer: self._note(name, answer))

    def _pass_on(self, name: str) -> None:
        """It is this node's turn, but its task has given up: the next node gets the turn."""
        self._release(name, f"for {self._node}")

    def _note(self, name: str, answer: "asyncio.Future[int]") -> None:
        if error := answer.exception():
            log.warning("lock %r could not be released, it ends within %g s: %s", name, self._lease, error)


class Watchdog:
    """Renews a lock while a block runs. Cancels the task in the block when the lock is lost, as `asyncio.timeout` does.

    `until`: when the lock ends unless it is renewed, by the loop's clock. `renew` returns whether it is still held.
    """

    def __init__(self, name: str, renew: Callable[[], Awaitable[bool]], lease: float, until: float) -> None:
        self._name = name
        self._renew = renew
        self._lease = lease
        self._until = until
        self._loop = asyncio.get_running_loop()
        self._lost = ""
        self._holder: asyncio.Task[object]
        self._cancelling: int
        self._task: asyncio.Task[None]

    async def __aenter__(self) -> None:
        holder = asyncio.current_task()
        assert holder is not None, "coroutines run in tasks"
        self._holder = holder
        self._cancelling = holder.cancelling()
        self._task = self._loop.create_task(self._run())

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._task.cancel()
        cancelled_here = False
        if self._lost:
            # If the task was cancelled from elsewhere too, the cancellation goes on.
            cancelled_here = self._holder.uncancel() <= self._cancelling and isinstance(error, asyncio.CancelledError)
        elif self._loop.time() >= self._until:
            # The process was frozen or busy, and the watchdog could not run.
            self._note_lost(self._unconfirmed())
        if self._lost and (error is None or cancelled_here):
            raise LockLostError(f"lock {self._name!r} was lost: {self._lost}; another may have it now") from error

    async def _run(self) -> None:
        interval = self._lease / _RENEWALS_PER_LEASE
        while (left := self._until - self._loop.time()) > 0:
            await asyncio.sleep(min(interval, left))
            until = self._loop.time() + self._lease
            try:
                async with asyncio.timeout_at(self._until):
                    kept = await self._renew()
            except (TimeoutError, StoreUnavailableError) as error:
                log.debug("lock %r was not renewed: %r", self._name, error)
                continue
            if not kept:
                self._lose("Redis no longer has it")
                return
            self._until = until
        self._lose(self._unconfirmed())

    def _lose(self, why: str) -> None:
        self._note_lost(why)
        self._holder.cancel()

    def _note_lost(self, why: str) -> None:
        self._lost = why
        log.warning("lock %r is lost: %s", self._name, why)

    def _unconfirmed(self) -> str:
        return f"Redis has not confirmed it for {self._lease:g} s"
