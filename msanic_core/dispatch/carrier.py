"""The task that a handler's coroutine has once it waits."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Final

from msanic_core.dispatch.stepping import Suspended, drive, live

Done = Callable[[Any, BaseException | None], None]

_ENDS_THE_PROCESS: Final = (KeyboardInterrupt, SystemExit)


class CarrierOwner(ABC):
    """Who makes carriers: the runner."""

    @abstractmethod
    def forget(self, carrier: Carrier) -> None:
        """A carrier has ended, or its coroutine has."""

    @abstractmethod
    def carry_on(self, suspended: Suspended, done: Done | None) -> None:
        """Have a new carrier drive a coroutine whose own has ended; `done` as for `Carrier.then`."""


class Carrier:
    """A parked task that can take over a coroutine which has already begun, and ends with it.

    Its identity is then the handler's for good: whoever keeps the task of a handler holds that of no other one.
    """

    __slots__ = ("_done", "_owner", "drive", "step", "suspended", "task", "wake")

    def __init__(self, owner: CarrierOwner, loop: asyncio.AbstractEventLoop) -> None:
        self._owner = owner
        self._done: Done | None = None
        self.suspended: Suspended | None = None
        """The coroutine that was taken over, until the task goes on with it."""
        self.wake: asyncio.Future[None] = loop.create_future()
        self.drive = drive()
        self.step = self.drive.send
        self.step(None)
        self.task = loop.create_task(live(self))
        self.task.add_done_callback(self._task_ended)

    def take_over(self, suspended: Suspended) -> None:
        """Drive this coroutine from the next turn of the loop on."""
        self.suspended = suspended
        if not self.wake.done():
            self.wake.set_result(None)

    def then(self, done: Done) -> None:
        """Call this with the coroutine's result or exception when it ends."""
        self._done = done

    def ended(self, result: Any, failure: BaseException | None) -> None:
        """The coroutine has come to its end."""
        if isinstance(failure, _ENDS_THE_PROCESS):
            raise failure
        self._owner.forget(self)
        if self._done is not None:
            self._done(result, failure)

    def _task_ended(self, _task: asyncio.Task[None]) -> None:
        """A handler that cancels its own task before this carrier's first turn takes the carrier down with it."""
        self._owner.forget(self)
        if self.suspended is not None:
            self.suspended.cancelled = asyncio.CancelledError()
            self._owner.carry_on(self.suspended, self._done)
