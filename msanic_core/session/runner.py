"""Runs a handler's coroutine at once, and gives it a task only if it waits for something.

A task per message costs more than most handlers. Yet inside a handler `asyncio.timeout`, task groups and every library
that asks for the current task must work from the first line on. So a carrier, a real task that is parked, lends its
identity to the first step; if the coroutine finishes within it, the carrier never ran. If the coroutine waits, the
carrier takes it over, drives it to its end and ends with it. `asyncio._enter_task` and `_leave_task` are asyncio's
interface for those who step coroutines themselves (Python documentation, "Extending asyncio").
"""

import asyncio
import types
from collections.abc import Callable, Coroutine, Generator
from contextvars import Context, copy_context
from typing import Any, cast

Done = Callable[[Any, BaseException | None], None]

_Outcome = tuple[Any, BaseException | None]
"""What a coroutine ended with, result or exception. What it waits for is never a tuple: a future, or None."""

_ENDS_THE_PROCESS = (KeyboardInterrupt, SystemExit)


class Carrier:
    """A parked task that can take over a coroutine which has already begun, and ends with it.

    Its identity is then the handler's for good: whoever keeps the task of a handler holds that of no other one.
    """

    __slots__ = ("_done", "_runner", "_suspended", "_wake", "drive", "step", "task")

    def __init__(self, runner: "Runner", loop: asyncio.AbstractEventLoop) -> None:
        self._runner = runner
        self._suspended: _Suspended | None = None
        self._done: Done | None = None
        self._wake: asyncio.Future[None] = loop.create_future()
        self.drive = _drive()
        self.step = self.drive.send
        self.step(None)
        self.task = loop.create_task(self._live())
        self.task.add_done_callback(self._ended)

    def take_over(self, suspended: "_Suspended") -> None:
        """Drive this coroutine from the next turn of the loop on."""
        self._suspended = suspended
        if not self._wake.done():
            self._wake.set_result(None)

    def then(self, done: Done) -> None:
        """Call this with the coroutine's result or exception when it ends."""
        self._done = done

    async def _live(self) -> None:
        try:
            await self._wake
        except asyncio.CancelledError as error:
            if self._suspended is None:
                raise
            self._suspended.cancelled = error
        suspended, self._suspended = self._suspended, None
        assert suspended is not None, "a carrier is only woken for a coroutine"
        result, failure = await suspended
        if isinstance(failure, _ENDS_THE_PROCESS):
            raise failure
        self._runner.forget(self)
        if self._done is not None:
            self._done(result, failure)

    def _ended(self, _task: asyncio.Task[None]) -> None:
        """A handler that cancels its own task before this carrier's first turn takes the carrier down with it."""
        self._runner.forget(self)
        if self._suspended is not None:
            self._suspended.cancelled = asyncio.CancelledError()
            self._runner.carry_on(self._suspended, self._done)


@types.coroutine
def _drive() -> Generator[Any, Any, Any]:
    """Run coroutine after coroutine, each sent to it. Yields what they wait for, and an `_Outcome` at the end of each.

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


class _Suspended:
    """A coroutine after its first step, within the `_drive` that runs it; awaitable by whoever carries it on."""

    __slots__ = ("_context", "_drive", "_yielded", "cancelled")

    def __init__(self, drive: Generator[Any, Any, Any], yielded: Any, context: Context) -> None:
        self._drive = drive
        self._yielded = yielded
        self._context = context
        self.cancelled: BaseException | None = None

    def __await__(self) -> Generator[Any, Any, "_Outcome"]:
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
        return cast(_Outcome, yielded)

    def _step(self, resume: Callable[[Any], Any], value: Any) -> Any:
        try:
            return self._context.run(resume, value)
        except GeneratorExit as error:
            return None, error


class Runner:
    """Starts coroutines from callbacks of the event loop (never from within a task)."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._spare: Carrier | None = None
        self._working: set[Carrier] = set()
        self._base = copy_context()
        self._idle: asyncio.Future[None] | None = None

    def start(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Run to the first wait. Returns the result (or raises) if it came that far, else the `Carrier` that goes on.

        Each coroutine has a copy of the server's context variables for itself.
        """
        carrier = self._spare
        if carrier is None:
            carrier = Carrier(self, self._loop)
        else:
            self._spare = None
        task = carrier.task
        context = self._base.copy()
        asyncio._enter_task(self._loop, task)
        try:
            yielded = context.run(carrier.step, coroutine)
        except GeneratorExit:
            task.cancel()
            raise
        finally:
            asyncio._leave_task(self._loop, task)
        if yielded.__class__ is not tuple:
            self._working.add(carrier)
            carrier.take_over(_Suspended(carrier.drive, yielded, context))
            return carrier
        # It ended in its first step: the carrier never ran and serves the next, unless it was cancelled.
        if not task.cancelling():
            self._spare = carrier
        result, failure = yielded
        if failure is not None:
            try:
                raise failure
            finally:
                del failure, yielded  # its traceback has this frame, which must not have it
        return result

    def carry_on(self, suspended: _Suspended, done: Done | None) -> None:
        """Have a new carrier drive a coroutine whose own has ended; `done` as for `Carrier.then`."""
        carrier = Carrier(self, self._loop)
        self._working.add(carrier)
        if done is not None:
            carrier.then(done)
        carrier.take_over(suspended)

    def forget(self, carrier: Carrier) -> None:
        """A carrier has ended, or its coroutine has."""
        self._working.discard(carrier)
        if carrier is self._spare:
            self._spare = None
        if self._idle is not None and not self._working and not self._idle.done():
            self._idle.set_result(None)

    async def stop(self, deadline: float, grace: float = 1.0) -> int:
        """Wait for running coroutines until the loop's clock shows `deadline`, then cancel them; returns how many.

        `grace`: seconds that those which are cancelled may take to end.
        """
        if self._working:
            self._idle = self._loop.create_future()
            await asyncio.wait({self._idle}, timeout=max(0.0, deadline - self._loop.time()))
        late = [carrier.task for carrier in self._working]
        parked = [] if self._spare is None else [self._spare.task]
        for task in [*late, *parked]:
            task.cancel()
        if late or parked:
            await asyncio.wait([*late, *parked], timeout=grace)
        return len(late)
