"""A runner as the server has it, and handlers for it."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import uvloop

from msanic_core.dispatch.carrier import Carrier
from msanic_core.dispatch.runner import Runner

Work = Coroutine[Any, Any, Any]
Outcome = tuple[Any, BaseException | None]

LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "asyncio": asyncio.new_event_loop,
    "uvloop": uvloop.new_event_loop,
}


class Bench:
    """A runner as the server has it: coroutines are started by callbacks of the loop, outside of any task."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.runner = Runner(self.loop)
        self.complaints: list[dict[str, Any]] = []
        self.loop.set_exception_handler(lambda _, complaint: self.complaints.append(complaint))

    def start(self, work: Work) -> "asyncio.Future[Outcome]":
        """Return the result. `at_once`: whether it was there after the first step."""
        ended: asyncio.Future[Outcome] = self.loop.create_future()
        self.loop.call_soon(self._start, work, ended)
        return ended

    def _start(self, work: Work, ended: "asyncio.Future[Outcome]") -> None:
        assert asyncio.current_task() is None
        try:
            result = self.runner.start(work)
        except BaseException as error:
            ended.set_result((None, error))
        else:
            if isinstance(result, Carrier):
                result.then(lambda value, failure: ended.set_result((value, failure)))
            else:
                ended.set_result((result, None))
        assert asyncio.current_task() is None

    async def result(self, work: Work) -> Any:
        value, failure = await self.start(work)
        if failure is not None:
            raise failure
        return value


Run = Callable[[Callable[[Bench], Awaitable[None]]], None]


async def finish_at_once() -> str:
    return "at once"


async def wait_and_return(value: Any = None) -> Any:
    await asyncio.sleep(0)
    return value


async def wait_and_raise() -> None:
    await asyncio.sleep(0)
    raise LookupError("on purpose")


async def forever() -> None:
    await asyncio.get_running_loop().create_future()
