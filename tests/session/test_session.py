import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from msanic_core.codes import CLOSE_CODES, OFFLINE_CLOSE_CODES, CloseCode, OfflineReason
from msanic_core.session.state import SessionState
from msanic_core.wire import Push

Build = Callable[..., Any]
Sent = Callable[[Any], list[dict[str, Any]]]


@pytest.fixture
def run(build: Build) -> Callable[[Callable[[Any], Awaitable[None]]], None]:
    """`run(test)` runs `await test(house)`, and then the offline chains to their end."""

    def run_(test: Callable[[Any], Awaitable[None]]) -> None:
        async def main() -> None:
            house = await build()
            await test(house)
            assert await house.offline.drain(asyncio.get_running_loop().time() + 5) == 0

        asyncio.run(main())

    return run_


Run = Callable[[Callable[[Any], Awaitable[None]]], None]


# Rate


def test_more_than_the_burst_ends_the_session(run: Run) -> None:
    async def test(house: Any) -> None:
        session = await house.session(rate=5, burst=10)
        for number in range(10):
            session.message(str(number))
        assert not session.closed
        session.message("one too many")
        assert session.closed
        assert session.socket.closed == (4003, "too many requests")
        session.message("after the end")
        assert house.receiver.messages == list(map(str, range(10)))

    run(test)


def test_control_frames_count_like_messages(run: Run) -> None:
    async def test(house: Any) -> None:
        session = await house.session(rate=5, burst=10)
        for _ in range(5):
            session.control()
            session.message("x")
        assert not session.closed
        session.control()
        assert session.socket.closed == (4003, "too many requests")

    run(test)


def test_rate_0_is_no_limit(run: Run) -> None:
    async def test(house: Any) -> None:
        session = await house.session(rate=0, burst=1)
        for _ in range(1000):
            session.message("x")
        assert not session.closed

    run(test)


@pytest.mark.parametrize(
    ("rate", "step", "seconds", "tokens"), [(100, 1.0, 2, 200), (1, 0.05, 10, 10), (3, 0.1, 5, 15)]
)
def test_tokens_come_back_at_the_rate_however_fine_the_tick(
    run: Run, rate: int, step: float, seconds: float, tokens: int
) -> None:
    async def test(house: Any) -> None:
        session = await house.session(rate=rate, burst=1000)
        for _ in range(1000):
            session.control()
        for _ in range(round(seconds / step)):
            session.refill(step)
        assert session.tokens == pytest.approx(tokens)

    run(test)


def test_the_bucket_holds_no_more_than_the_burst(run: Run) -> None:
    async def test(house: Any) -> None:
        session = await house.session(rate=100, burst=150)
        session.refill(3600.0)
        assert session.tokens == 150

    run(test)


# The line of commands


def test_the_socket_is_held_back_from_the_limit_down_to_half(run: Run) -> None:
    async def test(house: Any) -> None:
        session = await house.session(queue=4)
        for number in range(3):
            session.enqueue(number)
        assert session.socket.calls == []
        assert not session.reading_paused
        # The messages of one read still arrive.
        for number in range(3, 6):
            session.enqueue(number)
        assert session.socket.calls == ["pause"]
        assert session.reading_paused
        for left in (5, 4, 3):
            session.waiting.popleft()
            session.dequeued()
            assert session.socket.calls == ["pause"], f"{left} still wait"
        session.waiting.popleft()
        session.dequeued()
        session.dequeued()
        assert session.socket.calls == ["pause", "resume"]
        assert not session.reading_paused
        assert list(session.waiting) == [4, 5]

    run(test)


def test_a_line_of_one(run: Run) -> None:
    async def test(house: Any) -> None:
        session = await house.session(queue=1)
        session.enqueue("x")
        session.waiting.clear()
        session.dequeued()
        assert session.socket.calls == ["pause", "resume"]

    run(test)


def test_a_session_that_is_not_written_to_or_not_open_yet_is_held_back_too(run: Run) -> None:
    async def test(house: Any) -> None:
        session = await house.session()
        session.writable(False)
        assert session.reading_paused
        session.writable(True)
        assert not session.reading_paused
        session.state = SessionState.OPENING
        assert session.reading_paused, "reading begins when it is open"

    run(test)


# Sending


def test_what_is_sent_in_one_turn_leaves_in_one_write(run: Run) -> None:
    async def test(house: Any) -> None:
        session = await house.session()
        session.outbox.send(b"a")
        session.outbox.send(b"b")
        assert session.socket.writes == []
        await asyncio.sleep(0)
        assert session.socket.writes == [b"ab"]
        session.outbox.send(b"c")
        await asyncio.sleep(0)
        assert session.socket.writes == [b"ab", b"c"]

    run(test)


def test_a_loss_is_said_once_with_the_next_durable_message(run: Run, sent: Sent) -> None:
    async def test(house: Any) -> None:
        session = await house.session()
        session.lost_before = 3
        for message_id in (7, 8):
            session.send_durable(Push("a.b", id=message_id))
        await asyncio.sleep(0)
        assert [(message["id"], message.get("lost")) for message in sent(session)] == [(7, 3), (8, None)]
        assert session.outbox.written_id == 8

    run(test)


# The end


@pytest.mark.parametrize("reason", OfflineReason)
def test_each_reason_has_a_close_code_with_a_text(run: Run, reason: OfflineReason) -> None:
    async def test(house: Any) -> None:
        session = await house.session()
        session.connection_lost(reason)
        code = OFFLINE_CLOSE_CODES[reason]
        assert session.socket.closed == (code, CLOSE_CODES[code].reason)
        assert session.socket.closed[1]

    run(test)


def test_code_and_text_can_say_more_than_the_reason(run: Run) -> None:
    async def test(house: Any) -> None:
        session = await house.session()
        assert house.offline.lose(session, OfflineReason.KICKED, CloseCode.CONNECTION_LIMIT, "ten are enough")
        assert session.socket.closed == (4505, "ten are enough")

    run(test)


def test_what_waits_to_be_sent_goes_before_the_close_frame(run: Run) -> None:
    async def test(house: Any) -> None:
        session = await house.session()
        session.writable(False)
        session.outbox.send(b"last words")
        session.enqueue("a command")
        session.connection_lost(OfflineReason.KICKED)
        assert session.socket.writes == [b"last words"]
        assert session.socket.closed == (4504, "kicked")
        assert not session.waiting
        session.outbox.send(b"too late")
        session.writable(True)
        await asyncio.sleep(0)
        assert session.socket.writes == [b"last words"]

    run(test)


def test_a_session_ends_once(run: Run) -> None:
    async def test(house: Any) -> None:
        session = await house.session()
        session.connection_lost(OfflineReason.HEARTBEAT)
        session.connection_lost(OfflineReason.LOST)
        assert not house.offline.lose(session, OfflineReason.KICKED)
        assert session.socket.closed[0] == CloseCode.NO_HEARTBEAT

    run(test)


def test_a_session_that_was_closed_while_it_opened_stays_closed(run: Run) -> None:
    async def test(house: Any) -> None:
        session = await house.session()
        opened = asyncio.get_running_loop().create_future()
        session.state, session.opened = SessionState.OPENING, opened
        session.connection_lost(OfflineReason.LOST)
        session.opening_ended()
        assert session.state is SessionState.CLOSED
        assert opened.done()

    run(test)
