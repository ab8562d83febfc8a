"""Sends every call to Redis. Calls that are made while a batch is under way are the next batch.

One batch is under way at a time, so calls take effect in the order in which they were made. When Redis is away, the
pipeline sends calls again until their deadline. So a call must do no harm when it runs twice, or have `repeat=False`.
"""

import asyncio
import logging
import random
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from redis import exceptions as errors

from msanic_core.engine.redis.failures import AWAY, says_away, says_full, words
from msanic_core.engine.redis.redis_call import Argument, RedisCall
from msanic_core.engine.redis.scripts import Script
from msanic_core.engine.redis.topology import Store
from msanic_core.errors import StoreUnavailableError

log = logging.getLogger("msanic_core.redis")

_BATCH = 500
_FIRST_PAUSE = 0.05
_LONGEST_PAUSE = 1.0


class Pipeline:
    """Sends calls. `timeout`: seconds for a batch. `patience`: seconds that calls wait once Redis is away.

    `on_return` is called when Redis answers again after it was away.
    """

    def __init__(self, store: Store, timeout: float, patience: float, on_return: Callable[[], None]) -> None:
        self._store = store
        self._timeout = timeout
        self._patience = patience
        self._on_return = on_return
        self._loop = asyncio.get_running_loop()
        self._calls: deque[RedisCall] = deque()
        self._batch: list[RedisCall] = []
        self._wake = asyncio.Event()
        self._away_since: float | None = None
        self._reason = ""
        self._failures = 0
        self._known: set[Script] = set()
        """Scripts that were sent since Redis was away."""
        self._closed = False
        self._task = self._loop.create_task(self._run())

    @property
    def away(self) -> str:
        """Why Redis cannot be used; empty when it can."""
        return self._reason if self._away_since is not None else ""

    async def run(
        self, script: Script, keys: Sequence[str], *arguments: Argument, repeat: bool = True, wait: bool = False
    ) -> Any:
        """Run a script. Raises `StoreUnavailableError` when Redis is away for too long, or refuses.

        `repeat`: the script may run twice. `wait`: the call waits for Redis for as long as it takes.
        """
        return await self._enqueue(script, keys, arguments, repeat, wait)

    async def command(self, *arguments: Argument, repeat: bool = True, wait: bool = False) -> Any:
        """Run a plain command; see `run`."""
        return await self._enqueue(None, (), arguments, repeat, wait)

    def post(self, script: Script, keys: Sequence[str], *arguments: Argument) -> RedisCall:
        """Run a script without waiting for its answer. The call may get lost while Redis is away."""
        call = self._make_unwatched(script, keys, *arguments)
        if self._closed:
            call.fail(StoreUnavailableError("the server stops"))
        else:
            self._append(call)
        return call

    async def close(self) -> None:
        """Send what is queued, for at most `timeout`, then end."""
        if (self._calls or self._batch) and self._away_since is None:
            last = self._make_unwatched(None, (), "PING")
            self._append(last)
            await asyncio.wait({last.answer}, timeout=self._timeout)
        # `_closed` too, because redis-py may swallow a cancellation while it releases a connection.
        self._closed = True
        self._wake.set()
        self._task.cancel()
        await asyncio.wait({self._task})
        for call in (*self._batch, *self._calls):
            call.fail(StoreUnavailableError("the server stops"))
        self._calls.clear()

    def _make_unwatched(self, script: Script | None, keys: Sequence[str], *arguments: Argument) -> RedisCall:
        answer: asyncio.Future[Any] = self._loop.create_future()
        # Nobody else retrieves its exception.
        answer.add_done_callback(lambda done: done.exception())
        return RedisCall(script, keys, arguments, self._deadline(), answer, True)

    async def _enqueue(
        self, script: Script | None, keys: Sequence[str], arguments: Sequence[Argument], repeat: bool, wait: bool
    ) -> Any:
        if self._closed:
            raise StoreUnavailableError("the server stops")
        deadline = self._deadline()
        if self._away_since is not None and not wait and (deadline <= self._loop.time() or not repeat):
            raise self._unavailable()
        answer: asyncio.Future[Any] = self._loop.create_future()
        self._append(RedisCall(script, keys, arguments, None if wait else deadline, answer, repeat))
        return await answer

    def _append(self, call: RedisCall) -> None:
        self._calls.append(call)
        self._wake.set()

    def _deadline(self) -> float:
        return (self._loop.time() if self._away_since is None else self._away_since) + self._patience

    async def _run(self) -> None:
        while not self._closed:
            if self._away_since is None:
                await self._wake.wait()
            self._batch = self._take()
            if not self._batch and self._away_since is not None:
                # While Redis is away new calls may fail at once, so a call of our own has to notice that it is back.
                self._batch = [self._make_unwatched(None, (), "PING")]
            if not self._batch:
                self._wake.clear()
                continue
            again, error = await self._attempt(self._batch)
            self._batch = []
            for call in reversed(again):
                call.sent = False
                self._calls.appendleft(call)
            if error is None:
                self._note_return()
            else:
                await self._store.renew()
                self._note_away(error)
                self._expire()
                # At most the timeout, so that a call fails at most that long after its deadline.
                pause = min(_LONGEST_PAUSE, self._timeout, _FIRST_PAUSE * 2.0 ** min(self._failures, 10))
                await asyncio.sleep(pause * random.uniform(0.5, 1.0))
                self._expire()

    def _take(self) -> list[RedisCall]:
        batch: list[RedisCall] = []
        while self._calls and len(batch) < _BATCH:
            call = self._calls.popleft()
            # Its caller may have been cancelled meanwhile.
            if not call.answer.done():
                call.sent = True
                batch.append(call)
        return batch

    async def _attempt(self, batch: list[RedisCall]) -> tuple[list[RedisCall], Exception | None]:
        """Send a batch; returns the calls that have to be sent again, and why Redis could not be used."""
        pipeline = self._store.pipeline()
        for call in batch:
            if call.script is not None and call.script not in self._known:
                # An unknown script would be refused, and then run after the calls behind it.
                call.whole = True
                self._known.add(call.script)
            pipeline.execute_command(*call.command())
        try:
            async with asyncio.timeout(self._timeout):
                answers = await pipeline.execute(raise_on_error=False)
        except (*AWAY, errors.RedisError) as error:
            # An error of the whole pipeline is never about one call.
            answers = [error] * len(batch)
        except Exception as error:
            log.exception("calls to Redis cannot be sent")
            answers = [error] * len(batch)
        return self._settle(batch, answers)

    def _settle(self, batch: list[RedisCall], answers: Sequence[Any]) -> tuple[list[RedisCall], Exception | None]:
        again: list[RedisCall] = []
        away: Exception | None = None
        for call, answer in zip(batch, answers, strict=True):
            if isinstance(answer, errors.NoScriptError):
                call.whole = True
                again.append(call)
            elif says_away(answer):
                away = answer
                if call.repeat:
                    again.append(call)
                else:
                    call.fail(StoreUnavailableError(f"Redis gave no answer ({words(answer)}); try again"))
            elif says_full(answer) and call.deadline is None:
                away = answer
                again.append(call)
            elif isinstance(answer, Exception):
                log.error("Redis refuses %s: %s", call.name, answer)
                call.fail(StoreUnavailableError(f"Redis refuses this: {answer}"))
            else:
                call.succeed(answer)
        return again, away

    def _note_away(self, error: Exception) -> None:
        self._known.clear()
        self._failures += 1
        self._reason = words(error)
        if self._away_since is None:
            self._away_since = self._loop.time()
            log.warning("Redis at %s is away: %s", self._store.shown, self._reason)

    def _note_return(self) -> None:
        self._failures = 0
        if self._away_since is not None:
            log.warning("Redis is back after %.1f s", self._loop.time() - self._away_since)
            self._away_since = None
            self._on_return()

    def _expire(self) -> None:
        now = self._loop.time()
        limit = self._deadline()
        kept: deque[RedisCall] = deque()
        for call in self._calls:
            if call.deadline is not None and min(call.deadline, limit) <= now:
                call.fail(self._unavailable())
            else:
                kept.append(call)
        self._calls = kept

    def _unavailable(self) -> StoreUnavailableError:
        return StoreUnavailableError(f"Redis is away ({self._reason}), try again")
