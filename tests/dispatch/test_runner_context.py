"""Each handler has its own context variables, also after an exception is thrown into it."""

import asyncio
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from tests.support.runner import Bench, Run, forever


def test_what_is_thrown_into_a_handler_meets_it_in_its_own_context(run: Run) -> None:
    variable: ContextVar[str] = ContextVar("variable", default="nobody's")

    async def test(bench: Bench) -> None:
        async def handler(begin: Callable[[], Any]) -> str:
            token = variable.set("the handler's")
            try:
                await begin()
            except (LookupError, asyncio.CancelledError):
                seen = variable.get()
                variable.reset(token)
                return seen
            return "nothing was thrown"

        async def fail() -> None:
            raise LookupError

        def cancel_this() -> Any:
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
            return forever()

        def cancel_this_and_sleep() -> Any:
            # sleep(0) yields None, which cannot be cancelled: the exception is thrown into the handler.
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
            return asyncio.sleep(0)

        for begin in (lambda: asyncio.ensure_future(fail()), cancel_this, cancel_this_and_sleep):
            assert await bench.result(handler(begin)) == "the handler's"
            assert variable.get() == "nobody's"

    run(test)


def test_what_a_handler_starts_has_a_copy_of_its_context(run: Run) -> None:
    variable: ContextVar[int] = ContextVar("variable", default=0)

    async def test(bench: Bench) -> None:
        async def child() -> int:
            seen = variable.get()
            variable.set(-1)
            return seen

        async def handler(number: int) -> list[int]:
            variable.set(number)
            tasks = [asyncio.ensure_future(child())]
            await asyncio.sleep(0)
            tasks.append(asyncio.ensure_future(child()))
            return [*(await asyncio.gather(*tasks)), variable.get()]

        ended = [bench.start(handler(number)) for number in range(1, 4)]
        assert [(await each)[0] for each in ended] == [[number] * 3 for number in range(1, 4)]

    run(test)
