"""The sessions that this node holds, each in one phase of its life; see the README. Nothing here waits."""

from collections.abc import Iterable
from enum import Enum, auto
from typing import NamedTuple


class Phase(Enum):
    """Where a session is on its way."""

    OPENING = auto()
    """The node enters the session in its list in the store. The session has no record there yet."""
    RECORDING = auto()
    """register.lua was sent and may have run: messages for the session may arrive, and it can be replaced."""
    OPEN = auto()
    """register.lua has answered."""
    UNREGISTERING = auto()
    """The session was lost and unregister.lua was sent."""
    CLAIMING = auto()
    """claim.lua was sent, for a session of a dead owner."""
    LOST = auto()
    """The session has an offline job, and this node tells the plugins."""


_COUNTED = (Phase.RECORDING, Phase.OPEN)
_ENDED = (Phase.UNREGISTERING, Phase.CLAIMING, Phase.LOST)


class _Job(NamedTuple):
    owner: str
    plugins: set[str]


class HeldSessions:
    """The phase of each session, and the job of each lost one: its owner, and the plugins that have yet to be told."""

    def __init__(self) -> None:
        self._phases: dict[str, Phase] = {}
        self._jobs: dict[str, _Job] = {}
        self.count = 0
        """How many are open or being recorded."""

    def __len__(self) -> int:
        return len(self._phases)

    def phase(self, session_id: str) -> Phase | None:
        """The phase of a session; None when this node does not hold it."""
        return self._phases.get(session_id)

    def has_ended(self, session_id: str) -> bool:
        """Whether this node holds a session that is no longer open."""
        return self._phases.get(session_id) in _ENDED

    def job_owner(self, session_id: str) -> str | None:
        """The name under which this node holds the job of a lost session; None when it does not."""
        job = self._jobs.get(session_id)
        return job.owner if job is not None else None

    def put(self, session_id: str, phase: Phase) -> None:
        """Begin a phase other than LOST."""
        self.drop(session_id)
        self._phases[session_id] = phase
        self.count += phase in _COUNTED

    def lose(self, session_id: str, owner: str, plugins: Iterable[str]) -> None:
        """Begin the phase LOST, with a job that this node holds under the name `owner`."""
        self.put(session_id, Phase.LOST)
        self._jobs[session_id] = _Job(owner, set(plugins))

    def claim(self, session_id: str, dead: str) -> None:
        """Begin the phase CLAIMING. A job that this node holds under the name `dead` stays, and goes on."""
        job = self._jobs.get(session_id)
        self.put(session_id, Phase.CLAIMING)
        if job is not None and job.owner == dead:
            self._jobs[session_id] = job

    def end_claim(self, session_id: str) -> None:
        """End the phase CLAIMING without success."""
        if session_id in self._jobs:
            self._phases[session_id] = Phase.LOST
        else:
            self.drop(session_id)

    def told(self, session_id: str, plugin: str) -> bool:
        """Note that a plugin was told of a lost session; True when no other has to be told."""
        left = self._jobs[session_id].plugins
        left.discard(plugin)
        return not left

    def drop_job(self, session_id: str) -> None:
        """Tell no more plugins of a lost session. A claim that is under way goes on."""
        del self._jobs[session_id]
        if self._phases[session_id] is Phase.LOST:
            del self._phases[session_id]

    def drop(self, session_id: str) -> None:
        """Hold a session no longer."""
        self.count -= self._phases.pop(session_id, None) in _COUNTED
        self._jobs.pop(session_id, None)

    def abandon(self) -> None:
        """Hold no session, and know of the jobs only under which name this node held them."""
        self._phases = dict.fromkeys(self._jobs, Phase.LOST)
        self.count = 0
