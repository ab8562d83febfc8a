"""Handlers run at once and get their own task only if they wait; a handler must not notice a difference."""

import asyncio
import gc
import weakref
from collections.abc import Generator
from contextvars import ContextVar
from typing import Any

import pytest

from msanic_core.dispatch.runner import Runner
from tests.support.runner import Bench, Run, wait_and_raise, wait_and_return


def test_a_coroutine_that_does_not_wait_is_done_when_start_returns(run: Run) -> None:
    async def test(bench: Bench) -> None:
        async def inner() -> int:
            return 6

        async def handler() -> int:
            return await inner() * 7

        results: list[Any] = []
        done = asyncio.Event()

        def callback() -> None:
            tasks = asyncio.all_tasks()
            results.extend(bench.runner.start(handler()) for _ in range(1000))
            assert len(asyncio.all_tasks() - tasks) == 1, "one carrier lends its identity to all of them"
            done.set()

        bench.loop.call_soon(callback)
        await done.wait()
        assert results == [42] * 1000

    run(test)


def test_the_first_step_runs_before_start_returns(run: Run) -> None:
    async def test(bench: Bench) -> None:
        steps: list[str] = []
        gate = asyncio.Event()
        begun = asyncio.Event()

        async def handler() -> None:
            steps.append("first")
            begun.set()
            await gate.wait()
            steps.append("second")

        ended = bench.start(handler())
        await begun.wait()
        assert steps == ["first"]
        assert not ended.done()
        gate.set()
        await ended
        assert steps == ["first", "second"]

    run(test)


def test_the_current_task_is_the_same_all_along(run: Run) -> None:
    async def test(bench: Bench) -> None:
        async def handler() -> list[Any]:
            seen = [asyncio.current_task()]
            await asyncio.sleep(0)
            seen.append(asyncio.current_task())
            await asyncio.sleep(0.001)
            seen.append(asyncio.current_task())
            return seen

        for _ in range(3):
            seen = await bench.result(handler())
            assert len(set(seen)) == 1
            assert isinstance(seen[0], asyncio.Task)
            assert seen[0] is not asyncio.current_task()

    run(test)


def test_context_variables_do_not_leak(run: Run) -> None:
    async def test(bench: Bench) -> None:
        variable: ContextVar[str] = ContextVar("variable", default="clean")

        async def handler(value: str, waits: bool) -> tuple[str, ...]:
            before = variable.get()
            token = variable.set(value)
            if waits:
                await asyncio.sleep(0)
                await asyncio.sleep(0.001)
            in_thread = await asyncio.to_thread(variable.get) if waits else value
            seen = variable.get()
            if value == "reset":
                # Only possible in the context the token is of.
                variable.reset(token)
            return before, seen, in_thread

        for waits in (False, True, False, True):
            ended = [bench.start(handler(value, waits)) for value in ("a", "reset", "b")]
            assert [(await each)[0] for each in ended] == [("clean", "a", "a"), ("clean", "reset", "reset"),
                                                           ("clean", "b", "b")]  # fmt: skip
        assert variable.get() == "clean"

    run(test)


def test_context_variables_of_the_server_are_seen(run: Run) -> None:
    variable: ContextVar[str] = ContextVar("variable")

    async def test(bench: Bench) -> None:
        variable.set("server")
        bench.runner = Runner(bench.loop)

        async def handler() -> tuple[str, str]:
            first = variable.get()
            await asyncio.sleep(0)
            return first, variable.get()

        assert await bench.result(handler()) == ("server", "server")

    run(test)


@pytest.mark.parametrize("error", [LookupError, asyncio.CancelledError, GeneratorExit])
def test_an_exception_in_the_first_step_comes_out_of_start(run: Run, error: type[BaseException]) -> None:
    async def test(bench: Bench) -> None:
        async def handler() -> None:
            raise error

        for _ in range(3):
            with pytest.raises(error):
                await bench.result(handler())
            assert await bench.result(wait_and_return(1)) == 1

    run(test)


def test_an_exception_later_comes_with_the_end(run: Run) -> None:
    async def test(bench: Bench) -> None:
        for _ in range(3):
            with pytest.raises(LookupError, match="on purpose"):
                await bench.result(wait_and_raise())
            assert await bench.result(wait_and_return(1)) == 1

    run(test)


def test_an_exception_of_what_is_awaited_is_thrown_into_the_handler(run: Run) -> None:
    async def test(bench: Bench) -> None:
        async def handler() -> str:
            try:
                await asyncio.ensure_future(wait_and_raise())
            except LookupError:
                await asyncio.sleep(0)
                return "caught"
            return "missed"

        assert await bench.result(handler()) == "caught"

    run(test)


def test_a_handler_that_waits_has_a_task_of_its_own_that_ends_with_it(run: Run) -> None:
    async def test(bench: Bench) -> None:
        used: set[Any] = set()
        told: list[Any] = []

        async def handler(gate: asyncio.Event) -> None:
            task = asyncio.current_task()
            assert task is not None
            used.add(task)
            task.add_done_callback(told.append)
            await gate.wait()

        for number in range(1, 21):
            gate = asyncio.Event()
            ended = [bench.start(handler(gate)) for _ in range(10)]
            while len(used) < 10 * number:
                await asyncio.sleep(0)
            gate.set()
            await asyncio.gather(*ended)
        await asyncio.sleep(0)
        assert set(told) == used
        assert all(task.done() for task in used)
        assert len(asyncio.all_tasks()) == 1

    run(test)


def test_handlers_that_do_not_wait_need_one_carrier_between_them(run: Run) -> None:
    async def test(bench: Bench) -> None:
        used: set[Any] = set()

        async def handler() -> None:
            used.add(asyncio.current_task())

        for _ in range(100):
            await bench.start(handler())
        assert len(used) == 1

    run(test)


def test_a_parked_carrier_keeps_nothing_alive(run: Run) -> None:
    class Large:
        pass

    async def test(bench: Bench) -> None:
        kept: list[weakref.ref[Any]] = []

        async def handler(fails: bool) -> Large:
            large = Large()
            kept.append(weakref.ref(large))
            await asyncio.sleep(0)
            if fails:
                raise LookupError(large)
            return large

        for fails in (False, True):
            await bench.start(handler(fails))
            await asyncio.sleep(0)
            gc.collect()
            assert kept.pop()() is None

    run(test)


def test_a_callback_that_raises_harms_no_other_handler(run: Run) -> None:
    async def test(bench: Bench) -> None:
        def fail(value: Any, failure: BaseException | None) -> None:
            raise ZeroDivisionError

        bench.loop.call_soon(lambda: bench.runner.start(wait_and_return()).then(fail))
        while not bench.complaints:
            await asyncio.sleep(0.001)
            gc.collect()
        assert isinstance(bench.complaints.pop()["exception"], ZeroDivisionError)
        assert await bench.result(wait_and_return(1)) == 1

    run(test)


class Awaited:
    """An awaitable of a library that a handler awaits."""

    def __await__(self) -> Generator[Any, Any, str]:
        yield from asyncio.sleep(0).__await__()
        return "done"


def test_other_awaitables(run: Run) -> None:
    async def test(bench: Bench) -> None:
        async def handler() -> str:
            return await Awaited()

        assert await bench.result(handler()) == "done"

    run(test)
