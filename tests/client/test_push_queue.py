"""The pushes that wait for the program: order, repeats, losses, and when they count as handled."""

import asyncio

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from msanic_core.client.message import Message
from msanic_core.client.push_queue import Position, PushQueue, ReceivedPush
from tests.support.clients import in_loop


def push_queue(limit: int = 4, position: Position | None = None, epoch: str = "e1") -> PushQueue:
    made = PushQueue(limit, position, asyncio.Event())
    made.connected(epoch)
    return made


def receive(queue: PushQueue, *ids: int | None, lost: int = 0) -> None:
    for message_id in ids:
        queue.add(Message("n.n", msgspec.Raw(b"null"), id=message_id, lost=lost), message_id)


async def taken(queue: PushQueue) -> list[int | None]:
    """Take all waiting messages. The last one is not handled."""
    found: list[int | None] = []
    try:
        async with asyncio.timeout(0):
            while True:
                found.append((await anext(queue)).id)
    except TimeoutError:
        return found


# Order and repeats


@in_loop
async def test_in_order_and_once() -> None:
    queue = push_queue()
    receive(queue, 1, None, 2, 1, 2, 3, None)
    assert await taken(queue) == [1, None, 2, 3, None]


@in_loop
async def test_what_waits_when_the_connection_is_lost_is_not_taken_in_twice() -> None:
    queue = push_queue()
    receive(queue, 1, 2, 3)
    assert (await anext(queue)).id == 1
    queue.connected("e1")
    receive(queue, 1, 2, 3, 4)
    assert await taken(queue) == [2, 3, 4]


@in_loop
async def test_in_another_epoch_ids_start_anew() -> None:
    queue = push_queue()
    receive(queue, 1, 2)
    queue.connected("e2")
    receive(queue, 1, 2, 3)
    assert await taken(queue) == [1, 2, 1, 2, 3]
    queue.connected("e1")
    receive(queue, 2, 3)
    assert await taken(queue) == [2, 3]


@in_loop
async def test_back_in_an_epoch_of_which_something_still_waits() -> None:
    queue = push_queue()
    receive(queue, 1, 2)
    queue.connected("e2")
    queue.connected("e1")
    receive(queue, 1, 2, 3)
    assert await taken(queue) == [1, 2, 3]


@in_loop
async def test_from_a_position_on() -> None:
    queue = push_queue(position=Position("e1", 5))
    receive(queue, 4, 5, 6)
    assert await taken(queue) == [6]
    other = push_queue(position=Position("e0", 5))
    receive(other, 1, 2)
    assert await taken(other) == [1, 2]


@given(st.lists(st.integers(1, 5), max_size=8), st.data())
def test_whatever_comes_again_each_message_comes_once(rewinds: list[int], data: st.DataObject) -> None:
    """The server begins again anywhere after the acknowledged messages, any number of times."""

    async def run() -> None:
        queue, found, sent = push_queue(limit=1000), [], 0
        for rewind in [*rewinds, 0]:
            start = max(1, sent + 1 - rewind)
            sent = max(sent, data.draw(st.integers(start - 1, start + 6)))
            receive(queue, *range(start, sent + 1))
            found += await taken(queue)
            queue.connected("e1")
        assert found == list(range(1, sent + 1))

    asyncio.run(run())


# Losses


@in_loop
async def test_losses_are_said_with_the_next_message() -> None:
    queue = push_queue()
    receive(queue, 4, lost=3)
    receive(queue, 5)
    assert [(await anext(queue)).lost, (await anext(queue)).lost] == [3, 0]


@in_loop
async def test_what_has_come_is_not_lost() -> None:
    """The server counts from the acknowledged id, here 0. This client already has 1 to 5."""
    queue = push_queue()
    receive(queue, 1, 2, 3, 4, 5)
    await taken(queue)
    queue.connected("e1")
    receive(queue, 4, lost=3)
    receive(queue, 5)
    receive(queue, 9, lost=8)
    push = await anext(queue)
    assert (push.id, push.lost) == (9, 3)


@in_loop
async def test_the_loss_before_a_late_reply_is_said_with_the_next_message() -> None:
    queue = push_queue()
    queue.pass_over(3, lost=2)
    receive(queue, 6, lost=2)
    receive(queue, 7)
    assert [(push.id, push.lost) for push in [await anext(queue), await anext(queue)]] == [(6, 4), (7, 0)]


# Handled messages, and acknowledgements


@in_loop
async def test_a_message_is_dealt_with_when_the_next_one_is_asked_for() -> None:
    queue = push_queue()
    receive(queue, 1, 2)
    assert (await anext(queue)).id == 1
    assert (queue.position, queue.due.is_set(), queue.take_due()) == (None, False, 0)
    await anext(queue)
    assert queue.position == Position("e1", 1)
    assert queue.due.is_set()
    assert queue.take_due() == 1
    assert not queue.due.is_set()
    assert queue.take_due() == 0


@in_loop
async def test_asking_is_enough_there_need_not_be_another_one() -> None:
    queue = push_queue()
    receive(queue, 1)
    assert await taken(queue) == [1]
    assert queue.take_due() == 1


@in_loop
async def test_messages_that_are_not_durable_leave_the_position() -> None:
    queue = push_queue()
    receive(queue, 1, None, None)
    await taken(queue)
    assert queue.position == Position("e1", 1)


@in_loop
async def test_who_leaves_the_iteration_has_dealt_with_it() -> None:
    queue = push_queue()
    receive(queue, 1)
    await anext(queue)
    queue.leave()
    assert queue.take_due() == 1


@in_loop
async def test_a_task_that_has_not_left_it_may_not_be_done() -> None:
    queue = push_queue()
    receive(queue, 1)
    task = asyncio.ensure_future(anext(queue))
    await task
    queue.leave()
    assert queue.take_due() == 0


@in_loop
async def test_receipts_of_another_epoch_are_not_sent() -> None:
    queue = push_queue()
    receive(queue, 1, 2)
    queue.connected("e2")
    await taken(queue)
    assert queue.position == Position("e1", 2)
    assert not queue.due.is_set()
    assert queue.take_due() == 0
    receive(queue, 1)
    await taken(queue)
    assert queue.take_due() == 1


@in_loop
async def test_a_receipt_is_sent_again_on_the_next_connection() -> None:
    """The last acknowledgement may have been lost with the connection."""
    queue = push_queue()
    receive(queue, 1)
    await taken(queue)
    assert queue.take_due() == 1
    queue.connected("e1")
    assert queue.due.is_set()
    assert queue.take_due() == 1


@in_loop
async def test_a_late_reply_is_settled_in_its_turn() -> None:
    queue = push_queue()
    queue.pass_over(1, 0)
    assert queue.take_due() == 1, "nothing was before it"
    receive(queue, 2)
    queue.pass_over(3, 0)
    receive(queue, 4)
    assert (await anext(queue)).id == 2
    assert queue.take_due() == 0
    assert (await anext(queue)).id == 4
    assert queue.take_due() == 3


@in_loop
async def test_a_late_reply_that_comes_twice() -> None:
    queue = push_queue()
    queue.pass_over(1, 0)
    queue.pass_over(1, 0)
    receive(queue, 1, 2)
    assert await taken(queue) == [2]


# Room


@in_loop
async def test_full_until_half_was_taken() -> None:
    queue = push_queue(limit=4)
    receive(queue, 1, 2, 3)
    assert not queue.full
    receive(queue, 4)
    assert queue.full
    await anext(queue)
    assert queue.full
    await anext(queue)
    assert not queue.full


@in_loop
async def test_room_wakes_the_reader() -> None:
    wake = asyncio.Event()
    queue = PushQueue(2, None, wake)
    queue.connected("e1")
    receive(queue, 1, 2)
    wake.clear()
    await anext(queue)
    assert wake.is_set()


@in_loop
async def test_late_replies_do_not_leave_it_full() -> None:
    """They leave the queue without being taken, so the queue itself must wake the reader."""
    queue = push_queue(limit=4)
    receive(queue, 1, 2, 3, 4)
    await anext(queue)
    for message_id in range(5, 10):
        queue.pass_over(message_id, 0)
    assert await taken(queue) == [2, 3, 4]
    assert not queue.full


@in_loop
async def test_overflowing() -> None:
    queue = push_queue(limit=2)
    receive(queue, *range(1, 20))
    assert not queue.overflows
    receive(queue, 20)
    assert queue.overflows


# The end


@in_loop
async def test_an_iteration_that_waits_gets_the_next_message() -> None:
    queue = push_queue()
    waiting = asyncio.ensure_future(anext(queue))
    await asyncio.sleep(0)
    with pytest.raises(RuntimeError, match="another task"):
        await anext(queue)
    receive(queue, 1)
    assert await waiting == ReceivedPush("n.n", 1, Position("e1", 1))


@in_loop
async def test_a_wait_that_is_given_up_loses_nothing() -> None:
    queue = push_queue()
    waiting = asyncio.ensure_future(anext(queue))
    await asyncio.sleep(0)
    receive(queue, 1)
    waiting.cancel()
    await asyncio.wait([waiting])
    assert await taken(queue) == [1]


@in_loop
async def test_closed_it_ends_at_once() -> None:
    queue = push_queue()
    receive(queue, 1)
    queue.end(None)
    assert [push async for push in queue] == []


@in_loop
async def test_after_a_failure_what_came_before_is_still_there() -> None:
    queue = push_queue()
    receive(queue, 1)
    queue.end(ValueError("over"))
    assert (await anext(queue)).id == 1
    for _ in range(2):
        with pytest.raises(ValueError, match="over"):
            await anext(queue)
