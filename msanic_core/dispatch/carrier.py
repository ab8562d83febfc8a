"""The task of a handler's coroutine."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Final

from msanic_core.dispatch.stepping import Suspended, drive, run_parked

Done = Callable[[Any, BaseException | None], None]

_ENDS_THE_PROCESS: Final = (KeyboardInterrupt, SystemExit)


class CarrierOwner(ABC):
    """What a carrier calls on the runner, which makes carriers."""

    @abstractmethod
    def forget(self, carrier: Carrier) -> None:
        """Note that a carrier or its coroutine has ended."""

    @abstractmethod
    def replace_carrier(self, suspended: Suspended, done: Done | None) -> None:
        """Let a new carrier drive a coroutine whose carrier has ended. `done`: as for `Carrier.then`."""


class Carrier:
    """A parked task that can take over a coroutine after its first step; the task ends with the coroutine.

    From then on the task belongs to this one handler and is never reused, so a reference to `asyncio.current_task()`
    stays valid.
    """

    __slots__ = ("_done", "_owner", "drive", "step", "suspended", "task", "wake")

    def __init__(self, owner: CarrierOwner, loop: asyncio.AbstractEventLoop) -> None:
        self._owner = owner
        self._done: Done | None = None
        self.suspended: Suspended | None = None
        """The coroutine that was taken over, until the task resumes it; then None."""
        self.wake: asyncio.Future[None] = loop.create_future()
        self.drive = drive()
        self.step = self.drive.send
        self.step(None)
        self.task = loop.create_task(run_parked(self))
        self.task.add_done_callback(self._task_ended)

    def take_over(self, suspended: Suspended) -> None:
        """Drive this coroutine from the next turn of the event loop."""
        self.suspended = suspended
        if not self.wake.done():
            self.wake.set_result(None)

    def then(self, done: Done) -> None:
        """Call `done` with the coroutine's result or exception when it ends."""
        self._done = done

    def ended(self, result: Any, failure: BaseException | None) -> None:
        """Called when the coroutine has ended."""
        if isinstance(failure, _ENDS_THE_PROCESS):
            raise failure
        self._owner.forget(self)
        if self._done is not None:
            self._done(result, failure)

    def _task_ended(self, _task: asyncio.Task[None]) -> None:
        """Replace this carrier if the handler has cancelled its own task before the first turn of the task."""
        self._owner.forget(self)
        if self.suspended is not None:
            self.suspended.cancelled = asyncio.CancelledError()
            self._owner.replace_carrier(self.suspended, self._done)
