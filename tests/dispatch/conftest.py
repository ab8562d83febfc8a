"""A runner on every kind of event loop."""

import asyncio
import gc
from collections.abc import Awaitable, Callable

import pytest

from tests.support.runner import LOOPS, Bench, Run


@pytest.fixture(params=LOOPS)
def run(request: pytest.FixtureRequest) -> Run:
    """`run(test)` runs `await test(bench)` in a new loop of each kind."""

    def run_(test: Callable[[Bench], Awaitable[None]]) -> None:
        async def main() -> None:
            bench = Bench()
            await test(bench)
            await bench.runner.stop(0.0)
            await asyncio.sleep(0)
            assert asyncio.all_tasks() == {asyncio.current_task()}, "every carrier has ended"
            assert not bench.complaints
            gc.collect()

        with asyncio.Runner(loop_factory=LOOPS[request.param]) as runner:
            runner.run(main())

    return run_
