"""The protocol of an engine: it knows where users are, keeps their messages, and delivers them.

A node is one server process. Each node has one engine object; engines of several nodes may share a store. The engine
calls back into its node through `Delivery` and never touches a socket.
"""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

import msgspec

from msanic_core.codes import OfflineReason
from msanic_core.identity import SessionInfo
from msanic_core.wire import Push


class SessionPolicy(msgspec.Struct, frozen=True):
    """What a new connection of a user means for the others: it replaces them, or counts up to `limit` sessions."""

    limit: int
    replace: bool = False


class InboxLimits(msgspec.Struct, frozen=True):
    """The bounds of one user's inbox: messages, bytes of their packed form, age in seconds."""

    max_messages: int
    max_bytes: int
    max_age: float


class InboxPage(msgspec.Struct, frozen=True):
    """A part of an inbox in order: the messages, and how many before them were trimmed unread.

    `epoch` changes when the store was emptied: ids of two epochs cannot be compared. `last_id`: the highest id that
    the inbox has given so far.
    """

    messages: Sequence[Push]
    lost: int
    epoch: str
    last_id: int


class OfflineJob(msgspec.Struct, frozen=True):
    """A lost session, with `closed_at` and `last` set, and the plugins that have yet to be told."""

    session: SessionInfo
    reason: OfflineReason
    plugins: tuple[str, ...]


class Lock(msgspec.Struct, frozen=True):
    """A lock that is held.

    `fence` is above that of every earlier holder of the lock. Storage that remembers the highest one it has seen, and
    refuses lower ones, is safe from a holder that has lost the lock and does not know it yet.
    """

    name: str
    fence: int


class Delivery(Protocol):
    """What an engine asks of its own node. None of these waits for a socket."""

    def to_user(self, user: str, push: Push) -> int:
        """Hand a message to each local session of the user; returns how many there are."""

    def to_group(self, group: str | None, push: Push) -> int:
        """Hand a message to each local session in the group (None: to all); returns how many there are."""

    def close(self, session_id: str, reason: OfflineReason) -> bool:
        """End a local session; False when it is not (or no longer) here."""

    def sessions(self) -> Sequence[SessionInfo]:
        """Every registered local session with its current groups: the engine records them again if it has to."""

    def catch_up(self, session_id: str, last_id: int) -> None:
        """Tell a local session that its user's inbox ends at `last_id`; a session at another id reads on from its own.

        `last_id` may be lower than the session's id, because the store may have lost messages.
        """

    def adopt(self, job: OfflineJob) -> None:
        """Run what is left of an offline job that another node did not finish."""

    async def change_group(self, session_id: str, group: str, member: bool) -> bool:
        """Put a local session into a group, or take it out; False when it is not (or no longer) here."""

    def drop_sessions(self) -> None:
        """Other nodes took this node for dead and have its sessions: close them all, and tell no plugin."""


class Engine(Protocol):
    """The protocol of every engine. A method may raise `StoreUnavailableError` unless it says that it waits."""

    name: str
    """As shown to people: "memory"."""

    async def start(self, node: str, delivery: Delivery, plugins: Sequence[str]) -> None:
        """Begin to work for a node. Called once, before any other method.

        `plugins`: have to be told of the sessions of nodes that die.
        """

    async def stop(self) -> None:
        """Release everything. Called once, after the node's last session is gone."""

    async def register(self, session: SessionInfo, policy: SessionPolicy) -> bool:
        """Record a session. A policy that replaces closes the user's other sessions, wherever they are.

        False: the user has `policy.limit` sessions already, and the policy does not replace; nothing was recorded.
        """

    async def unregister(
        self, session: SessionInfo, reason: OfflineReason, plugins: Sequence[str]
    ) -> SessionInfo | None:
        """Replace a session by its offline job, in which `plugins` have yet to be told.

        Returns the session with `closed_at` and `last` set; None when another node has taken over the session and the
        job. Waits for a store that is away, for as long as it takes.
        """

    async def holds(self, session_id: str) -> bool:
        """Whether the offline job of a lost session is this node's to run. Waits for a store that is away."""

    async def done(self, session: SessionInfo, plugin: str) -> None:
        """Mark a plugin's part of the offline job of a session as done. Waits for a store that is away."""

    async def newer_handshake(self, user: str, timestamp: int) -> bool:
        """Record the time a client gave in its handshake; False when the user has used that time or a later one."""

    async def join(self, session: SessionInfo, group: str) -> None:
        """Put a session into a group."""

    async def leave(self, session: SessionInfo, group: str) -> None:
        """Take a session out of a group."""

    async def ask_to_change_group(self, session: SessionInfo, group: str, member: bool) -> bool:
        """Have the node of a session of another node put it into a group, or take it out; returns when it has.

        False: the session is gone. Raises `StoreUnavailableError` too when that node does not answer in time.
        """

    async def members(self, group: str) -> list[str]:
        """The users with a session in the group, sorted."""

    async def count(self, group: str | None) -> int:
        """How many sessions are in the group, or with None in all; other nodes count as of their last beat."""

    async def online(self, user: str) -> bool:
        """Whether the user has a session anywhere."""

    async def sessions(self, user: str) -> list[SessionInfo]:
        """The user's sessions on all nodes, oldest first."""

    async def kick(self, user: str, session_id: str | None) -> int:
        """End one session of the user, or all with None; returns how many were told to end."""

    async def push(self, user: str, push: Push, durable: bool, key: str | None = None) -> int | None:
        """Send to every session of a user. Durable: also into the inbox; returns the message's id there, else None.

        `key`: a durable message whose key is among the last 1,000 of the user is not stored again; the id is that of
        the first one.
        """

    async def broadcast(self, group: str | None, push: Push) -> None:
        """Send to every session in a group on all nodes; None: to every session."""

    async def inbox(self, user: str, client: str, after: int | None, limit: int) -> InboxPage:
        """At most `limit` waiting messages with ids above `after` (None: above the client's acknowledged position)."""

    def acknowledge(self, user: str, client: str, message_id: int) -> None:
        """Note that a client has every message up to an id; takes effect soon, never waits."""

    def lock(self, name: str, wait: float | None) -> AbstractAsyncContextManager[Lock]:
        """A lock that one task at a time holds, on all nodes. A task that holds it already waits too.

        `wait`: seconds to wait for it, 0: only if it is free now, None: as long as it takes. Raises `TimeoutError` when
        the time is up. Held until the block ends, or the process does. When the store no longer knows that it is held,
        or did not confirm it in time, the task in the block is cancelled and the block raises `LockLostError`. The end
        of the block does not wait for the store.
        """

    def describe(self) -> dict[str, Any]:
        """Facts for people and readiness checks: at least `name` and `healthy`."""
