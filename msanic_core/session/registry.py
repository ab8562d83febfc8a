"""The sessions of this process: by id, by user, by group."""

from collections import Counter
from collections.abc import Iterable

from msanic_core.session.session import Session


class Registry:
    """The sessions here. `remove` compares the session, not the user: an old socket cannot remove a new session."""

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
        """Add a new session."""
        info = session.info
        self._sessions[info.id] = session
        self._users.setdefault(info.user, {})[info.id] = session
        self._addresses[info.address] += 1

    def remove(self, session: Session) -> bool:
        """Remove a session. Returns True exactly once for each session that was added."""
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
        """The number of sessions from a network address."""
        return self._addresses[address]

    def of_user(self, user: str) -> Iterable[Session]:
        """The user's sessions here. Not to be iterated while sessions are added or removed."""
        return self._users.get(user, {}).values()

    def of_group(self, group: str | None) -> Iterable[Session]:
        """The sessions in a group; None: all sessions. Not to be iterated while sessions are added or removed."""
        return (self._sessions if group is None else self._groups.get(group, {})).values()

    def join(self, session: Session, group: str) -> bool:
        """Put a session into a group. Returns False if the session is not here any more, or was in the group."""
        if self._sessions.get(session.info.id) is not session or group in session.groups:
            return False
        session.groups.add(group)
        self._groups.setdefault(group, {})[session.info.id] = session
        return True

    def leave(self, session: Session, group: str) -> bool:
        """Take a session out of a group. Returns False if it was not in the group."""
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
