"""Results and exceptions of handlers arrive unchanged, and nothing keeps references to them afterwards."""

import asyncio
import contextlib
import gc
import sys
import traceback
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from msanic_core.dispatch.carrier import Carrier
from msanic_core.dispatch.runner import Runner
from tests.support.runner import LOOPS, Bench, Run, finish_at_once, forever, wait_and_return

each_loop = pytest.mark.parametrize("new_loop", LOOPS.values(), ids=LOOPS)
waits = pytest.mark.parametrize("waits", [False, True], ids=["at once", "later"])


class Large:
    """An object whose deletion can be observed."""


@contextlib.contextmanager
def no_collector() -> Iterator[None]:
    """Inside this block objects are freed by reference counting only: no reference cycles."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@waits
def test_results_of_every_kind_come_out_as_they_are(run: Run, waits: bool) -> None:
    async def test(bench: Bench) -> None:
        async def handler(value: Any) -> Any:
            if waits:
                await asyncio.sleep(0)
            return value

        error = LookupError("a result, not a failure")
        future = bench.loop.create_future()
        for value in (None, (), (None, error), (error, None), error, LookupError, future, StopIteration(1), [forever]):
            result, failure = await bench.start(handler(value))
            assert result is value
            assert failure is None

    run(test)


@waits
def test_an_exception_keeps_its_traceback_and_gets_no_context(run: Run, waits: bool) -> None:
    async def test(bench: Bench) -> None:
        async def innermost(error: BaseException) -> None:
            raise error

        async def handler(error: BaseException) -> None:
            assert sys.exc_info() == (None, None, None)
            if waits:
                await asyncio.sleep(0)
            await innermost(error)

        for error in (LookupError(1), StopAsyncIteration(2), asyncio.CancelledError(3), GeneratorExit(4)):
            _, failure = await bench.start(handler(error))
            assert failure is error
            names = [frame.name for frame in traceback.extract_tb(error.__traceback__)]
            assert names[-2:] == ["handler", "innermost"]
            assert names.count("handler") == 1
            assert (error.__context__, error.__cause__) == (None, None)

    run(test)


class EmptyError(Exception):
    """An exception whose truth value is false."""

    def __len__(self) -> int:
        return 0


@waits
def test_an_exception_that_is_false_is_one(run: Run, waits: bool) -> None:
    async def test(bench: Bench) -> None:
        async def handler() -> None:
            if waits:
                await asyncio.sleep(0)
            raise EmptyError

        with pytest.raises(EmptyError):
            await bench.result(handler())

    run(test)


def test_a_handler_that_raises_stop_iteration(run: Run) -> None:
    """It becomes a RuntimeError, as in every coroutine, and is not taken for a result."""

    async def test(bench: Bench) -> None:
        async def handler() -> None:
            raise StopIteration("not a result")

        with pytest.raises(RuntimeError, match="coroutine raised StopIteration"):
            await bench.result(handler())
        assert await bench.result(finish_at_once()) == "at once"

    run(test)


# What is left


LATER_OR_RETURNED = [(False, False), (True, False), (True, True)]


@pytest.mark.parametrize(("waits", "fails"), LATER_OR_RETURNED, ids=["at once", "later", "exception later"])
def test_nothing_of_a_handler_stays(run: Run, waits: bool, fails: bool) -> None:
    async def test(bench: Bench) -> None:
        kept: list[weakref.ref[Any]] = []

        async def handler(argument: Large) -> Large:
            large = Large()
            kept.extend([weakref.ref(large), weakref.ref(argument)])
            if waits:
                await asyncio.sleep(0)
            if fails:
                raise LookupError(large)
            return large

        with no_collector():
            for _ in range(3):
                await bench.start(handler(Large()))
                await asyncio.sleep(0)
                assert [each() for each in kept] == [None] * len(kept)

    run(test)


def fail_at_once(bench: Bench) -> "asyncio.Future[weakref.ref[Any]]":
    """Start a handler that fails in its first step, and keep no reference to the exception; returns what it had."""
    kept: list[weakref.ref[Any]] = []
    over = bench.loop.create_future()

    async def handler() -> None:
        large = Large()
        kept.append(weakref.ref(large))
        raise LookupError(large)

    def start() -> None:
        with contextlib.suppress(LookupError):
            bench.runner.start(handler())

    def callback() -> None:
        start()
        over.set_result(kept.pop())

    bench.loop.call_soon(callback)
    return over


def test_nothing_of_an_exception_at_once_stays(run: Run) -> None:
    async def test(bench: Bench) -> None:
        with no_collector():
            for _ in range(3):
                assert (await fail_at_once(bench))() is None

    run(test)


def test_nothing_of_an_exception_at_once_stays_that_the_collector_does_not_find(run: Run) -> None:
    async def test(bench: Bench) -> None:
        for _ in range(3):
            large = await fail_at_once(bench)
            gc.collect()
            assert large() is None

    run(test)


# What ends the process


@each_loop
@waits
@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_what_ends_the_process_leaves_the_loop(
    new_loop: Callable[[], asyncio.AbstractEventLoop], error: type[BaseException], waits: bool
) -> None:
    loop = new_loop()
    try:
        runner = Runner(loop)
        told: list[Any] = []

        async def handler() -> None:
            if waits:
                await asyncio.sleep(0)
            raise error

        def start() -> None:
            result = runner.start(handler())
            assert isinstance(result, Carrier)
            result.then(lambda value, failure: told.append(failure))

        loop.call_soon(start)
        with pytest.raises(error):
            loop.run_until_complete(asyncio.wait_for(loop.create_future(), 5))
        assert told == [], "there is nothing to be answered any more"
        # The loop runs again, to stop cleanly.
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        assert loop.run_until_complete(runner.stop(0.0)) == 0
    finally:
        loop.close()
    gc.collect()


@each_loop
def test_a_handler_that_outlives_its_loop_is_closed(
    new_loop: Callable[[], asyncio.AbstractEventLoop], monkeypatch: pytest.MonkeyPatch
) -> None:
    """For example, a handler that ignores its cancellation. When it is collected its `finally` runs silently."""
    complaints: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda complaint: complaints.append(complaint.exc_value))
    cleaned: list[str] = []

    async def handler() -> None:
        try:
            await forever()
        finally:
            cleaned.append("cleaned up")

    def run() -> None:
        loop = new_loop()
        loop.set_exception_handler(lambda *_: None)  # asyncio says that a task was destroyed
        runner = Runner(loop)
        loop.call_soon(lambda: runner.start(handler()))
        loop.run_until_complete(asyncio.sleep(0.001))
        loop.close()

    run()
    gc.collect()
    assert cleaned == ["cleaned up"]
    assert complaints == []


@each_loop
def test_a_parked_carrier_that_outlives_its_loop_is_closed(
    new_loop: Callable[[], asyncio.AbstractEventLoop], monkeypatch: pytest.MonkeyPatch
) -> None:
    complaints: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda complaint: complaints.append(complaint.exc_value))

    def run() -> None:
        loop = new_loop()
        loop.set_exception_handler(lambda *_: None)
        runner = Runner(loop)
        results: list[Any] = []
        loop.call_soon(lambda: results.append(runner.start(finish_at_once())))
        loop.run_until_complete(asyncio.sleep(0.001))
        loop.close()
        assert results == ["at once"]

    run()
    gc.collect()
    assert complaints == []


def test_the_next_handler_knows_nothing_of_the_last(run: Run) -> None:
    async def test(bench: Bench) -> None:
        async def failing() -> None:
            raise LookupError

        async def looking() -> Any:
            found = sys.exc_info()
            return found if found != (None, None, None) else await finish_at_once()

        for _ in range(3):
            await bench.start(failing())
            assert await bench.result(looking()) == "at once"
            assert await bench.result(wait_and_return(1)) == 1

    run(test)
