"""The calls that read and write sessions in the store, one method for each; `sessions.py` decides when to make them.

A method whose docstring says that it waits, waits for a store that is away. The others raise `StoreUnavailableError`.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from msanic_core.codes import OfflineReason
from msanic_core.engine.base import OfflineJob, SessionPolicy
from msanic_core.engine.redis import scripts
from msanic_core.engine.redis.names import Names, escape
from msanic_core.engine.redis.pipeline import Pipeline
from msanic_core.engine.redis.records import Record, pack_session, read_job, read_record
from msanic_core.identity import SessionInfo


class Unregistered(NamedTuple):
    """What unregister.lua returns: when the session ended, whether it was the user's last one, and its groups."""

    closed_at: float
    last: bool
    groups: tuple[str, ...]


class SessionScripts:
    """Keys and arguments of each script. `max_age`: seconds for which an inbox keeps a message."""

    def __init__(self, names: Names, pipeline: Pipeline, max_age: float, now: Callable[[], float]) -> None:
        self._names = names
        self._pipeline = pipeline
        self._max_age = round(max_age * 1000)
        self._now = now

    async def hold(self, owner: str, user: str, session_id: str, *, wait: bool = False) -> None:
        """Enter a session in the list of an owner."""
        await self._pipeline.command("SADD", self._names.held(owner), _entry(user, session_id), wait=wait)

    async def release(self, owner: str, user: str, session_id: str, *, wait: bool = False) -> None:
        """Take a session out of the list of an owner."""
        await self._pipeline.command("SREM", self._names.held(owner), _entry(user, session_id), wait=wait)

    async def held(self, owner: str, count: int) -> list[tuple[str, str]]:
        """At most `count` entries of an owner's list, as user and session id, in no order."""
        answer = await self._pipeline.command("SRANDMEMBER", self._names.held(owner), count)
        return [_read_entry(entry) for entry in answer]

    async def register(self, session: SessionInfo, owner: str, policy: SessionPolicy) -> bool:
        """Record a session; False when the user has as many as the policy allows."""
        names, user = self._names, session.user
        keys = [names.sessions(user), names.meta(user), names.inbox(user)]
        recorded = await self._pipeline.run(
            scripts.REGISTER, keys, session.id, owner, session.node, escape(session.client), pack_session(session),
            policy.limit, int(policy.replace), self._names.node_channel, round(self._now() * 1000), self._max_age,
        )  # fmt: skip
        return bool(recorded)

    async def restore(self, session: SessionInfo, owner: str, *, replace: bool) -> tuple[str, int]:
        """Record a session again; returns its mark and the highest id of the user's inbox."""
        names, user = self._names, session.user
        keys = [names.sessions(user), names.meta(user), names.taken(user, session.id), names.job(user, session.id)]
        mark, last_id = await self._pipeline.run(
            scripts.RESTORE, keys, session.id, owner, session.node, escape(session.client), pack_session(session),
            session.opened_at, int(replace), self._names.node_channel,
        )  # fmt: skip
        return mark.decode(), int(last_id)

    async def unregister(
        self, session: SessionInfo, owner: str, reason: OfflineReason, plugins: Sequence[str], closed_at: float, *,
        force: bool,
    ) -> Unregistered | None:  # fmt: skip
        """Replace a session's record by its offline job. Waits.

        `force`: also if the store has no record. None: another owner has the session, or the store does not know it.
        """
        answer = await self._pipeline.run(
            scripts.UNREGISTER, self._keys_of_job(session.user, session.id), session.id, owner, int(force),
            reason.value, pack_session(session), closed_at, *plugins, wait=True,
        )  # fmt: skip
        if answer is None:
            return None
        ended, last, groups = answer
        return Unregistered(float(ended), last == b"1", tuple(group.decode() for group in groups))

    async def claim(
        self, dead: str, owner: str, user: str, session_id: str, plugins: Sequence[str]
    ) -> OfflineJob | None:
        """Give a session of a dead owner, or its offline job, to `owner`; None when another one has it, or it is done.

        `plugins`: those that have to be told, should the session have been open.
        """
        answer = await self._pipeline.run(
            scripts.CLAIM, self._keys_of_job(user, session_id), session_id, dead, owner, OfflineReason.CRASHED.value,
            self._now(), *plugins,
        )  # fmt: skip
        return None if answer is None else read_job(answer)

    async def done(self, session: SessionInfo, owner: str, plugin: str = "") -> None:
        """Mark a plugin as told; a job without plugins is deleted. Without `plugin` only the second. Waits."""
        await self._pipeline.run(
            scripts.DONE, [self._names.job(session.user, session.id)], owner, plugin, wait=True
        )  # fmt: skip

    async def forget_groups(self, session: SessionInfo) -> None:
        """Delete the list of the groups that a session is in. Waits."""
        await self._pipeline.command("DEL", self._names.groups_of(session.user, session.id), wait=True)

    async def records(self, user: str) -> list[Record]:
        """The records of a user's sessions, in no order."""
        records = await self._pipeline.command("HVALS", self._names.sessions(user))
        return [read_record(record) for record in records]

    async def kick(self, user: str, session_id: str | None) -> int:
        """See `Engine.kick`."""
        sessions = self._names.sessions(user)
        return int(await self._pipeline.run(scripts.KICK, [sessions], session_id or "", self._names.node_channel))

    def _keys_of_job(self, user: str, session_id: str) -> list[str]:
        return [
            self._names.sessions(user),
            self._names.job(user, session_id),
            self._names.groups_of(user, session_id),
            self._names.taken(user, session_id),
        ]


def _entry(user: str, session_id: str) -> str:
    return f"{session_id}\n{user}"


def _read_entry(entry: bytes) -> tuple[str, str]:
    session_id, user = entry.decode().split("\n", 1)
    return user, session_id
