"""The two states of a session: its life, and how durable messages reach it. The README has every transition."""

from enum import Enum


class SessionState(Enum):
    """A session's life, in this order.

    OPENING -> OPEN: `Session.opening_ended`, which `Registration.admit` calls.
    OPENING or OPEN -> CLOSED: `Session.close`, after `Registry.remove` has returned True.
    """

    OPENING = "opening"
    """In the registry; it is being registered with the engine and welcomed. Its client is not read from."""
    OPEN = "open"
    """Commands come in, pushes go out."""
    CLOSED = "closed"
    """Out of the registry; its socket is closed or closing."""


class InboxState(Enum):
    """How durable messages reach a session. The ids of a user's messages rise by 1: see `LocalDelivery`.

    LIVE -> REPLAYING: a replay begins (`Registration.admit`, `Replay.first_page`, `Replay.catch_up`).
    REPLAYING -> BEHIND: a message arrived that the replay has not read (`LocalDelivery.to_user`, `Replay.catch_up`).
    BEHIND -> REPLAYING: the replay reads the next page (`Replay.run`).
    REPLAYING -> LIVE: the replay has read to the end (`Replay.run`), or its first page could not be read.
    """

    LIVE = "live"
    """Each message is sent as it arrives."""
    REPLAYING = "replaying"
    """A replay sends the messages of the inbox."""
    BEHIND = "behind"
    """The same, and a message has arrived since the replay read its last page."""
