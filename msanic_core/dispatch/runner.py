"""Runs a handler's coroutine at once; the coroutine needs a task of its own only if it waits.

A task per message costs more than most handlers. But `asyncio.timeout`, task groups and every library that asks for the
current task must work in a handler from its first line. So the first step runs with a carrier, a real but parked task,
as the current task. If the coroutine ends in that step, the carrier has not run and serves the next one. If the
coroutine waits, the carrier takes it over, drives it to its end and ends too. `asyncio._enter_task` and `_leave_task`
are asyncio's interface for code that steps coroutines itself (Python documentation, "Extending asyncio"). See
`README.md`.
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
    """Starts coroutines. Call it from a callback of the event loop, never from inside a task."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._spare: Carrier | None = None
        self._working: set[Carrier] = set()
        self._copy_context = copy_context().copy
        self._idle: asyncio.Future[None] | None = None

    def start(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Run a coroutine up to its first wait.

        Returns the result, or raises, if the coroutine has ended. Otherwise returns the `Carrier` that drives it on.
        Each coroutine has its own copy of the server's context variables.
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
        # It ended in its first step: the carrier can serve the next coroutine, unless it was cancelled.
        if not task.cancelling():
            self._spare = carrier
        result, failure = yielded
        if failure is not None:
            try:
                raise failure
            finally:
                del failure, yielded  # the traceback refers to this frame: avoid a reference cycle
        return result

    def replace_carrier(self, suspended: Suspended, done: Done | None) -> None:
        """See `CarrierOwner.replace_carrier`."""
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
        """Wait for coroutines until the loop's clock shows `deadline`, then cancel the rest; returns how many.

        `grace`: seconds that cancelled coroutines get to end.
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
