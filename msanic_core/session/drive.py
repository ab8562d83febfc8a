"""The generator that steps coroutines; interpreted also where the rest of this room is compiled.

Within the interpreter a generator gets the result of a coroutine that it awaits without an exception being raised for
it; compiled code does not.
"""

import types
from collections.abc import Generator
from typing import Any

Outcome = tuple[Any, BaseException | None]
"""What a coroutine ended with, result or exception. What it waits for is never a tuple: a future, or None."""


@types.coroutine
def drive() -> Generator[Any, Any, Any]:
    """Run coroutine after coroutine, each sent to it. Yields what they wait for, and an `Outcome` at the end of each.

    A coroutine that is awaited hands its result over; one that is stepped raises `StopIteration`, which costs more than
    all the rest of starting it. No outcome is kept here: it may hold a session, and the next one be long in coming.
    """
    failures: list[BaseException] = []
    coroutine = yield None
    while True:
        try:
            coroutine = yield ((yield from coroutine), None)
        except GeneratorExit:
            raise  # it is being closed, or a coroutine wants to seem so: both end it
        except BaseException as error:
            failures.append(error)
        if failures:
            coroutine = yield (None, failures.pop())
