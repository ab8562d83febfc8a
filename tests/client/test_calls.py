"""Which reply belongs to which call."""

import asyncio
from typing import Any

import msgspec
import pytest

from msanic_core.client.calls import Calls
from msanic_core.client.message import Message
from msanic_core.errors import MsanicError
from tests.support.clients import in_loop


def reply(req: Any) -> Message:
    return Message("a.b", msgspec.Raw(b"1"), req=req)


@in_loop
async def test_a_reply_finds_its_call() -> None:
    calls = Calls(asyncio.Event())
    with calls.begin() as (first, first_reply), calls.begin() as (second, second_reply):
        assert len(calls) == 2
        assert calls.answer(reply(second))
        assert not first_reply.done()
        assert (await second_reply).req == second
        assert calls.answer(reply(first))
    assert len(calls) == 0


@in_loop
async def test_what_nobody_asked_for() -> None:
    calls = Calls(asyncio.Event())
    with calls.begin() as (req, future):
        others: list[Any] = [None, msgspec.UNSET, 1, ["x"], {"x": 1}, "", "1", req + "0", req.split("-")[0]]
        assert not any(calls.answer(reply(other)) for other in others)
        assert not future.done()
    assert not calls.answer(reply(req)), "it was given up"


@in_loop
async def test_a_reply_that_comes_twice() -> None:
    calls = Calls(asyncio.Event())
    with calls.begin() as (req, future):
        assert calls.answer(reply(req))
        assert calls.answer(reply(req))
        await future


@in_loop
async def test_no_req_comes_again() -> None:
    reqs = []
    for calls in (Calls(asyncio.Event()), Calls(asyncio.Event())):
        for _ in range(3):
            with calls.begin() as (req, _reply):
                reqs.append(req)
    assert len(set(reqs)) == 6


@in_loop
async def test_a_call_wakes_the_reader() -> None:
    wake = asyncio.Event()
    with Calls(wake).begin():
        assert wake.is_set()


@in_loop
async def test_the_end_of_all_calls() -> None:
    calls = Calls(asyncio.Event())
    complaints: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    with calls.begin() as (_, future), calls.begin():
        calls.end(MsanicError("over"))
        with pytest.raises(MsanicError, match="over"):
            await future
    with pytest.raises(MsanicError, match="over"), calls.begin():
        pass
    del future
    assert not complaints, "of an exception that nobody looked at"
