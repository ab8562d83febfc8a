"""What goes over the wire: `data` of commands, bodies and queries of routes, answers and pushes."""

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from msanic_core.constraints import Colour, Name, PositiveInt, RowId, Text, TimePaging

Title = Annotated[Text, Meta(min_length=1, max_length=200)]
Body = Annotated[Text, Meta(max_length=20_000)]


class OfNote(msgspec.Struct):
    """`data` of `notes.get` and `notes.remove`, and the push `notes.removed`."""

    id: RowId


class Add(msgspec.Struct, kw_only=True):
    """`data` of `notes.add`."""

    title: Title
    text: Body = ""
    colour: Colour = "#ffffff"


class Changes(msgspec.Struct, kw_only=True):
    """What is to be changed in the note of this version; a field that is left out stays."""

    version: PositiveInt
    title: Title | UnsetType = UNSET
    text: Body | UnsetType = UNSET
    colour: Colour | UnsetType = UNSET


class Edit(Changes, kw_only=True):
    """`data` of `notes.edit`."""

    id: RowId


class With(msgspec.Struct):
    """Whom a note is shared with."""

    user: Name


class Share(With, kw_only=True):
    """`data` of `notes.share`."""

    id: RowId


class Find(TimePaging, kw_only=True):
    """`data` of `notes.list`: notes that were created in a time."""


class Past(TimePaging, kw_only=True):
    """`data` of `notes.activity`: what was done in a time. It has one order, the latest first."""


class Listed(msgspec.Struct, frozen=True):
    """A note without its text, in the pages of `notes.list`."""

    id: int
    owner: str
    title: str
    colour: str
    version: int
    created_at: datetime
    updated_at: datetime


class Shown(Listed, frozen=True):
    """A note: the answer to `notes.add` and `notes.edit`, the pushes `notes.added` and `notes.edited`."""

    text: str


class Seen(msgspec.Struct, frozen=True):
    """Somebody who has a note, and when and why they went away last; None: never, since somebody shared with them."""

    user: str
    seen_at: datetime | None
    seen_reason: str | None


class Whole(msgspec.Struct, frozen=True):
    """The answer to `notes.get`."""

    note: Shown
    members: list[Seen]


class Shared(msgspec.Struct, frozen=True):
    """The push `notes.shared`: who has the note from now on, too."""

    note: Shown
    user: str


class Done(msgspec.Struct, frozen=True):
    """What the user did, in the pages of `notes.activity`; `action` is a command's name after the dot."""

    at: datetime
    note_id: int
    action: str
