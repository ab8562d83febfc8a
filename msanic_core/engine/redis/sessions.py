"""The sessions of all nodes, by user, and the offline jobs of those that were lost."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec

from msanic_core.codes import OfflineReason
from msanic_core.engine.base import OfflineJob, SessionPolicy
from msanic_core.engine.redis import scripts
from msanic_core.engine.redis.groups import Groups
from msanic_core.engine.redis.lease import Lease
from msanic_core.engine.redis.names import Names, escape
from msanic_core.engine.redis.pipeline import Pipeline
from msanic_core.engine.redis.records import OPEN, Record, pack_session, read_job, read_record
from msanic_core.errors import StoreUnavailableError
from msanic_core.identity import SessionInfo

log = logging.getLogger("msanic_core.redis")


class Sessions:
    """What this node holds, and what others have noted.

    Before a session is recorded with its user it is put among what the node's name in the store answers for (`held`),
    and taken out of there when its last plugin was told: whoever takes over from a dead node finds everything.
    """

    def __init__(
        self, names: Names, pipeline: Pipeline, lease: Lease, groups: Groups, max_age: float, now: Callable[[], float]
    ) -> None:
        self._names = names
        self._pipeline = pipeline
        self._lease = lease
        self._groups = groups
        self._max_age = round(max_age * 1000)
        self._now = now
        self._replace = False
        self._opening: set[str] = set()
        self._open: set[str] = set()
        self._jobs: dict[str, set[str]] = {}
        self._undoing: set[asyncio.Task[None]] = set()

    @property
    def idle(self) -> bool:
        """Whether this node answers for nothing."""
        return not (self._opening or self._open or self._jobs or self._undoing)

    @property
    def count(self) -> int:
        """How many sessions this node has."""
        return len(self._open)

    async def stop(self) -> None:
        """Leave to others what is under way."""
        for task in self._undoing:
            task.cancel()
        await asyncio.gather(*self._undoing, return_exceptions=True)

    async def register(self, session: SessionInfo, policy: SessionPolicy) -> bool:
        """See `Engine.register`. Raises `StoreUnavailableError` too when the session is lost meanwhile."""
        self._opening.add(session.id)
        try:
            await self._lease.confirm()
            self._replace = policy.replace
            owner = self._lease.owner
            try:
                recorded = await self._record(session, policy, owner)
            except BaseException:
                self._open.discard(session.id)
                if session.id not in self._jobs:
                    # It may be recorded all the same.
                    self._undo(session, owner)
                raise
        finally:
            self._opening.discard(session.id)
        if not recorded:
            self._open.discard(session.id)
            await self._release(session, owner)
        return recorded

    async def restore(self, session: SessionInfo) -> tuple[str, int]:
        """Record an open session again, should it have been forgotten; its groups too.

        Returns its mark (why it has to end, or `OPEN`) and the highest id of the user's inbox.
        """
        owner = self._lease.owner
        if session.id not in self._open or session.id in self._opening:
            return OPEN, 0
        await self._hold(session, owner)
        if session.id not in self._open:
            if session.id not in self._jobs:
                await self._release(session, owner)
            return OPEN, 0
        mark, last_id = await self._pipeline.run(
            scripts.RESTORE,
            [
                *(self._names.of_user(session.user, what) for what in ("sessions", "meta")),
                self._names.taken(session.user, session.id),
                self._names.job(session.user, session.id),
            ],
            session.id, owner, session.node, escape(session.client), pack_session(session), session.opened_at,
            int(self._replace), self._names.node_channel,
        )  # fmt: skip
        for group in session.groups:
            await self._groups.join(session, group)
        return mark.decode(), int(last_id)

    async def unregister(
        self, session: SessionInfo, reason: OfflineReason, plugins: Sequence[str]
    ) -> SessionInfo | None:
        """See `Engine.unregister`."""
        if session.id not in self._open:
            # It was not recorded yet, or went with the name this node had before it was condemned.
            self._opening.discard(session.id)
            # While others took it over it may have joined one more.
            await self._leave_groups(session, session.groups)
            return None
        self._open.discard(session.id)
        self._jobs[session.id] = set(plugins)
        owner = self._lease.owner
        closed_at = self._now()
        answer = await self._record_lost(session, owner, reason, plugins, closed_at, force=False)
        if answer is None:
            # Somebody else has it, or the store has forgotten it: only the first condemns this node.
            await self._lease.beat(wait=True)
            if self._lease.owner == owner:
                await self._hold(session, owner, wait=True)
                answer = await self._record_lost(session, owner, reason, plugins, closed_at, force=True)
        if answer is None:
            self._jobs.pop(session.id, None)
            await self._leave_groups(session, session.groups)
            return None
        await self._leave_groups(session, (*session.groups, *(group.decode() for group in answer[2])))
        if not plugins:
            await self._finish(session, owner)
        return msgspec.structs.replace(session, closed_at=float(answer[0]), last=answer[1] == b"1")

    async def holds(self, session_id: str) -> bool:
        """See `Engine.holds`."""
        if session_id not in self._jobs:
            return False
        await self._lease.confirm(wait=True)
        return session_id in self._jobs

    async def done(self, session: SessionInfo, plugin: str) -> None:
        """See `Engine.done`."""
        left = self._jobs.get(session.id)
        if left is None:
            return
        owner = self._lease.owner
        await self._mark_done(session, owner, plugin)
        # Counted here: the store may have been emptied in between.
        left.discard(plugin)
        if not left and self._jobs.get(session.id) is left:
            del self._jobs[session.id]
            await self._release(session, owner)

    async def claim(self, owner: str, user: str, session_id: str, plugins: Sequence[str]) -> OfflineJob | None:
        """Take over what a dead owner held; None when somebody else has it, or it is done.

        Two dead owners may have held it, one of which had taken it over from the other. While it is being claimed from
        one it stays with the other, to be claimed again.
        """
        if (left := self._jobs.get(session_id)) is not None:
            if left:
                await self.skip(owner, user, session_id)
            return None
        try:
            job = await self._claim(owner, user, session_id, plugins)
            await self.skip(owner, user, session_id)
        except StoreUnavailableError:
            self._jobs.pop(session_id, None)
            raise
        return job

    async def skip(self, owner: str, user: str, session_id: str) -> None:
        """Take a session from what a dead owner answers for."""
        await self._pipeline.command("SREM", self._names.held(owner), _held(user, session_id))

    async def held(self, owner: str, count: int) -> list[tuple[str, str]]:
        """Some of what an owner answers for, as user and session id; at most `count`."""
        answer = await self._pipeline.command("SRANDMEMBER", self._names.held(owner), count)
        return [_read_held(entry) for entry in answer]

    def abandon(self) -> None:
        """Forget everything: this node was condemned, and others have it now."""
        self._opening.clear()
        self._open.clear()
        self._jobs.clear()

    async def of_user(self, user: str) -> list[SessionInfo]:
        """The user's sessions that are open and on a living node, oldest first."""
        records = await self._pipeline.command("HVALS", self._names.of_user(user, "sessions"))
        read = [read_record(record) for record in records]
        return sorted((each.session for each in read if self._is_open(each)), key=lambda session: session.opened_at)

    async def kick(self, user: str, session_id: str | None) -> int:
        """See `Engine.kick`."""
        sessions = self._names.of_user(user, "sessions")
        return int(await self._pipeline.run(scripts.KICK, [sessions], session_id or "", self._names.node_channel))

    def _is_open(self, record: Record) -> bool:
        return record.mark == OPEN and record.owner not in self._lease.dead

    async def _record(self, session: SessionInfo, policy: SessionPolicy, owner: str) -> bool:
        await self._hold(session, owner)
        if session.id not in self._opening:
            raise StoreUnavailableError("the session was lost while it began")
        self._open.add(session.id)
        recorded = await self._pipeline.run(
            scripts.REGISTER,
            [self._names.of_user(session.user, what) for what in ("sessions", "meta", "inbox")],
            session.id, owner, session.node, escape(session.client), pack_session(session), policy.limit,
            int(policy.replace), self._names.node_channel, round(self._now() * 1000), self._max_age,
        )  # fmt: skip
        if owner != self._lease.owner:
            raise StoreUnavailableError("this node was taken for dead while the session began")
        return bool(recorded)

    async def _claim(self, owner: str, user: str, session_id: str, plugins: Sequence[str]) -> OfflineJob | None:
        me = self._lease.owner
        left = self._jobs[session_id] = set()
        await self._pipeline.command("SADD", self._names.held(me), _held(user, session_id))
        answer = await self._pipeline.run(
            scripts.CLAIM,
            [
                self._names.of_user(user, "sessions"),
                self._names.job(user, session_id),
                self._names.groups_of(user, session_id),
                self._names.taken(user, session_id),
            ],
            session_id, owner, me, OfflineReason.CRASHED.value, self._now(), *plugins,
        )  # fmt: skip
        if answer is None:
            self._jobs.pop(session_id, None)
            await self._pipeline.command("SREM", self._names.held(me), _held(user, session_id))
            return None
        job = read_job(answer)
        left.update(job.plugins)
        await self._leave_groups(job.session, job.session.groups)
        if not left:
            await self._finish(job.session, me)
        return job

    def _undo(self, session: SessionInfo, owner: str) -> None:
        """Take out a session that nobody has, when there is a way to."""

        async def undo() -> None:
            try:
                await self._record_lost(session, owner, OfflineReason.LOST, (), self._now(), force=False)
                await self._finish(session, owner)
            except StoreUnavailableError as error:
                log.warning("session %s may be recorded though nobody has it: %s", session.id, error.hint)

        task = asyncio.get_running_loop().create_task(undo())
        self._undoing.add(task)
        # One that was cancelled has left something to the others, see `idle`.
        task.add_done_callback(lambda done: None if done.cancelled() else self._undoing.discard(done))

    async def _record_lost(
        self, session: SessionInfo, owner: str, reason: OfflineReason, plugins: Sequence[str], closed_at: float, *,
        force: bool,
    ) -> list[Any] | None:  # fmt: skip
        keys = [
            self._names.of_user(session.user, "sessions"),
            self._names.job(session.user, session.id),
            self._names.groups_of(session.user, session.id),
            self._names.taken(session.user, session.id),
        ]
        answer: list[Any] | None = await self._pipeline.run(
            scripts.UNREGISTER, keys, session.id, owner, int(force), reason.value, pack_session(session), closed_at,
            *plugins, wait=True,
        )  # fmt: skip
        return answer

    async def _leave_groups(self, session: SessionInfo, groups: Iterable[str]) -> None:
        """Take a lost session out of its groups, and forget which they were; repeated by who takes over its job."""
        known = sorted(set(groups))
        for group in known:
            await self._groups.remove(session.id, group)
        if known:
            await self._pipeline.command("DEL", self._names.groups_of(session.user, session.id), wait=True)

    async def _mark_done(self, session: SessionInfo, owner: str, plugin: str) -> None:
        job = self._names.job(session.user, session.id)
        await self._pipeline.run(scripts.DONE, [job], owner, plugin, wait=True)

    async def _finish(self, session: SessionInfo, owner: str) -> None:
        """End a job in which no plugin has to be told."""
        self._jobs.pop(session.id, None)
        await self._mark_done(session, owner, "")
        await self._release(session, owner)

    async def _hold(self, session: SessionInfo, owner: str, *, wait: bool = False) -> None:
        await self._pipeline.command("SADD", self._names.held(owner), _held(session.user, session.id), wait=wait)

    async def _release(self, session: SessionInfo, owner: str) -> None:
        await self._pipeline.command("SREM", self._names.held(owner), _held(session.user, session.id), wait=True)


def _held(user: str, session_id: str) -> str:
    return f"{session_id}\n{user}"


def _read_held(entry: bytes) -> tuple[str, str]:
    session_id, user = entry.decode().split("\n", 1)
    return user, session_id
