"""A node without sockets, for tests of engines."""

import asyncio
from collections.abc import Sequence

from msanic_core.codes import OfflineReason
from msanic_core.engine.base import OfflineJob
from msanic_core.identity import SessionInfo
from msanic_core.wire import Push

SETTLED = "conformance.settled"


class Clock:
    """The time of an engine under test, in seconds."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


class Node:
    """A node without sockets: it records what the engine delivers, and has a list of its sessions."""

    def __init__(self) -> None:
        self.online: dict[str, SessionInfo] = {}
        self.to_users: list[tuple[str, Push]] = []
        self.to_groups: list[tuple[str | None, Push]] = []
        self.closed: list[tuple[str, OfflineReason]] = []
        self.behind: list[tuple[str, int]] = []
        self.adopted: list[OfflineJob] = []
        self.fenced = 0
        self.changed: list[tuple[str, str, bool]] = []
        self.settled: dict[int, asyncio.Event] = {}

    def to_user(self, user: str, push: Push) -> int:
        self.to_users.append((user, push))
        return sum(session.user == user for session in self.online.values())

    def to_group(self, group: str | None, push: Push) -> int:
        if push.cmd == SETTLED:
            self.settled[push.data].set()
        else:
            self.to_groups.append((group, push))
        return len(self.online)

    def close(self, session_id: str, reason: OfflineReason) -> bool:
        if self.online.pop(session_id, None) is None:
            return False
        self.closed.append((session_id, reason))
        return True

    def sessions(self) -> Sequence[SessionInfo]:
        return list(self.online.values())

    def catch_up(self, session_id: str, last_id: int) -> None:
        self.behind.append((session_id, last_id))

    def adopt(self, job: OfflineJob) -> None:
        self.adopted.append(job)

    async def change_group(self, session_id: str, group: str, member: bool) -> bool:
        self.changed.append((session_id, group, member))
        return session_id in self.online

    def drop_sessions(self) -> None:
        self.online.clear()
        self.fenced += 1
