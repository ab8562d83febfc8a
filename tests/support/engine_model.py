"""A model of an engine, made of dictionaries: real engines are compared with it."""

from collections import Counter
from dataclasses import dataclass, field

from msanic_core.codes import OfflineReason
from msanic_core.identity import SessionInfo


@dataclass
class Inbox:
    """One user's messages (ids and data) and the acknowledged id of each client. `base`: where a new client begins."""

    messages: list[tuple[int, int]] = field(default_factory=list)
    positions: dict[str, int] = field(default_factory=dict)
    keys: dict[str, int] = field(default_factory=dict)
    base: int = 0

    def acknowledge(self, client: str, message_id: int) -> None:
        before = self.positions.setdefault(client, self.base)
        if message_id > before:
            self.positions[client] = message_id
            self.base = max(self.base, min(self.positions.values()))

    def waiting(self, client: str) -> list[tuple[int, int]]:
        position = self.positions[client]
        return [message for message in self.messages if message[0] > position]


@dataclass
class Job:
    """A lost session: which node must call which plugins, and why it was lost."""

    session: SessionInfo
    reason: OfflineReason
    plugins: set[str]
    node: str


class Model:
    """All nodes together. Sessions of a killed node are in `orphaned` until another node takes them over."""

    def __init__(self) -> None:
        self.open: dict[str, SessionInfo] = {}
        self.groups: dict[str, set[str]] = {}
        self.jobs: dict[str, Job] = {}
        self.orphaned: dict[str, Job] = {}
        self.inboxes: dict[str, Inbox] = {}
        self.told: Counter[tuple[str, str]] = Counter()

    def of_user(self, user: str) -> list[str]:
        """The user's open sessions, oldest first: they are numbered."""
        found = [session for session in self.open.values() if session.user == user]
        return [session.id for session in sorted(found, key=lambda session: session.opened_at)]

    def inbox(self, user: str) -> Inbox:
        return self.inboxes.setdefault(user, Inbox())

    def groups_of(self, session_id: str) -> tuple[str, ...]:
        return tuple(sorted(group for group, members in self.groups.items() if session_id in members))

    def members(self, group: str) -> list[str]:
        return sorted({self.open[session_id].user for session_id in self.groups.get(group, ())})

    def connect(self, session: SessionInfo) -> None:
        self.open[session.id] = session
        inbox = self.inbox(session.user)
        inbox.positions.setdefault(session.client, inbox.base)

    def lose(self, session_id: str, reason: OfflineReason, plugins: list[str]) -> Job:
        session = self.open.pop(session_id)
        for members in self.groups.values():
            members.discard(session_id)
        job = self.jobs[session_id] = Job(session, reason, set(plugins), session.node)
        return job

    def done(self, session_id: str, plugin: str) -> None:
        job = self.jobs[session_id]
        self.told[session_id, plugin] += 1
        job.plugins.remove(plugin)
        if not job.plugins:
            del self.jobs[session_id]

    def kill(self, node: str, plugins: list[str]) -> None:
        for session_id in [each for each, session in self.open.items() if session.node == node]:
            self.lose(session_id, OfflineReason.CRASHED, plugins)
        for session_id in [each for each, job in self.jobs.items() if job.node == node]:
            self.orphaned[session_id] = self.jobs.pop(session_id)

    def adopt(self, session_id: str, node: str) -> Job:
        job = self.jobs[session_id] = self.orphaned.pop(session_id)
        job.node = node
        return job
