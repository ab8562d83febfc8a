"""Silence, stalls, rates and expired logins: the rules tick by tick."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from msanic_core.session.heartbeat import Heartbeat, HeartbeatLimits
from msanic_core.session.session import Session

Build = Callable[..., Any]

LIMITS = HeartbeatLimits(ping_interval=4.0, ping_timeout=2.0, outbox_stall=3.0)
"""With a tick of 0.5 s: a ping at the eighth of silence, dead after the twelfth, stalled at the sixth."""


class Ticks:
    """A heartbeat whose ticks the test makes."""

    def __init__(self, house: Any, limits: HeartbeatLimits = LIMITS) -> None:
        self._house = house
        self._tick = limits.tick
        self.heartbeat = Heartbeat(house.registry, house.engine, house.offline, limits)

    def __call__(self, session: Session, count: int = 1) -> None:
        for _ in range(count):
            if not session.closed:
                self._house.now += self._tick
                self.heartbeat.beat(session, self._house.now, self._tick)


def in_house(build: Build, test: Callable[[Any, Ticks], Awaitable[None]], limits: HeartbeatLimits = LIMITS) -> None:
    async def run() -> None:
        house = await build()
        await test(house, Ticks(house, limits))
        await house.offline.drain(asyncio.get_running_loop().time() + 5)

    asyncio.run(run())


@pytest.mark.parametrize(
    ("limits", "tick"),
    [((20.0, 10.0, 10.0), 1.0), ((4.0, 2.0, 3.0), 0.5), ((0.4, 0.2, 10.0), 0.05), ((8.0, 8.0, 0.4), 0.1)],
)
def test_a_tick_is_a_quarter_of_the_shortest_limit_and_at_most_a_second(
    limits: tuple[float, float, float], tick: float
) -> None:
    assert HeartbeatLimits(*limits).tick == pytest.approx(tick)


def test_silence_brings_one_ping_and_then_the_end(build: Build) -> None:
    async def test(house: Any, tick: Ticks) -> None:
        session = await house.session()
        tick(session, 7)
        assert session.socket.calls == []
        tick(session)
        assert session.socket.calls == ["ping"]
        tick(session, 4)
        assert not session.closed
        tick(session)
        assert session.socket.closed == (4002, "no answer to pings")
        assert session.socket.calls == ["ping"]

    in_house(build, test)


@pytest.mark.parametrize("frame", ["control", "message"])
def test_any_frame_starts_the_silence_anew(build: Build, frame: str) -> None:
    async def test(house: Any, tick: Ticks) -> None:
        session = await house.session()
        for _ in range(3):
            tick(session, 12)
            session.control() if frame == "control" else session.message("x")
        tick(session, 12)
        assert not session.closed
        assert session.socket.calls == ["ping"] * 4

    in_house(build, test)


def test_the_silence_of_a_client_that_is_held_back_says_nothing(build: Build) -> None:
    async def test(house: Any, tick: Ticks) -> None:
        session = await house.session(queue=1)
        session.enqueue("a command")
        tick(session, 100)
        assert session.socket.calls == ["pause"]
        session.waiting.clear()
        session.dequeued()
        tick(session, 8)
        assert session.socket.calls == ["pause", "resume", "ping"]
        assert not session.closed

    in_house(build, test)


def test_a_socket_that_takes_nothing_is_stalled(build: Build) -> None:
    async def test(house: Any, tick: Ticks) -> None:
        session = await house.session()
        session.socket.stuck = 1000
        session.writable(False)
        tick(session, 6)
        assert not session.closed
        tick(session)
        assert session.socket.closed == (4001, "reads too slowly")

    in_house(build, test)


def test_a_socket_that_takes_a_little_is_not(build: Build) -> None:
    async def test(house: Any, tick: Ticks) -> None:
        session = await house.session()
        session.socket.stuck = 1000
        session.writable(False)
        for _ in range(10):
            tick(session, 6)
            session.socket.stuck -= 1
        assert not session.closed

    in_house(build, test)


def test_once_a_socket_takes_everything_the_count_starts_anew(build: Build) -> None:
    async def test(house: Any, tick: Ticks) -> None:
        session = await house.session()
        session.socket.stuck = 1000
        for _ in range(3):
            session.writable(False)
            tick(session, 6)
            session.writable(True)
            tick(session)
        assert not session.closed

    in_house(build, test)


def test_a_tick_that_comes_late_counts_as_one(build: Build) -> None:
    """This process was blocked: it has not read what the clients sent meanwhile, and has not written to them."""

    async def test(house: Any, tick: Ticks) -> None:
        silent, stuck = await house.session(), await house.session("bob")
        stuck.socket.stuck = 1000
        stuck.writable(False)
        for session in (silent, stuck):
            tick(session, 5)
            tick.heartbeat.beat(session, house.now, 1000.0)
        assert silent.socket.calls == []
        assert not silent.closed
        assert not stuck.closed
        tick(stuck)
        assert stuck.socket.closed == (4001, "reads too slowly")

    in_house(build, test)


def test_a_login_ends_when_it_runs_out(build: Build) -> None:
    async def test(house: Any, tick: Ticks) -> None:
        session = await house.session(expires_at=house.now + 2.0)
        other = await house.session("bob", expires_at=house.now + 1000.0)
        for _ in range(3):
            tick(session)
            session.control()
        assert not session.closed
        tick(session)
        assert session.socket.closed == (4005, "login expired")
        tick(other)
        assert not other.closed

    in_house(build, test)


def test_tokens_come_with_time_and_not_with_ticks(build: Build) -> None:
    async def test(house: Any, tick: Ticks) -> None:
        session = await house.session(rate=4, burst=100)
        for _ in range(100):
            session.control()
        tick.heartbeat.beat(session, house.now, 0.25)
        assert session.tokens == 1
        tick.heartbeat.beat(session, house.now, 5.0)
        assert session.tokens == 21, "the tick came late"

    in_house(build, test)


def test_one_session_whose_heartbeat_fails_does_not_stop_that_of_the_others(
    build: Build, caplog: pytest.LogCaptureFixture
) -> None:
    async def test(house: Any, tick: Ticks) -> None:
        broken = await house.session("ada")
        broken.identity = None
        silent = await house.session("bob")
        heartbeat = Heartbeat(house.registry, house.engine, house.offline, HeartbeatLimits(0.04, 0.04, 60.0))
        running = asyncio.create_task(heartbeat.run())
        async with asyncio.timeout(10):
            while not silent.closed:
                await asyncio.sleep(0.01)
        assert not running.done()
        running.cancel()

    in_house(build, test)
    assert "the heartbeat of session session-1 failed" in caplog.text
