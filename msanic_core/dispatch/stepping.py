"""Steps coroutines. This file must stay interpreted; most of the room is compiled by mypyc.

In interpreted code `yield from coroutine` returns the result without raising `StopIteration`, and an exception thrown
into the generator reaches the coroutine. Code compiled by mypyc does neither.
"""

from __future__ import annotations

import asyncio
import types
from collections.abc import Callable, Generator
from contextvars import Context
from typing import Any, Protocol, cast

Outcome = tuple[Any, BaseException | None]
"""Result or exception of a coroutine. A coroutine that waits yields a future or None, never a tuple."""


@types.coroutine
def drive() -> Generator[Any, Any, Any]:
    """Run the coroutines that are sent in, one after the other.

    Yields what the coroutine waits for, and an `Outcome` when it has ended. We use `yield from`, because stepping with
    `send` ends in `StopIteration`, which costs more than starting the coroutine. Do not keep the outcome in a local
    variable: it may keep a session alive until the next coroutine arrives.
    """
    failures: list[BaseException] = []
    coroutine = yield None
    while True:
        try:
            coroutine = yield ((yield from coroutine), None)
        except GeneratorExit:
            raise  # this generator is being closed, or a coroutine raised GeneratorExit itself: both end it
        except BaseException as error:
            failures.append(error)
        if failures:
            coroutine = yield (None, failures.pop())


class Suspended:
    """A coroutine after its first step, inside the `drive` that runs it. `await` runs it to its end."""

    __slots__ = ("_context", "_drive", "_yielded", "cancelled")

    def __init__(self, drive: Generator[Any, Any, Any], yielded: Any, context: Context) -> None:
        self._drive = drive
        self._yielded = yielded
        self._context = context
        self.cancelled: BaseException | None = None

    def __await__(self) -> Generator[Any, Any, Outcome]:
        drive, yielded = self._drive, self._yielded
        # As a task does: cancel the awaited future; throw into the coroutine only if the future cannot be cancelled.
        if self.cancelled is not None and (yielded is None or not yielded.cancel()):
            yielded = self._step(drive.throw, self.cancelled)
        while yielded.__class__ is not tuple:
            try:
                value = yield yielded
            except GeneratorExit:
                self._context.run(drive.close)
                raise
            except BaseException as error:
                yielded = self._step(drive.throw, error)
            else:
                yielded = self._step(drive.send, value)
        return cast(Outcome, yielded)

    def _step(self, resume: Callable[[Any], Any], value: Any) -> Any:
        try:
            return self._context.run(resume, value)
        except GeneratorExit as error:
            return None, error


class Parked(Protocol):
    """A task that waits for a coroutine to take over: a `Carrier`."""

    wake: asyncio.Future[None]
    suspended: Suspended | None

    def ended(self, result: Any, failure: BaseException | None) -> None:
        """Called when the coroutine has ended."""


async def run_parked(carrier: Parked) -> None:
    """Body of a carrier's task: wait for a coroutine, then run it to its end."""
    try:
        await carrier.wake
    except asyncio.CancelledError as error:
        if carrier.suspended is None:
            raise
        carrier.suspended.cancelled = error
    suspended, carrier.suspended = carrier.suspended, None
    assert suspended is not None, "a carrier is only woken for a coroutine"
    carrier.ended(*await suspended)
