"""The groups of the sessions here: in the registry, for delivery, and in the engine, for the other nodes."""

from msanic_core.engine.base import Engine
from msanic_core.session.registry import Registry


class Membership:
    """Puts sessions of the node into groups, and takes them out. A call that changes nothing is no error."""

    def __init__(self, registry: Registry, engine: Engine) -> None:
        self._registry = registry
        self._engine = engine

    async def join(self, session_id: str, group: str) -> bool:
        """Put a session into a group. Returns False if the session is not here, or not any more."""
        session = self._registry.get(session_id)
        if session is None:
            return False
        if self._registry.join(session, group):
            await self._engine.join(session.info, group)
        return True

    async def leave(self, session_id: str, group: str) -> bool:
        """Take a session out of a group. Returns False if the session is not here, or not any more."""
        session = self._registry.get(session_id)
        if session is None:
            return False
        if self._registry.leave(session, group):
            await self._engine.leave(session.info, group)
        return True
