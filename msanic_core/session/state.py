"""Where a session is in its life, and where it is in its user's inbox. All changes of the two are listed here."""

from enum import Enum


class SessionState(Enum):
    """A session's life, in this order; it never goes back.

    `Registration.admit` opens it, `Session.close` closes it, from either state before.
    """

    OPENING = "opening"
    """It is in the registry and is being registered with the engine and welcomed. Nothing is read from its client."""
    OPEN = "open"
    """Commands come in, pushes go out."""
    CLOSED = "closed"
    """It is out of the registry, and its socket is closed or closing."""


class InboxState(Enum):
    """How durable messages reach a session. The ids of a user's messages rise by 1: see `LocalDelivery`.

    LIVE -> REPLAYING: a replay begins (`Replay.first_page`, `Replay.catch_up`).
    REPLAYING -> BEHIND: a message came that the replay has yet to read (`LocalDelivery`, `Replay.catch_up`).
    BEHIND -> REPLAYING: the replay reads the next page.
    REPLAYING -> LIVE: the replay has read to the end.
    """

    LIVE = "live"
    """It is sent each message as it comes."""
    REPLAYING = "replaying"
    """A replay sends what is in the inbox, up to the last message that is known here."""
    BEHIND = "behind"
    """The same, and there is more in the inbox than the replay has read."""
