"""The sessions of this process: by id, by user, by group."""

from collections import Counter
from collections.abc import Iterable, Sequence

import msgspec

from msanic_core.codes import OfflineReason
from msanic_core.engine.base import OfflineJob, SessionInfo
from msanic_core.session.session import Offline, Session
from msanic_core.wire import Codec, Push


class Registry:
    """Who is connected here. Removal compares the session, not the user: an old socket cannot remove a new session."""

    def __init__(self) -> None:
        self._sessions: dict[str, Session] = {}
        self._users: dict[str, dict[str, Session]] = {}
        self._groups: dict[str, dict[str, Session]] = {}
        self._addresses: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._sessions)

    def all(self) -> list[Session]:
        """Every session, oldest first."""
        return list(self._sessions.values())

    def add(self, session: Session) -> None:
        """Take in a new session."""
        info = session.info
        self._sessions[info.id] = session
        self._users.setdefault(info.user, {})[info.id] = session
        self._addresses[info.address] += 1

    def remove(self, session: Session) -> bool:
        """Let a session go; True exactly once for each session that was added."""
        info = session.info
        if self._sessions.get(info.id) is not session:
            return False
        del self._sessions[info.id]
        _remove(self._users, info.user, info.id)
        self._addresses[info.address] -= 1
        if not self._addresses[info.address]:
            del self._addresses[info.address]
        for group in session.groups:
            _remove(self._groups, group, info.id)
        return True

    def get(self, session_id: str) -> Session | None:
        """A session by its id."""
        return self._sessions.get(session_id)

    def at_address(self, address: str) -> int:
        """How many sessions come from an address."""
        return self._addresses[address]

    def of_user(self, user: str) -> Iterable[Session]:
        """The user's sessions here. Not to be iterated while sessions are added or removed."""
        return self._users.get(user, {}).values()

    def of_group(self, group: str | None) -> Iterable[Session]:
        """The sessions in a group, or all with None. Not to be iterated while sessions are added or removed."""
        return (self._sessions if group is None else self._groups.get(group, {})).values()

    def join(self, session: Session, group: str) -> bool:
        """Put a session into a group; False if it is no longer here or was in it."""
        if self._sessions.get(session.info.id) is not session or group in session.groups:
            return False
        session.groups.add(group)
        self._groups.setdefault(group, {})[session.info.id] = session
        return True

    def leave(self, session: Session, group: str) -> bool:
        """Take a session out of a group; False if it was not in it."""
        if group not in session.groups:
            return False
        session.groups.discard(group)
        _remove(self._groups, group, session.info.id)
        return True


def _remove(index: dict[str, dict[str, Session]], key: str, session_id: str) -> None:
    entry = index.get(key)
    if entry is not None:
        entry.pop(session_id, None)
        if not entry:
            del index[key]


class LocalDelivery:
    """The engine's way to this node's sockets: from the registry into outboxes, encoded once per codec."""

    def __init__(self, registry: Registry, offline: Offline) -> None:
        self._registry = registry
        self._offline = offline

    def to_user(self, user: str, push: Push) -> int:
        """See `Delivery.to_user`. A session that is being replayed gets durable messages from its inbox, in order."""
        return _send(list(self._registry.of_user(user)), push)

    def to_group(self, group: str | None, push: Push) -> int:
        """See `Delivery.to_group`."""
        return _send(list(self._registry.of_group(group)), push)

    def close(self, session_id: str, reason: OfflineReason) -> bool:
        """See `Delivery.close`."""
        session = self._registry.get(session_id)
        return session is not None and self._offline.lose(session, reason)

    def sessions(self) -> Sequence[SessionInfo]:
        """See `Delivery.sessions`."""
        return [
            msgspec.structs.replace(session.info, groups=tuple(sorted(session.groups)))
            for session in self._registry.all()
        ]

    def catch_up(self, session_id: str, last_id: int) -> None:
        """See `Delivery.catch_up`."""

    def adopt(self, job: OfflineJob) -> None:
        """See `Delivery.adopt`."""

    def fence(self) -> None:
        """See `Delivery.fence`."""


def _send(sessions: list[Session], push: Push) -> int:
    count = len(sessions)
    if push.id is not None:
        sessions = [session for session in sessions if _is_next(session, push, push.id)]
    frames: dict[Codec, bytes] = {}
    codec, frame = None, b""
    for session in sessions:
        if session.codec is not codec:
            codec = session.codec
            if codec not in frames:
                frames[codec] = codec.push(push)
            frame = frames[codec]
        session.outbox.send(frame)
    return count


def _is_next(session: Session, push: Push, message_id: int) -> bool:
    """Whether a durable message is the session's next one; if so, it is noted as written."""
    if session.replaying:
        session.passed_over = True
        return False
    if session.lost_before:
        session.send_durable(push)
        return False
    session.outbox.written_id = message_id
    return True
