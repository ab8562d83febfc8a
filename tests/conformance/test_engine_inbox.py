"""What every engine promises of the inbox."""

from typing import Any

import pytest

from msanic_core.codes import OfflineReason
from msanic_core.wire import Push, WireEncodeError
from tests.support.engines import Start, connect, disconnect, info, push_numbers, waiting


def test_ids_rise_and_pages_come_in_order(start: Start) -> None:
    async def run() -> None:
        bench = await start()
        ids = await push_numbers(bench, range(10))
        assert ids == sorted(set(ids))
        assert await waiting(bench, limit=4) == ([0, 1, 2, 3], 0)
        assert await waiting(bench, after=ids[3], limit=4) == ([4, 5, 6, 7], 0)
        assert await waiting(bench, after=ids[7], limit=4) == ([8, 9], 0)
        assert await waiting(bench, after=ids[9]) == ([], 0)
        assert await waiting(bench, after=0) == (list(range(10)), 0)
        # Only a broken client acknowledges this.
        assert await waiting(bench, after=ids[9] + 1) == ([], 0)
        assert await waiting(bench, after=2**70) == ([], 0)

    start.run(run())


def test_what_is_acknowledged_does_not_come_again(start: Start) -> None:
    async def run() -> None:
        bench = await start()
        await connect(bench, info("s1"))
        ids = await push_numbers(bench, range(5))
        bench.engine.acknowledge("ada", "", ids[2])
        assert await waiting(bench) == ([3, 4], 0)
        bench.engine.acknowledge("ada", "", ids[1])
        assert await waiting(bench) == ([3, 4], 0)
        bench.engine.acknowledge("ada", "", 2**70)
        assert await waiting(bench) == ([], 0)
        await push_numbers(bench, range(5, 6))
        assert await waiting(bench) == ([5], 0)
        bench.engine.acknowledge("nobody", "", 1)

    start.run(run())


def test_each_client_has_its_own_position(start: Start) -> None:
    async def run() -> None:
        bench = await start()
        for session_id, client in (("s1", "phone"), ("s2", "laptop"), ("s3", "")):
            await connect(bench, info(session_id, client=client))
        ids = await push_numbers(bench, range(4))
        bench.engine.acknowledge("ada", "phone", ids[3])
        bench.engine.acknowledge("ada", "laptop", ids[0])
        assert await waiting(bench, "phone") == ([], 0)
        assert await waiting(bench, "laptop") == ([1, 2, 3], 0)
        assert await waiting(bench, "") == ([0, 1, 2, 3], 0)

    start.run(run())


def test_a_connected_client_is_known_before_the_first_message(start: Start) -> None:
    """Otherwise the first acknowledgement would drop the message of the other client."""

    async def run() -> None:
        bench = await start()
        for session_id, client in (("s1", ""), ("s2", "laptop")):
            await connect(bench, info(session_id, client=client))
        [first] = await push_numbers(bench, range(1))
        bench.engine.acknowledge("ada", "laptop", first)
        assert await waiting(bench, "") == ([0], 0)

    start.run(run())


def test_devices_that_take_turns_each_get_everything(start: Start) -> None:
    async def run() -> None:
        bench = await start()
        phone, laptop = info("p", client="phone"), info("l", client="laptop")
        for session in (phone, laptop):
            await connect(bench, session)
            await disconnect(bench, session)
        for number in range(3):
            [message_id] = await push_numbers(bench, range(number, number + 1))
            for session in (phone, laptop):
                await connect(bench, session)
                assert await waiting(bench, session.client) == ([number], 0)
                bench.engine.acknowledge("ada", session.client, message_id)
                await disconnect(bench, session)

    start.run(run())


def test_a_new_client_has_missed_nothing_that_the_others_had(start: Start) -> None:
    async def run() -> None:
        bench = await start()
        await connect(bench, info("s1", client="phone"))
        ids = await push_numbers(bench, range(4))
        bench.engine.acknowledge("ada", "phone", ids[1])
        assert await waiting(bench, "laptop") == ([2, 3], 0)

    start.run(run())


LIMITS = {
    "messages": {"max_messages": 4},
    "bytes": {"max_bytes": 450},
    "age": {"max_age": 10.0},
}


async def overfill(bench: Any, numbers: range) -> None:
    """Ten messages, of which each of the `LIMITS` keeps the last four."""
    for number in numbers:
        await bench.engine.push("ada", Push("n.n", number, hint="x" * 90), True)
        bench.clock.now += 2.2


@pytest.mark.parametrize("limits", LIMITS.values(), ids=LIMITS)
@pytest.mark.parametrize("known", ["never seen", "gone for a while", "connected"])
def test_what_was_trimmed_is_said(start: Start, limits: dict[str, Any], known: str) -> None:
    async def run() -> None:
        bench = await start(**limits)
        if known != "never seen":
            await connect(bench, info("s1"))
            [first] = await push_numbers(bench, range(1))
            bench.engine.acknowledge("ada", "", first)
        if known == "gone for a while":
            await disconnect(bench, info("s1"))
        await overfill(bench, range(10))
        kept, lost = await waiting(bench)
        assert lost
        assert kept == list(range(10))[lost:]
        assert len(kept) == 4
        # Reported again until something after it is acknowledged.
        assert await waiting(bench) == (kept, lost)
        page = await bench.engine.inbox("ada", "", None, 100)
        bench.engine.acknowledge("ada", "", page.messages[0].id)
        assert await waiting(bench) == (kept[1:], 0)

    start.run(run())


def test_a_loss_is_said_though_nothing_is_left(start: Start) -> None:
    async def run() -> None:
        bench = await start()
        await connect(bench, info("s1"))
        await push_numbers(bench, range(3))
        await disconnect(bench, info("s1"), OfflineReason.LOST)
        bench.clock.now += 61
        assert await waiting(bench) == ([], 3)

    start.run(run())


def test_trimming_follows_the_slowest_client_within_the_bounds(start: Start) -> None:
    async def run() -> None:
        bench = await start(max_messages=6)
        for session_id, client in (("s1", "fast"), ("s2", "slow")):
            await connect(bench, info(session_id, client=client))
        for number in range(6):
            [message_id] = await push_numbers(bench, range(number, number + 1))
            bench.engine.acknowledge("ada", "fast", message_id)
        assert await waiting(bench, "slow") == ([0, 1, 2, 3, 4, 5], 0)
        await push_numbers(bench, range(6, 8))
        assert await waiting(bench, "slow") == ([2, 3, 4, 5, 6, 7], 2)
        assert await waiting(bench, "fast") == ([6, 7], 0)

    start.run(run())


def test_one_message_that_fits_no_inbox_does_not_cost_the_others(start: Start) -> None:
    async def run() -> None:
        bench = await start(max_bytes=1000)
        await push_numbers(bench, range(3))
        with pytest.raises(WireEncodeError, match="max_bytes"):
            await bench.engine.push("ada", Push("a.b", "x" * 1000), True)
        assert await waiting(bench) == ([0, 1, 2], 0)

    start.run(run())


def test_ids_rise_even_when_the_inbox_was_empty_in_between(start: Start) -> None:
    async def run() -> None:
        bench = await start()
        seen: list[int] = []
        for number in range(4):
            for user in ("ada", "bob"):
                session = info(f"{user}{number}", user)
                await connect(bench, session)
                ids = await push_numbers(bench, range(3), user)
                bench.engine.acknowledge(user, "", ids[-1])
                await disconnect(bench, session)
                if user == "ada":
                    seen += ids
        assert seen == sorted(set(seen))
        [later] = await push_numbers(bench, range(7, 8))
        assert later > seen[-1]
        # A client that resumes after an earlier id gets the new messages, and no loss is reported.
        assert await waiting(bench, after=seen[-1]) == ([7], 0)

    start.run(run())


def test_inboxes_are_apart_and_have_one_epoch(start: Start) -> None:
    async def run() -> None:
        bench = await start()
        before = await bench.engine.inbox("nobody", "", None, 10)
        await push_numbers(bench, range(2))
        page = await bench.engine.inbox("ada", "", None, 10)
        other = await bench.engine.inbox("bob", "", None, 10)
        assert list(other.messages) == []
        assert before.epoch == page.epoch == other.epoch != ""

    start.run(run())
