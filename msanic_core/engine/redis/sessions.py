"""The life of this node's sessions and offline jobs; the README has it as a table.

`held.py` has the phase of each session, `session_scripts.py` the calls to the store.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence

import msgspec

from msanic_core.codes import OfflineReason
from msanic_core.engine.base import OfflineJob, SessionPolicy
from msanic_core.engine.redis.groups import Groups
from msanic_core.engine.redis.held import HeldSessions, Phase
from msanic_core.engine.redis.lease import Lease
from msanic_core.engine.redis.names import Names
from msanic_core.engine.redis.pipeline import Pipeline
from msanic_core.engine.redis.records import OPEN, Record
from msanic_core.engine.redis.session_scripts import SessionScripts
from msanic_core.errors import StoreUnavailableError
from msanic_core.identity import SessionInfo

log = logging.getLogger("msanic_core.redis")


class Sessions:
    """What this node holds, and the records of all nodes.

    The node enters a session in its list in the store before it records the session, and takes it out after it has told
    the last plugin. So whoever takes over from a dead node finds every session and job in the list.
    """

    def __init__(
        self, names: Names, pipeline: Pipeline, lease: Lease, groups: Groups, max_age: float, now: Callable[[], float]
    ) -> None:
        self._scripts = SessionScripts(names, pipeline, max_age, now)
        self._lease = lease
        self._groups = groups
        self._now = now
        self._replace = False
        self._held = HeldSessions()
        self._undoing: set[asyncio.Task[None]] = set()

    @property
    def idle(self) -> bool:
        """Whether this node holds nothing."""
        return not (self._held or self._undoing)

    @property
    def count(self) -> int:
        """How many sessions this node has."""
        return self._held.count

    async def stop(self) -> None:
        """Leave to other nodes what is under way."""
        for task in self._undoing:
            task.cancel()
        await asyncio.gather(*self._undoing, return_exceptions=True)

    async def register(self, session: SessionInfo, policy: SessionPolicy) -> bool:
        """See `Engine.register`. Raises `StoreUnavailableError` too when the session is lost meanwhile."""
        self._held.put(session.id, Phase.OPENING)
        try:
            await self._lease.confirm()
        except BaseException:
            self._held.drop(session.id)
            raise
        self._replace = policy.replace
        owner = self._lease.owner
        try:
            recorded = await self._record(session, policy, owner)
        except BaseException:
            if not self._held.has_ended(session.id):
                self._held.drop(session.id)
                # The store may have recorded it all the same.
                self._undo(session, owner)
            raise
        if not recorded:
            await self._release(session, owner)
        return recorded

    async def restore(self, session: SessionInfo) -> tuple[str, int]:
        """Record an open session and its groups again, in case the store has forgotten them.

        Returns the session's mark (`OPEN`, or why it has to end) and the highest id of the user's inbox.
        """
        owner = self._lease.owner
        if self._held.phase(session.id) is not Phase.OPEN:
            return OPEN, 0
        await self._scripts.hold(owner, session.user, session.id)
        if self._held.phase(session.id) is not Phase.OPEN:
            if not self._held.has_ended(session.id):
                await self._release(session, owner)
            return OPEN, 0
        answer = await self._scripts.restore(session, owner, replace=self._replace)
        for group in session.groups:
            await self._groups.join(session, group)
        return answer

    async def unregister(
        self, session: SessionInfo, reason: OfflineReason, plugins: Sequence[str]
    ) -> SessionInfo | None:
        """See `Engine.unregister`."""
        phase = self._held.phase(session.id)
        if phase not in (Phase.RECORDING, Phase.OPEN):
            # The session has no record yet, or this node was condemned and another one has the session.
            if phase is Phase.OPENING:
                self._held.drop(session.id)
            # It may have joined one more group while the other node took it over.
            await self._leave_groups(session, session.groups)
            return None
        self._held.put(session.id, Phase.UNREGISTERING)
        owner = self._lease.owner
        try:
            return await self._unregister(session, owner, reason, plugins)
        except BaseException:
            if self._lease.owner == owner:
                self._held.lose(session.id, owner, plugins)
            raise

    async def holds(self, session_id: str) -> bool:
        """See `Engine.holds`."""
        if self._held.job_owner(session_id) is None:
            return False
        await self._lease.confirm(wait=True)
        owner = self._held.job_owner(session_id)
        if owner == self._lease.owner:
            return True
        if owner is not None:
            # This node was condemned. It must not tell more plugins, unless it claims the job anew.
            self._held.drop_job(session_id)
        return False

    async def done(self, session: SessionInfo, plugin: str) -> None:
        """See `Engine.done`."""
        while (owner := self._held.job_owner(session.id)) is not None:
            await self._scripts.done(session, owner, plugin)
            if self._held.job_owner(session.id) == owner:
                # This node keeps its own list of plugins: the store may have been emptied meanwhile.
                if self._held.told(session.id, plugin):
                    self._held.drop(session.id)
                    await self._release(session, owner)
                return
            # Meanwhile this node has claimed the job anew under its new name: the mark belongs there.

    async def claim(self, dead: str, user: str, session_id: str, plugins: Sequence[str]) -> OfflineJob | None:
        """Take over a session or job that is in the list of a dead owner; None when another one has it, or it is done.

        Two dead owners may have it in their lists, if one died while it claimed it from the other. While this node
        claims it from the first, it stays in the list of the second, to be claimed again.

        None also when `dead` is this node's former name and this node still tells the plugins: it goes on with that.
        """
        owner = self._lease.owner
        phase = self._held.phase(session_id)
        if phase is Phase.CLAIMING:
            return None
        if phase is not None and self._held.job_owner(session_id) in (None, owner):
            await self.skip(dead, user, session_id)
            return None
        self._held.claim(session_id, dead)
        try:
            job = await self._claim(dead, owner, user, session_id, plugins)
            await self.skip(dead, user, session_id)
        except StoreUnavailableError:
            if self._lease.owner == owner:
                self._held.end_claim(session_id)
            raise
        return job

    async def skip(self, dead: str, user: str, session_id: str) -> None:
        """Take a session out of the list of a dead owner."""
        await self._scripts.release(dead, user, session_id)

    async def held(self, owner: str, count: int) -> list[tuple[str, str]]:
        """At most `count` entries of an owner's list, as user and session id."""
        return await self._scripts.held(owner, count)

    def abandon(self) -> None:
        """Hold nothing any more: this node was condemned, and others claim what it held."""
        self._held.abandon()

    async def of_user(self, user: str) -> list[SessionInfo]:
        """The user's sessions that are open and on a living node, oldest first."""
        records = await self._scripts.records(user)
        return sorted((each.session for each in records if self._is_open(each)), key=lambda session: session.opened_at)

    async def kick(self, user: str, session_id: str | None) -> int:
        """See `Engine.kick`."""
        return await self._scripts.kick(user, session_id)

    def _is_open(self, record: Record) -> bool:
        return record.mark == OPEN and record.owner not in self._lease.dead

    async def _record(self, session: SessionInfo, policy: SessionPolicy, owner: str) -> bool:
        await self._scripts.hold(owner, session.user, session.id)
        if self._held.phase(session.id) is not Phase.OPENING:
            raise StoreUnavailableError("the session was lost while it began")
        self._held.put(session.id, Phase.RECORDING)
        recorded = await self._scripts.register(session, owner, policy)
        if owner != self._lease.owner:
            raise StoreUnavailableError("this node was taken for dead while the session began")
        # It may be lost by now: the order to close it comes on another connection, and may be quicker.
        if self._held.phase(session.id) is Phase.RECORDING:
            if recorded:
                self._held.put(session.id, Phase.OPEN)
            else:
                self._held.drop(session.id)
        return recorded

    async def _unregister(
        self, session: SessionInfo, owner: str, reason: OfflineReason, plugins: Sequence[str]
    ) -> SessionInfo | None:
        closed_at = self._now()
        ended = await self._scripts.unregister(session, owner, reason, plugins, closed_at, force=False)
        if ended is None:
            # Another node has the session, or the store has forgotten it. In the first case this node was condemned,
            # and has another name after the beat.
            await self._lease.beat(wait=True)
            if self._lease.owner == owner:
                await self._scripts.hold(owner, session.user, session.id, wait=True)
                ended = await self._scripts.unregister(session, owner, reason, plugins, closed_at, force=True)
        if ended is None:
            self._drop(session.id, owner)
            await self._leave_groups(session, session.groups)
            return None
        await self._leave_groups(session, (*session.groups, *ended.groups))
        if self._lease.owner != owner:
            # The node that claims the job tells the plugins. It may be this one, under its new name.
            return None
        if plugins:
            self._held.lose(session.id, owner, plugins)
        else:
            await self._finish(session, owner)
        return msgspec.structs.replace(session, closed_at=ended.closed_at, last=ended.last)

    async def _claim(
        self, dead: str, owner: str, user: str, session_id: str, plugins: Sequence[str]
    ) -> OfflineJob | None:
        await self._scripts.hold(owner, user, session_id)
        job = await self._scripts.claim(dead, owner, user, session_id, plugins)
        if job is None:
            self._drop(session_id, owner)
            await self._scripts.release(owner, user, session_id)
            return None
        goes_on = self._held.job_owner(session_id) == dead
        if self._lease.owner == owner:
            self._held.lose(session_id, owner, job.plugins)
        await self._leave_groups(job.session, job.session.groups)
        if not job.plugins:
            await self._finish(job.session, owner)
        return None if goes_on else job

    def _undo(self, session: SessionInfo, owner: str) -> None:
        """Take out, in a task of its own, a session whose registration has failed."""

        async def undo() -> None:
            try:
                await self._scripts.unregister(session, owner, OfflineReason.LOST, (), self._now(), force=False)
                await self._finish(session, owner)
            except StoreUnavailableError as error:
                log.warning("session %s may be recorded though nobody has it: %s", session.id, error.hint)

        task = asyncio.get_running_loop().create_task(undo())
        self._undoing.add(task)
        # A task that was cancelled stays: what it did not do is left to other nodes, see `idle`.
        task.add_done_callback(lambda done: None if done.cancelled() else self._undoing.discard(done))

    async def _leave_groups(self, session: SessionInfo, groups: Iterable[str]) -> None:
        """Take a lost session out of its groups, then delete the list of them. A node that takes over does it again."""
        known = sorted(set(groups))
        for group in known:
            await self._groups.remove(session.id, group)
        if known:
            await self._scripts.forget_groups(session)

    async def _finish(self, session: SessionInfo, owner: str) -> None:
        """End a job in which no plugin has to be told."""
        self._drop(session.id, owner)
        await self._scripts.done(session, owner)
        await self._release(session, owner)

    async def _release(self, session: SessionInfo, owner: str) -> None:
        await self._scripts.release(owner, session.user, session.id, wait=True)

    def _drop(self, session_id: str, owner: str) -> None:
        """Drop a session held under the name `owner`. Under a later name this node may have claimed it anew."""
        if self._lease.owner == owner:
            self._held.drop(session_id)
