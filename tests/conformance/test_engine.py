"""What every engine promises (`msanic_core.engine.base.Engine`), wherever it keeps its data."""

from typing import Any

import msgspec
import pytest

from msanic_core.wire import Push, WireEncodeError
from tests.support.engines import Start, connect, info, waiting


def test_describe_says_who_it_is_and_that_it_is_well(start: Start) -> None:
    async def run() -> None:
        bench = await start()
        facts = bench.engine.describe()
        assert facts["name"] == bench.engine.name
        assert facts["healthy"] is True

    start.run(run())


# Messages to those who are there


def test_a_push_that_is_not_durable_is_for_those_who_are_there(start: Start) -> None:
    async def run() -> None:
        bench = await start()
        await connect(bench, info("s1"))
        push = Push("a.b", {"x": [1, None, "ä"]})
        assert await bench.engine.push("ada", push, False) is None
        await bench.settle()
        assert bench.node.to_users == [("ada", push)]
        assert await waiting(bench) == ([], 0)

    start.run(run())


def test_a_durable_push_is_delivered_with_the_id_it_has_in_the_inbox(start: Start) -> None:
    async def run() -> None:
        bench = await start()
        await connect(bench, info("s1"))
        reply = Push(2001, {"x": 1}, 11, "no", req=7)
        message_id = await bench.engine.push("ada", reply, True)
        await bench.settle()
        [(user, delivered)] = bench.node.to_users
        assert user == "ada"
        assert delivered == msgspec.structs.replace(reply, id=message_id)
        page = await bench.engine.inbox("ada", "", None, 10)
        assert list(page.messages) == [delivered]

    start.run(run())


def test_a_stored_message_is_a_copy(start: Start) -> None:
    async def run() -> None:
        bench = await start()
        data: dict[str, Any] = {"list": [1]}
        await bench.engine.push("ada", Push("a.b", data), True)
        data["list"].append(2)
        assert await waiting(bench) == ([{"list": [1]}], 0)

    start.run(run())


@pytest.mark.parametrize("data", [object(), {"x": 1j}, {None: 1}, {(1, 2): 3}, "\ud800", 2**70])
def test_what_no_client_could_read_is_refused_and_leaves_no_trace(start: Start, data: Any) -> None:
    async def run() -> None:
        bench = await start()
        await connect(bench, info("s1"))
        first = await bench.engine.push("ada", Push("a.b", 1), True)
        with pytest.raises(WireEncodeError):
            await bench.engine.push("ada", Push("a.b", data), True)
        second = await bench.engine.push("ada", Push("a.b", 2), True)
        assert second > first
        assert await waiting(bench) == ([1, 2], 0)
        await bench.settle()
        assert [push.data for _, push in bench.node.to_users] == [1, 2]

    start.run(run())


def test_broadcast_goes_to_the_group_or_to_all(start: Start) -> None:
    async def run() -> None:
        bench = await start()
        push = Push("a.b", 1)
        await connect(bench, info("s1"))
        await bench.engine.join(info("s1"), "red")
        await bench.engine.broadcast("red", push)
        await bench.engine.broadcast(None, push)
        await bench.settle()
        assert bench.node.to_groups == [("red", push), (None, push)]

    start.run(run())
