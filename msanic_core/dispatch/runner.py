"""Runs a handler's coroutine at once, and gives it a task only if it waits for something.

A task per message costs more than most handlers. Yet inside a handler `asyncio.timeout`, task groups and every library
that asks for the current task must work from the first line on. So a carrier, a real task that is parked, lends its
identity to the first step; if the coroutine finishes within it, the carrier never ran. If the coroutine waits, the
carrier takes it over, drives it to its end and ends with it. `asyncio._enter_task` and `_leave_task` are asyncio's
interface for those who step coroutines themselves (Python documentation, "Extending asyncio").
"""

import asyncio
from collections.abc import Coroutine
from contextvars import copy_context
from typing import Any, Final

from msanic_core.dispatch.carrier import Carrier, CarrierOwner, Done
from msanic_core.dispatch.stepping import Suspended

_enter_task: Final = asyncio._enter_task
_leave_task: Final = asyncio._leave_task


class Runner(CarrierOwner):
    """Starts coroutines from callbacks of the event loop (never from within a task)."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._spare: Carrier | None = None
        self._working: set[Carrier] = set()
        self._copy_context = copy_context().copy
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
        context = self._copy_context()
        _enter_task(self._loop, task)
        try:
            yielded = context.run(carrier.step, coroutine)
        except GeneratorExit:
            task.cancel()
            raise
        finally:
            _leave_task(self._loop, task)
        if not isinstance(yielded, tuple):
            self._working.add(carrier)
            carrier.take_over(Suspended(carrier.drive, yielded, context))
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

    def carry_on(self, suspended: Suspended, done: Done | None) -> None:
        """See `CarrierOwner.carry_on`."""
        carrier = Carrier(self, self._loop)
        self._working.add(carrier)
        if done is not None:
            carrier.then(done)
        carrier.take_over(suspended)

    def forget(self, carrier: Carrier) -> None:
        """See `CarrierOwner.forget`."""
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
