"""One user's inbox in memory: messages with rising ids, a position per client, three bounds."""

from collections import deque
from itertools import islice

import msgspec

from msanic_core.engine.base import InboxLimits, InboxPage
from msanic_core.wire import Push
from msanic_core.wire.packed import pack_push, unpack_push


class _Entry(msgspec.Struct, gc=False):
    id: int
    stored_at: float
    packed: bytes


class Inbox:
    """Messages of one user that not every known client has acknowledged yet.

    A message is kept packed: what the sender does with its objects afterwards does not change what is delivered.
    """

    __slots__ = ("_base", "_bytes", "_entries", "_last_id", "_limits", "_positions")

    def __init__(self, limits: InboxLimits, base: int = 0) -> None:
        """Ids start above `base`."""
        self._limits = limits
        self._base = base
        self._entries: deque[_Entry] = deque()
        self._bytes = 0
        self._last_id = base
        self._positions: dict[str, int] = {}

    @property
    def last_id(self) -> int:
        """The highest id given so far."""
        return self._last_id

    def empty(self, now: float) -> bool:
        """Whether nothing waits in it any more."""
        self._trim(now)
        return not self._entries

    def append(self, push: Push, now: float) -> Push:
        """Store a message; returns it with its id. Raises `WireEncodeError`, storing nothing, if that cannot be."""
        stored = msgspec.structs.replace(push, id=self._last_id + 1)
        packed = pack_push(stored)
        self._last_id += 1
        self._entries.append(_Entry(self._last_id, now, packed))
        self._bytes += len(packed)
        self._trim(now)
        return stored

    def read(self, client: str, after: int | None, limit: int, now: float, epoch: str) -> InboxPage:
        """At most `limit` messages above `after`, by default above the client's position, which thereby is known."""
        self._trim(now)
        if after is None:
            # An unknown client starts with whatever is kept: nothing of it was ever promised to that client.
            after = self._positions.setdefault(client, self._first_id() - 1)
        lost = max(0, self._first_id() - 1 - max(after, self._base))
        start = max(0, after + 1 - self._first_id())
        chosen = islice(self._entries, start, start + limit)
        return InboxPage([unpack_push(entry.packed) for entry in chosen], lost, epoch)

    def acknowledge(self, client: str, message_id: int) -> None:
        """Raise a client's position (never lower it, never above the last id) and drop what all known clients have."""
        position = min(message_id, self._last_id)
        if position <= self._positions.get(client, self._base):
            return
        self._positions[client] = position
        slowest = min(self._positions.values())
        while self._entries and self._entries[0].id <= slowest:
            self._drop_oldest()

    def _first_id(self) -> int:
        return self._entries[0].id if self._entries else self._last_id + 1

    def _trim(self, now: float) -> None:
        limits = self._limits
        while self._entries and (
            len(self._entries) > limits.max_messages
            or self._bytes > limits.max_bytes
            or now - self._entries[0].stored_at > limits.max_age
        ):
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        self._bytes -= len(self._entries.popleft().packed)
