"""The Redis engine: its parts put together, and what it does after Redis was away."""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

import msgspec

from msanic_core.codes import OfflineReason
from msanic_core.engine.base import Delivery, InboxLimits, InboxPage, Lock, SessionPolicy
from msanic_core.engine.redis import scripts
from msanic_core.engine.redis.group_requests import GroupRequests
from msanic_core.engine.redis.groups import Groups
from msanic_core.engine.redis.inboxes import Inboxes
from msanic_core.engine.redis.lease import BEATS_PER_LEASE, Lease
from msanic_core.engine.redis.locks import Locks
from msanic_core.engine.redis.names import Names
from msanic_core.engine.redis.pipeline import Pipeline
from msanic_core.engine.redis.reaper import Reaper
from msanic_core.engine.redis.records import OPEN, Close, GroupAnswer, GroupRequest, LockFree, NodeMessage, ToUser
from msanic_core.engine.redis.sessions import Sessions
from msanic_core.engine.redis.subscription import Subscription
from msanic_core.engine.redis.topology import ERRORS, open_store
from msanic_core.errors import ConfigError, StoreUnavailableError
from msanic_core.identity import SessionInfo
from msanic_core.wire import Push
from msanic_core.wire.packed import pack_push

log = logging.getLogger("msanic_core.redis")

_OLDEST = (6, 2)
_RESTORED_AT_ONCE = 500
_PAUSE = 0.5


class RedisOptions(msgspec.Struct, frozen=True):
    """Where Redis is, and times in seconds; see `[redis]` in the settings."""

    url: str
    prefix: str = "msanic"
    lease: float = 10.0
    timeout: float = 2.0
    patience: float = 5.0


class RedisEngine:
    """Users, inboxes, groups and offline jobs in Redis, where other nodes find them. Made in a running loop.

    Raises `ConfigError` when the URL cannot be read.
    """

    name = "redis"

    def __init__(self, options: RedisOptions, inbox_limits: InboxLimits, now: Callable[[], float] = time.time) -> None:
        self._options = options
        self._inbox_limits = inbox_limits
        self._now = now
        self._store = open_store(options.url, options.timeout)
        self._names = Names(options.prefix, self._store.database)
        self._delivery: Delivery
        self._pipeline: Pipeline
        self._lease: Lease
        self._groups: Groups
        self._sessions: Sessions
        self._inboxes: Inboxes
        self._locks: Locks
        self._requests: GroupRequests
        self._subscription: Subscription
        self._reaper: Reaper
        self._forgotten = asyncio.Event()
        """Set while Redis may have forgotten sessions of this node, or the node may have missed messages."""
        self._recovery: asyncio.Task[None] | None = None

    async def start(self, node: str, delivery: Delivery, plugins: Sequence[str]) -> None:
        """See `Engine.start`. Raises `StoreUnavailableError`, and `ConfigError` when this Redis is not suitable."""
        options, names = self._options, self._names
        self._delivery = delivery
        self._pipeline = Pipeline(self._store, options.timeout, options.patience, self._forgotten.set)
        self._lease = Lease(
            node, names, self._pipeline, options.lease, self._reap, self._condemned, self._forgotten.set, self._count
        )
        self._groups = Groups(names, self._pipeline, self._lease)
        max_age = self._inbox_limits.max_age
        self._sessions = Sessions(names, self._pipeline, self._lease, self._groups, max_age, self._now)
        self._inboxes = Inboxes(names, self._pipeline, self._inbox_limits, node, self._now)
        self._requests = GroupRequests(
            names, self._pipeline, self._sessions, node, options.patience, delivery.change_group
        )
        self._locks = Locks(names, self._pipeline, node, options.lease)
        self._reaper = Reaper(names, self._pipeline, self._lease, self._sessions, plugins, delivery.adopt)
        interval = options.lease / BEATS_PER_LEASE
        self._subscription = Subscription(
            self._store, names, node, self._pipeline, interval, self._receive, self._forgotten.set
        )
        try:
            # First, so that this node misses no message once others know it.
            await self._reach(self._subscription.start)
            await self._reach(self._check)
            await self._lease.start()
        except BaseException:
            await self._close()
            raise
        self._recovery = asyncio.get_running_loop().create_task(self._keep_recovering())

    async def stop(self) -> None:
        """See `Engine.stop`. Other nodes take over what this node still holds."""
        if self._recovery is not None:
            self._recovery.cancel()
            await asyncio.wait({self._recovery})
        await self._requests.stop()
        await self._reaper.stop()
        await self._sessions.stop()
        await self._lease.stop(clean=self._sessions.idle)
        await self._close()

    async def register(self, session: SessionInfo, policy: SessionPolicy) -> bool:
        """See `Engine.register`."""
        return await self._sessions.register(session, policy)

    async def unregister(
        self, session: SessionInfo, reason: OfflineReason, plugins: Sequence[str]
    ) -> SessionInfo | None:
        """See `Engine.unregister`."""
        return await self._sessions.unregister(session, reason, plugins)

    async def holds(self, session_id: str) -> bool:
        """See `Engine.holds`."""
        return await self._sessions.holds(session_id)

    async def done(self, session: SessionInfo, plugin: str) -> None:
        """See `Engine.done`."""
        await self._sessions.done(session, plugin)

    async def newer_handshake(self, user: str, timestamp: int) -> bool:
        """See `Engine.newer_handshake`."""
        return await self._inboxes.newer_handshake(user, timestamp)

    async def join(self, session: SessionInfo, group: str) -> None:
        """See `Engine.join`."""
        await self._groups.join(session, group)

    async def leave(self, session: SessionInfo, group: str) -> None:
        """See `Engine.leave`."""
        await self._groups.leave(session, group)

    async def ask_to_change_group(self, session: SessionInfo, group: str, member: bool) -> bool:
        """See `Engine.ask_to_change_group`."""
        return await self._requests.ask(session, group, member)

    async def members(self, group: str) -> list[str]:
        """See `Engine.members`."""
        return await self._groups.members(group)

    async def count(self, group: str | None) -> int:
        """See `Engine.count`."""
        return self._count() + self._lease.sessions_elsewhere if group is None else await self._groups.count(group)

    async def online(self, user: str) -> bool:
        """See `Engine.online`."""
        return bool(await self._sessions.of_user(user))

    async def sessions(self, user: str) -> list[SessionInfo]:
        """See `Engine.sessions`."""
        return await self._sessions.of_user(user)

    async def kick(self, user: str, session_id: str | None) -> int:
        """See `Engine.kick`."""
        return await self._sessions.kick(user, session_id)

    async def push(self, user: str, push: Push, durable: bool, key: str | None = None) -> int | None:
        """See `Engine.push`."""
        if durable:
            return await self._inboxes.store(user, push, key)
        await self._inboxes.send(user, push)
        return None

    async def broadcast(self, group: str | None, push: Push) -> None:
        """See `Engine.broadcast`."""
        await self._groups.broadcast(group, pack_push(push))

    async def inbox(self, user: str, client: str, after: int | None, limit: int) -> InboxPage:
        """See `Engine.inbox`."""
        return await self._inboxes.read(user, client, after, limit, self._lease.epoch)

    def acknowledge(self, user: str, client: str, message_id: int) -> None:
        """See `Engine.acknowledge`."""
        self._inboxes.acknowledge(user, client, message_id)

    def lock(self, name: str, wait: float | None) -> AbstractAsyncContextManager[Lock]:
        """See `Engine.lock`. Raises `StoreUnavailableError` when Redis is away for too long while the task waits."""
        return self._locks.lock(name, wait)

    def describe(self) -> dict[str, Any]:
        """See `Engine.describe`."""
        problem = (
            ("Redis is away" if self._pipeline.away else "")
            or ("" if self._subscription.alive else "there is no subscription")
            or ("" if self._lease.fresh else "the lease has run out")
            or ("sessions are being recorded again" if self._forgotten.is_set() else "")
        )
        return {
            "name": self.name,
            "healthy": not problem,
            **({"problem": problem} if problem else {}),
            "nodes": self._lease.nodes,
            "survives": "the end of processes, and what Redis survives",
        }

    def _receive(self, message: NodeMessage) -> None:
        if isinstance(message, ToUser):
            self._delivery.to_user(message.user, message.push)
        elif isinstance(message, Close):
            self._delivery.close(message.session_id, message.reason)
        elif isinstance(message, LockFree):
            self._locks.released(message.name)
        elif isinstance(message, GroupRequest):
            self._requests.asked(message)
        elif isinstance(message, GroupAnswer):
            self._requests.answered(message)
        else:
            self._delivery.to_group(message.group, message.push)

    def _count(self) -> int:
        return self._sessions.count

    def _reap(self, owner: str) -> None:
        self._reaper.reap(owner)

    def _condemned(self, owner: str) -> None:
        """Other nodes take over this node's sessions. Those recorded too late for them, this node takes over itself."""
        self._sessions.abandon()
        self._delivery.drop_sessions()
        self._reaper.reap(owner)

    async def _keep_recovering(self) -> None:
        while True:
            await self._forgotten.wait()
            try:
                await self._lease.beat()
                self._forgotten.clear()
                await self._restore()
            except StoreUnavailableError as error:
                log.debug("the sessions cannot be recorded again yet: %s", error.hint)
                self._forgotten.set()
                await asyncio.sleep(_PAUSE)
            except Exception:
                log.exception("the sessions cannot be recorded again")
                self._forgotten.set()
                await asyncio.sleep(_PAUSE)

    async def _restore(self) -> None:
        """Record every session again, and let each one read what it has missed."""
        sessions = self._delivery.sessions()
        for start in range(0, len(sessions), _RESTORED_AT_ONCE):
            chunk = sessions[start : start + _RESTORED_AT_ONCE]
            answers = await asyncio.gather(*map(self._sessions.restore, chunk))
            for session, (mark, last_id) in zip(chunk, answers, strict=True):
                if mark != OPEN:
                    self._delivery.close(session.id, OfflineReason(mark))
                else:
                    self._delivery.catch_up(session.id, last_id)
        if sessions:
            log.info("recorded %d sessions again", len(sessions))

    async def _reach(self, first_call: Callable[[], Any]) -> None:
        """Repeat a first call for as long as calls wait: Redis may be started after this server."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._options.patience
        while True:
            try:
                await first_call()
            except StoreUnavailableError as error:
                if loop.time() > deadline:
                    raise StoreUnavailableError(
                        f"{error.hint} ({self._store.shown}); start Redis, or correct redis.url (--redis)"
                    ) from error
                await asyncio.sleep(_PAUSE / 5)
            else:
                return

    async def _check(self) -> None:
        """Check that this Redis is suitable, and load the scripts."""
        try:
            facts = {**await self._store.info("server"), **await self._store.info("memory")}
            await self._store.load(scripts.texts())
        except ERRORS as error:
            raise StoreUnavailableError(f"Redis does not answer as it should: {error}") from error
        version = str(facts.get("redis_version", "0"))
        if tuple(int(part) for part in version.split(".")[:2]) < _OLDEST:
            raise ConfigError(f"redis.url: Redis {version} at {self._store.shown} is too old, 6.2 is needed")
        policy = str(facts.get("maxmemory_policy", "noeviction"))
        if policy != "noeviction":
            log.warning(
                "Redis at %s may drop sessions and messages when its memory is full: maxmemory-policy is %s; set it to "
                "noeviction",
                self._store.shown,
                policy,
            )

    async def _close(self) -> None:
        await self._subscription.stop()
        await self._pipeline.close()
        await self._store.close()
