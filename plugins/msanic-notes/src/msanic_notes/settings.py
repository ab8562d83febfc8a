"""`[plugins.notes]` of the configuration."""

from typing import Annotated

import msgspec
from msgspec import Meta


class NotesSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The plugin's settings."""

    max_notes: Annotated[int, Meta(ge=1)] = 1000
    """Notes that a user can have, without those that others share with them."""
    max_members: Annotated[int, Meta(ge=1, le=1000)] = 50
    """Users that have a note, its owner included. Each is sent every change."""
