"""The engine of a single process: everything in this process's memory, gone with it."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from itertools import count, islice
from typing import Any

import msgspec

from msanic_core.codes import OfflineReason
from msanic_core.engine.base import Delivery, InboxLimits, InboxPage, Lock, SessionPolicy
from msanic_core.engine.local_locks import LocalLocks, not_free
from msanic_core.engine.memory.memory_inbox import MemoryInbox
from msanic_core.identity import SessionInfo
from msanic_core.wire import Push


class MemoryEngine:
    """Keeps users, groups and inboxes in dictionaries. Nothing survives the process, offline jobs included."""

    name = "memory"

    def __init__(self, inbox_limits: InboxLimits, now: Callable[[], float] = time.time) -> None:
        self._inbox_limits = inbox_limits
        self._now = now
        self._delivery: Delivery | None = None
        self._sessions: dict[str, dict[str, SessionInfo]] = {}
        self._groups: dict[str, dict[str, str]] = {}
        self._inboxes: dict[str, MemoryInbox] = {}
        self._highest_forgotten_id = 0
        self._handshakes: dict[str, int] = {}
        self._epoch = uuid.uuid4().hex
        self._locks = LocalLocks()
        # From the clock's microseconds on, as in Redis: the fences of an earlier process were lower.
        self._fences = count(int(now() * 1_000_000))

    @property
    def delivery(self) -> Delivery:
        """The node, as `start` was given it."""
        if self._delivery is None:
            raise RuntimeError("the engine is not started")
        return self._delivery

    async def start(self, node: str, delivery: Delivery, plugins: Sequence[str]) -> None:  # noqa: ARG002 - one node
        """See `Engine.start`."""
        self._delivery = delivery

    async def stop(self) -> None:
        """See `Engine.stop`."""
        self._delivery = None

    async def register(self, session: SessionInfo, policy: SessionPolicy) -> bool:
        """See `Engine.register`."""
        others = self._sessions.setdefault(session.user, {})
        if not policy.replace and len(others) >= policy.limit:
            return False
        replaced = list(others) if policy.replace else []
        others[session.id] = session
        for session_id in replaced:
            self.delivery.close(session_id, OfflineReason.REPLACED)
        return True

    async def unregister(self, session: SessionInfo, reason: OfflineReason, plugins: Sequence[str]) -> SessionInfo:  # noqa: ARG002
        """See `Engine.unregister`. The job is not recorded: it would end with the process that runs it."""
        others = self._sessions.get(session.user, {})
        others.pop(session.id, None)
        if not others:
            self._sessions.pop(session.user, None)
            if inbox := self._inboxes.get(session.user):
                inbox.used_at = self._now()
                self._tidy(session.user)
        for group in session.groups:
            self._leave(session.id, group)
        return msgspec.structs.replace(session, closed_at=self._now(), last=not others)

    async def holds(self, session_id: str) -> bool:  # noqa: ARG002
        """See `Engine.holds`. No other process could have the job."""
        return True

    async def done(self, session: SessionInfo, plugin: str) -> None:
        """See `Engine.done`. There is nothing to mark, see `unregister`."""

    async def newer_handshake(self, user: str, timestamp: int) -> bool:
        """See `Engine.newer_handshake`."""
        if timestamp <= self._handshakes.get(user, -1):
            return False
        self._handshakes[user] = timestamp
        return True

    async def join(self, session: SessionInfo, group: str) -> None:
        """See `Engine.join`."""
        if session.id in self._sessions.get(session.user, {}):
            self._groups.setdefault(group, {})[session.id] = session.user

    async def leave(self, session: SessionInfo, group: str) -> None:
        """See `Engine.leave`."""
        self._leave(session.id, group)

    async def ask_to_change_group(self, session: SessionInfo, group: str, member: bool) -> bool:  # noqa: ARG002
        """See `Engine.ask_to_change_group`. There is no other node."""
        return False

    async def members(self, group: str) -> list[str]:
        """See `Engine.members`."""
        return sorted(set(self._groups.get(group, {}).values()))

    async def count(self, group: str | None) -> int:
        """See `Engine.count`."""
        return sum(map(len, self._sessions.values())) if group is None else len(self._groups.get(group, {}))

    async def online(self, user: str) -> bool:
        """See `Engine.online`."""
        return user in self._sessions

    async def sessions(self, user: str) -> list[SessionInfo]:
        """See `Engine.sessions`."""
        return sorted(self._sessions.get(user, {}).values(), key=lambda session: session.opened_at)

    async def kick(self, user: str, session_id: str | None) -> int:
        """See `Engine.kick`."""
        chosen = [each for each in self._sessions.get(user, {}) if session_id in (None, each)]
        return sum(self.delivery.close(each, OfflineReason.KICKED) for each in chosen)

    async def push(self, user: str, push: Push, durable: bool, key: str | None = None) -> int | None:
        """See `Engine.push`."""
        if durable:
            inbox = self._inbox_of(user)
            if key is not None and (message_id := inbox.id_of(key)) is not None:
                return message_id
            push = inbox.append(push, self._now(), key)
        self.delivery.to_user(user, push)
        return push.id

    async def broadcast(self, group: str | None, push: Push) -> None:
        """See `Engine.broadcast`."""
        self.delivery.to_group(group, push)

    async def inbox(self, user: str, client: str, after: int | None, limit: int) -> InboxPage:
        """See `Engine.inbox`."""
        # A client without a name needs no inbox yet: a new inbox knows the clients of open sessions.
        inbox = self._inbox_of(user) if client else self._inboxes.get(user)
        if inbox is None:
            return InboxPage((), 0, self._epoch, self._highest_forgotten_id)
        return inbox.read(client, after, limit, self._now(), self._epoch)

    def acknowledge(self, user: str, client: str, message_id: int) -> None:
        """See `Engine.acknowledge`."""
        if inbox := self._inboxes.get(user):
            inbox.acknowledge(client, message_id)
            self._tidy(user)

    @asynccontextmanager
    async def lock(self, name: str, wait: float | None) -> AsyncIterator[Lock]:
        """See `Engine.lock`. The lock cannot be lost: all tasks that want it are in this process."""
        lock = self._locks.of(name)
        try:
            async with asyncio.timeout(wait):
                await lock.acquire()
        except TimeoutError:
            raise not_free(name, wait) from None
        try:
            yield Lock(name, next(self._fences))
        finally:
            lock.release()

    def describe(self) -> dict[str, Any]:
        """See `Engine.describe`."""
        return {"name": self.name, "healthy": True, "survives": "nothing: sessions and inboxes end with the process"}

    def _inbox_of(self, user: str) -> MemoryInbox:
        inbox = self._inboxes.get(user)
        if inbox is None:
            # Each new inbox checks the two that were checked longest ago, so unused ones do not pile up.
            for other in list(islice(self._inboxes, 2)):
                self._inboxes[other] = self._inboxes.pop(other)
                self._tidy(other)
            clients = {session.client for session in self._sessions.get(user, {}).values()}
            inbox = self._inboxes[user] = MemoryInbox(
                self._inbox_limits, self._now(), self._highest_forgotten_id, clients
            )
        return inbox

    def _tidy(self, user: str) -> None:
        """Delete a user's inbox if nobody needs it. Ids of later inboxes start above its last one."""
        inbox = self._inboxes.get(user)
        if inbox is not None and user not in self._sessions and inbox.forgettable(self._now()):
            self._highest_forgotten_id = max(self._highest_forgotten_id, inbox.last_id)
            del self._inboxes[user]

    def _leave(self, session_id: str, group: str) -> None:
        members = self._groups.get(group)
        if members is not None:
            members.pop(session_id, None)
            if not members:
                del self._groups[group]
