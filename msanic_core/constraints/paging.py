"""Fields of a request for one page of a list, in some order."""

from typing import Annotated

import msgspec
from msgspec import Meta

from msanic_core.constraints.times import AwareDatetime, check_range

Order = Annotated[
    str,
    Meta(
        pattern=r"^-?[A-Za-z_][A-Za-z0-9_]*$(?!\n)",
        max_length=65,
        extra={"form": "the name of a field, with - before it for the other way round"},
    ),
]
"""A field to sort by, in an ORM's form: `created`, or `-created` for descending. The field need not exist."""


class Paging(msgspec.Struct, kw_only=True):
    """A page of a list. `page` counts from 1. `size` is in rows. `order`: the fields to sort by, the main one first."""

    page: Annotated[int, Meta(ge=1, le=1_000_000)] = 1
    size: Annotated[int, Meta(ge=1, le=100)] = 20
    order: Annotated[list[Order], Meta(max_length=10)] = []

    @property
    def offset(self) -> int:
        """The number of rows before the page."""
        return (self.page - 1) * self.size


class TimePaging(Paging, kw_only=True):
    """A page of the rows within a time range. A struct cannot inherit from both `Paging` and `TimeRange`."""

    start: AwareDatetime | None = None
    end: AwareDatetime | None = None

    def __post_init__(self) -> None:
        check_range(self.start, self.end)
