"""The groups of this node's sessions: in the registry, which delivers, and in the engine, which all nodes share."""

from msanic_core.engine.base import Engine
from msanic_core.session.registry import Registry


class Membership:
    """Puts sessions of this node into groups, and takes them out. Both are no change where nothing is to be done."""

    def __init__(self, registry: Registry, engine: Engine) -> None:
        self._registry = registry
        self._engine = engine

    async def join(self, session_id: str, group: str) -> bool:
        """Put a session into a group; False when it is not (or no longer) here."""
        session = self._registry.get(session_id)
        if session is None:
            return False
        if self._registry.join(session, group):
            await self._engine.join(session.info, group)
        return True

    async def leave(self, session_id: str, group: str) -> bool:
        """Take a session out of a group; False when it is not (or no longer) here."""
        session = self._registry.get(session_id)
        if session is None:
            return False
        if self._registry.leave(session, group):
            await self._engine.leave(session.info, group)
        return True
