import asyncio
from collections.abc import Callable
from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st

from msanic_core.session.outbox import Flusher, Outbox

LIMIT = 100


class Socket:
    """Takes all data into a buffer that only the test empties."""

    def __init__(self) -> None:
        self.writes: list[bytes] = []
        self.stuck = 0

    def write(self, data: bytes) -> None:
        self.writes.append(data)

    def buffered(self) -> int:
        return self.stuck

    def ping(self) -> None: ...

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    def close(self, code: int, reason: str) -> None: ...


class Bench:
    def __init__(self, limit: int = LIMIT) -> None:
        self.socket = Socket()
        self.flusher = Flusher(asyncio.get_running_loop())
        self.overflows = 0
        self.outbox = Outbox(self.socket, self.flusher, limit, self.overflow)

    def overflow(self) -> None:
        self.overflows += 1

    def block(self, stuck: int = 0) -> None:
        self.socket.stuck = stuck
        self.outbox.block(True)

    def unblock(self) -> None:
        self.socket.stuck = 0
        self.outbox.block(False)


def in_loop(test: Callable[[], Any]) -> None:
    async def run() -> None:
        await test()

    asyncio.run(run())


async def turn() -> None:
    """The end of this turn of the loop."""
    await asyncio.sleep(0)


def test_what_is_sent_in_one_turn_leaves_in_one_write() -> None:
    async def test() -> None:
        bench = Bench()
        for frame in (b"a", b"b", b"c"):
            bench.outbox.send(frame)
        assert bench.socket.writes == []
        await turn()
        bench.outbox.send(b"d")
        await turn()
        await turn()
        assert bench.socket.writes == [b"abc", b"d"]

    in_loop(test)


class CountingLoop:
    """The running loop, and how many callbacks it was given."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.calls = 0

    def call_soon(self, callback: Callable[[], object]) -> None:
        self.calls += 1
        self._loop.call_soon(callback)


def test_many_outboxes_share_one_callback_of_the_loop() -> None:
    async def test() -> None:
        bench, loop = Bench(), CountingLoop()
        flusher = Flusher(cast(asyncio.AbstractEventLoop, loop))
        sockets = [Socket() for _ in range(10)]
        outboxes = [Outbox(socket, flusher, LIMIT, bench.overflow) for socket in sockets]
        for turns in range(1, 4):
            for outbox in outboxes:
                outbox.send(b"x")
                outbox.send(b"y")
            await turn()
            assert [socket.writes for socket in sockets] == [[b"xy"] * turns] * 10
            assert loop.calls == turns

    in_loop(test)


def test_while_blocked_frames_wait_and_then_leave_in_order() -> None:
    async def test() -> None:
        bench = Bench()
        bench.outbox.send(b"a")
        bench.block()
        bench.outbox.send(b"b")
        await turn()
        bench.outbox.flush()
        assert bench.socket.writes == []
        bench.unblock()
        assert bench.socket.writes == [b"ab"]

    in_loop(test)


def test_beyond_the_limit_a_blocked_outbox_overflows_once() -> None:
    async def test() -> None:
        bench = Bench()
        bench.block(stuck=60)
        bench.outbox.send(b"x" * 40)
        assert bench.overflows == 0, "exactly the limit is not beyond it"
        bench.outbox.send(b"y")
        assert bench.overflows == 1
        bench.outbox.send(b"z" * LIMIT)
        bench.unblock()
        await turn()
        assert bench.overflows == 1
        assert bench.socket.writes == [], "what waited is dropped: the session is being closed"

    in_loop(test)


def test_a_socket_that_takes_data_gets_more_than_the_limit_at_once() -> None:
    """A message longer than the limit could otherwise never be sent, and a durable one would come again for ever."""

    async def test() -> None:
        bench = Bench()
        bench.outbox.send(b"z" * LIMIT)
        assert bench.socket.writes == [], "exactly the limit is not beyond it"
        await turn()
        bench.socket.writes.clear()
        bench.outbox.send(b"a" * 10)
        bench.outbox.send(b"b" * 1000)
        assert bench.socket.writes == [b"a" * 10 + b"b" * 1000]
        bench.outbox.send(b"c" * 1000)
        assert bench.socket.writes[1:] == [b"c" * 1000]
        assert bench.overflows == 0
        await turn()
        assert len(bench.socket.writes) == 2

    in_loop(test)


def test_closing_writes_what_waits_and_takes_nothing_more() -> None:
    async def test() -> None:
        bench = Bench()
        bench.block(stuck=LIMIT)
        bench.socket.stuck = 0
        bench.outbox.send(b"a")
        bench.outbox.close()
        assert bench.socket.writes == [b"a"]
        bench.outbox.send(b"b" * 1000)
        await turn()
        bench.outbox.flush()
        assert bench.socket.writes == [b"a"]
        assert bench.overflows == 0

    in_loop(test)


def test_drained_waits_until_half_of_the_limit_is_free() -> None:
    async def test() -> None:
        bench = Bench()
        await bench.outbox.drained()
        bench.outbox.send(b"x" * 50)
        waiter = asyncio.ensure_future(bench.outbox.drained())
        await asyncio.wait_for(waiter, 5)
        assert bench.socket.writes == [b"x" * 50]

        bench.block()
        waiter = asyncio.ensure_future(bench.outbox.drained())
        await turn()
        assert not waiter.done()
        bench.unblock()
        await asyncio.wait_for(waiter, 5)

    in_loop(test)


def test_drained_does_not_wait_for_a_socket_that_takes_data() -> None:
    """The transport signals a full and a drained buffer, at its own limits, but not a buffer that is half empty."""

    async def test() -> None:
        bench = Bench()
        bench.socket.stuck = LIMIT
        bench.outbox.send(b"x" * 90)
        await asyncio.wait_for(bench.outbox.drained(), 5)

    in_loop(test)


def test_drained_ends_when_the_outbox_is_closed_or_overflows() -> None:
    async def test() -> None:
        bench = Bench()
        bench.block(stuck=LIMIT)
        waiter = asyncio.ensure_future(bench.outbox.drained())
        await turn()
        bench.outbox.close()
        await asyncio.wait_for(waiter, 5)
        await asyncio.wait_for(bench.outbox.drained(), 5)

        bench = Bench()
        bench.block(stuck=LIMIT)
        waiter = asyncio.ensure_future(bench.outbox.drained())
        await turn()
        bench.outbox.send(b"x")
        await asyncio.wait_for(waiter, 5)

    in_loop(test)


def test_a_cancelled_waiter_does_no_harm() -> None:
    async def test() -> None:
        bench = Bench()
        bench.block(stuck=LIMIT)
        waiter = asyncio.ensure_future(bench.outbox.drained())
        await turn()
        waiter.cancel()
        await turn()
        bench.unblock()
        bench.outbox.send(b"x")
        await turn()
        assert bench.socket.writes == [b"x"]

    in_loop(test)


def test_settled_once_everything_has_left_the_process() -> None:
    async def test() -> None:
        bench = Bench()
        assert bench.outbox.settled_id() == 0
        bench.outbox.written_id = 7
        bench.outbox.send(b"x")
        assert bench.outbox.settled_id() == 0
        bench.socket.stuck = 1
        await turn()
        assert bench.outbox.settled_id() == 0
        bench.socket.stuck = 0
        assert bench.outbox.settled_id() == 7

    in_loop(test)


STEPS = st.one_of(
    st.tuples(st.just("send"), st.integers(1, 60)),
    st.tuples(st.just("block"), st.integers(0, 60)),
    st.tuples(st.sampled_from(["unblock", "flush", "turn"]), st.just(0)),
)


@given(st.lists(STEPS, max_size=40))
def test_nothing_is_lost_repeated_reordered_or_kept_beyond_the_limit(steps: list[tuple[str, int]]) -> None:
    async def test() -> None:
        bench = Bench()
        accepted: list[bytes] = []
        for number, (step, size) in enumerate(steps):
            if step == "send":
                frame = bytes([number]) * size
                bench.outbox.send(frame)
                if bench.overflows:
                    return
                accepted.append(frame)
            elif step == "block":
                bench.block(size)
            elif step == "unblock":
                bench.unblock()
            elif step == "turn":
                await turn()
            else:
                bench.outbox.flush()
            written = b"".join(bench.socket.writes)
            waiting = len(b"".join(accepted)) - len(written)
            assert b"".join(accepted).startswith(written)
            assert waiting <= LIMIT
            if step == "send" and bench.outbox.blocked:
                assert waiting + bench.socket.stuck <= LIMIT
            if step in ("turn", "flush") and not bench.outbox.blocked:
                assert waiting == 0
        bench.outbox.close()
        assert b"".join(bench.socket.writes) == b"".join(accepted)

    in_loop(test)
