"""The sessions that this node holds, each in one phase of its life; see the README. Nothing here waits."""

from collections.abc import Iterable
from enum import Enum, auto


class Phase(Enum):
    """Where a session is on its way."""

    OPENING = auto()
    """The node enters the session in its list in the store. The session has no record there yet."""
    RECORDING = auto()
    """register.lua was sent and may have run: messages for the session may arrive, and it can be replaced."""
    OPEN = auto()
    """register.lua has answered."""
    CLAIMING = auto()
    """claim.lua was sent, for a session of a dead owner."""
    LOST = auto()
    """The session has an offline job, and this node has to run it."""


_COUNTED = (Phase.RECORDING, Phase.OPEN)


class HeldSessions:
    """The phase of each session, and the plugins that have yet to be told of those that are lost."""

    def __init__(self) -> None:
        self._phases: dict[str, Phase] = {}
        self._plugins: dict[str, set[str]] = {}
        self.count = 0
        """How many are open or being recorded."""

    def __len__(self) -> int:
        return len(self._phases)

    def phase(self, session_id: str) -> Phase | None:
        """The phase of a session; None when this node does not hold it."""
        return self._phases.get(session_id)

    def has_job(self, session_id: str) -> bool:
        """Whether the offline job of a session is this node's, or is being claimed."""
        return self._phases.get(session_id) in (Phase.CLAIMING, Phase.LOST)

    def put(self, session_id: str, phase: Phase, plugins: Iterable[str] = ()) -> None:
        """Begin a phase. `plugins`: those that have to be told of a lost session."""
        self.drop(session_id)
        self._phases[session_id] = phase
        self.count += phase in _COUNTED
        if phase is Phase.LOST:
            self._plugins[session_id] = set(plugins)

    def told(self, session_id: str, plugin: str) -> bool:
        """Note that a plugin was told of a lost session; True when it was the last one."""
        left = self._plugins.get(session_id)
        if left is None:
            return False
        left.discard(plugin)
        return not left

    def drop(self, session_id: str) -> None:
        """Hold a session no longer."""
        self.count -= self._phases.pop(session_id, None) in _COUNTED
        self._plugins.pop(session_id, None)

    def clear(self) -> None:
        """Hold nothing."""
        self._phases.clear()
        self._plugins.clear()
        self.count = 0
