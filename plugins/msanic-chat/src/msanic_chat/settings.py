"""`[plugins.chat]` of the configuration."""

from typing import Annotated

import msgspec
from msgspec import Meta

MAX_ANSWER = 200_000
"""Characters of a history. The answer to `chat.join` holds all of it and has to fit into a session's outbox."""


class ChatSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The plugin's settings; all sizes of text are in characters."""

    history: Annotated[int, Meta(ge=0)] = 50
    """Messages of a room that somebody who joins is shown."""
    max_text: Annotated[int, Meta(ge=1)] = 2000
    """Length of a message."""
    max_room: Annotated[int, Meta(ge=1, le=60)] = 60
    """Length of a room's name."""
    max_rooms: Annotated[int, Meta(ge=1)] = 32
    """Rooms a session can be in."""
    empty_rooms: Annotated[int, Meta(ge=0)] = 100
    """Empty rooms whose history is kept, those that emptied last."""

    def __post_init__(self) -> None:
        size = self.history * self.max_text
        if size > MAX_ANSWER:
            raise ValueError(
                f"history times max_text is {size}, and at most {MAX_ANSWER} characters are allowed: lower one of them"
            )
