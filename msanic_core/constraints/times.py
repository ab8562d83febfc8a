"""Points in time with a time zone, and ranges between two of them."""

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta

AwareDatetime = Annotated[datetime, Meta(tz=True)]
"""A date and time with a zone (RFC 3339): 2026-03-29T12:00:00+02:00."""


class TimeRange(msgspec.Struct, kw_only=True):
    """The time from `start` (included) to `end` (excluded). None: no bound on that side."""

    start: AwareDatetime | None = None
    end: AwareDatetime | None = None

    def __post_init__(self) -> None:
        check_range(self.start, self.end)


def check_range(start: datetime | None, end: datetime | None) -> None:
    """Raise `ValueError` unless `start` is before `end`."""
    if start is not None and end is not None and start >= end:
        raise ValueError("start must be before end")
