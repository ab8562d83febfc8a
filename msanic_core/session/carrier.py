"""The task a handler's coroutine has once it waits, and what steps the coroutine before and after that."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from contextvars import Context
from typing import TYPE_CHECKING, Any, Final, cast

from msanic_core.session.drive import Outcome, drive

if TYPE_CHECKING:
    from msanic_core.session.runner import Runner

Done = Callable[[Any, BaseException | None], None]

_ENDS_THE_PROCESS: Final = (KeyboardInterrupt, SystemExit)


class Carrier:
    """A parked task that can take over a coroutine which has already begun, and ends with it.

    Its identity is then the handler's for good: whoever keeps the task of a handler holds that of no other one.
    """

    __slots__ = ("_done", "_runner", "_suspended", "_wake", "drive", "step", "task")

    def __init__(self, runner: Runner, loop: asyncio.AbstractEventLoop) -> None:
        self._runner = runner
        self._suspended: Suspended | None = None
        self._done: Done | None = None
        self._wake: asyncio.Future[None] = loop.create_future()
        self.drive = drive()
        self.step = self.drive.send
        self.step(None)
        self.task = loop.create_task(self._live())
        self.task.add_done_callback(self._ended)

    def take_over(self, suspended: Suspended) -> None:
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


class Suspended:
    """A coroutine after its first step, within the `_drive` that runs it; awaitable by whoever carries it on."""

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
