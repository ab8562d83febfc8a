"""Groups of sessions over all nodes: their members, and the nodes that get a message to a group."""

from msanic_core.engine.redis import scripts
from msanic_core.engine.redis.lease import Lease
from msanic_core.engine.redis.names import Names
from msanic_core.engine.redis.pipeline import Pipeline
from msanic_core.engine.redis.records import group_payload
from msanic_core.identity import SessionInfo


class Groups:
    """Each group stores its members. Each session stores its groups too, for the node that cleans up after it."""

    def __init__(self, names: Names, pipeline: Pipeline, lease: Lease) -> None:
        self._names = names
        self._pipeline = pipeline
        self._lease = lease

    async def join(self, session: SessionInfo, group: str) -> None:
        """See `Engine.join`."""
        keys = [self._names.sessions(session.user), self._names.groups_of(session.user, session.id)]
        if await self._pipeline.run(scripts.JOIN, keys, session.id, group):
            await self._pipeline.run(
                scripts.ENTER, self._keys(group), session.id, self._lease.owner, session.node, session.user
            )

    async def leave(self, session: SessionInfo, group: str) -> None:
        """See `Engine.leave`."""
        await self.remove(session.id, group)
        await self._pipeline.command("SREM", self._names.groups_of(session.user, session.id), group)

    async def remove(self, session_id: str, group: str) -> None:
        """Take a lost session out of a group. Waits for a store that is away."""
        await self._pipeline.run(scripts.LEAVE, self._keys(group), session_id, wait=True)

    async def members(self, group: str) -> list[str]:
        """See `Engine.members`."""
        return sorted(set(await self._users(group)))

    async def count(self, group: str) -> int:
        """See `Engine.count`."""
        return len(await self._users(group))

    async def broadcast(self, group: str | None, packed: bytes) -> None:
        """See `Engine.broadcast`."""
        payload = group_payload(group, packed)
        if group is None:
            await self._pipeline.command("PUBLISH", self._names.everybody, payload, repeat=False)
        else:
            keys = [self._names.nodes(group)]
            await self._pipeline.run(scripts.BROADCAST, keys, self._names.node_channel, payload, repeat=False)

    async def _users(self, group: str) -> list[str]:
        """The user of each session in a group."""
        records = await self._pipeline.command("HVALS", self._names.members(group))
        read = [record.decode().split("\n", 2) for record in records]
        return [user for owner, _, user in read if owner not in self._lease.dead]

    def _keys(self, group: str) -> list[str]:
        return [self._names.members(group), self._names.nodes(group)]
