"""What one process knows of its rooms: which of its sessions are in them, and what was said there last."""

import heapq
from collections import deque

from msanic_chat.messages import Said

_GROUP = "room:"


def group_of(room: str) -> str:
    """The name of the group that holds a room's sessions."""
    return _GROUP + room


def room_of(group: str) -> str | None:
    """The room that a group belongs to; None for a group of another plugin."""
    return group.removeprefix(_GROUP) if group.startswith(_GROUP) else None


class Rooms:
    """The rooms of one process.

    A room has a history while a session of this process is in it, and then for as long as it is among the rooms that
    emptied last. `history`: messages kept of a room. `empty`: empty rooms whose history is kept.
    """

    def __init__(self, history: int, empty: int) -> None:
        self._history = history
        self._max_empty = empty
        self._sessions: dict[str, set[str]] = {}
        self._rooms: dict[str, set[str]] = {}
        self._messages: dict[str, deque[Said]] = {}
        self._empty: dict[str, None] = {}

    def enter(self, session_id: str, room: str) -> None:
        """Note that a session of this process is in a room."""
        self._sessions.setdefault(room, set()).add(session_id)
        self._rooms.setdefault(session_id, set()).add(room)
        self._empty.pop(room, None)

    def leave(self, session_id: str, room: str) -> None:
        """Note that a session has left a room. Nothing happens if it is not in it."""
        if room not in self.of_session(session_id):
            return
        _discard(self._rooms, session_id, room)
        _discard(self._sessions, room, session_id)
        if room not in self._sessions and room in self._messages:
            self._empty[room] = None
            if len(self._empty) > self._max_empty:
                emptied_first = next(iter(self._empty))
                del self._empty[emptied_first], self._messages[emptied_first]

    def forget(self, session_id: str) -> None:
        """Note that a session is gone."""
        for room in self.of_session(session_id):
            self.leave(session_id, room)

    def of_session(self, session_id: str) -> frozenset[str]:
        """The rooms a session is in."""
        return frozenset(self._rooms.get(session_id, ()))

    def add(self, said: Said) -> None:
        """Keep what a session of this process has said in a room that it is in."""
        self._messages.setdefault(said.room, deque(maxlen=self._history)).append(said)

    def history(self, room: str) -> list[Said]:
        """What was said in a room last, oldest first."""
        return list(self._messages.get(room, ()))

    def busiest(self, limit: int) -> list[str]:
        """The rooms with most sessions of this process."""
        return heapq.nlargest(limit, self._sessions, key=lambda room: len(self._sessions[room]))


def _discard(index: dict[str, set[str]], key: str, value: str) -> None:
    index[key].discard(value)
    if not index[key]:
        del index[key]
