"""How coroutines are stepped: what stays interpreted where the rest of this room is compiled.

Within the interpreter a generator gets the result of a coroutine that it awaits without an exception being raised for
it, and what is thrown in is handed on as Python does; compiled code does neither.
"""

from __future__ import annotations

import asyncio
import types
from collections.abc import Callable, Generator
from contextvars import Context
from typing import Any, Protocol, cast

Outcome = tuple[Any, BaseException | None]
"""What a coroutine ended with, result or exception. What it waits for is never a tuple: a future, or None."""


@types.coroutine
def drive() -> Generator[Any, Any, Any]:
    """Run coroutine after coroutine, each sent to it. Yields what they wait for, and an `Outcome` at the end of each.

    A coroutine that is awaited hands its result over; one that is stepped raises `StopIteration`, which costs more than
    all the rest of starting it. No outcome is kept here: it may hold a session, and the next one be long in coming.
    """
    failures: list[BaseException] = []
    coroutine = yield None
    while True:
        try:
            coroutine = yield ((yield from coroutine), None)
        except GeneratorExit:
            raise  # it is being closed, or a coroutine wants to seem so: both end it
        except BaseException as error:
            failures.append(error)
        if failures:
            coroutine = yield (None, failures.pop())


class Suspended:
    """A coroutine after its first step, within the `drive` that runs it; awaitable by whoever carries it on."""

    __slots__ = ("_context", "_drive", "_yielded", "cancelled")

    def __init__(self, drive: Generator[Any, Any, Any], yielded: Any, context: Context) -> None:
        self._drive = drive
        self._yielded = yielded
        self._context = context
        self.cancelled: BaseException | None = None

    def __await__(self) -> Generator[Any, Any, Outcome]:
        drive, yielded = self._drive, self._yielded
        # As a task does: what is waited for is cancelled, and the coroutine itself only if that cannot be.
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
        """The coroutine has come to its end."""


async def live(carrier: Parked) -> None:
    """What the task of a carrier does: sleep until there is a coroutine, and carry that on to its end."""
    try:
        await carrier.wake
    except asyncio.CancelledError as error:
        if carrier.suspended is None:
            raise
        carrier.suspended.cancelled = error
    suspended, carrier.suspended = carrier.suspended, None
    assert suspended is not None, "a carrier is only woken for a coroutine"
    carrier.ended(*await suspended)
