"""The engines that the conformance suite runs against, each with the means to start one."""

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from msanic_core.codes import OfflineReason
from msanic_core.engine.base import Engine, InboxLimits, SessionInfo
from msanic_core.engine.memory import MemoryEngine
from msanic_core.wire import Push

NODE = "node-1"


class Clock:
    """The time of an engine under test, in seconds."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


class Node:
    """A node without sockets: it writes down what the engine delivers, and knows which sessions it has."""

    def __init__(self) -> None:
        self.sessions: dict[str, SessionInfo] = {}
        self.to_users: list[tuple[str, Push]] = []
        self.to_groups: list[tuple[str | None, Push]] = []
        self.closed: list[tuple[str, OfflineReason]] = []

    def to_user(self, user: str, push: Push) -> int:
        self.to_users.append((user, push))
        return sum(session.user == user for session in self.sessions.values())

    def to_group(self, group: str | None, push: Push) -> int:
        self.to_groups.append((group, push))
        return len(self.sessions)

    def close(self, session_id: str, reason: OfflineReason) -> bool:
        if self.sessions.pop(session_id, None) is None:
            return False
        self.closed.append((session_id, reason))
        return True


class Bench(NamedTuple):
    """A started engine with its node and its clock."""

    engine: Engine
    node: Node
    clock: Clock


async def start_memory(limits: InboxLimits) -> Bench:
    clock, node = Clock(), Node()
    engine = MemoryEngine(limits, clock)
    await engine.start(NODE, node)
    return Bench(engine, node, clock)


ENGINES: dict[str, Callable[[InboxLimits], Any]] = {"memory": start_memory}


@pytest.fixture(params=ENGINES)
def start(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """`await start(max_messages=10, max_bytes=10_000, max_age=60.0)` gives a `Bench`."""
    start_engine = ENGINES[request.param]

    async def start_(**limits: Any) -> Bench:
        bounds = {"max_messages": 10, "max_bytes": 10_000, "max_age": 60.0, **limits}
        bench: Bench = await start_engine(InboxLimits(**bounds))
        return bench

    return start_
