"""The sessions of all nodes, by user, and the offline jobs of those that were lost."""

import logging
from collections.abc import Callable, Sequence

import msgspec

from msanic_core.codes import OfflineReason
from msanic_core.engine.base import OfflineJob, SessionInfo, SessionPolicy
from msanic_core.engine.redis import scripts
from msanic_core.engine.redis.groups import Groups
from msanic_core.engine.redis.lease import Lease
from msanic_core.engine.redis.names import Names
from msanic_core.engine.redis.pipeline import Pipeline
from msanic_core.engine.redis.records import OPEN, Record, pack_session, read_job, read_record
from msanic_core.errors import StoreUnavailableError

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
        self._open: set[str] = set()
        self._jobs: set[str] = set()

    @property
    def idle(self) -> bool:
        """Whether this node answers for nothing."""
        return not self._open and not self._jobs

    async def register(self, session: SessionInfo, policy: SessionPolicy) -> bool:
        """See `Engine.register`."""
        await self._lease.confirm()
        self._replace = policy.replace
        owner = self._lease.owner
        await self._hold(owner, [session])
        recorded = await self._pipeline.run(
            scripts.REGISTER,
            [self._names.of_user(session.user, what) for what in ("sessions", "meta", "inbox")],
            session.id, owner, session.node, session.client, pack_session(session), policy.limit, int(policy.replace),
            self._names.node_channel, round(self._now() * 1000), self._max_age,
        )  # fmt: skip
        if not recorded:
            await self._release(session)
            return False
        if owner != self._lease.owner:
            raise StoreUnavailableError("this node was taken for dead while the session began")
        self._open.add(session.id)
        return True

    async def restore(self, session: SessionInfo) -> tuple[str, int]:
        """Record an open session again, should it have been forgotten; its groups too.

        Returns its mark (why it has to end, or `OPEN`) and the highest id of the user's inbox.
        """
        owner = self._lease.owner
        if session.id not in self._open:
            return OPEN, 0
        await self._hold(owner, [session])
        mark, last_id = await self._pipeline.run(
            scripts.RESTORE,
            [self._names.of_user(session.user, what) for what in ("sessions", "meta")],
            session.id, owner, session.node, session.client, pack_session(session), session.opened_at,
            int(self._replace), self._names.node_channel,
        )  # fmt: skip
        if session.id not in self._open:
            # It was lost in the meantime: what was recorded just now must not stay.
            await self.lost(session, OfflineReason.LOST, ())
            return OPEN, 0
        for group in session.groups:
            await self._groups.join(session, group)
        return mark.decode(), int(last_id)

    async def lost(self, session: SessionInfo, reason: OfflineReason, plugins: Sequence[str]) -> SessionInfo | None:
        """See `Engine.lost`."""
        known = session.id in self._open
        self._open.discard(session.id)
        if not known and plugins:
            # It went with the name this node had before it was condemned.
            return None
        closed_at = self._now()
        answer = await self._record_lost(session, reason, plugins, closed_at, force=False)
        if answer is None:
            # Somebody else has it, or the store has forgotten it: only the first condemns this node.
            owner = self._lease.owner
            await self._lease.beat(wait=True)
            if self._lease.owner != owner:
                return None
            answer = await self._record_lost(session, reason, plugins, closed_at, force=True)
            if answer is None:
                return None
        if plugins:
            self._jobs.add(session.id)
        for group in session.groups:
            await self._groups.remove(session.id, group)
        if not plugins:
            await self._release(session)
        return msgspec.structs.replace(session, closed_at=float(answer[0]), last=answer[1] == b"1")

    async def holds(self, session_id: str) -> bool:
        """See `Engine.holds`."""
        if session_id not in self._jobs:
            return False
        await self._lease.confirm(wait=True)
        return session_id in self._jobs

    async def done(self, session: SessionInfo, plugin: str) -> None:
        """See `Engine.done`."""
        if session.id not in self._jobs:
            return
        job = self._names.job(session.user, session.id)
        left = await self._pipeline.run(scripts.DONE, [job], self._lease.owner, plugin, wait=True)
        if left == 0:
            self._jobs.discard(session.id)
            await self._release(session)

    async def claim(self, owner: str, user: str, session_id: str, plugins: Sequence[str]) -> OfflineJob | None:
        """Take over what a dead owner held; None when somebody else has it, or it is done."""
        me = self._lease.owner
        await self._pipeline.command("SADD", self._names.held(me), _held(user, session_id))
        answer = await self._pipeline.run(
            scripts.CLAIM,
            [
                self._names.of_user(user, "sessions"),
                self._names.job(user, session_id),
                self._names.groups_of(user, session_id),
            ],
            session_id, owner, me, OfflineReason.CRASHED.value, self._now(), *plugins,
        )  # fmt: skip
        job = None
        if answer is not None:
            job = read_job(answer)
            for group in job.session.groups:
                await self._groups.remove(session_id, group)
            await self._pipeline.command("DEL", self._names.groups_of(user, session_id))
        if job is None or not job.plugins:
            await self._pipeline.command("SREM", self._names.held(me), _held(user, session_id))
        elif me == self._lease.owner:
            self._jobs.add(session_id)
        await self._pipeline.command("SREM", self._names.held(owner), _held(user, session_id))
        return job

    async def held(self, owner: str, count: int) -> list[tuple[str, str]]:
        """Some of what an owner answers for, as user and session id; at most `count`."""
        answer = await self._pipeline.command("SRANDMEMBER", self._names.held(owner), count)
        return [_read_held(entry) for entry in answer]

    def abandon(self) -> None:
        """Forget everything: this node was condemned, and others have it now."""
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

    async def _record_lost(
        self, session: SessionInfo, reason: OfflineReason, plugins: Sequence[str], closed_at: float, *, force: bool
    ) -> list[bytes] | None:
        keys = [
            self._names.of_user(session.user, "sessions"),
            self._names.job(session.user, session.id),
            self._names.groups_of(session.user, session.id),
        ]
        packed = pack_session(session)
        answer: list[bytes] | None = await self._pipeline.run(
            scripts.LOST, keys, session.id, self._lease.owner, int(force), reason.value, packed, closed_at, *plugins,
            wait=True,
        )  # fmt: skip
        return answer

    async def _hold(self, owner: str, sessions: Sequence[SessionInfo]) -> None:
        entries = [_held(session.user, session.id) for session in sessions]
        await self._pipeline.command("SADD", self._names.held(owner), *entries)

    async def _release(self, session: SessionInfo) -> None:
        held = self._names.held(self._lease.owner)
        await self._pipeline.command("SREM", held, _held(session.user, session.id), wait=True)


def _held(user: str, session_id: str) -> str:
    return f"{session_id}\n{user}"


def _read_held(entry: bytes) -> tuple[str, str]:
    session_id, user = entry.decode().split("\n", 1)
    return user, session_id
