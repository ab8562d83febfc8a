"""One user's inbox in memory: messages with rising ids, a position per client, three bounds."""

from collections import deque
from collections.abc import Iterable
from itertools import islice

import msgspec

from msanic_core.engine.base import InboxLimits, InboxPage
from msanic_core.wire import Push, WireEncodeError
from msanic_core.wire.packed import pack_push, unpack_push

_MAX_CLIENTS = 100
"""How many clients of one user are known: clients choose their names, so there may be many more."""

_MAX_KEYS = 1000
"""Messages whose keys are remembered, see `Engine.push`."""


class _StoredMessage(msgspec.Struct, gc=False):
    id: int
    stored_at: float
    packed: bytes


class MemoryInbox:
    """Messages of one user that not every known client has acknowledged yet.

    A message is packed when it is stored, so a sender that changes its objects later does not change the message.
    """

    __slots__ = ("_base", "_bytes", "_entries", "_keys", "_last_id", "_limits", "_positions", "used_at")

    def __init__(self, limits: InboxLimits, now: float, base: int = 0, clients: Iterable[str] = ()) -> None:
        """Ids start above `base`; `clients` are those that are known from the start. Times are in seconds."""
        self._limits = limits
        self._base = base
        """All clients that were known had acknowledged up to this id. A new client starts here."""
        self._entries: deque[_StoredMessage] = deque()
        self._bytes = 0
        self._last_id = base
        self._positions = dict.fromkeys(clients, base)
        self._keys: dict[str, int] = {}
        self.used_at = now
        """When it was last written to or read, or the user's last session ended."""

    @property
    def last_id(self) -> int:
        """The highest id given so far."""
        return self._last_id

    def forgettable(self, now: float) -> bool:
        """Whether the inbox may be deleted: nothing waits in it, and no client could tell the difference.

        An inbox with keys, with a client that has a name, or with one that has yet to be told of a loss, is kept until
        it was not used for `max_age`.
        """
        self._trim(now)
        if self._entries:
            return False
        all_unnamed = self._positions.keys() <= {""}
        all_told = min(self._positions.values(), default=self._base) == self._last_id
        return (all_unnamed and all_told and not self._keys) or now - self.used_at > self._limits.max_age

    def id_of(self, key: str) -> int | None:
        """The id of the message that was stored with this key; None when the key is not remembered."""
        return self._keys.get(key)

    def append(self, push: Push, now: float, key: str | None = None) -> Push:
        """Store a message; returns it with its id. Raises `WireEncodeError` if it cannot be packed or is too big."""
        stored = msgspec.structs.replace(push, id=self._last_id + 1)
        packed = pack_push(stored)
        if len(packed) > self._limits.max_bytes:
            raise WireEncodeError(
                f"message {push.cmd!r} has {len(packed)} bytes, an inbox holds {self._limits.max_bytes}; send less, or "
                f"with durable=False, or raise [inbox] max_bytes"
            )
        self.used_at = now
        self._last_id += 1
        self._entries.append(_StoredMessage(self._last_id, now, packed))
        self._bytes += len(packed)
        if key is not None:
            self._keys[key] = self._last_id
            if len(self._keys) > _MAX_KEYS:
                del self._keys[next(iter(self._keys))]
        self._trim(now)
        return stored

    def read(self, client: str, after: int | None, limit: int, now: float, epoch: str) -> InboxPage:
        """At most `limit` messages above `after`; None: above the client's position, and the client is known then."""
        self._trim(now)
        self.used_at = now
        if after is None:
            after = self._position_of(client)
        after = min(after, self._last_id)
        lost = max(0, self._first_id() - 1 - max(after, self._base))
        start = max(0, after + 1 - self._first_id())
        chosen = islice(self._entries, start, start + limit)
        return InboxPage([unpack_push(entry.packed) for entry in chosen], lost, epoch, self._last_id)

    def acknowledge(self, client: str, message_id: int) -> None:
        """Raise a client's position (never lower it, never above the last id) and drop what all known clients have."""
        position = min(message_id, self._last_id)
        if position <= self._position_of(client):
            return
        self._positions[client] = position
        self._base = max(self._base, min(self._positions.values()))
        while self._entries and self._entries[0].id <= self._base:
            self._drop_oldest()

    def _position_of(self, client: str) -> int:
        position = self._positions.get(client)
        if position is None:
            if len(self._positions) >= _MAX_CLIENTS:
                del self._positions[min(self._positions, key=self._positions.__getitem__)]
            position = self._positions[client] = self._base
        return position

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
