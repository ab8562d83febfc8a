"""Handlers run at once and get a task only if they wait; within them it must not show."""

import asyncio
import gc
import weakref
from collections.abc import Awaitable, Callable, Coroutine, Generator
from contextvars import ContextVar
from typing import Any

import pytest
import uvloop

from msanic_core.session.runner import Carrier, Runner

Work = Coroutine[Any, Any, Any]
Outcome = tuple[Any, BaseException | None]

LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "asyncio": asyncio.new_event_loop,
    "uvloop": uvloop.new_event_loop,
}


@pytest.fixture(params=LOOPS)
def run(request: pytest.FixtureRequest) -> Callable[[Callable[["Bench"], Awaitable[None]]], None]:
    """`run(test)` runs `await test(bench)` in a new loop of each kind."""

    def run_(test: Callable[["Bench"], Awaitable[None]]) -> None:
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


class Bench:
    """A runner as the server has it: coroutines are started by callbacks of the loop, outside of any task."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.runner = Runner(self.loop)
        self.complaints: list[dict[str, Any]] = []
        self.loop.set_exception_handler(lambda _, complaint: self.complaints.append(complaint))

    def start(self, work: Work) -> "asyncio.Future[Outcome]":
        """What comes of it, and whether it came at once is in `at_once`."""
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


async def timeout_on_the_first_line() -> str:
    try:
        async with asyncio.timeout(0.001):
            await forever()
    except TimeoutError:
        return "timed out"
    return "not reached"


async def timeout_after_a_wait() -> str:
    await asyncio.sleep(0)
    return await timeout_on_the_first_line()


async def timeout_of_nothing() -> str:
    try:
        async with asyncio.timeout(0):
            await forever()
    except TimeoutError:
        return "timed out"
    return "not reached"


async def timeout_in_the_past_around_children() -> str:
    children = [asyncio.ensure_future(forever()) for _ in range(2)]
    try:
        async with asyncio.timeout(-1):
            await asyncio.gather(*children)
    except TimeoutError:
        # As in a task: what was waited for was cancelled too.
        return "timed out" if all(child.cancelled() for child in children) else "children still run"
    return "not reached"


async def wait_for_on_the_first_line() -> str:
    try:
        await asyncio.wait_for(forever(), 0.001)
    except TimeoutError:
        return "timed out"
    return "not reached"


async def timeout_not_reached() -> str:
    async with asyncio.timeout(60):
        await finish_at_once()
    async with asyncio.timeout(60):
        await asyncio.sleep(0)
    return "timed out"


async def nested_timeouts() -> str:
    try:
        async with asyncio.timeout(60), asyncio.timeout(0.001):
            await forever()
    except TimeoutError:
        await asyncio.sleep(0)
        return "timed out"
    return "not reached"


@pytest.mark.parametrize(
    "handler",
    [
        timeout_on_the_first_line,
        timeout_after_a_wait,
        timeout_of_nothing,
        timeout_in_the_past_around_children,
        wait_for_on_the_first_line,
        timeout_not_reached,
        nested_timeouts,
    ],
)
def test_timeouts(run: Run, handler: Callable[[], Work]) -> None:
    async def test(bench: Bench) -> None:
        # With a carrier that is new, and with one that was parked.
        for _ in range(3):
            assert await bench.result(handler()) == "timed out"
            assert await bench.result(wait_and_return(1)) == 1

    run(test)


async def group_on_the_first_line() -> list[int]:
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(wait_and_return(number)) for number in range(3)]
    return [task.result() for task in tasks]


async def group_after_a_wait() -> list[int]:
    await asyncio.sleep(0)
    return await group_on_the_first_line()


async def group_whose_body_is_cut_short() -> list[int]:
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(wait_and_raise())
            await forever()
    except ExceptionGroup as failed:
        return [0, 1, 2] if len(failed.exceptions) == 1 else []
    return []


async def group_that_fails_at_its_end() -> list[int]:
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(wait_and_raise())
            group.create_task(forever())
    except ExceptionGroup as failed:
        return [0, 1, 2] if len(failed.exceptions) == 1 else []
    return []


async def threads() -> list[int]:
    return [await asyncio.to_thread(number.__int__) for number in range(3)]


async def gathered() -> list[int]:
    return list(await asyncio.gather(*map(wait_and_return, range(3))))


@pytest.mark.parametrize(
    "handler",
    [
        group_on_the_first_line,
        group_after_a_wait,
        group_whose_body_is_cut_short,
        group_that_fails_at_its_end,
        threads,
        gathered,
    ],
)
def test_task_groups_and_threads(run: Run, handler: Callable[[], Work]) -> None:
    async def test(bench: Bench) -> None:
        for _ in range(3):
            assert await bench.result(handler()) == [0, 1, 2]
            assert await bench.result(finish_at_once()) == "at once"

    run(test)


def test_locks_queues_and_events_between_handlers(run: Run) -> None:
    async def test(bench: Bench) -> None:
        lock, queue = asyncio.Lock(), asyncio.Queue[int](1)
        inside = 0

        async def critical(number: int) -> None:
            nonlocal inside
            async with lock:
                inside += 1
                assert inside == 1
                await queue.put(number)
                inside -= 1

        ended = [bench.start(critical(number)) for number in range(20)]
        assert [await queue.get() for _ in range(20)] == list(range(20))
        assert [(await each)[1] for each in ended] == [None] * 20

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


def test_awaiting_what_was_cancelled_already(run: Run) -> None:
    async def test(bench: Bench) -> None:
        cancelled = bench.loop.create_future()
        cancelled.cancel()

        async def handler() -> None:
            await cancelled

        with pytest.raises(asyncio.CancelledError):
            await bench.result(handler())
        assert await bench.result(wait_and_return(1)) == 1

    run(test)


async def cancel_itself_and_wait(cleaned: list[str]) -> str:
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    try:
        await forever()
    except asyncio.CancelledError:
        cleaned.append("cancelled")
        # Cleaning up may take time.
        await asyncio.sleep(0)
        await asyncio.sleep(0.001)
        cleaned.append("cleaned up")
        raise
    return "not reached"


async def cancel_itself_later(cleaned: list[str]) -> str:
    await asyncio.sleep(0)
    return await cancel_itself_and_wait(cleaned)


@pytest.mark.parametrize("handler", [cancel_itself_and_wait, cancel_itself_later])
@pytest.mark.parametrize("warm", [False, True], ids=["new carrier", "parked carrier"])
def test_a_handler_that_cancels_itself(run: Run, handler: Callable[[list[str]], Work], warm: bool) -> None:
    async def test(bench: Bench) -> None:
        if warm:
            await bench.result(wait_and_return())
        cleaned: list[str] = []
        with pytest.raises(asyncio.CancelledError):
            await bench.result(handler(cleaned))
        assert cleaned == ["cancelled", "cleaned up"]
        # What is cancelled is not lent to the next.
        for _ in range(3):
            assert await bench.result(wait_and_return(1)) == 1
            assert await bench.result(finish_at_once()) == "at once"

    run(test)


def test_a_cancellation_between_two_turns_of_the_loop(run: Run) -> None:
    async def test(bench: Bench) -> None:
        async def handler(turns: int) -> str:
            for _ in range(turns):
                await asyncio.sleep(0)
            task = asyncio.current_task()
            assert task is not None
            bench.loop.call_soon(task.cancel)
            await asyncio.sleep(0)
            return "went on"

        for turns in (0, 1, 2):
            with pytest.raises(asyncio.CancelledError):
                await bench.result(handler(turns))

    run(test)


@pytest.mark.parametrize("warm", [False, True], ids=["new carrier", "parked carrier"])
def test_a_handler_that_cancels_itself_but_does_not_wait(run: Run, warm: bool) -> None:
    async def test(bench: Bench) -> None:
        if warm:
            await bench.result(wait_and_return())

        async def handler() -> int:
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
            return 1

        async def handler_that_waited() -> int:
            await asyncio.sleep(0)
            return await handler()

        for work in (handler, handler_that_waited, handler):
            assert await bench.result(work()) == 1
            assert await bench.result(wait_and_return(2)) == 2

    run(test)


def test_a_handler_that_swallows_its_cancellation_goes_on(run: Run) -> None:
    async def test(bench: Bench) -> None:
        tasks: list[asyncio.Task[Any]] = []
        begun = asyncio.Event()

        async def handler() -> str:
            task = asyncio.current_task()
            assert task is not None
            tasks.append(task)
            begun.set()
            try:
                await forever()
            except asyncio.CancelledError:
                await asyncio.sleep(0)
            return "went on"

        ended = bench.start(handler())
        await begun.wait()
        tasks[0].cancel()
        assert await ended == ("went on", None)
        await asyncio.sleep(0)
        assert tasks[0].done(), "a carrier with a cancellation in its past is not used again"
        assert await bench.result(wait_and_return(1)) == 1

    run(test)


def test_carriers_are_used_again_but_not_kept_without_bound(run: Run) -> None:
    async def test(bench: Bench) -> None:
        used: set[Any] = set()

        async def handler(gate: asyncio.Event) -> None:
            used.add(asyncio.current_task())
            await gate.wait()

        for _ in range(20):
            gate = asyncio.Event()
            ended = [bench.start(handler(gate)) for _ in range(10)]
            bench.loop.call_later(0.001, gate.set)
            await asyncio.gather(*ended)
        assert len(used) == 10

        gate = asyncio.Event()
        ended = [bench.start(handler(gate)) for _ in range(500)]
        bench.loop.call_later(0.001, gate.set)
        await asyncio.gather(*ended)
        await asyncio.sleep(0)
        assert len(asyncio.all_tasks()) <= 1 + 64

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


def test_stop_waits_for_those_that_end_in_time(run: Run) -> None:
    async def test(bench: Bench) -> None:
        gate = asyncio.Event()

        async def handler() -> str:
            await gate.wait()
            await asyncio.sleep(0.001)
            return "ended"

        ended = [bench.start(handler()) for _ in range(3)]
        await asyncio.sleep(0)
        bench.loop.call_later(0.01, gate.set)
        assert await bench.runner.stop(bench.loop.time() + 60) == 0
        assert [each.result() for each in ended] == [("ended", None)] * 3

    run(test)


def test_stop_cancels_the_late_ones_and_says_how_many(run: Run) -> None:
    async def test(bench: Bench) -> None:
        cleaned: list[str] = []

        async def handler() -> None:
            try:
                await forever()
            finally:
                await asyncio.sleep(0)
                cleaned.append("cleaned up")

        ended = [bench.start(handler()) for _ in range(3)]
        await asyncio.sleep(0)
        assert await bench.runner.stop(bench.loop.time() + 0.01) == 3
        assert [type(each.result()[1]) for each in ended] == [asyncio.CancelledError] * 3
        assert cleaned == ["cleaned up"] * 3
        assert await bench.runner.stop(bench.loop.time()) == 0

    run(test)


def test_stop_does_not_wait_for_ever_for_a_handler_that_swallows_its_cancellation(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("msanic_core.session.runner._CANCEL_GRACE", 0.02)

    async def test(bench: Bench) -> None:
        gate = asyncio.Event()

        async def stubborn() -> str:
            try:
                await forever()
            except asyncio.CancelledError:
                await gate.wait()
            return "went on"

        ended = bench.start(stubborn())
        await asyncio.sleep(0)
        assert await bench.runner.stop(bench.loop.time()) == 1
        assert not ended.done()
        gate.set()
        assert await ended == ("went on", None)

    run(test)


def test_stop_at_the_first_turn_of_a_handler(run: Run) -> None:
    """The handler has taken its first step, its carrier none."""

    async def test(bench: Bench) -> None:
        ended: list[Outcome] = []
        stopping: list[asyncio.Task[int]] = []

        def callback() -> None:
            carrier = bench.runner.start(forever())
            carrier.then(lambda value, failure: ended.append((value, failure)))
            carrier.task.cancel()
            stopping.append(bench.loop.create_task(bench.runner.stop(bench.loop.time() + 60)))

        bench.loop.call_soon(callback)
        await asyncio.sleep(0)
        await stopping[0]
        [(_, failure)] = ended
        assert isinstance(failure, asyncio.CancelledError)

    run(test)


class Awaited:
    """Something of a library's own that a handler awaits."""

    def __await__(self) -> Generator[Any, Any, str]:
        yield from asyncio.sleep(0).__await__()
        return "done"


def test_other_awaitables(run: Run) -> None:
    async def test(bench: Bench) -> None:
        async def handler() -> str:
            return await Awaited()

        assert await bench.result(handler()) == "done"

    run(test)
